"""A part of a module: one Team Pipeline, or a custom view; and what records hang on."""

from __future__ import annotations

import pytest


def test_one_teams_deals_under_any_usual_name(tap):
    """`pipeline_id`; the setting may say deals."""
    run_tap = tap(sizes={"Pipelines": 40})
    deals = run_tap.sim.store.records("Pipelines")
    team = deals[0]["Pipeline"]["id"]
    wanted = {r["id"] for r in deals if r["Pipeline"]["id"] == team}
    assert 0 < len(wanted) < 40
    config = {"modules": ["deals"], "views": {"deals": {"pipeline_id": team}}}
    run = run_tap(config=config)
    assert run.code == 0, run.err
    assert {r["id"] for r in run.records["Pipelines"]} == wanted
    changed = min(wanted)
    run_tap.sim.store.update("Pipelines", changed, {"Amount": 12.5})
    again = run_tap(config=config, state=run.states[-1])
    assert [r["id"] for r in again.records["Pipelines"]] == [changed]


def test_a_custom_view_is_read_whole_each_time(tap):
    """`cvid`: neither sort nor header may go with it; a record that leaves is no deletion."""
    run_tap = tap(sizes={"Contacts": 60})
    view = next(v for v in run_tap.sim.store.modules["Contacts"].views if v.field)
    config = {"modules": ["Contacts"], "views": {"Contacts": {"cvid": view.id}}}
    run = run_tap(config=config)
    assert run.code == 0, run.err
    wanted = {r["id"] for r in run_tap.sim.store.records("Contacts") if r[view.field] == view.value}
    assert {r["id"] for r in run.records["Contacts"]} == wanted
    assert 0 < len(wanted) < 60
    lists = [e for e in run_tap.sim.requests if e.params.get("cvid")]
    assert lists
    assert not any("sort_by" in e.params or "if-modified-since" in e.headers for e in lists)
    assert run.records["deleted_records"] == []


@pytest.mark.parametrize(
    ("module", "parent", "key"),
    [
        ("Notes", "Parent_Id", "$se_module"),
        ("Tasks", "Related_To", "$related_module"),
        ("Events", "Related_To", "$related_module"),
        ("Calls", "Related_To", "$related_module"),
    ],
)
def test_parents_come_as_module_and_id(tap, module, parent, key):
    """A deal's module is Pipelines, although the service says Deals."""
    run_tap = tap(sizes={module: 40, "Pipelines": 5, "Contacts": 5, "Accounts": 5})
    run = run_tap(config={"modules": [module]})
    assert run.code == 0, run.err
    ids = {
        m: {r["id"] for r in run_tap.sim.store.records(m)}
        for m in ("Pipelines", "Contacts", "Accounts", "Products")
    }
    rows = [r for r in run.records[module] if r[parent]]
    assert {r[key] for r in rows} >= {"Pipelines", "Contacts"}
    assert all(r[parent]["id"] in ids[r[key]] for r in rows)
    assert all(r[key] is None for r in run.records[module] if not r[parent])
