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
