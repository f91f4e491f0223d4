"""Histories: a store that changes between any two requests of a read, and the copy of it.

After a read and one incremental run without changes the copy equals the store. The service is
part of a history too: what a token remembers, whether header and sort work, ties, time zones with
daylight saving, field groups, several walkers.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

from bigin_client import BiginClient, Settings, timestamps
from bigin_client.errors import PagingError
from bigin_client.extract import ranges, seek
from bigin_client.extract.crew import Crew
from bigin_client.extract.ranges import Ranges
from bigin_client.testing import BiginSimulator
from tests.extract.direct import connect

#: Just before an hour that comes twice in New York.
BASE = datetime(2026, 11, 1, 5, 30, tzinfo=timezone.utc)
MODULES = {"Products": "Product_Name", "Notes": "Note_Title", "Accounts": "Account_Name"}
KINDS = ("insert", "update", "delete", "restore", "tick", "burst")
#: Strategy → services that it has to read.
SERVICES: dict[str, tuple[dict[str, Any], ...]] = {
    "seek": (
        {},
        {"if_modified_since_bound": ">="},
        {"not_modified_status": 204, "modified_since_past_end": 304},
        {"deleted_order": "ascending", "deleted_modified_since": "ignored"},
    ),
    "descend": (
        {"if_modified_since": "ignored"},
        {"if_modified_since": "offset misread"},
        {"if_modified_since": "always 304"},
    ),
    "by id": ({"sort": "ignored"}, {"sort": "ignored, echoed"}),
}
ALL_SERVICES = tuple(s for services in SERVICES.values() for s in services)

GAPS = (0, 0, 0, 1, 2, 600, 3_600)
TOKENS = ("keyset", "offset", "snapshot")
ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "UTC")
LOOKBACKS = (0, 300)


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
        "service": rng.choice(ALL_SERVICES),
        "zone": rng.choice(ZONES),
        "lookback": rng.choice(LOOKBACKS),
        "many_fields": rng.random() < 0.3,
        "restore_moves": True,
        "walkers": None,
        "stop": None,
        "changes": some_steps(rng.randint(4, 12)),
        "later": some_steps(rng.randint(0, 8)),
    }


@dataclass
class Outcome:
    """How a history ended.

    Attributes:
        differences: Between copy and store, a line each.
        gave_up: A read said that the account changes too fast.
        reached: ``(strategy, kind of change)`` → how often it happened amid such a read.
        in_chain: How many changes happened between two pages of a token chain.
        walkers: The most walkers that a read had.
    """

    differences: list[str] = field(default_factory=list)
    gave_up: bool = False
    reached: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_chain: int = 0
    walkers: int = 1


class World:
    """A store that changes, and the copy of it."""

    def __init__(self, sim: BiginSimulator, module: str) -> None:
        self.sim, self.module, self.name = sim, module, MODULES[module]
        #: A field of the last group: half a record shows as a difference between the two.
        names = [n for n, f in sim.store.fields(module).items() if f.data_type == "text"]
        self.late = names[-1] if len(sim.store.fields(module)) > 50 else ""
        self.number = 0
        self.began = ""
        #: The present read has asked once.
        self.asked = False
        self.deleted: list[str] = []
        self.plan: list[list[tuple[str, int]]] = []
        #: What has happened amid the present read.
        self.done: Counter[str] = Counter()
        self.in_chain = 0

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
            for kind, choice in self.plan.pop(0):
                self.do(kind, choice)
                if self.asked:
                    self.done[kind] += 1
                self.in_chain += "page_token" in request.query
            self.asked = True

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


def taking_turns(seed: int, outcome: Outcome) -> Any:
    """Return a `Ranges.run` whose walkers take turns in one thread, in an order by a seed."""

    def run(ranges: Ranges):
        rng = random.Random(seed)
        jobs = [ranges.first]
        while jobs:
            if len(jobs) < 4 and rng.random() < 0.6 and (job := ranges.split()):
                jobs.append(job)
            walker, steps = rng.choice(jobs)
            found = next(steps, None)
            if found is None:
                ranges.end(walker)
                jobs.remove((walker, steps))
            else:
                yield ranges.deliver(walker, found)
        outcome.walkers = max(outcome.walkers, len(ranges.walkers))

    return run


def play(history: dict) -> Outcome:
    """Play a history: a full read, another one, and one without changes."""
    outcome = Outcome()
    with ExitStack() as stack:
        # One thread: the same history every time.
        stack.enter_context(patch.object(Crew, "hire", lambda _self: False))
        if history["walkers"] is not None:
            stack.enter_context(patch.object(seek, "PAGES_ALONE", 1))
            stack.enter_context(patch.object(seek, "WORTH", 0.1))
            stack.enter_context(patch.object(ranges, "WORTH", 0.1))
            stack.enter_context(
                patch.object(Ranges, "run", taking_turns(history["walkers"], outcome))
            )
        _play(history, outcome)
    return outcome


def _play(history: dict, outcome: Outcome) -> None:
    module = history["module"]
    counts = {module: 60} if history["many_fields"] and module != "Notes" else {}
    service = {
        "token_nature": history["token"],
        # Without a feed nothing tells of a restoration that moves no Modified_Time.
        # Nor does anything when the read before was killed.
        "restore_moves_modified_time": history["restore_moves"]
        or module == "Notes"
        or history["stop"] is not None,
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
        halves: list[str] = []
        listed: dict[str, str] = {}
        sim.before_request(world.hook)
        with BiginClient(key) as client:
            connect(client, sim)
            for plan in (history["changes"], history["later"], []):
                world.plan, world.asked = [list(step) for step in plan], False
                world.began = timestamps.to_text(sim.clock.now())
                changes = client.extract(
                    module,
                    page_size=history["page_size"],
                    lookback_seconds=history["lookback"],
                    listed=listed,
                    **marks,
                )
                try:
                    for number, page in enumerate(changes, 1):
                        rows.update((r["id"], r) for r in page.records)
                        halves += [r["id"] for r in page.records if world.is_half(r)]
                        for tombstone in page.tombstones:
                            rows.pop(tombstone["id"], None)
                        marks["since"] = page.bookmark or marks["since"]
                        marks["deleted_since"] = page.deleted_bookmark or marks["deleted_since"]
                        if plan is history["changes"] and number == history["stop"]:
                            break
                except PagingError:
                    outcome.gave_up = True
                    assert plan, "gave up although nothing changed"
                listed = changes.summary.listed
                for kind, count in world.done.items():
                    outcome.reached[changes.summary.strategy, kind] += count
                world.done.clear()
                sim.clock.advance(5)
        outcome.in_chain = world.in_chain
        outcome.differences = differences(world, rows) + [f"{i}: half a record" for i in halves]


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
