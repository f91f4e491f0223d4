"""The ten traps of the Singer SDK and Meltano that were found before this was written.

Each has a test that shows that we do not fall in; those of other files are named here.
"""

from __future__ import annotations

import ast
from datetime import datetime, timezone

import pytest

from target_bigin.sinks import BiginSink

#: Trap → file and test that shows it.
TESTS = {
    "1: bookmarks are compared as texts, so mixed offsets break them": (
        "tests/tap/test_traps.py::test_a_change_of_daylight_saving_time_loses_nothing"
    ),
    "2: targets tell no state when a STATE comes": (
        "tests/target/test_target.py::test_state_is_told_while_input_pauses"
    ),
    "3: one bad row ends a target": (
        "tests/target/test_target.py::test_a_thousand_rows_with_ten_bad_ones"
    ),
    "4: _sdc_deleted_at is dropped, and a deletion becomes an upsert": (
        "tests/target/test_target.py::test_rows_marked_as_deleted_reach_the_engine"
    ),
    "5: jsonschema is most of a target's time": (
        "tests/tap/test_traps.py::test_rows_do_not_go_through_jsonschema"
    ),
    "6: without type conformance, fields that the schema lacks come through": (
        "tests/tap/test_traps.py::test_nothing_comes_that_the_schema_lacks"
    ),
    "7: a selected stream that discovery lost vanishes without a word": (
        "tests/tap/test_endings.py::test_a_bookmark_whose_stream_is_gone_fails_the_run"
    ),
    "8: discovery runs again in every sync": (
        "tests/tap/test_sync.py::test_with_catalog_and_state_nothing_is_rediscovered"
    ),
    "9: the SDK's suite sees neither double keys": (
        "tests/tap/test_catalog.py::test_records_fit_their_schemas"
    ),
    "9: nor a wrong final state": "tests/tap/test_sync.py::test_state_is_utc_and_never_ahead",
    "9: nor a target that does nothing": (
        "tests/target/test_sdk.py::test_what_the_suites_rows_become"
    ),
    "10: Meltano goes on with an old catalog": (
        "tests/meltano/test_extract.py::test_a_new_field_is_missed_only_by_a_cached_catalog"
    ),
}


@pytest.mark.parametrize("trap", TESTS)
def test_each_trap_has_a_test(root, trap):
    """The test exists and runs in some suite."""
    path, name = TESTS[trap].split("::")
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_a_change_of_daylight_saving_time_loses_nothing(tap):
    """At 02:00 the offset falls from -07:00 to -08:00: later times are smaller as texts."""
    before = datetime(2026, 11, 1, 8, 40, tzinfo=timezone.utc)  # 01:40-07:00
    run_tap = tap(sizes={"Tasks": 8}, time_zone="America/Los_Angeles", now=before)
    store, clock = run_tap.sim.store, run_tap.sim.clock
    ids = sorted(r["id"] for r in store.records("Tasks"))
    config = {"modules": ["Tasks"]}
    store.update("Tasks", ids[0], {"Subject": "Summer"})
    assert store.get("Tasks", ids[0])["Modified_Time"].endswith("-07:00")
    states, copy = [None], {}
    for record, subject in [(ids[1], "Last of summer"), (ids[2], "Winter"), (ids[3], "Late")]:
        run = run_tap(config=config, state=states[-1])
        assert run.code == 0, run.err
        states.append(run.states[-1])
        copy.update((r["id"], r["Subject"]) for r in run.records["Tasks"])
        clock.advance(1_200)
        store.update("Tasks", record, {"Subject": subject})
    assert store.get("Tasks", ids[2])["Modified_Time"].endswith("-08:00")
    run = run_tap(config=config, state=states[-1])
    copy.update((r["id"], r["Subject"]) for r in run.records["Tasks"])
    assert copy == {r["id"]: r["Subject"] for r in store.records("Tasks")}
    bookmarks = [s["bookmarks"]["Tasks"]["replication_key_value"] for s in states[1:]]
    assert bookmarks == sorted(set(bookmarks))


def test_rows_do_not_go_through_jsonschema():
    """The SDK's sink calls the validator that this gives; there is none."""
    assert BiginSink.get_validator(object.__new__(BiginSink)) is None


def test_nothing_comes_that_the_schema_lacks(tap):
    """A catalog may lack a property that the account has."""
    run_tap = tap(sizes={"Contacts": 3})
    catalog = run_tap.catalog(select=lambda name: name == "Contacts")
    contacts = next(s for s in catalog["streams"] if s["tap_stream_id"] == "Contacts")
    for name in ("Email", "Owner"):
        del contacts["schema"]["properties"][name]
    run = run_tap(catalog=catalog)
    assert run.code == 0, run.err
    wanted = set(contacts["schema"]["properties"])
    assert [set(r) for r in run.records["Contacts"]] == [wanted] * 3
