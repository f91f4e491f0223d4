"""Reading for the fewest credits: look-ups, walks, blind upserts, and what each may miss."""

from __future__ import annotations

import time
import unicodedata
from typing import Any

import pytest

from bigin_client.load import account as accounts
from bigin_client.load import delivery as deliveries
from bigin_client.load import loader as loaders

LARGE = {"sizes": {"Contacts": 6_000, "Products": 5_000}}
pytestmark = pytest.mark.parametrize("sim", [LARGE], indirect=True)


def outcomes(report: Any, module: str) -> dict[str, int]:
    entry = report.to_dict()["streams"][module]
    assert sum(entry["outcomes"].values()) == entry["rows"]
    return {k: v for k, v in entry["outcomes"].items() if v}


def table(sim: Any, count: int) -> list[dict[str, Any]]:
    """Return rows of which four in five are in the account as they are."""
    known = [r for r in sim.store.records("Contacts") if r["Email"]][:count]
    rows = [{"email": r["Email"], "last_name": r["Last_Name"]} for r in known[: count * 4 // 5]]
    new = range(count - len(rows))
    return rows + [{"email": f"new{i}@load.test", "last_name": f"New {i}"} for i in new]


def operations(sim: Any) -> set[str]:
    return {r.operation for r in sim.requests}


def test_fifty_rows_cost_less_than_thirty_credits(sim, client):
    used = sim.credits_used
    report = client.load("Contacts", table(sim, 50), match_on=["Email"])
    assert outcomes(report, "Contacts") == {"unchanged": 40, "created": 10}
    assert sim.credits_used - used < 30
    assert sim.credits_used - used - report.credits_used in {0, 1}  # the list of modules


def test_many_rows_walk_the_module_once(sim, client):
    report = client.load("Contacts", table(sim, 2_000), match_on=["Email"])
    assert outcomes(report, "Contacts") == {"unchanged": 1_600, "created": 400}
    assert "coql" not in operations(sim)
    # A walk in parts reads the seams twice.
    assert report.credits_used < 1.5 * 6_000 / 200 + 40 + 5


def test_a_key_that_is_not_unique(sim, client):
    record = sim.store.records("Products")[17]
    rows = [
        {"product_name": record["Product_Name"], "unit_price": 12345},
        {"product_name": "Nothing of the kind"},
    ]
    report = client.load("Products", rows, match_on=["Product_Name"])
    assert outcomes(report, "Products") == {"updated": 1, "created": 1}
    assert "coql" in operations(sim)
    assert sim.store.get("Products", record["id"])["Unit_Price"] == 12345


def test_textareas_are_not_served_by_coql(sim, client):
    record = sim.store.records("Products")[17]
    row = {"product_name": record["Product_Name"], "description": record["Description"]}
    row["description"] = row["description"] or "x"
    sim.store.update("Products", record["id"], {"Description": row["description"]})
    report = client.load("Products", [row], match_on=["Product_Name"])
    assert outcomes(report, "Products") == {"unchanged": 1}


@pytest.mark.parametrize("ids", ["heeded", "ignored"])
def test_rows_by_id(sim, client, ids, monkeypatch):
    known = sim.store.records("Contacts")[:30]
    rows = [{"id": r["id"], "phone": "new phone"} for r in known]
    rows.append({"id": "5725767000999999999", "phone": "x"})
    if ids == "ignored":
        monkeypatch.setattr("bigin_client.testing.listing.MAX_IDS", 1)
    report = client.load("Contacts", rows)
    assert outcomes(report, "Contacts") == {"updated": 30, "rejected": 1}
    assert report.credits_used < 45


@pytest.mark.parametrize("lag", ["none", "as search"])
def test_a_rerun_at_once_finds_what_the_index_does_not_show_yet(sim, client, lag):
    sim.switches.coql_lag = lag
    rows = [{"product_name": f"Fresh {i}"} for i in range(60)]
    for expected in ({"created": 60}, {"unchanged": 60}):
        report = client.load("Products", rows, match_on=["Product_Name"])
        assert outcomes(report, "Products") == expected
    names = [r["Product_Name"] for r in sim.store.records("Products")]
    assert len([n for n in names if n.startswith("Fresh")]) == 60


@pytest.mark.parametrize("spell", [str.upper, str.lower, lambda s: unicodedata.normalize("NFD", s)])
def test_other_spellings_of_a_key(sim, client, spell):
    sim.store.insert("Products", {"Product_Name": "Ångström Gauge"})
    sim.clock.advance(600)
    report = client.load(
        "Products", [{"product_name": spell("Ångström Gauge")}], match_on=["Product_Name"]
    )
    assert "created" not in outcomes(report, "Products")


def test_without_coql_the_module_is_walked(sim, client):
    sim.revoke("coql")
    report = client.load("Contacts", table(sim, 50), match_on=["Last_Name"])
    assert outcomes(report, "Contacts").get("created") == 10
    assert "search" not in operations(sim)  # what it fails to find would be doubled
    assert report.credits_used > 6_000 / 200


def test_without_coql_a_unique_key_is_searched(sim, client):
    """What the loose search brings is compared again; nothing that needs no change is touched."""
    sim.revoke("coql")
    sim.clock.advance(600)
    rows = table(sim, 50)
    rows[0]["email"] = rows[0]["email"].upper()
    rows[1]["last_name"] = "Changed"
    sim.store.insert("Contacts", {"Last_Name": "Loose", "Email": f"x.{rows[45]['email']}"})
    report = client.load("Contacts", rows, match_on=["Email"])
    assert outcomes(report, "Contacts") == {"unchanged": 38, "updated": 2, "created": 10}
    assert "search" in operations(sim)
    assert report.credits_used < 20
    again = client.load("Contacts", rows, match_on=["Email"])
    assert outcomes(again, "Contacts") == {"unchanged": 50}


def test_without_coql_and_search_a_unique_key_may_be_left_to_the_service(sim, client):
    sim.revoke("coql")
    sim.revoke("securesearch")
    rows = table(sim, 50)
    report = client.load("Contacts", rows, match_on=["Email"])
    assert outcomes(report, "Contacts") == {"updated": 40, "created": 10}
    assert report.credits_used < 20
    again = client.load("Contacts", rows, match_on=["Email"], compare="always")
    assert outcomes(again, "Contacts") == {"unchanged": 50}


def test_compare_never(sim, client):
    rows = table(sim, 50)
    report = client.load("Contacts", rows, match_on=["Email"], compare="never")
    assert outcomes(report, "Contacts") == {"updated": 40, "created": 10}
    assert report.credits_used <= 7
    dry = client.load("Contacts", rows, match_on=["Email"], compare="never", dry_run=True)
    assert outcomes(dry, "Contacts") == {"updated": 50}  # touched, as by the load itself
    assert dry.credits_predicted == 5 < dry.credits_used


def test_deletions_are_looked_for_whatever_compare_says(sim, client):
    """The service's own upsert deletes nothing."""
    record = next(r for r in sim.store.records("Contacts") if r["Email"])
    rows = [
        {"email": record["Email"], "last_name": "Gone", "_sdc_deleted_at": "2026-01-01T00:00:00Z"},
        {"email": "stays@load.test", "last_name": "Stays"},
    ]
    how = {"match_on": ["Email"], "compare": "never", "on_delete": "delete"}
    report = client.load("Contacts", rows, **how)
    assert outcomes(report, "Contacts") == {"deleted": 1, "created": 1}
    assert sim.store.get("Contacts", record["id"]) is None


def test_what_an_unclear_insert_made_is_read_before_it_is_settled(sim, client, monkeypatch):
    """The read for a later chunk meets the records of an insert whose reply was lost."""
    monkeypatch.setattr(loaders, "CHUNK", 4)
    monkeypatch.setattr(deliveries, "MAX_RECORDS", 3)
    sim.faults.add("cut_after", match={"method": "POST", "operation": "insert"})
    before, reads = sim.store.count("Products"), []
    read = accounts.Account.modified_of_late

    def wait_for_the_insert(*arguments: Any, **more: Any) -> list[dict[str, Any]]:
        reads.append(1)
        while len(reads) == 2 and sim.store.count("Products") == before:
            time.sleep(0.01)
        return read(*arguments, **more)

    monkeypatch.setattr(accounts.Account, "modified_of_late", wait_for_the_insert)
    rows = [{"product_name": f"Raced {i}", "unit_price": i} for i in range(8)]
    options = {"match_on": ["Product_Name"], "settle_seconds": 0.1}
    report = client.load("Products", rows, **options)
    assert outcomes(report, "Products") == {"created": 8}
    names = [r["Product_Name"] for r in sim.store.records("Products")]
    assert sorted(n for n in names if n.startswith("Raced")) == [f"Raced {i}" for i in range(8)]


@pytest.mark.parametrize("key", ["Email", "id"])
def test_keys_are_looked_up_several_queries_at_a_time(sim, client, key):
    """Over a slow line they would take longer than the pace asks for."""
    sim.faults.add("slow", times=None, seconds=0.05)
    known = [r for r in sim.store.records("Contacts") if r["Email"]][:300]
    rows = [{key: r[key], "last_name": r["Last_Name"]} for r in known]
    assert outcomes(client.load("Contacts", rows, match_on=[key]), "Contacts") == {"unchanged": 300}
    assert max(r.running for r in sim.requests if r.operation in {"coql", "list"}) > 1
