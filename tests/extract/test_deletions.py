"""The deleted feed: both orders, its limits, restorations."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from bigin_client import timestamps
from bigin_client.errors import PagingError
from bigin_client.extract.deletions import Emitted
from bigin_client.extract.rows import Ids

#: Behind our clock, so that the service's clock makes the bookmarks.
PAST = datetime(2026, 3, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("order", ["newest first", "ascending"])
@pytest.mark.parametrize("header", ["honoured", "ignored"])
def test_every_deletion_since_the_bookmark_comes_once(account, copy_of, order, header):
    """More than a page of them, whatever the service's order, header or no header."""
    sim, client = account(
        sizes={"Tasks": 700}, deleted_order=order, deleted_modified_since=header, now=PAST
    )
    ids = sorted(r["id"] for r in sim.store.records("Tasks"))
    for record_id in ids[:300]:
        sim.store.delete("Tasks", record_id)
    sim.clock.advance(3_600)
    copy = copy_of(sim, client, "Tasks").read()
    sim.clock.advance(3_600)
    for record_id in ids[300:620]:
        sim.clock.advance(1)
        sim.store.delete("Tasks", record_id)
    copy.read()
    assert [t["id"] for t in copy.tombstones] == ids[300:620]
    assert copy.differences() == []


def test_a_feed_past_its_page_limit_is_reported(account, copy_of):
    """Some deletions cannot be known: an error that says what to do, and no bookmark."""
    sim, client = account(sizes={"Tasks": 500}, deleted_page_limit=200)
    copy = copy_of(sim, client, "Tasks").read()
    before = copy.deleted_bookmark
    sim.clock.advance(3_600)
    for record in sim.store.records("Tasks")[:300]:
        sim.store.delete("Tasks", record["id"])
        sim.clock.advance(1)
    with pytest.raises(PagingError, match="in full"):
        copy.read()
    assert copy.deleted_bookmark == before


def test_an_ascending_feed_is_followed_past_its_page_limit(account, copy_of):
    """With the header, which has to show the last entry again."""
    sim, client = account(sizes={"Tasks": 700}, deleted_page_limit=200, deleted_order="ascending")
    copy = copy_of(sim, client, "Tasks").read()
    for record in sim.store.records("Tasks")[:500]:
        sim.store.delete("Tasks", record["id"])
        sim.clock.advance(1)
    copy.read()
    assert copy.differences() == []


@pytest.mark.parametrize("moves", [True, False])
def test_a_restored_record_comes_back(account, copy_of, moves):
    """Deleted in one run, restored before the next; Modified_Time may not tell."""
    sim, client = account(sizes={"Tasks": 450}, restore_moves_modified_time=moves)
    copy = copy_of(sim, client, "Tasks").read()
    gone = [r["id"] for r in sim.store.records("Tasks")][:3]
    for record_id in gone:
        sim.store.delete("Tasks", record_id)
    sim.clock.advance(3_600)
    copy.read()
    assert gone[0] not in copy.rows
    sim.store.restore("Tasks", gone[0])
    sim.clock.advance(3_600)
    copy.read()
    assert copy.differences() == []


def test_the_oldest_deletion_that_is_listed_may_be_restored(account, copy_of):
    """What the feed no longer lists came back, though everything else in it is newer."""
    sim, client = account(sizes={"Tasks": 20}, restore_moves_modified_time=False, now=PAST)
    copy = copy_of(sim, client, "Tasks").read()
    gone = [r["id"] for r in sim.store.records("Tasks")][:4]
    for record_id in gone:
        sim.clock.advance(900)
        sim.store.delete("Tasks", record_id)
    sim.clock.advance(3_600)
    copy.read()
    sim.store.restore("Tasks", gone[0])
    sim.clock.advance(3_600)
    copy.read()
    assert copy.differences() == []


def test_an_old_bookmark_is_warned_about(account, copy_of):
    """The feed keeps about 60 days."""
    sim, client = account(sizes={"Tasks": 5})
    copy = copy_of(sim, client, "Tasks").read()
    copy.deleted_bookmark = "2020-01-01T00:00:00+00:00"
    copy.read()
    assert any("in full" in w for w in copy.summary.warnings)


def test_cascaded_deletions_come_if_the_feed_lists_them(account, copy_of):
    """Contacts that go along with their company."""
    sim, client = account(sizes={"Accounts": 5, "Contacts": 60})
    copy = copy_of(sim, client, "Contacts").read()
    for record in sim.store.records("Accounts"):
        sim.store.delete("Accounts", record["id"])
    copy.read()
    assert copy.rows.keys() == {r["id"] for r in sim.store.records("Contacts")}


def test_ids_take_four_bytes_and_lose_nothing():
    """Of one account, of several, and of none that is known."""
    wanted = [5_725_768_000_001_004_205, 5_725_768_000_001_004_206, 7, 0, (1 << 63) - 1]
    ids = Ids()
    for number in [*wanted, 7]:
        ids.add(number)
    assert sorted(ids) == sorted([*wanted, 7])


def test_a_tombstone_older_than_its_record_is_contradicted():
    """Whatever the upper half of its id, and only by a later time."""
    emitted = Emitted(None)
    rows = [("5725768000001004205", 1_000), ("7", 1_000), ("5725768000001004206", 3_000)]
    for record, time in rows:
        emitted.note(record, time)
    at = timestamps.from_seconds(2_000)
    ids = ["5725768000001004205", "7", "5725768000001004206", "5725768000001004207"]
    assert emitted.contradicted([{"id": i, "deleted_time": at} for i in ids]) == {ids[2]}
