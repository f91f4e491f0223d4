"""Syncs: complete, once, resumable; the issue's own measure."""

from __future__ import annotations

import random
from datetime import datetime
from decimal import Decimal

import pytest

SIXTY = {"sizes": {"Contacts": 5_000}, "field_counts": {"Contacts": 60}}


def plain(value):
    """A value as a JSON reader sees it; numbers as decimals."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def test_five_thousand_records_of_sixty_fields_once(tap, as_given):
    """Exactly once, equal to the store."""
    run_tap = tap(**SIXTY)
    run = run_tap(config={"modules": ["Contacts"]})
    assert run.code == 0, run.err
    records = run.records["Contacts"]
    assert len(records) == 5_000
    ours = {r["id"]: r for r in records}
    assert len(ours) == 5_000
    for truth in run_tap.sim.store.records("Contacts"):
        mine = ours[truth["id"]]
        assert len(mine) >= 60
        assert plain(mine) == plain(as_given({k: truth[k] for k in mine}))


@pytest.mark.parametrize("nature", ["keyset", "offset"])
def test_edits_and_deletions_between_requests_hide_nothing(tap, nature):
    """200 edits and 20 deletions between the requests; a second run brings the rest."""
    run_tap = tap(**SIXTY, token_nature=nature)
    sim = run_tap.sim
    rng = random.Random(3)
    ids = sorted(r["id"] for r in sim.store.records("Contacts"))
    edits, deletions = rng.sample(ids, 200), rng.sample(ids, 20)
    began = []

    def change(_request, _sim):
        if sim.requests[-1].operation != "list":
            return
        if not began:
            began.append(sim.clock.now())
            return
        for record_id in [edits.pop() for _ in range(5) if edits]:
            if sim.store.get("Contacts", record_id):
                sim.store.update("Contacts", record_id, {"Last_Name": "Edited"})
        if deletions:
            sim.store.delete("Contacts", deletions.pop())

    stop = sim.before_request(change)
    first = run_tap(config={"modules": ["Contacts"]})
    stop()
    assert first.code == 0, first.err
    assert edits == deletions == []
    copy = {r["id"]: r for r in first.records["Contacts"]}
    alive = {r["id"] for r in sim.store.records("Contacts")}
    assert alive <= copy.keys()

    second = run_tap(config={"modules": ["Contacts"]}, state=first.states[-1])
    assert second.code == 0, second.err
    copy.update((r["id"], r) for r in second.records["Contacts"])
    for run in (first, second):
        for tombstone in run.records["deleted_records"]:
            copy.pop(tombstone["id"], None)
    truth = {r["id"]: r["Last_Name"] for r in sim.store.records("Contacts")}
    assert {i: r["Last_Name"] for i, r in copy.items()} == truth
    reach = began[0].timestamp() - 301
    for record in second.records["Contacts"]:
        moment = datetime.fromisoformat(record["Modified_Time"]).timestamp()
        assert moment >= reach, "a record that did not change came again"


def test_state_is_utc_and_never_ahead(tap):
    """Whatever the org's zone: UTC, valid, not later than the first reply."""
    run_tap = tap(sizes={"Contacts": 700}, time_zone="Asia/Kolkata")
    run = run_tap(config={"modules": ["Contacts"]})
    first = next(e for e in run_tap.sim.requests if e.params.get("sort_by"))
    values = [
        s["bookmarks"]["Contacts"]["replication_key_value"]
        for s in run.states
        if s.get("bookmarks", {}).get("Contacts", {}).get("replication_key_value")
    ]
    assert values == sorted(values)
    assert all(v.endswith("+00:00") for v in values)
    assert values[-1] <= first.at.isoformat()
    assert set(run.states[-1]) == {"bookmarks"}


def test_with_catalog_and_state_nothing_is_rediscovered(tap):
    """Nothing changed: at most two requests a module plus three (trap 8 of singer.md)."""
    run_tap = tap()
    catalog = run_tap.catalog()
    state = run_tap(catalog=catalog).states[-1]
    run_tap.sim.clear_log()
    run = run_tap(catalog=catalog, state=state)
    assert run.code == 0
    modules = [s for s in catalog["streams"] if s["tap_stream_id"][0].isupper()]
    assert len(run_tap.sim.requests) <= 2 * len(modules) + 3
    kinds = [e.operation for e in run_tap.sim.requests]
    assert kinds.count("fields") <= 1  # for pipeline_stages
    assert kinds.count("modules") <= 1


def test_deselected_streams_and_fields_cost_nothing(tap):
    """No request for a stream, no name in `fields`."""
    run_tap = tap()
    catalog = run_tap.catalog(select=lambda name: name == "Accounts")
    accounts = next(s for s in catalog["streams"] if s["tap_stream_id"] == "Accounts")
    for entry in accounts["metadata"]:
        if entry["breadcrumb"] == ["properties", "Website"]:
            entry["metadata"]["selected"] = False
    run_tap.sim.clear_log()
    run = run_tap(catalog=catalog)
    assert {e.operation for e in run_tap.sim.requests} == {"connections", "list"}
    assert "Website" not in run_tap.sim.requests[-1].params["fields"].split(",")
    assert "Website" not in run.records["Accounts"][0]
    assert set(run.records) == {"Accounts"}


def test_start_date_and_bookmarks_work_together(tap):
    """The later of the two begins; nothing before start_date is read."""
    run_tap = tap(sizes={"Accounts": 20})
    sim = run_tap.sim
    sim.clock.advance(86_400)
    start = sim.clock.now().replace(microsecond=0).isoformat()
    added = sim.store.insert("Accounts", {"Account_Name": "New"})
    config = {"modules": ["Accounts"], "start_date": start}
    run = run_tap(config=config)
    assert [r["id"] for r in run.records["Accounts"]] == [added]
    again = run_tap(config=config, state=run.states[-1])
    assert [r["id"] for r in again.records["Accounts"]] == [added]  # within the lookback


def test_deletions_as_a_stream_and_as_rows(tap):
    """`stream`: module and id; `rows`: marked in the module's own stream; `off`: none."""
    run_tap = tap(sizes={"Tasks": 20})
    sim = run_tap.sim
    gone = min(r["id"] for r in sim.store.records("Tasks"))
    runs = {m: run_tap(config={"modules": ["Tasks"], "deletes": m}) for m in ("stream", "rows")}
    sim.store.delete("Tasks", gone)
    for mode, first in runs.items():
        config = {"modules": ["Tasks"], "deletes": mode}
        run = run_tap(config=config, state=first.states[-1])
        if mode == "stream":
            row = run.records["deleted_records"][0]
            assert (row["module"], row["id"]) == ("Tasks", gone)
            assert set(row) == {"module", "id", "deleted_time", "type", "deleted_by"}
            assert run.schemas["deleted_records"]["key_properties"] == ["module", "id"]
        else:
            assert "deleted_records" not in run.schemas
            row = run.records["Tasks"][-1]
            assert row["id"] == gone
            assert row["_sdc_deleted_at"].endswith("+00:00")
            assert all(r["_sdc_deleted_at"] is None for r in first.records["Tasks"])
    off = run_tap(config={"modules": ["Tasks"], "deletes": "off"})
    assert "deleted_records" not in off.schemas
    assert "_sdc_deleted_at" not in off.schemas["Tasks"]["schema"]["properties"]


def test_a_deletion_undone_between_two_runs_ends_alive(tap):
    """Deleted and restored: no tombstone, or the record again after it."""
    run_tap = tap(sizes={"Tasks": 20})
    sim = run_tap.sim
    state = run_tap(config={"modules": ["Tasks"]}).states[-1]
    record = min(r["id"] for r in sim.store.records("Tasks"))
    sim.clock.advance(3_600)
    sim.store.delete("Tasks", record)
    sim.store.restore("Tasks", record)
    run = run_tap(config={"modules": ["Tasks"]}, state=state)
    assert run.records["deleted_records"] == []


def test_a_full_refresh_reads_everything_again(tap):
    """full_refresh_days picks up what moves no Modified_Time, and moves no bookmark back."""
    run_tap = tap(sizes={"Accounts": 20})
    config = {"modules": ["Accounts"], "full_refresh_days": 7}
    first = run_tap(config=config)
    state = first.states[-1]
    run_tap.sim.clock.advance(3_600)
    assert run_tap(config=config, state=state).records["Accounts"] == []
    state["bookmarks"]["Accounts"]["full_read_at"] = "2020-01-01T00:00:00+00:00"
    again = run_tap(config=config, state=state)
    assert len(again.records["Accounts"]) == 20
    marks = [s["bookmarks"]["Accounts"]["replication_key_value"] for s in again.states]
    assert min(marks) >= state["bookmarks"]["Accounts"]["replication_key_value"]


def test_modules_are_read_side_by_side_and_emitted_in_order(tap):
    """With read-ahead the requests of several modules overlap; the output is the same."""
    run_tap = tap(sizes={"Accounts": 900, "Contacts": 900, "Tasks": 30})
    run_tap.sim.faults.add("slow", seconds=0.1, times=None, match={"operation": "list"})
    config = {"modules": ["Accounts", "Contacts", "Tasks"], "requests_per_second": 500.5}
    outputs = {}
    for megabytes in (0, 1):
        run_tap.sim.clear_log()
        run = run_tap(config={**config, "page_buffer_mb": megabytes})
        assert run.code == 0, run.err
        outputs[megabytes] = [
            (m.get("stream"), m.get("record", {}).get("id")) for m in run.messages
        ]
        overlap = max(e.running for e in run_tap.sim.requests if e.params.get("sort_by"))
        assert (overlap > 1) == (megabytes > 0)
    assert outputs[0] == outputs[1]
