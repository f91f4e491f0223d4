"""Generated data: exact sizes, deterministic, consistent, realistic and awkward."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import datetime
from decimal import Decimal

import pytest

from bigin_client.testing import BiginSimulator
from bigin_client.testing.wire import decode

MODULES = (
    "Contacts", "Accounts", "Pipelines", "Products", "Tasks", "Events", "Calls", "Notes",
    "Associated_Products", "Attachments",
)  # fmt: skip


def everything(seed, **arguments):
    sim = BiginSimulator(seed=seed, **arguments)
    return {module: sim.store.records(module) for module in MODULES}


@pytest.fixture(scope="module")
def large():
    return BiginSimulator(seed=3, sizes={"Contacts": 2_000, "Accounts": 100, "Pipelines": 300,
                                         "Products": 30, "Notes": 200, "Tasks": 100,
                                         "Associated_Products": 200})  # fmt: skip


def test_the_same_seed_gives_the_same_data():
    assert everything(5) == everything(5)
    one, other = everything(5), everything(6)
    for module in MODULES:
        assert [row["id"] for row in one[module]] != [row["id"] for row in other[module]]
        strip = [[{**row, "id": ""} for row in data[module]] for data in (one, other)]
        assert strip[0] != strip[1]


def test_default_sizes_page():
    data = everything(1)
    assert len(data["Contacts"]) > 200
    assert 300 < sum(map(len, data.values())) < 1_000


@pytest.mark.parametrize("size", [0, 1, 2, 199, 200, 201])
def test_sizes_are_exact(size):
    sim = BiginSimulator(sizes={"Contacts": size, "Accounts": 1})
    assert (sim.store.count("Contacts"), sim.store.count("Accounts")) == (size, 1)
    assert sim.store.count("Pipelines") == 0


def test_wrong_sizes():
    for sizes in ({"Deals": 1}, {"Social": 1}, {"Associated_Products": 1}):
        with pytest.raises(ValueError, match="no such module|need Pipelines"):
            BiginSimulator(sizes=sizes)
    with pytest.raises(ValueError, match="standard fields"):
        BiginSimulator(field_counts={"Contacts": 26})
    with pytest.raises(TypeError, match="nonsense"):
        BiginSimulator(nonsense=True)
    with pytest.raises(ValueError, match="is one of"):
        BiginSimulator(token_nature="cookie")


def test_ids_are_unique_and_increase_with_time(large):
    seen = Counter()
    for module in MODULES:
        rows = large.store.records(module)
        seen.update(row["id"] for row in rows)
        created = [datetime.fromisoformat(row["Created_Time"]) for row in rows]
        assert created == sorted(created)
        for row in rows:
            assert len(row["id"]) == 19
            assert row["Modified_Time"][19:] in ("-08:00", "-07:00")
            modified = datetime.fromisoformat(row["Modified_Time"])
            assert modified >= datetime.fromisoformat(row["Created_Time"])
    assert max(seen.values()) == 1


def test_ties_and_changes_of_daylight_saving(large):
    times = Counter(row["Modified_Time"] for row in large.store.records("Contacts"))
    assert times.most_common(1)[0][1] >= 100
    assert any(stamp.startswith("2025-11-02T01:") for stamp in times)
    assert any(stamp.startswith("2025-03-09T03:") for stamp in times)


def test_awkward_text(large):
    rows = large.store.records("Contacts")
    texts = [value for row in rows for value in row.values() if isinstance(value, str)]
    joined = "".join(texts)
    for character in "\"',\n\r\t;\\ \u00e9\u05e9\u200d\U0001f680":
        assert character in joined, repr(character)
    assert any(unicodedata.normalize("NFC", text) != text for text in texts)
    assert any(len(text) == 32_000 for text in texts)
    assert any(text != text.strip() for text in texts)
    assert {"null", "NaN", "=SUM(A1)"} <= set(texts)


def test_nulls_tags_and_numbers(large):
    rows = large.store.records("Contacts")
    for name in ("Email", "Phone", "Custom_Currency", "Account_Name", "Custom_DateTime"):
        empty = sum(row[name] is None for row in rows)
        assert 0 < empty < len(rows), name
    assert any(row["Tag"] == [] for row in rows)
    assert any(len(row["Tag"]) == 2 for row in rows)
    numbers = {row["Custom_Currency"] for row in rows}
    assert {Decimal("0.1"), Decimal("1234567.89")} <= numbers
    assert any(row["Custom_Bigint"] == "9007199254740993" for row in rows)
    emails = [row["Email"].casefold() for row in rows if row["Email"]]
    assert len(emails) == len(set(emails))


def test_lookups_are_consistent(large):
    store = large.store
    accounts = {row["id"]: row["Account_Name"] for row in store.records("Accounts")}
    for module in ("Contacts", "Pipelines"):
        for row in store.records(module):
            found = row["Account_Name"]
            assert found is None or accounts[found["id"]] == found["name"]
    layouts = {layout.id: layout for layout in store.modules["Pipelines"].layouts}
    for row in store.records("Pipelines"):
        layout = layouts[row["Pipeline"]["id"]]
        subs = {sub.actual: sub.stages for sub in layout.sub_pipelines}
        assert row["Stage"] in subs[row["Sub_Pipeline"]]
        for item in row["Associated_Products"]:
            assert item["Parent_Id"]["id"] == row["id"]
    assert len({row["Pipeline"]["id"] for row in store.records("Pipelines")}) == 3
    parents = {id for module in ("Contacts", "Accounts", "Pipelines")
               for id in store.tables[module].live}  # fmt: skip
    for row in store.records("Notes"):
        assert row["Parent_Id"]["id"] in parents


def test_generated_rows_would_pass_the_services_own_checks(start):
    """What the generator stores, a client may write: no value is one the service refuses."""
    api = start(seed=3, sizes={"Contacts": 300, "Accounts": 20, "Products": 5})
    store = api.sim.store
    kept = {name for name, field in store.fields("Contacts").items() if field.kept}
    skipped = kept | {"id", "Record_Image", "Email", "Customer_Number", "Custom_File",
                      "Custom_Image"}  # fmt: skip
    rows = [{name: value for name, value in row.items() if name not in skipped}
            for row in store.records("Contacts")]  # fmt: skip
    for begin in range(0, 300, 100):
        reply = api.insert("Contacts", *[plain(row) for row in rows[begin : begin + 100]])
        wrong = [item for item in reply.json()["data"] if item["code"] != "SUCCESS"]
        assert not wrong
    copies = store.records("Contacts")[300:]
    for row, copy in zip(rows, copies, strict=True):
        same = {name: value for name, value in row.items() if not isinstance(value, (dict, list))}
        assert {name: copy[name] for name in same} == same


def plain(row):
    return {name: float(value) if isinstance(value, Decimal) else value
            for name, value in row.items() if value is not None}  # fmt: skip


def test_store_for_tests():
    sim = BiginSimulator(sizes={"Contacts": 2})
    at = datetime.fromisoformat("2026-05-01T10:00:00+02:00")
    id = sim.store.insert("Contacts", {"Last_Name": "A", "Custom_DateTime": at}, at=at)
    row = sim.store.get("Contacts", id)
    assert row["Created_Time"] == row["Modified_Time"] == "2026-05-01T01:00:00-07:00"
    assert row["Custom_DateTime"] == "2026-05-01T01:00:00-07:00"
    sim.store.update("Contacts", id, {"Title": "T"}, touch=False)
    after = sim.store.get("Contacts", id)
    assert (after["Title"], after["Modified_Time"]) == ("T", row["Modified_Time"])
    with pytest.raises(KeyError):
        sim.store.insert("Contacts", {"Nope": 1})
    odd = sim.store.insert("Contacts", {"Title": ["a", {"b": 1}], "Custom_MultiSelect": ["x"]})
    table, plan = sim.store.tables["Contacts"], sim.store.plan("Contacts")
    shown = decode(plan.encoded([table.live[odd], table.live[id]]))
    assert (shown[0]["Title"], shown[0]["Custom_MultiSelect"]) == (["a", {"b": 1}], ["x"])
    assert shown == [sim.store.get("Contacts", odd), sim.store.get("Contacts", id)]
    assert sim.store.get("Contacts", "1") is None
    row["Tag"].append("x")
    assert sim.store.get("Contacts", id)["Tag"] == []


def test_replies_follow_what_changes_after_a_read():
    """JSON is kept with a record: another zone, field, spelling or list of fields still shows."""
    sim = BiginSimulator(sizes={"Contacts": 3})
    store = sim.store
    table = store.tables["Contacts"]
    spelled = [
        store.insert("Contacts", {"Last_Name": "A", "Custom_Decimal": Decimal(text)})
        for text in ("10", "10.0", "10.50")
    ]

    def shown(*fields):
        plan = store.plan("Contacts", fields or None)
        rows = decode(plan.encoded([*table.live.values()]))
        assert rows == [plan.row(record) for record in table.live.values()]
        return {row["id"]: row for row in rows}

    rows = shown("Custom_Decimal")
    assert [str(rows[id]["Custom_Decimal"]) for id in spelled] == ["10", "10.0", "10.50"]
    before = shown("Modified_Time", "Email_Opt_Out")
    assert shown().keys() == before.keys()
    sim.time_zone = "Asia/Kathmandu"
    after = shown("Modified_Time", "Email_Opt_Out")
    assert all(row["Modified_Time"].endswith("+05:45") for row in after.values())
    store.remove_field("Contacts", "Custom_Decimal")
    store.add_field("Contacts", {"api_name": "Custom_Decimal", "data_type": "boolean"})
    assert {row["Custom_Decimal"] for row in shown("Custom_Decimal").values()} == {True, False}
