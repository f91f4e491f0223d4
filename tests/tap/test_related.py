"""Related lists as streams: asked for, complete in each run, and costing nothing otherwise."""

from __future__ import annotations

import pytest

WANTED = {"modules": ["Contacts", "Accounts"], "related_lists": ["Contacts_Products"]}


@pytest.fixture
def linked(tap):
    """Three contacts linked to products, one of them to two."""
    run_tap = tap(sizes={"Contacts": 7, "Accounts": 2, "Products": 5})
    store = run_tap.sim.store
    contacts = [r["id"] for r in store.records("Contacts")]
    products = [r["id"] for r in store.records("Products")]
    run_tap.pairs = {(contacts[0], products[0]), (contacts[0], products[1])}
    run_tap.pairs |= {(contacts[1], products[0]), (contacts[5], products[4])}
    link(run_tap, *run_tap.pairs)
    return run_tap


def link(run_tap, *pairs):
    for contact, product in pairs:
        now = int(run_tap.sim.clock.now().timestamp())
        run_tap.sim.store.links.setdefault(("Contacts", contact, "Products"), {})[product] = now


def pairs_of(run):
    return {(r["parent_id"], r["id"]) for r in run.records["Contacts_Products"]}


def test_links_come_with_both_ids(linked):
    """Key: the parent's id and the record's; with the target's fields."""
    run = linked(config=WANTED)
    assert run.code == 0, run.err
    assert pairs_of(run) == linked.pairs
    assert run.schemas["Contacts_Products"]["key_properties"] == ["parent_id", "id"]
    names = {r["id"]: r["Product_Name"] for r in linked.sim.store.records("Products")}
    assert all(r["Product_Name"] == names[r["id"]] for r in run.records["Contacts_Products"])


def test_a_new_link_and_a_lost_one_show_in_the_next_run(linked):
    """Neither moves a Modified_Time: all lists are asked again; older rows are no longer linked."""
    first = linked(config=WANTED)
    gone = min(linked.pairs)
    del linked.sim.store.links["Contacts", gone[0], "Products"][gone[1]]
    added = (sorted(r["id"] for r in linked.sim.store.records("Contacts"))[3], gone[1])
    link(linked, added)
    linked.sim.clock.advance(60)
    second = linked(config=WANTED, state=first.states[-1])
    assert pairs_of(second) == linked.pairs - {gone} | {added}
    read_at = {r["_read_at"] for r in second.records["Contacts_Products"]}
    assert len(read_at) == 1
    # Whole seconds: two runs of a test may begin in the same one.
    assert read_at.pop() >= max(r["_read_at"] for r in first.records["Contacts_Products"])


def test_it_costs_a_request_for_each_parent_and_nothing_unasked(linked):
    """Without the setting, or deselected, not one request more."""
    catalog = linked.catalog(config=WANTED)
    linked.sim.clear_log()
    linked(config=WANTED, catalog=catalog)
    assert sum(e.operation == "related" for e in linked.sim.requests) == 7
    for stream in catalog["streams"]:
        if stream["tap_stream_id"] == "Contacts_Products":
            for entry in stream["metadata"]:
                if entry["breadcrumb"] == []:
                    entry["metadata"]["selected"] = False
    linked.sim.clear_log()
    linked(config=WANTED, catalog=catalog)
    linked(config={"modules": ["Contacts"]})
    assert not any("related" in e.operation for e in linked.sim.requests)


def test_attachments_and_notes_of_records(tap):
    """Their own Parent_Id is left out: it would be the parent again, under nearly the same name."""
    run_tap = tap(sizes={"Contacts": 6, "Notes": 12, "Attachments": 9})
    wanted = {"modules": ["Contacts"], "related_lists": ["contacts_attachments", "Contacts_N*"]}
    run = run_tap(config=wanted)
    assert run.code == 0, run.err
    store = run_tap.sim.store
    contacts = {r["id"] for r in store.records("Contacts")}
    for target in ("Attachments", "Notes"):
        truth = {
            (r["Parent_Id"]["id"], r["id"])
            for r in store.records(target)
            if r["Parent_Id"]["id"] in contacts
        }
        rows = run.records[f"Contacts_{target}"]
        assert {(r["parent_id"], r["id"]) for r in rows} == truth
        assert truth
        assert not any("Parent_Id" in r for r in rows)
    assert run.records["Contacts_Attachments"][0]["File_Name"]


def test_without_the_scope_for_the_lists_the_named_ones_are_read(linked):
    """``settings/related_lists`` needs a scope of its own."""
    linked.sim.revoke("settings.related_lists")
    run = linked(config=WANTED)
    assert run.code == 0, run.err
    assert pairs_of(run) == linked.pairs


def test_a_list_that_does_not_exist_is_named(linked):
    run = linked(config={**WANTED, "related_lists": ["Contacts_Invoices"]})
    assert run.code == 2
    assert "related_lists: the account has no Contacts_Invoices" in run.err
    assert "Contacts_Products" in run.err


def test_a_parent_that_goes_away_meanwhile_stops_nothing(linked):
    """Its list is refused; it is looked for, and is gone."""
    contacts = sorted(r["id"] for r in linked.sim.store.records("Contacts"))
    unlinked = next(c for c in contacts if c not in {p for p, _ in linked.pairs})

    def delete(_request, sim):
        if sim.requests[-1].operation == "related" and sim.store.get("Contacts", unlinked):
            sim.store.delete("Contacts", unlinked)

    stop = linked.sim.before_request(delete)
    run = linked(config=WANTED)
    stop()
    assert run.code == 0, run.err
    assert pairs_of(run) == linked.pairs


def test_a_list_of_more_than_fifty_fields_is_whole(tap):
    """Two requests a parent, put together by id."""
    run_tap = tap(sizes={"Contacts": 2, "Products": 3}, field_counts={"Products": 70})
    store = run_tap.sim.store
    contact = store.records("Contacts")[0]["id"]
    link(run_tap, *((contact, r["id"]) for r in store.records("Products")))
    run = run_tap(config={**WANTED, "modules": ["Contacts"]})
    assert run.code == 0, run.err
    truth = {r["id"]: r for r in store.records("Products")}
    assert len(run.records["Contacts_Products"]) == 3
    for row in run.records["Contacts_Products"]:
        text = {k: v for k, v in truth[row["id"]].items() if isinstance(v, str) and "T" not in v}
        assert len(row) > 70
        assert {k: row[k] for k in text if k in row} == {k: v for k, v in text.items() if k in row}
