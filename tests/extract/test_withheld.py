"""Subforms that lists do not show: read record by record, never null by mistake."""

from __future__ import annotations

import pytest

FIELD = "Associated_Products"
HIDDEN = [pytest.param("no key", id="no key"), pytest.param(False, id="null")]


@pytest.fixture
def deals(account):
    """Make an account with deals, some of which have line items; returns the ids, oldest first."""

    def make(count: int = 30, with_items: slice = slice(None, None, 2), **switches):
        sim, client = account(sizes={"Pipelines": count, "Products": 1}, **switches)
        live = sim.store.tables["Pipelines"].live
        ids = sorted(live, key=lambda i: (live[i].modified, i))
        product = {"id": sim.store.records("Products")[0]["id"]}
        for deal in ids[with_items]:
            sim.store.insert(
                "Associated_Products",
                {"Parent_Id": {"id": deal}, "Product": product, "Quantity": 2, "List_Price": 5},
            )
        sim.clear_log()
        return sim, client, ids

    return make


def truth(sim):
    deals = sim.store.tables["Pipelines"].live
    return {i: [item["id"] for item in sim.store.line_items(i)] for i in deals}


def shown(copy):
    return {i: [item["id"] for item in r[FIELD] or ()] for i, r in copy.rows.items()}


def singles(sim):
    return sum(e.operation == "get" for e in sim.requests)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_lists_hide_is_read_with_each_record(deals, copy_of, hidden):
    """One warning tells the price; the warehouse has every line item."""
    sim, client, _ids = deals(with_items=slice(1, None, 2), subforms_in_lists=hidden)
    copy = copy_of(sim, client, "Pipelines").read()
    assert any(truth(sim).values())
    assert shown(copy) == truth(sim)
    (warning,) = copy.summary.warnings
    assert FIELD in warning
    assert "at a credit each" in warning
    assert "no longer has" not in warning
    assert singles(sim) <= 31
    counted = {"list", "get", "deleted", "count"}
    assert copy.summary.requests == sum(e.operation in counted for e in sim.requests)
    sim.clear_log()
    assert copy.read().emitted == []
    assert singles(sim) == 0


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_field_that_was_not_asked_for_costs_nothing(deals, copy_of, hidden):
    """Deselected, no record is read by itself."""
    sim, client, _ids = deals(subforms_in_lists=hidden)
    copy = copy_of(sim, client, "Pipelines").read(["Deal_Name"])
    assert len(copy.rows) == 30
    assert copy.summary.warnings == []
    assert singles(sim) == 0


def test_a_null_that_was_none_is_mended(deals, copy_of):
    """The first pages showed null, and so did the records looked at; a later one shows more."""
    sim, client, ids = deals(40, slice(0, 5), subforms_in_lists=False)
    product = {"id": sim.store.records("Products")[0]["id"]}
    for deal in ids[30:]:
        item = {"Parent_Id": {"id": deal}, "Product": product, "Quantity": 1, "List_Price": 5}
        sim.store.insert("Associated_Products", item)
    copy = copy_of(sim, client, "Pipelines").read(page_size=10)
    assert shown(copy) == truth(sim)
    assert "show null for" in copy.summary.warnings[0]
    assert len(copy.emitted) > 40
    # Before a bookmark passes them: who is stopped there begins before them.
    pages = [p for p in client.extract("Pipelines", page_size=10) if p.records]
    at = next(n for n, p in enumerate(pages) if any(r[FIELD] for r in p.records))
    assert ids[0] in {r["id"] for r in pages[at].records}
    assert pages[at].bookmark == pages[at - 1].bookmark


def test_lists_that_show_subforms_cost_nothing_more(deals, copy_of):
    """Nor does an account without line items, but for a look now and then."""
    sim, client, _ids = deals(60)
    copy = copy_of(sim, client, "Pipelines").read(page_size=10)
    assert shown(copy) == truth(sim)
    assert singles(sim) == 0
    sim, client, _ids = deals(60, slice(0, 0), subforms_in_lists=False)
    copy = copy_of(sim, client, "Pipelines").read(page_size=10)
    assert not any(shown(copy).values())
    assert copy.summary.warnings == []
    assert singles(sim) <= 3


def test_a_record_that_changes_meanwhile_is_read_whole(deals, copy_of):
    """Half of it from before the change and half from after it would be no record."""
    sim, client, ids = deals(subforms_in_lists="no key")

    def change(_request, _sim):
        if sim.requests[-1].operation == "get" and singles(sim) == 5:
            sim.clock.advance(60)
            for deal in ids:
                sim.store.update("Pipelines", deal, {"Deal_Name": "After"})
            sim.store.delete("Pipelines", ids[-2])

    stop = sim.before_request(change)
    copy = copy_of(sim, client, "Pipelines").read()
    stop()
    late = [r for r in copy.rows.values() if r["Deal_Name"] == "After"]
    assert len(late) > 20
    times = {r["id"]: r["Modified_Time"] for r in copy.read().rows.values()}
    assert all(times[r["id"]] == r["Modified_Time"] for r in late)
    assert shown(copy) == truth(sim)


def test_without_metadata_a_single_record_tells(deals, copy_of):
    """The scope for the fields is gone: a record says what there is."""
    sim, client, _ids = deals(subforms_in_lists="no key")
    client.fields("Pipelines")
    sim.revoke("settings.fields")
    copy = copy_of(sim, client, "Pipelines").read()
    assert shown(copy) == truth(sim)
    assert "leave out" in copy.summary.warnings[0]


def test_what_nothing_shows_is_left_out_and_not_null(account, copy_of):
    """A target may then keep the value that it has."""
    sim, client = account(sizes={"Accounts": 5})
    client.fields("Accounts")
    sim.store.remove_field("Accounts", "Website")
    sim.revoke("settings.fields")
    copy = copy_of(sim, client, "Accounts").read()
    assert all("Website" not in r for r in copy.rows.values())
    (warning,) = copy.summary.warnings
    assert "neither lists nor single records show Website" in warning
