"""Once a day the service's count is held against the changes that were read."""

from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest

from bigin_client.extract import deletions, tally

#: Behind our clock, so that the service's clock makes the bookmarks.
PAST = datetime(2026, 3, 1, tzinfo=timezone.utc)
DAY = 90_000


def warnings_of(copy) -> list[str]:
    return [w for w in copy.summary.warnings if "counts" in w]


@pytest.fixture
def tasks(account, copy_of):
    """A copy of 450 tasks."""
    sim, client = account(sizes={"Tasks": 450}, restore_moves_modified_time=False, now=PAST)
    return sim, copy_of(sim, client, "Tasks").read()


def test_it_costs_one_request_a_day(tasks):
    """Within a day none."""
    sim, copy = tasks
    for advance, operations in (
        (3_600, ["list", "deleted"]),
        (DAY, ["list", "deleted", "count"]),
        (3_600, ["list", "deleted"]),
        (DAY, ["list", "deleted", "count"]),
    ):
        sim.clock.advance(advance)
        sim.clear_log()
        copy.read()
        assert [e.operation for e in sim.requests] == operations
    assert warnings_of(copy) == []


def test_a_restoration_that_left_no_trace_is_noticed(tasks, monkeypatch):
    """The deletion was not among those remembered, and Modified_Time did not move."""
    monkeypatch.setattr(deletions, "MAX_LISTED", 2)
    monkeypatch.setattr(tally, "MAX_LISTED", 2)
    sim, copy = tasks
    ids = [r["id"] for r in sim.store.records("Tasks")]
    for record_id in ids[:5]:
        sim.clock.advance(10)
        sim.store.delete("Tasks", record_id)
    sim.clock.advance(3_600)
    copy.read()
    sim.store.restore("Tasks", ids[0])
    sim.clock.advance(DAY)
    copy.read()
    assert copy.differences() == [f"missing {ids[0]}"]
    assert "1 records more" in warnings_of(copy)[0]
    assert "read the module in full" in warnings_of(copy)[0]
    sim.clock.advance(DAY)
    copy.read()
    assert warnings_of(copy) == [], "said once"


@pytest.mark.parametrize("seed", range(4))
def test_what_was_read_is_no_reason_for_a_warning(tasks, seed):
    """Records that are made, edited, deleted, and restored from among the newest deletions."""
    sim, copy = tasks
    rng = random.Random(seed)
    gone: list[str] = []
    for _ in range(8):
        for _ in range(rng.randrange(12)):
            sim.clock.advance(rng.choice((0, 1, 600)))
            live = [r["id"] for r in sim.store.records("Tasks")]
            kind = rng.choice(("insert", "update", "delete", "restore", "fleeting"))
            if kind == "insert":
                sim.store.insert("Tasks", {"Subject": "New"})
            elif kind == "fleeting":
                sim.store.delete("Tasks", sim.store.insert("Tasks", {"Subject": "Gone"}))
            elif kind == "update":
                sim.store.update("Tasks", rng.choice(live), {"Subject": "Other"})
            elif kind == "delete":
                gone.append(rng.choice(live))
                sim.store.delete("Tasks", gone[-1])
            elif gone:
                sim.store.restore("Tasks", gone.pop(rng.randrange(len(gone))))
        sim.clock.advance(rng.choice((3_600, DAY)))
        copy.read()
        assert copy.differences() == []
        assert warnings_of(copy) == []
    assert copy.summary.tally["sure"]


def test_a_read_that_ended_early_makes_no_false_alarm(tasks):
    """Its bookmark moved without its changes being added up; the count begins anew."""
    sim, copy = tasks
    for _ in range(450):
        sim.clock.advance(1)
        sim.store.insert("Tasks", {"Subject": "New"})
    sim.clock.advance(3_600)
    before = copy.summary
    copy.read(pages=1)
    copy.summary = before
    sim.clock.advance(DAY)
    copy.read()
    assert copy.differences() == []
    assert warnings_of(copy) == []


def test_changes_amid_the_count_are_waited_out(tasks):
    """A count that differs is believed only in a moment of rest."""
    sim, copy = tasks
    sim.clock.advance(DAY)
    stop = sim.before_request(
        lambda _request, sim: (
            sim.requests[-1].operation == "count" and sim.store.insert("Tasks", {"Subject": "New"})
        )
    )
    copy.read()
    stop()
    assert warnings_of(copy) == []
    sim.clock.advance(3_600)
    copy.read()
    assert copy.differences() == []
    assert warnings_of(copy) == []


def test_ids_that_do_not_grow_are_not_counted_by(tasks):
    """A new record with a small id: nothing is said rather than something wrong."""
    sim, copy = tasks
    copy.summary.tally["newest_id"] = "9" * 19
    sim.clock.advance(3_600)
    sim.store.insert("Tasks", {"Subject": "New"})
    sim.clock.advance(DAY)
    copy.read()
    assert warnings_of(copy) == []
    assert copy.summary.tally["count"] == 451
    assert not copy.summary.tally["sure"]


def test_who_keeps_no_tally_pays_no_count(tasks):
    """Callers that store bookmarks only."""
    sim, copy = tasks
    copy.summary.tally = None
    for _ in range(2):
        sim.clock.advance(DAY)
        sim.clear_log()
        copy.read()
        assert [e.operation for e in sim.requests] == ["list", "deleted"]
        assert copy.summary.tally == {}
        copy.summary.tally = None
