"""Full and incremental reads: everything once, equal to the store, whatever happens meanwhile."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bigin_client.errors import SettingsError
from bigin_client.reply import encode

TOKENS = ("keyset", "offset", "snapshot")


def test_a_full_read_equals_the_store(account, copy_of):
    """Every record once, every field as the store has it; times in UTC."""
    sim, client = account(sizes={"Contacts": 650}, field_counts={"Contacts": 60})
    copy = copy_of(sim, client, "Contacts").read()
    assert copy.differences() == []
    assert len(copy.emitted) == 650
    assert all(r["Modified_Time"].endswith("+00:00") for r in copy.emitted)
    assert copy.summary.strategy == "seek"
    assert copy.summary.complete


@pytest.mark.slow  # by default tests/tap/test_sync.py does the same through the console script
@pytest.mark.parametrize("nature", TOKENS)
def test_changes_between_requests_hide_nothing(account, copy_of, on_list, nature):
    """200 edits and 20 deletions between the requests of a read of 60 fields."""
    sim, client = account(
        sizes={"Contacts": 1_300}, field_counts={"Contacts": 60}, token_nature=nature
    )
    rng = random.Random(7)

    def change(number: int) -> None:
        ids = [r["id"] for r in sim.store.records("Contacts")]
        for record_id in rng.sample(ids, 15):
            sim.store.update("Contacts", record_id, {"Last_Name": f"Edited {number}"})
        for record_id in rng.sample(ids, 2):
            sim.store.delete("Contacts", record_id)

    copy = copy_of(sim, client, "Contacts")
    stop = on_list(sim, change)
    copy.read()
    stop()
    assert copy.rows.keys() == {r["id"] for r in sim.store.records("Contacts")}
    copy.read()
    assert copy.differences() == []


def test_the_next_run_reads_what_changed_and_no_more(account, copy_of):
    """With a bookmark: the changes since, plus at most the lookback."""
    sim, client = account(sizes={"Products": 500})
    copy = copy_of(sim, client, "Products").read()
    sim.clock.advance(3_600)
    ids = [r["id"] for r in sim.store.records("Products")]
    for record_id in ids[:30]:
        sim.store.update("Products", record_id, {"Product_Code": "New"})
    for record_id in ids[30:33]:
        sim.store.delete("Products", record_id)
    added = sim.store.insert("Products", {"Product_Name": "Added"})
    copy.read()
    assert {r["id"] for r in copy.emitted} == {*ids[:30], added}
    assert {t["id"] for t in copy.tombstones} == set(ids[30:33])
    assert copy.differences() == []
    assert copy.summary.strategy == "newest page"
    assert copy.summary.requests == 2


def test_nothing_changed_costs_two_requests(account, copy_of):
    """The newest page and the deleted feed; no record comes again and again."""
    sim, client = account(sizes={"Accounts": 300})
    copy = copy_of(sim, client, "Accounts").read()
    sim.clock.advance(86_400)
    copy.read()
    sim.clear_log()
    copy.read()
    assert copy.emitted == []
    assert [e.operation for e in sim.requests] == ["list", "deleted"]


def test_many_changes_are_sought_from_the_bookmark(account, copy_of):
    """More changes than the newest page shows: the walk begins at the bookmark."""
    sim, client = account(sizes={"Accounts": 900})
    copy = copy_of(sim, client, "Accounts").read()
    sim.clock.advance(3_600)
    ids = [r["id"] for r in sim.store.records("Accounts")]
    for position, record_id in enumerate(ids[:450]):
        if position % 10 == 0:
            sim.clock.advance(1)
        sim.store.update("Accounts", record_id, {"Phone": "1"})
    copy.read()
    assert {r["id"] for r in copy.emitted} == set(ids[:450])
    assert len(copy.emitted) == 450
    assert copy.summary.strategy == "seek"
    assert copy.differences() == []


@pytest.mark.parametrize("nature", TOKENS)
def test_one_second_may_hold_thousands(account, copy_of, on_list, nature):
    """1,100 records of one second; edits and deletions inside the chain hide no row."""
    sim, client = account(sizes={"Products": 0, "Accounts": 30}, token_nature=nature)
    sim.clock.freeze()
    for number in range(1_100):
        sim.store.insert("Products", {"Product_Name": f"P{number}"})
    sim.clock.resume()
    sim.clock.advance(7_200)
    ids = [r["id"] for r in sim.store.records("Products")]

    def change(number: int) -> None:
        if number <= 4:
            sim.store.update("Products", ids[number], {"Product_Code": "x"})
            sim.store.delete("Products", ids[100 + number])

    copy = copy_of(sim, client, "Products")
    stop = on_list(sim, change)
    copy.read()
    stop()
    assert copy.differences() == []
    assert copy.summary.requests < 40


@pytest.mark.slow
@pytest.mark.parametrize("nature", TOKENS)
def test_one_second_may_hold_five_thousand(account, copy_of, on_list, nature):
    """25 pages of one second, edited and deleted from meanwhile, between other records."""
    sim, client = account(sizes={"Products": 700}, token_nature=nature)
    sim.clock.freeze()
    ids = [sim.store.insert("Products", {"Product_Name": f"P{i}"}) for i in range(5_000)]
    sim.clock.resume()
    sim.clock.advance(7_200)

    def change(number: int) -> None:
        if 8 <= number <= 12:
            sim.store.update("Products", ids[number], {"Product_Code": "x"})
            sim.store.delete("Products", ids[100 + number])

    copy = copy_of(sim, client, "Products")
    stop = on_list(sim, change)
    copy.read()
    stop()
    copy.read()
    assert copy.differences() == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_more_than_a_hundred_thousand_records(account):
    """More than page tokens reach."""
    sim, client = account(sizes={"Products": 100_500})
    sim.account().credits.limit = 10**9
    changes = client.extract("Products", ["Product_Name"])
    ids = [r["id"] for page in changes for r in page.records]
    assert len(set(ids)) == 100_500
    assert changes.summary.strategy == "seek"


def test_a_stopped_read_goes_on_where_its_bookmark_says(account, copy_of):
    """Each page's bookmark is safe: a run that ends anywhere loses nothing."""
    sim, client = account(sizes={"Accounts": 700})
    copy = copy_of(sim, client, "Accounts").read(pages=2)
    assert copy.bookmark is not None
    first = len(copy.rows)
    sim.store.update("Accounts", next(iter(copy.rows)), {"Phone": "0"})
    copy.read()
    assert first < 700
    assert copy.differences() == []


def test_fields_are_asked_for_and_given_as_named(account, copy_of):
    """Deselected fields are not requested; Modified_Time is, but not given."""
    sim, client = account(sizes={"Accounts": 5})
    copy = copy_of(sim, client, "accounts").read(["Account_Name"])
    assert set(copy.emitted[0]) == {"id", "Account_Name"}
    asked = [e.params["fields"] for e in sim.requests if e.operation == "list"]
    assert asked == ["Account_Name,Modified_Time"]


def test_parents_of_activities_are_named_by_module(account, copy_of):
    """`Deals`, which is no module, is given as Pipelines (bigin-api.md 1.4)."""
    sim, client = account(sizes={"Pipelines": 5, "Tasks": 30, "Notes": 30})
    words = {r["$related_module"] for r in copy_of(sim, client, "Tasks").read().emitted}
    words |= {r["$se_module"] for r in copy_of(sim, client, "Notes").read().emitted}
    assert "Pipelines" in words
    assert "Deals" not in words


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"fields": ["Nonsense"]}, "Nonsense"),
        ({"since": "last Tuesday"}, "last Tuesday"),
        ({"lookback_seconds": -1}, "lookback_seconds"),
        ({"cvid": "1", "pipeline_id": "2"}, "cvid"),
    ],
)
def test_bad_arguments_are_named(account, arguments, word):
    """Nothing is read, and the message names what is wrong."""
    _sim, client = account(sizes={"Accounts": 5})
    with pytest.raises(SettingsError, match=word):
        list(client.extract("Accounts", **arguments))


def test_records_without_a_modified_time_are_given_and_counted(account, copy_of, monkeypatch):
    """A null cursor is tolerated, wherever the service sorts it to."""
    sim, client = account(sizes={"Accounts": 450})
    real = client.records.fetch

    def without_some_times(query, token=None):
        reply = real(query, token)
        body = reply.object()
        for record in body["data"][:2]:
            record["Modified_Time"] = None
        return replace(reply, body=encode(body))

    monkeypatch.setattr(client.records, "fetch", without_some_times)
    copy = copy_of(sim, client, "Accounts").read()
    assert len(copy.rows) == 450
    assert copy.summary.null_cursors > 0
    assert copy.bookmark is not None
