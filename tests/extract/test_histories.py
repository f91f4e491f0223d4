"""Generated histories: records change between any two requests of a read.

After the read and one incremental run without changes the copy equals the store. The service is
drawn too: what a token remembers, whether header and sort work, ties, time zones with daylight
saving, field groups.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bigin_client import BiginClient, Settings, timestamps
from bigin_client.errors import BiginError, PagingError
from bigin_client.extract.balance import Balance
from bigin_client.extract.bookmarks import Bookmark
from bigin_client.extract.by_id import ById
from bigin_client.extract.chain import Chain
from bigin_client.extract.deletions import DeletedFeed
from bigin_client.extract.extraction import Extraction
from bigin_client.extract.known import Census
from bigin_client.extract.newest import NewestPage
from bigin_client.extract.seek import Seek
from bigin_client.records import Records
from bigin_client.testing import BiginSimulator

#: Just before an hour that comes twice in New York.
BASE = datetime(2026, 11, 1, 5, 30, tzinfo=timezone.utc)
MODULES = {"Products": "Product_Name", "Notes": "Note_Title", "Accounts": "Account_Name"}
KINDS = ("insert", "update", "delete", "restore", "tick", "burst")
SERVICES = (
    {},
    {"if_modified_since_bound": ">="},
    {"if_modified_since": "ignored"},
    {"if_modified_since": "offset misread"},
    {"if_modified_since": "always 304"},
    {"sort": "ignored"},
    {"sort": "ignored, echoed"},
    {"not_modified_status": 204, "modified_since_past_end": 304},
    {"deleted_order": "ascending", "deleted_modified_since": "ignored"},
)

GAPS = (0, 0, 0, 1, 2, 600, 3_600)
TOKENS = ("keyset", "offset", "snapshot")
ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "UTC")
LOOKBACKS = (0, 300)

actions = st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000))
steps = st.lists(actions, max_size=3)
histories = st.fixed_dictionaries(
    {
        "module": st.sampled_from(sorted(MODULES)),
        "page_size": st.integers(3, 5),
        #: Seconds between one record and the next: zeros make ties.
        "gaps": st.lists(st.sampled_from(GAPS), min_size=14, max_size=30),
        "token": st.sampled_from(TOKENS),
        "service": st.sampled_from(SERVICES),
        "zone": st.sampled_from(ZONES),
        "lookback": st.sampled_from(LOOKBACKS),
        "many_fields": st.booleans(),
        "restore_moves": st.booleans(),
        #: What happens before each list request of the first, and of the second run.
        "changes": st.lists(steps, min_size=4, max_size=12),
        "later": st.lists(steps, max_size=8),
    }
)


def drawn(seed: int) -> dict[str, Any]:
    """A history by its number, for tests that need the same ones every time."""
    rng = random.Random(seed)

    def some_steps(count: int) -> list:
        return [
            [(rng.choice(KINDS), rng.randrange(10_000)) for _ in range(rng.choice((0, 1, 2, 3)))]
            for _ in range(count)
        ]

    return {
        "module": rng.choice(sorted(MODULES)),
        "page_size": rng.randint(3, 5),
        "gaps": [rng.choice(GAPS) for _ in range(rng.randint(14, 30))],
        "token": rng.choice(TOKENS),
        "service": rng.choice(SERVICES),
        "zone": rng.choice(ZONES),
        "lookback": rng.choice(LOOKBACKS),
        "many_fields": rng.random() < 0.3,
        "restore_moves": True,
        "changes": some_steps(rng.randint(4, 12)),
        "later": some_steps(rng.randint(0, 8)),
    }


coverage: Counter[tuple[str, ...]] = Counter()


class World:
    """A store that changes, and the copy of it."""

    def __init__(self, sim: BiginSimulator, module: str) -> None:
        self.sim, self.module, self.name = sim, module, MODULES[module]
        #: A field of the last group: half a record shows as a difference between the two.
        names = [n for n, f in sim.store.fields(module).items() if f.data_type == "text"]
        self.late = names[-1] if len(sim.store.fields(module)) > 50 else ""
        self.number = 0
        self.began = ""
        self.deleted: list[str] = []
        self.plan: list[list[tuple[str, int]]] = []
        self.in_chain: Counter[str] = Counter()

    def fill(self, gaps: list[int]) -> None:
        at = BASE
        for gap in gaps:
            at += timedelta(seconds=gap)
            self.insert(at)
        self.sim.clock.freeze(at + timedelta(seconds=90))

    def insert(self, at: datetime | None = None) -> None:
        self.number += 1
        self.sim.store.insert(self.module, self.row(), at)

    def row(self) -> dict[str, str]:
        names = [self.name, self.late] if self.late else [self.name]
        return dict.fromkeys(names, f"N{self.number}")

    def is_half(self, record: dict[str, Any]) -> bool:
        # Two edits in the very second of the read cannot be told apart by Modified_Time; what is
        # put together wrongly from different times shows the older one.
        if not self.late or record["Modified_Time"] >= self.began:
            return False
        return record[self.name] != record[self.late]

    def hook(self, request, sim) -> None:
        if sim.requests[-1].operation == "list" and self.plan:
            in_chain = "page_token" in request.query
            for kind, choice in self.plan.pop(0):
                self.do(kind, choice)
                if in_chain:
                    self.in_chain[kind] += 1

    def do(self, kind: str, choice: int) -> None:
        live = sorted(self.sim.store.tables[self.module].live)
        if kind == "tick":
            self.sim.clock.advance(1 + choice % 3)
        elif kind == "insert":
            self.insert()
        elif kind == "burst":
            for _ in range(4 + choice % 4):
                self.insert()
        elif kind == "restore" and self.deleted:
            record = self.deleted.pop(choice % len(self.deleted))
            self.sim.store.restore(self.module, record)
        elif kind == "update" and live:
            self.number += 1
            self.sim.store.update(self.module, live[choice % len(live)], self.row())
        elif kind == "delete" and live:
            record = live[choice % len(live)]
            self.sim.store.delete(self.module, record)
            self.deleted.append(record)


def play(history: dict) -> tuple[list[str], bool]:
    """Play a history; returns the differences, and whether a read gave up."""
    module = history["module"]
    counts = {module: 60} if history["many_fields"] and module != "Notes" else {}
    service = {
        "token_nature": history["token"],
        # Without a feed nothing tells of a restoration that moves no Modified_Time.
        "restore_moves_modified_time": history["restore_moves"] or module == "Notes",
    }
    with BiginSimulator(
        seed=1, sizes={}, time_zone=history["zone"], rate_limit=None, now=BASE, field_counts=counts,
        **service, **history["service"],
    ) as sim:  # fmt: skip
        world = World(sim, module)
        world.fill(history["gaps"])
        key = Settings(api_key=sim.api_key, base_url=sim.base_url, requests_per_second=0)
        rows: dict[str, dict] = {}
        marks: dict[str, str | None] = {"since": None, "deleted_since": None}
        gave_up, halves = False, []
        listed: dict[str, str] = {}
        sim.before_request(world.hook)
        with BiginClient(key) as client:
            for plan in (history["changes"], history["later"], []):
                world.plan = [list(step) for step in plan]
                world.began = timestamps.to_text(sim.clock.now())
                changes = client.extract(
                    module,
                    page_size=history["page_size"],
                    lookback_seconds=history["lookback"],
                    listed=listed,
                    **marks,
                )
                try:
                    for page in changes:
                        rows.update((r["id"], r) for r in page.records)
                        halves += [r["id"] for r in page.records if world.is_half(r)]
                        for tombstone in page.tombstones:
                            rows.pop(tombstone["id"], None)
                        marks["since"] = page.bookmark or marks["since"]
                        marks["deleted_since"] = page.deleted_bookmark or marks["deleted_since"]
                except PagingError:
                    gave_up = True
                    assert plan, "gave up although nothing changed"
                listed = changes.summary.listed
                for kind in world.in_chain:
                    coverage[changes.summary.strategy, history["token"], kind] += 1
                world.in_chain.clear()
                sim.clock.advance(5)
        return differences(world, rows) + [f"{i}: half a record" for i in halves], gave_up


def differences(world: World, rows: dict[str, dict]) -> list[str]:
    def shown(record: dict) -> tuple:
        return record[world.name], record.get(world.late)

    truth = {r["id"]: shown(r) for r in world.sim.store.records(world.module)}
    ours = {i: shown(r) for i, r in rows.items()}
    if world.module == "Notes":  # no feed: what was deleted stays in the copy
        ours = {i: v for i, v in ours.items() if i in truth}
    return [
        f"{i}: {ours.get(i)!r} for {truth.get(i)!r}"
        for i in sorted(truth.keys() | ours.keys())
        if ours.get(i) != truth.get(i)
    ]


def check(examples: int) -> None:
    """Play so many generated histories, and see that they reached what they are meant to."""
    coverage.clear()
    gave_up: list[bool] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    def a_changing_account_is_copied_whole(history):
        found, gave = play(history)
        gave_up.append(gave)
        assert found == []

    a_changing_account_is_copied_whole()
    reached = {(strategy, kind) for strategy, _token, kind in coverage}
    wanted = {(s, k) for s in ("seek", "descend", "by id") for k in ("insert", "update", "delete")}
    assert wanted <= reached
    assert {token for _s, token, _k in coverage} == set(TOKENS)
    assert sum(gave_up) < len(gave_up) / 10


def test_a_changing_account_is_copied_whole():
    check(150)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_changing_account_is_copied_whole_two_thousand_times():
    check(2_000)


SOME_GAPS = [
    3600, 1, 0, 2, 0, 600, 0, 0, 0, 3600, 0, 0, 0, 0, 0, 3600, 0, 1, 0, 0, 0, 600, 0, 0, 600, 600,
    0, 0,
]  # fmt: skip


def test_rows_shown_twice_do_not_hide_a_gap():
    """A record that was restored behind the walk is found by the count, which counts ids once."""
    history = {
        "module": "Accounts",
        "page_size": 5,
        "gaps": SOME_GAPS,
        "token": "snapshot",
        "service": {"deleted_order": "ascending", "deleted_modified_since": "ignored"},
        "zone": "Europe/London",
        "lookback": 0,
        "many_fields": False,
        "restore_moves": False,
        "changes": [
            [("delete", 731), ("tick", 2602)],
            [("restore", 1565), ("insert", 731), ("tick", 2602)],
            [("delete", 731), ("tick", 2602)],
            [],
            [("update", 4744), ("restore", 7901)],
            [("burst", 2111)],
            [],
            [("restore", 671)],
        ],
        "later": [[("insert", 874)], [("tick", 448)], [("delete", 731), ("tick", 2602)], []],
    }
    assert play(history) == ([], False)


# --- the histories find bugs ---------------------------------------------------------------


def _nothing(*_args, **_kwargs):
    return iter(())


def _seeks_from_the_last_second(patch):
    patch(Seek, "_header", lambda _self, floor: floor)
    patch(Seek, "_confirm", lambda *_: None)
    patch(Seek, "_prove", lambda *_: None)


def _stops_at_ties(patch):
    def first_page_only(self, _chain, _page):
        yield from ()
        self._floor = (self._floor or 0) + 1
        return True

    patch(Seek, "_over_tie", first_page_only)
    patch(Seek, "_confirm", lambda *_: None)


def _takes_half_a_record(patch):
    def merged(_self, _module, _fields, rows, parts, **_options):
        by_id = [{r["id"]: r for r in part} for part in parts]
        for row in rows:
            whole = dict(row)
            for part in by_id:
                whole.update(part.get(row["id"], {}))
            yield whole

    patch(Records, "complete", merged)


def _ends_a_chain_quietly(patch):
    real = Chain.next

    def two_pages(self):
        return None if self.number == 2 else real(self)

    patch(Chain, "next", two_pages)


def _moves_the_bookmark_to_the_end(patch):
    real = Bookmark.finish

    def late(self):
        self.began = None if self.began is None else self.began + 60
        real(self)

    patch(Bookmark, "finish", late)


def _trusts_the_newest_page(patch):
    def always(self):
        self.page = self.chain.next()
        return True

    patch(NewestPage, "ask", always)


def _reads_strictly_after_the_bookmark(patch):
    real = Extraction.__init__

    def later(self, *args, **options):
        real(self, *args, **options)
        if self._cutoff is not None:
            self._cutoff += 1

    patch(Extraction, "__init__", later)


def _ignores_shifts_in_chains(patch):
    patch(Seek, "settle", _nothing)


def _reads_ids_once(patch):
    def once(self):
        yield from self._rows()

    patch(ById, "run", once)


def _asks_for_deletions_first(patch):
    def deletions_first(self):
        pages = list(self.deletions())
        yield from self.records()
        feed = DeletedFeed(self.source)
        feed.read(None)
        end = timestamps.to_text(feed.first_reply.date)
        yield from (replace(p, deleted_bookmark=end) for p in pages)

    patch(Extraction, "__iter__", deletions_first)


def directed(**facts: Any) -> dict[str, Any]:
    """A history made for one bug."""
    usual = {
        "module": "Products",
        "page_size": 3,
        "gaps": [0] * 14,
        "token": "offset",
        "service": {},
        "zone": "UTC",
        "lookback": 0,
        "many_fields": False,
        "restore_moves": True,
        "changes": [],
        "later": [],
    }
    return {**usual, **facts}


TICK = ("tick", 0)
#: Bug → a history that shows it.
BUGS = {
    _seeks_from_the_last_second: drawn(0),
    _stops_at_ties: drawn(0),
    _ends_a_chain_quietly: drawn(0),
    _moves_the_bookmark_to_the_end: drawn(3),
    _trusts_the_newest_page: drawn(8),
    _reads_strictly_after_the_bookmark: drawn(14),
    _takes_half_a_record: directed(
        many_fields=True, gaps=[600] * 14, changes=[[], [TICK, ("update", 0)]]
    ),
    _ignores_shifts_in_chains: directed(changes=[[], [TICK, ("delete", 0)]]),
    _reads_ids_once: directed(
        service={"sort": "ignored"}, gaps=[600] * 14, changes=[[], [], [TICK, ("delete", 13)]]
    ),
    _asks_for_deletions_first: directed(
        gaps=[600] * 14, changes=[[], [], [TICK, ("delete", 0), TICK]]
    ),
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__.strip("_"))
def test_the_histories_find_bugs(bug, monkeypatch):
    """Each of these mistakes leaves a copy that differs from the store."""
    history = BUGS[bug]
    assert play(history) == ([], False), "the history must be one that is read well"
    bug(monkeypatch.setattr)
    monkeypatch.setattr(Balance, "run", _nothing)  # the count at the end would mend some of them
    monkeypatch.setattr(Census, "all_known", lambda *_: False)
    try:
        found, gave_up = play(history)
    except (AssertionError, BiginError):
        return
    assert found or gave_up
