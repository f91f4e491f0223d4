"""Generated histories: records change between any two requests of a read.

After the read and one incremental run without changes the copy equals the store. The service is
drawn too: what a token remembers, whether header and sort work, ties, time zones with daylight
saving, field groups.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigin_client import BiginClient, Settings
from bigin_client.errors import PagingError
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

actions = st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000))
histories = st.fixed_dictionaries(
    {
        "module": st.sampled_from(sorted(MODULES)),
        "page_size": st.integers(3, 5),
        #: Seconds between one record and the next: zeros make ties.
        "gaps": st.lists(st.sampled_from((0, 0, 0, 1, 2, 600, 3_600)), min_size=14, max_size=30),
        "token": st.sampled_from(("keyset", "offset", "snapshot")),
        "service": st.sampled_from(SERVICES),
        "zone": st.sampled_from(("America/New_York", "Europe/London", "Asia/Kolkata", "UTC")),
        "many_fields": st.booleans(),
        #: What happens before each list request of the first, and of the second run.
        "changes": st.lists(st.lists(actions, max_size=3), min_size=4, max_size=12),
        "later": st.lists(st.lists(actions, max_size=3), max_size=8),
    }
)
coverage: Counter[tuple[str, ...]] = Counter()


class World:
    """A store that changes, and the copy of it."""

    def __init__(self, sim: BiginSimulator, module: str) -> None:
        self.sim, self.module, self.name = sim, module, MODULES[module]
        self.number = 0
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
        row = {self.name: f"N{self.number}"}
        self.sim.store.insert(self.module, row, at)

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
            value = {self.name: f"N{self.number}"}
            self.sim.store.update(self.module, live[choice % len(live)], value)
        elif kind == "delete" and live:
            record = live[choice % len(live)]
            self.sim.store.delete(self.module, record)
            self.deleted.append(record)


def play(history: dict) -> tuple[list[str], bool]:
    """Play a history; returns the differences, and whether a read gave up."""
    module = history["module"]
    counts = {module: 55} if history["many_fields"] and module != "Notes" else {}
    service = {"token_nature": history["token"], "restore_moves_modified_time": True}
    with BiginSimulator(
        seed=1, sizes={}, time_zone=history["zone"], rate_limit=None, now=BASE, field_counts=counts,
        **service, **history["service"],
    ) as sim:  # fmt: skip
        world = World(sim, module)
        world.fill(history["gaps"])
        key = Settings(api_key=sim.api_key, base_url=sim.base_url, requests_per_second=0)
        rows: dict[str, dict] = {}
        marks: dict[str, str | None] = {"since": None, "deleted_since": None}
        gave_up = False
        sim.before_request(world.hook)
        with BiginClient(key) as client:
            for plan in (history["changes"], history["later"], []):
                world.plan = [list(step) for step in plan]
                changes = client.extract(module, page_size=history["page_size"], **marks)
                try:
                    for page in changes:
                        rows.update((r["id"], r) for r in page.records)
                        for tombstone in page.tombstones:
                            rows.pop(tombstone["id"], None)
                        marks["since"] = page.bookmark or marks["since"]
                        marks["deleted_since"] = page.deleted_bookmark or marks["deleted_since"]
                except PagingError:
                    gave_up = True
                    assert plan, "gave up although nothing changed"
                for kind in world.in_chain:
                    coverage[changes.summary.strategy, history["token"], kind] += 1
                world.in_chain.clear()
                sim.clock.advance(5)
        return differences(world, rows), gave_up


def differences(world: World, rows: dict[str, dict]) -> list[str]:
    truth = {r["id"]: r[world.name] for r in world.sim.store.records(world.module)}
    ours = {i: r[world.name] for i, r in rows.items()}
    if world.module == "Notes":  # no feed: what was deleted stays in the copy
        ours = {i: v for i, v in ours.items() if i in truth}
    return [
        f"{i}: {ours.get(i)!r} for {truth.get(i)!r}"
        for i in sorted(truth.keys() | ours.keys())
        if ours.get(i) != truth.get(i)
    ]


EXAMPLES = int(os.environ.get("BIGIN_HISTORIES", "250"))


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(histories)
def test_a_changing_account_is_copied_whole(history):
    found, _gave_up = play(history)
    assert found == []
