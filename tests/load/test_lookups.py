"""Lookups by natural key, owners by e-mail, and rows that wait for their parents."""

from __future__ import annotations

from typing import Any

import pytest

from bigin_client.errors import SettingsError
from bigin_client.load import LoadOptions, LoadRun, Lookup, RunOptions


def by_name(on_missing: str = "reject") -> dict[str, Any]:
    return {"Account_Name": {"match_on": "Account_Name", "on_missing": on_missing}}


def contacts(names: list[Any]) -> list[dict[str, Any]]:
    return [
        {"email": f"n{i}@load.test", "last_name": f"N{i}", "account_name": name}
        for i, name in enumerate(names)
    ]


def linked(sim: Any) -> dict[str, str | None]:
    names = {r["id"]: r["Account_Name"] for r in sim.store.records("Accounts")}
    return {
        r["Email"]: names.get((r["Account_Name"] or {}).get("id"))
        for r in sim.store.records("Contacts")
        if (r["Email"] or "").endswith("@load.test")
    }


def outcomes(report: Any, stream: str = "Contacts") -> dict[str, int]:
    entry = report.to_dict()["streams"][stream]
    assert sum(entry["outcomes"].values()) == entry["rows"]
    return {k: v for k, v in entry["outcomes"].items() if v}


@pytest.mark.parametrize(
    ("on_missing", "expected"),
    [
        ("reject", {"created": 2, "rejected": 2}),
        ("null", {"created": 4}),
        ("create", {"created": 4}),
    ],
)
def test_on_missing(sim, client, on_missing, expected):
    known = sim.store.records("Accounts")[0]["Account_Name"]
    rows = contacts([known, known.upper(), "New Co", "new co"])
    report = client.load("Contacts", rows, lookups=by_name(on_missing))
    assert outcomes(report) == expected
    found = linked(sim)
    assert found["n0@load.test"] == found["n1@load.test"] == known
    made = [r for r in sim.store.records("Accounts") if r["Account_Name"] == "New Co"]
    assert len(made) == (on_missing == "create")
    if on_missing == "reject":
        assert report.streams["Contacts"].rejects_by_code == {"LOOKUP_NOT_FOUND": 2}
    else:
        expected_name = "New Co" if on_missing == "create" else None
        assert found["n2@load.test"] == found["n3@load.test"] == expected_name
    assert outcomes(client.load("Contacts", rows, lookups=by_name(on_missing)))["unchanged"] >= 2


def test_a_created_parent_is_looked_for_after_the_streams_own_wait(sim, client, caplog):
    """Where the reply to its insert was lost; the default is a minute."""
    caplog.set_level("WARNING", "bigin_client.load.settle")
    sim.faults.add("cut_after", match={"module": "Accounts", "method": "POST"}, times=1)
    report = client.load(
        "Contacts", contacts(["New Co"]), lookups=by_name("create"), settle_seconds=0.1
    )
    assert outcomes(report) == {"created": 1}
    assert [r["Account_Name"] for r in sim.store.records("Accounts")].count("New Co") == 1
    assert linked(sim)["n0@load.test"] == "New Co"
    assert "looking for them in 0 s" in caplog.text


def test_ids_and_objects_are_taken_as_they_are(sim, client):
    account = sim.store.records("Accounts")[0]
    forms = [{"id": account["id"]}, {"id": "1", "name": account["Account_Name"]}]
    assert outcomes(client.load("Contacts", contacts(forms), lookups=by_name())) == {"created": 2}
    assert set(linked(sim).values()) == {account["Account_Name"]}


def test_a_name_without_a_lookup_setting_is_refused(client):
    """The service would create a company of that name (bigin-api.md 3.3)."""
    report = client.load("Contacts", contacts(["Some Co"]))
    assert report.streams["Contacts"].rejects_by_code == {"INVALID_DATA": 1}


def test_several_parents_are_never_a_guess(sim, client):
    for _ in range(2):
        sim.store.insert("Accounts", {"Account_Name": "Twin"})
    report = client.load("Contacts", contacts(["Twin"]), lookups=by_name("create"))
    assert report.streams["Contacts"].rejects_by_code == {"SEVERAL_RECORDS_MATCH": 1}


def test_owner_by_e_mail(sim, client):
    user = sim.store.users[1]
    rows = contacts([None, None, None])
    rows[0]["owner"] = user.email.upper()
    rows[1]["owner"] = "nobody@load.test"
    rows[2]["owner"] = {"id": user.id}
    report = client.load("Contacts", rows)
    assert outcomes(report) == {"created": 2, "rejected": 1}
    owners = {r["Email"]: r["Owner"]["id"] for r in sim.store.records("Contacts")}
    assert owners["n0@load.test"] == owners["n2@load.test"] == user.id
    lookups = {"Owner": {"match_on": "email", "on_missing": "null"}}
    assert outcomes(client.load("Contacts", rows, lookups=lookups)).get("rejected") is None


@pytest.mark.parametrize("on_missing", ["reject", "create"])
def test_a_natural_key_of_several_fields(sim, client, on_missing):
    """The row's value is an object of them; neither field alone finds the record."""
    for city in ("Rome", "Oslo"):
        sim.store.insert("Accounts", {"Account_Name": "Twin", "Billing_City": city})
    key = ["Account_Name", "Billing_City"]
    wanted = [
        {"account_name": "twin", "billing_city": "OSLO"},
        {"Account_Name": "Twin", "Billing_City": "Bern"},
        {"Account_Name": "Twin"},
        "Twin",
    ]
    report = client.load(
        "Contacts",
        contacts(wanted),
        lookups={"Account_Name": {"match_on": key, "on_missing": on_missing}},
    )
    refused = {"INVALID_DATA": 2} | ({} if on_missing == "create" else {"LOOKUP_NOT_FOUND": 1})
    assert report.streams["Contacts"].rejects_by_code == refused
    cities = {r["id"]: r["Billing_City"] for r in sim.store.records("Accounts")}
    found = {
        r["Email"]: cities[r["Account_Name"]["id"]]
        for r in sim.store.records("Contacts")
        if (r["Email"] or "").endswith("@load.test")
    }
    made = {"n1@load.test": "Bern"} if on_missing == "create" else {}
    assert found == {"n0@load.test": "Oslo", **made}


def test_parents_that_this_run_renames_or_deletes(sim, client):
    """What a row wrote before is what later rows of other streams find."""
    for city in ("Rome", "Oslo"):
        sim.store.insert("Accounts", {"Account_Name": "Twin", "Billing_City": city})
    twins = [r for r in sim.store.records("Accounts") if r["Account_Name"] == "Twin"]
    lookups = {"Account_Name": Lookup(("Account_Name", "Billing_City"))}
    wanted = [{"Account_Name": "Twin", "Billing_City": c} for c in ("Rome", "Oslo", "Bern")]
    with LoadRun(client) as run:
        firms = run.stream("firms", "Accounts", LoadOptions(on_delete="delete", allow_cascade=True))
        people = run.stream("people", "Contacts", LoadOptions(match_on=("Email",), lookups=lookups))
        people.add(contacts(wanted)[0])
        people.settle()
        firms.add({"id": twins[0]["id"], "billing_city": "Bern"})
        firms.add({"id": twins[1]["id"], "_sdc_deleted_at": "2026-01-01"})
        for row in contacts(wanted)[1:]:
            people.add(row)
        report = run.close()
    assert outcomes(report, "people") == {"created": 2, "rejected": 1}
    assert set(linked(sim)) == {"n0@load.test", "n2@load.test"}


def test_team_pipeline_by_name(sim, client):
    """It is a layout, and no lookup by its type (bigin-api.md 1.2)."""
    layout = sim.store.modules["Pipelines"].layouts[0]
    sub = layout.sub_pipelines[0]
    row = {"sub_pipeline": sub.actual, "stage": sub.stages[0]}
    names = [f" {layout.name.upper()}", {"name": layout.name}, {"id": layout.id}, "No such one"]
    rows = [{**row, "deal_name": f"Deal {i}", "pipeline": name} for i, name in enumerate(names)]
    report = client.load("Pipelines", rows, match_on=["Deal_Name"])
    assert outcomes(report, "Pipelines") == {"created": 3, "rejected": 1}
    assert report.streams["Pipelines"].rejects_by_code == {"LOOKUP_NOT_FOUND": 1}
    made = [r for r in sim.store.records("Pipelines") if r["Deal_Name"].startswith("Deal ")]
    assert {r["Pipeline"]["id"] for r in made} == {layout.id}
    assert outcomes(client.load("Pipelines", rows[:3], match_on=["Deal_Name"]), "Pipelines") == {
        "unchanged": 3
    }


def test_several_owners_by_e_mail(sim, client):
    users = [u.email for u in sim.store.users[:2]]
    rows = contacts([None, None])
    rows[0]["custom_multiuser"] = users
    rows[1]["custom_multiuser"] = [users[0], "nobody@load.test"]
    report = client.load("Contacts", rows)
    assert outcomes(report) == {"created": 1, "rejected": 1}
    found = next(r for r in sim.store.records("Contacts") if r["Email"] == "n0@load.test")
    assert [u["id"] for u in found["Custom_MultiUser"]] == [u.id for u in sim.store.users[:2]]


def test_lookups_that_name_what_is_not_there(client):
    for lookups, message in [
        ({"Nope": {"match_on": "x"}}, "no field Nope"),
        ({"Account_Name": {"match_on": "Nope"}}, "has no field Nope"),
        ({"Last_Name": {"match_on": "Last_Name"}}, "is no lookup to a module"),
        ({"Account_Name": {"on_missing": "create"}}, "must look like"),
    ]:
        with pytest.raises(SettingsError, match=message):
            client.load("Contacts", contacts([None]), lookups=lookups)


@pytest.mark.parametrize("count", [3, 1_200])
def test_children_wait_for_parents_that_come_later(sim, client, count, tmp_path, lines):
    path = tmp_path / "rejects.jsonl"
    children = contacts([f"Parent {i}" for i in range(count)])
    children.append({**children[0], "phone": "+49 1"})  # a newer version of a waiting row
    children.append(contacts(["Orphan"] * (count + 2))[count + 1])
    children.append(contacts(["Bad"] * (count + 3))[count + 2])
    parents: list[dict[str, Any]] = [{"account_name": f"Parent {i}"} for i in range(count)]
    parents.append({"account_name": "Bad", "website": "x" * 999})
    with LoadRun(client, RunOptions(rejects_path=str(path))) as run:
        child = run.stream(
            "people",
            "Contacts",
            LoadOptions(
                match_on=("Email",), lookups={"Account_Name": Lookup("Account_Name")},
                row_key=("email",),
            ),
        )  # fmt: skip
        parent = run.stream("firms", "Accounts", LoadOptions(match_on=("Account_Name",)))
        early = [o for row in children for o in child.add(row, tag="t")] + child.settle()
        assert [o.outcome for o in early] == ["superseded"]
        assert child.unsettled == count + 2
        for row in parents:
            parent.add(row)
        run.end_input()
        late = child.settle()
        report = run.close()
    assert len(late) + len(early) == len(children)
    assert {o.tag for o in late} == {"t"}
    assert outcomes(report, "people") == {"created": count, "superseded": 1, "rejected": 2}
    assert outcomes(report, "firms") == {"created": count, "rejected": 1}
    assert linked(sim) == {f"n{i}@load.test": f"Parent {i}" for i in range(count)}
    assert {x["code"] for x in lines(path)} == {
        "LOOKUP_NOT_FOUND",
        "PARENT_REJECTED",
        "INVALID_DATA",
    }


def test_rows_wait_for_rows_that_wait_until_the_end(sim, client):
    """A contact is made at the end, without the company that never came; its deal finds it."""
    sub = sim.store.modules["Pipelines"].layouts[0].sub_pipelines[0]
    deal = {"deal_name": "Late", "sub_pipeline": sub.actual, "stage": sub.stages[0]}
    with LoadRun(client) as run:
        run.announce(["Pipelines", "Contacts", "Accounts"])
        deals = run.stream(
            "deals",
            "Pipelines",
            LoadOptions(match_on=("Deal_Name",), lookups={"Contact_Name": Lookup("Email")}),
        )
        deals.add({**deal, "contact_name": "n0@load.test"})
        people = run.stream(
            "people",
            "Contacts",
            LoadOptions(
                match_on=("Email",), lookups={"Account_Name": Lookup("Account_Name", "null")}
            ),
        )
        people.add(contacts(["Never"])[0])
        report = run.close()
    assert outcomes(report, "people") == outcomes(report, "deals") == {"created": 1}
    contact = next(r for r in sim.store.records("Contacts") if r["Email"] == "n0@load.test")
    made = next(r for r in sim.store.records("Pipelines") if r["Deal_Name"] == "Late")
    assert made["Contact_Name"]["id"] == contact["id"]


def test_a_waiting_row_sees_what_others_wrote_meanwhile(sim, client):
    """By a key that is not unique: the second stream makes the record, the first one updates it."""
    with LoadRun(client) as run:
        run.announce(["Accounts"])
        lookups = {"Account_Name": Lookup("Account_Name", "create")}
        how = LoadOptions(match_on=("Last_Name", "First_Name"), lookups=lookups)
        waiting = run.stream("waiting", "Contacts", how)
        other = run.stream("other", "Contacts", LoadOptions(match_on=("Last_Name", "First_Name")))
        row = {"last_name": "Once", "first_name": "Only"}
        waiting.add({"last_name": "Zero", "first_name": "No"})
        waiting.add({**row, "account_name": "Not there yet"})
        waiting.settle()
        other.add({**row, "phone": "1"})
        report = run.close()
    assert outcomes(report, "other") == {"created": 1}
    assert outcomes(report, "waiting") == {"created": 1, "updated": 1}
    (made,) = [r for r in sim.store.records("Contacts") if r["Last_Name"] == "Once"]
    assert (made["Phone"], made["Account_Name"]["name"]) == ("1", "Not there yet")


def test_a_row_that_is_deleted_waits_for_no_parent(sim, client):
    gone = next(r for r in sim.store.records("Contacts") if r["Email"])
    row = {"email": gone["Email"], "account_name": "Never", "_sdc_deleted_at": "2026-01-01"}
    with LoadRun(client) as run:
        run.announce(["Accounts"])
        lookups = {"Account_Name": Lookup("Account_Name")}
        how = LoadOptions(match_on=("Email",), lookups=lookups, on_delete="delete")
        run.stream("people", "Contacts", how).add(row)
        report = run.close()
    assert outcomes(report, "people") == {"deleted": 1}
    assert sim.store.get("Contacts", gone["id"]) is None
