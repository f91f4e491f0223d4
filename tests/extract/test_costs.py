"""The table of requests in docs/extract.md is what the simulator's log shows."""

from __future__ import annotations

from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "docs" / "extract.md"
SORT_IGNORED = {"sort": "ignored"}
HEADER_IGNORED = {"if_modified_since": "ignored"}
HOURS = 3_600


def edit(sim, count: int) -> None:
    ids = [r["id"] for r in sim.store.records("Products")]
    for record_id in ids[:count]:
        sim.clock.advance(1)
        sim.store.update("Products", record_id, {"Product_Code": "x"})


#: Row of the table → records, fields, edits before the run that is counted, switches.
SCENARIOS = {
    "nothing changed": (2_000, 30, 0, {}),
    "50 records changed": (2_000, 30, 50, {}),
    "50 records changed, 120 fields": (2_000, 120, 50, {}),
    "1,000 records changed": (2_000, 30, 1_000, {}),
    "1,000 records changed, header ignored": (2_000, 30, 1_000, HEADER_IGNORED),
    "50 records changed, sort ignored": (2_000, 30, 50, SORT_IGNORED),
    "first run, 2,000 records": (2_000, 30, None, {}),
    "first run, 2,000 records, 120 fields": (2_000, 120, None, {}),
    "first run, 2,000 records, header ignored": (2_000, 30, None, HEADER_IGNORED),
    "first run, 2,000 records, sort ignored": (2_000, 30, None, SORT_IGNORED),
    "first run, 100 records": (100, 30, None, {}),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_table_of_requests_is_true(account, copy_of, scenario):
    """Strategy and requests of a module, deletions included."""
    records, fields, edits, switches = SCENARIOS[scenario]
    sim, client = account(
        sizes={"Products": records}, field_counts={"Products": fields}, **switches
    )
    copy = copy_of(sim, client, "Products")
    client.fields("Products")
    if edits is not None:
        copy.read()
        sim.clock.advance(HOURS)
        edit(sim, edits)
    sim.clear_log()
    copy.read()
    assert copy.differences() == []
    assert len(sim.requests) == copy.summary.requests
    row = f"| {scenario} | {copy.summary.strategy} | {len(sim.requests)} |"
    assert row in DOC.read_text(), row
