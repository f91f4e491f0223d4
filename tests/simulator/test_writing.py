"""Statements 14 and 34 to 54 of bigin-api.md section 9: insert, update, upsert, delete."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

DETAILS = {"Modified_Time", "Modified_By", "Created_Time", "id", "Created_By"}


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def codes(reply):
    return [result["code"] for result in reply.json()["data"]]


def deal(**more):
    return {"Deal_Name": "Deal", "Sub_Pipeline": "Sales Pipeline Standard",
            "Stage": "Qualification", **more}  # fmt: skip


@pytest.mark.parametrize("choice", ["trio", "seed"])
def test_9_14_mandatory_on_pipelines(start, choice):
    """9.14: Deal_Name, Sub_Pipeline, Stage (switch: the seed's Pipeline_Name, Stage)."""
    api = start(pipelines_mandatory=choice)
    seeds = api.insert("Pipelines", {"Pipeline_Name": "P", "Stage": "Qualification"})
    trio = api.insert("Pipelines", deal())
    good, bad = (trio, seeds) if choice == "trio" else (seeds, trio)
    assert codes(good) == ["SUCCESS"]
    assert codes(bad) == ["MANDATORY_NOT_FOUND"]


def test_9_34_insert_one(api):
    """9.34: 201, five details keys, 19-digit increasing ids."""
    replies = [api.insert("Contacts", {"Last_Name": f"N{number}"}) for number in range(3)]
    results = [reply.json()["data"][0] for reply in replies]
    assert {reply.status_code for reply in replies} == {201}
    assert all(set(result["details"]) == DETAILS for result in results)
    assert all(result["message"] == "record added" for result in results)
    assert set(results[0]["details"]["Created_By"]) == {"name", "id"}
    ids = [result["details"]["id"] for result in results]
    assert ids == sorted(ids)
    assert {len(id) for id in ids} == {19}


@pytest.mark.parametrize("status", [202, 200, 207])
def test_9_35_mixed_batch(start, status):
    """9.35: a mixed batch is 202 (switch: others), in input order, good rows committed."""
    api = start(mixed_status=status)
    reply = api.insert("Contacts", {"Last_Name": "A"}, {}, {"Last_Name": "C"}, {"Last_Name": 5})
    assert reply.status_code == status
    assert codes(reply) == ["SUCCESS", "MANDATORY_NOT_FOUND", "SUCCESS", "INVALID_DATA"]
    stored = [api.read("Contacts", reply.json()["data"][slot]["details"]["id"])["Last_Name"]
              for slot in (0, 2)]  # fmt: skip
    assert stored == ["A", "C"]
    assert api.sim.store.count("Contacts") == 14


@pytest.mark.parametrize("status", [400, 202])
def test_9_36_single_failure(start, status):
    """9.36: a single failing row is 400 with the error in data[0] (switch: 202)."""
    reply = start(single_failure_status=status).insert("Contacts", {"First_Name": "A"})
    assert reply.status_code == status
    result = reply.json()["data"][0]
    assert set(result) == {"code", "details", "message", "status"}
    assert result["status"] == "error"


@pytest.mark.parametrize("status", [202, 400])
def test_11_7_all_failed(start, status):
    """11.7: several rows that all fail are 202 (switch: 400)."""
    assert start(all_failed_status=status).insert("Contacts", {}, {}).status_code == status


@pytest.mark.parametrize("code", ["LIMIT_EXCEEDED", "INVALID_DATA"])
def test_9_37_more_than_100_rows(start, code):
    """9.37: 101 rows are refused as a whole, nothing is written."""
    api = start(too_many_rows_code=code)
    rows = [{"Last_Name": f"N{number}"} for number in range(101)]
    assert refusal(api.insert("Contacts", *rows)) == (400, code)
    assert api.sim.store.count("Contacts") == 12
    assert api.insert("Contacts", *rows[:100]).status_code == 201


@pytest.mark.parametrize(
    ("form", "path"),
    [("$.data[0].Field", "$.data[1].Last_Name"), ("data[0].Field", "data[1].Last_Name"),
     ("none", None)],
)  # fmt: skip
def test_9_38_missing_mandatory(start, form, path):
    """9.38: MANDATORY_NOT_FOUND {api_name, json_path}; 11.13: the path's form is a switch."""
    api = start(json_path=form)
    for row in ({}, {"Last_Name": None}, {"Last_Name": ""}):
        result = api.insert("Contacts", {"Last_Name": "A"}, row).json()["data"][1]
        assert result["code"] == "MANDATORY_NOT_FOUND"
        assert result["details"]["api_name"] == "Last_Name"
        assert result["details"].get("json_path") == path


@pytest.mark.parametrize("choice", ["maximum_length", "bare"])
def test_9_39_over_long_text(start, choice):
    """9.39: over-long text is INVALID_DATA {api_name, maximum_length}, never cut."""
    api = start(over_long_details=choice)
    assert api.insert("Contacts", {"Last_Name": "x" * 80}).status_code == 201
    result = api.one("Contacts", {"Last_Name": "x" * 81})
    assert result["code"] == "INVALID_DATA"
    assert result["details"].get("maximum_length") == (80 if choice == "maximum_length" else None)


WRONG = [
    ("Email_Opt_Out", "true", "boolean"),
    ("Custom_Integer", "12", "integer"),
    ("Custom_Integer", True, "integer"),
    ("Custom_Integer", 1.5, "integer"),
    ("Custom_Currency", "12.50", "currency"),
    ("Custom_Double", True, "double"),
    ("Custom_Bigint", 9007199254740993, "bigint"),
    ("Custom_Date", "2026-02-30", "date"),
    ("Custom_Date", "01/02/2026", "date"),
    ("Custom_DateTime", "2026-01-01T00:00:00", "datetime"),
    ("Custom_DateTime", "2026-01-01", "datetime"),
    ("Custom_MultiSelect", "red", "jsonarray"),
    ("Custom_User", 12, "jsonobject"),
    ("Account_Name", 12, "jsonobject"),
    ("Email", "no address", "email"),
    ("Title", {"a": 1}, "text"),
    ("Tag", "VIP", "jsonarray"),
    ("Custom_Picklist", "Gold ★", "picklist"),
]


@pytest.mark.parametrize(("field", "value", "expected"), WRONG)
def test_9_39_wrong_types(api, field, value, expected):
    """9.39: a wrong JSON type is INVALID_DATA {expected_data_type}."""
    result = api.one("Contacts", {"Last_Name": "A", field: value})
    assert result["code"] == "INVALID_DATA"
    assert result["details"]["expected_data_type"] == expected
    assert result["details"]["api_name"] == field


def test_9_39_wrong_types_may_be_converted(start):
    api = start(wrong_type="converted")
    row = {"Last_Name": 5, "Custom_Integer": "12", "Custom_Currency": "12.50",
           "Email_Opt_Out": "true"}  # fmt: skip
    read = api.read("Contacts", api.made("Contacts", row))
    assert (read["Last_Name"], read["Custom_Integer"], read["Email_Opt_Out"]) == ("5", 12, True)


def test_11_13_type_names(start):
    """11.13: names in expected_data_type are data types (switch: JSON types)."""
    result = start(type_names="json types").one("Contacts", {"Last_Name": "A", "Custom_Date": "x"})
    assert result["details"]["expected_data_type"] == "string"


@pytest.mark.parametrize("form", ["duplicate_record", "id"])
def test_9_40_unique_clash(start, form):
    """9.40: DUPLICATE_DATA with duplicate_record.id (switch: plain id); case does not count."""
    api = start(duplicate_details=form)
    first = api.made("Contacts", {"Last_Name": "A", "Email": "Someone@Example.com"})
    result = api.one("Contacts", {"Last_Name": "B", "Email": "sOMEONE@example.COM"})
    assert result["code"] == "DUPLICATE_DATA"
    details = result["details"]
    assert details["api_name"] == "Email"
    if form == "id":
        assert details == {"api_name": "Email", "id": first}
    else:
        assert details["duplicate_record"]["id"] == first
        assert set(details) == {"api_name", "duplicate_record", "json_path", "more_records"}
    other = api.made("Contacts", {"Last_Name": "C"})
    changed = api.update("Contacts", {"id": other, "Email": "someone@example.com"})
    assert codes(changed) == ["DUPLICATE_DATA"]
    api.sim.store.delete("Contacts", first)
    assert api.one("Contacts", {"Last_Name": "B", "Email": "someone@example.com"})["code"] == (
        "SUCCESS"
    )


@pytest.mark.parametrize("checked", [True, False])
def test_10_5_plain_insert_checks_unique_fields(start, checked):
    api = start(unique_on_insert=checked)
    row = {"Last_Name": "A", "Email": "a.b@example.com"}
    api.made("Contacts", row)
    assert api.insert("Contacts", row).status_code == (400 if checked else 201)


def test_9_40_within_one_batch(api):
    row = {"Last_Name": "A", "Email": "twice@example.com"}
    assert codes(api.insert("Contacts", row, row)) == ["SUCCESS", "DUPLICATE_DATA"]


def test_9_41_update(api):
    """9.41: 200, five keys, absent keys untouched, null clears; bulk and single."""
    id = api.made("Contacts", {"Last_Name": "A", "Title": "T", "Phone": "1"})
    reply = api.update("Contacts", {"id": id, "Title": None})
    assert reply.status_code == 200
    result = reply.json()["data"][0]
    assert set(result["details"]) == DETAILS
    assert result["message"] == "record updated"
    read = api.read("Contacts", id)
    assert (read["Title"], read["Phone"], read["Last_Name"]) == (None, "1", "A")
    single = api.put(f"Contacts/{id}", {"data": [{"Phone": "2"}]})
    assert single.status_code == 200
    assert api.read("Contacts", id)["Phone"] == "2"


@pytest.mark.parametrize("code", ["INVALID_DATA", "MANDATORY_NOT_FOUND"])
def test_null_for_a_mandatory_field(start, code):
    api = start(null_mandatory=code)
    id = api.made("Contacts", {"Last_Name": "A"})
    assert codes(api.update("Contacts", {"id": id, "Last_Name": None})) == [code]
    assert api.read("Contacts", id)["Last_Name"] == "A"


@pytest.mark.parametrize("choice", ["row", "top"])
def test_9_42_update_of_an_unknown_id(start, choice):
    """9.42: "the id given seems to be invalid" in that row (switch: top level for one id)."""
    api = start(unknown_id_update=choice)
    known = api.made("Contacts", {"Last_Name": "A"})
    reply = api.update("Contacts", {"id": "5725767000000000001", "Title": "x"},
                       {"id": known, "Title": "y"}, {"Title": "no id"})  # fmt: skip
    assert codes(reply) == ["INVALID_DATA", "SUCCESS", "MANDATORY_NOT_FOUND"]
    assert reply.json()["data"][0]["message"] == "the id given seems to be invalid"
    single = api.put("Contacts/5725767000000000001", {"data": [{"Title": "x"}]})
    assert ("data" in single.json()) == (choice == "row")


@pytest.mark.parametrize("status", [201, 200])
def test_9_43_upsert(start, status):
    """9.43: action and duplicate_field; insert 201 (switch: 200), update 200."""
    api = start(upsert_insert_status=status)
    row = {"Last_Name": "A", "Email": "up@example.com"}
    inserted = api.upsert("Contacts", row)
    assert inserted.status_code == status
    result = inserted.json()["data"][0]
    assert (result["action"], result["duplicate_field"]) == ("insert", None)
    assert result["message"] == "record added"
    updated = api.upsert("Contacts", {**row, "Email": "UP@example.com", "Title": "T"})
    assert updated.status_code == 200
    again = updated.json()["data"][0]
    assert (again["action"], again["duplicate_field"]) == ("update", "Email")
    assert again["message"] == "record updated"
    assert again["details"]["id"] == result["details"]["id"]


@pytest.mark.parametrize("status", [200, 201, 207])
def test_11_7_upsert_of_both_kinds(start, status):
    api = start(upsert_mixed_status=status)
    api.made("Contacts", {"Last_Name": "A", "Email": "a1@example.com"})
    rows = ({"Last_Name": "A", "Email": "a1@example.com"}, {"Last_Name": "B"})
    assert api.upsert("Contacts", *rows).status_code == status


def test_9_44_upsert_without_a_key_inserts(api):
    """9.44: no value in any check field inserts."""
    rows = [{"Last_Name": "A"}, {"Last_Name": "A", "Email": None}, {"Last_Name": "A", "Email": ""}]
    actions = [result["action"] for result in api.upsert("Contacts", *rows).json()["data"]]
    assert actions == ["insert"] * 3


@pytest.mark.parametrize("choice", ["in order", "refused"])
def test_9_45_same_key_twice(start, choice):
    """9.45: in order, the second updates (switch: refused)."""
    api = start(upsert_same_key=choice)
    row = {"Last_Name": "A", "Email": "same@example.com"}
    again = {**row, "Last_Name": "B", "Email": "SAME@example.com"}
    results = api.upsert("Contacts", row, again).json()["data"]
    assert results[0]["action"] == "insert"
    assert results[1].get("action") == ("update" if choice == "in order" else None)


@pytest.mark.parametrize("kind", ["upsert", "update"])
@pytest.mark.parametrize("touches", [True, False])
def test_9_46_no_op_writes(start, kind, touches):
    """9.46: a write without a change advances Modified_Time (switch)."""
    api = start(**{f"noop_{kind}_touches": touches})
    api.sim.clock.freeze()
    row = {"Last_Name": "A", "Email": "noop@example.com"}
    id = api.made("Contacts", row)
    before = api.read("Contacts", id)["Modified_Time"]
    api.sim.clock.advance(5)
    reply = api.upsert("Contacts", row) if kind == "upsert" else api.update(
        "Contacts", {"id": id, **row})  # fmt: skip
    assert reply.status_code == 200
    after = datetime.fromisoformat(api.read("Contacts", id)["Modified_Time"])
    moved = timedelta(seconds=5) if touches else timedelta()
    assert after - datetime.fromisoformat(before) == moved


def test_upsert_match_order(api):
    """3.3: the listed fields in order; omitted: the system's, then the user's unique fields."""
    first = api.made("Contacts", {"Last_Name": "A", "Email": "m1@example.com"})
    second = api.made("Contacts", {"Last_Name": "B", "Customer_Number": "K-1"})
    row = {"Last_Name": "Z", "Email": "m1@example.com", "Customer_Number": "K-2"}
    assert api.upsert("Contacts", row).json()["data"][0]["details"]["id"] == first
    row = {"Last_Name": "Y", "Customer_Number": "k-1"}
    result = api.upsert("Contacts", row).json()["data"][0]
    assert (result["details"]["id"], result["duplicate_field"]) == (second, "Customer_Number")
    row = {"Last_Name": "X", "Email": "m1@example.com", "Customer_Number": "K-3"}
    only = api.upsert("Contacts", row, duplicate_check_fields=["Customer_Number"])
    # The e-mail is not looked at, and then clashes as in any insert.
    assert codes(only) == ["DUPLICATE_DATA"]


@pytest.mark.parametrize(("choice", "used"), [("refused", "ignored"), ("accepted", "used")])
def test_11_8_upsert_open_questions(start, choice, used):
    """11.8: not unique check field 400, id ignored (switch: accepted; used)."""
    api = start(upsert_check_field_not_unique=choice, upsert_id_in_row=used)
    id = api.made("Contacts", {"Last_Name": "Solo"})
    reply = api.upsert("Contacts", {"Last_Name": "solo"}, duplicate_check_fields=["Last_Name"])
    if choice == "refused":
        assert refusal(reply) == (400, "INVALID_DATA")
    else:
        assert reply.json()["data"][0]["details"]["id"] == id
    named = api.upsert("Contacts", {"id": id, "Last_Name": "New"}).json()["data"][0]
    assert (named["action"] == "update") == (used == "used")
    assert refusal(api.upsert("Contacts", {}, duplicate_check_fields=["Nope"]))[0] == 400


@pytest.mark.parametrize("choice", ["oldest", "error"])
def test_11_8_several_matches(start, choice):
    """11.8: several matches: the oldest (switch: an error)."""
    api = start(upsert_several_matches=choice)
    ids = [api.made("Accounts", {"Account_Name": "Twin"}) for _ in range(2)]
    result = api.upsert("Accounts", {"Account_Name": "TWIN", "Phone": "1"}).json()["data"][0]
    if choice == "oldest":
        assert result["details"]["id"] == min(ids)
    else:
        assert result["code"] == "DUPLICATE_DATA"


def test_9_47_delete(api):
    """9.47: per-id results "record deleted"; a second delete is an INVALID_DATA row."""
    ids = [api.made("Contacts", {"Last_Name": f"D{number}"}) for number in range(3)]
    reply = api.delete("Contacts", ids=",".join(ids), wf_trigger="false")
    assert reply.status_code == 200
    assert reply.json()["data"][0] == {
        "code": "SUCCESS", "details": {"id": ids[0]}, "message": "record deleted",
        "status": "success",
    }  # fmt: skip
    again = api.delete("Contacts", ids=ids[0])
    assert (again.status_code, codes(again)) == (400, ["INVALID_DATA"])
    one = api.made("Contacts", {"Last_Name": "One"})
    assert api.delete(f"Contacts/{one}").json()["data"][0]["details"] == {"id": one}
    many = ",".join(str(10**18 + number) for number in range(101))
    assert refusal(api.delete("Contacts", ids=many)) == (400, "LIMIT_EXCEEDED")
    assert refusal(api.delete("Contacts"))[1] == "REQUIRED_PARAM_MISSING"


@pytest.mark.parametrize("cascades", [True, False])
@pytest.mark.parametrize("in_feed", [True, False])
def test_9_48_cascade(start, cascades, in_feed):
    """9.48: deleting an Account deletes its Contacts (switchable); 10.8: listed or not."""
    api = start(cascade_contacts=cascades, cascade_in_feed=in_feed)
    account = api.made("Accounts", {"Account_Name": "Parent"})
    child = api.made("Contacts", {"Last_Name": "Child", "Account_Name": {"id": account}})
    assert api.delete("Accounts", ids=account).status_code == 200
    assert (api.sim.store.get("Contacts", child) is None) == cascades
    listed = [row["id"] for row in api.sim.store.deleted("Contacts")]
    assert (child in listed) == (cascades and in_feed)


@pytest.mark.parametrize("form", [{"id": None}, "bare"])
def test_9_49_lookups(api, form):
    """9.49: written {id} (a bare id works), read {name,id}; the name follows renames."""
    account = api.made("Accounts", {"Account_Name": "Old"})
    value = account if form == "bare" else {"id": account}
    contact = api.made("Contacts", {"Last_Name": "A", "Account_Name": value})
    assert api.read("Contacts", contact)["Account_Name"] == {"name": "Old", "id": account}
    listed = api.get("Contacts", fields="Account_Name", ids=contact).json()["data"][0]
    assert listed["Account_Name"]["name"] == "Old"
    before = api.read("Contacts", contact)["Modified_Time"]
    api.update("Accounts", {"id": account, "Account_Name": "New"})
    listed = api.get("Contacts", fields="Account_Name", ids=contact).json()["data"][0]
    assert listed["Account_Name"] == {"name": "New", "id": account}
    assert api.read("Contacts", contact)["Modified_Time"] == before
    wrong = api.one("Contacts", {"Last_Name": "B", "Custom_Lookup": {"id": account}})
    assert wrong["code"] == "INVALID_DATA"


@pytest.mark.parametrize("choice", ["null", "kept"])
def test_11_11_lookup_to_a_deleted_record(start, choice):
    """11.11: null without moving Modified_Time (switch: kept)."""
    api = start(lookup_to_deleted=choice)
    product = api.made("Products", {"Product_Name": "Gone"})
    contact = api.made("Contacts", {"Last_Name": "A", "Custom_Lookup": {"id": product}})
    before = api.read("Contacts", contact)
    api.sim.store.delete("Products", product)
    after = api.read("Contacts", contact)
    assert after["Custom_Lookup"] == (None if choice == "null" else before["Custom_Lookup"])
    assert after["Modified_Time"] == before["Modified_Time"]


@pytest.mark.parametrize("choice", ["deleted", "kept"])
def test_11_11_notes_of_a_deleted_record(start, choice):
    """11.11: notes go along with their record (switch: kept)."""
    api = start(notes_of_deleted=choice)
    contact = api.made("Contacts", {"Last_Name": "A"})
    note = {"Note_Content": "n", "Parent_Id": {"id": contact}, "$se_module": "Contacts"}
    id = api.made("Notes", note)
    api.delete("Contacts", ids=contact)
    assert (api.sim.store.get("Notes", id) is None) == (choice == "deleted")


def test_a_company_by_name_is_made(api):
    """3.3: Account_Name as a name creates a company of that name, or finds it."""
    first = api.made("Contacts", {"Last_Name": "A", "Account_Name": "Brand New Inc"})
    second = api.made("Contacts", {"Last_Name": "B", "Account_Name": {"name": "brand new inc"}})
    company = api.read("Contacts", first)["Account_Name"]
    assert company["name"] == "Brand New Inc"
    assert api.read("Contacts", second)["Account_Name"] == company


def test_9_50_owner(api):
    """9.50: written {id}, read with email; the default is the connection's user."""
    users = api.get("users").json()["users"]
    contact = api.made("Contacts", {"Last_Name": "A"})
    owner = api.read("Contacts", contact)["Owner"]
    me = api.get("users", type="CurrentUser").json()["users"][0]
    assert owner == {"name": me["full_name"], "id": me["id"], "email": me["email"]}
    api.update("Contacts", {"id": contact, "Owner": {"id": users[1]["id"]}})
    assert api.read("Contacts", contact)["Owner"]["id"] == users[1]["id"]
    assert api.one("Contacts", {"Last_Name": "A", "Owner": {"id": "1"}})["code"] == "INVALID_DATA"


def test_9_51_tags(api):
    """9.51: a tag by name creates its definition; an update replaces the set."""
    contact = api.made("Contacts", {"Last_Name": "A", "Tag": [{"name": "Brand new"}]})
    tag = api.read("Contacts", contact)["Tag"]
    assert [set(item) for item in tag] == [{"name", "id", "color_code"}]
    known = api.get("settings/tags", module="Contacts").json()["tags"]
    assert "Brand new" in [item["name"] for item in known]
    api.update("Contacts", {"id": contact, "Tag": [{"name": "brand NEW"}, {"name": "b"}]})
    assert [item["name"] for item in api.read("Contacts", contact)["Tag"]] == ["Brand new", "b"]
    api.update("Contacts", {"id": contact, "Tag": []})
    assert api.read("Contacts", contact)["Tag"] == []


@pytest.mark.parametrize("choice", ["INVALID_DATA", "DEPENDENT_MISMATCH", "accepted"])
def test_9_52_stage_outside_the_sub_pipeline(start, choice):
    """9.52: INVALID_DATA on Stage (switch: DEPENDENT_MISMATCH, accepted)."""
    api = start(stage_outside=choice)
    result = api.one("Pipelines", deal(Stage="Churned"))
    assert result["code"] == ("SUCCESS" if choice == "accepted" else choice)
    if choice != "accepted":
        assert result["details"]["api_name"] == "Stage"
    id = api.made("Pipelines", deal())
    moved = api.update("Pipelines", {"id": id, "Stage": "Renewed"})
    assert codes(moved) == ["SUCCESS" if choice == "accepted" else choice]
    # A value that no stage list holds is refused always (section 4).
    assert api.one("Pipelines", deal(Stage="Nonsense"))["code"] == "INVALID_DATA"


@pytest.mark.parametrize("choice", ["INVALID_DATA", "accepted"])
def test_11_17_sub_pipeline_outside_the_pipeline(start, choice):
    """11.17: INVALID_DATA (switch: accepted)."""
    api = start(sub_pipeline_outside=choice)
    layouts = api.get("settings/layouts", module="Pipelines").json()["layouts"]
    partner = next(item["id"] for item in layouts if item["name"] == "Partner Pipeline")
    result = api.one("Pipelines", deal(Pipeline={"id": partner}))
    assert result["code"] == ("SUCCESS" if choice == "accepted" else choice)


@pytest.mark.parametrize("choice", ["object", "id"])
def test_10_6_the_pipeline_model(start, choice):
    """1.2: actual_value differs from display_value; Pipeline is read as object (switch: id)."""
    api = start(pipeline_read=choice)
    fields = api.get("settings/fields", module="Pipelines").json()["fields"]
    sub = next(item for item in fields if item["api_name"] == "Sub_Pipeline")
    values = {item["display_value"]: item for item in sub["pick_list_values"]}
    assert values["All Leads"]["actual_value"] == "Customer Onboarding Standard"
    stages = values["All Leads"]["maps"][0]
    assert stages["api_name"] == "Stage"
    assert "Kick-off" in [item["actual_value"] for item in stages["pick_list_values"]]
    shown = api.one("Pipelines", deal(Sub_Pipeline="All Leads", Stage="New"))
    assert shown["code"] == "INVALID_DATA"
    row = deal(Sub_Pipeline="Customer Onboarding Standard", Stage="New")
    pipeline = api.read("Pipelines", api.made("Pipelines", row))["Pipeline"]
    assert (set(pipeline) == {"name", "id"}) if choice == "object" else pipeline.isdigit()


@pytest.mark.parametrize("choice", ["ignored", "refused"])
def test_9_53_unknown_names_in_a_body(start, choice):
    """9.53: unknown field names are ignored (switch: refused)."""
    result = start(unknown_field_in_body=choice).one("Contacts", {"Last_Name": "A", "Nope": 1})
    assert result["code"] == ("SUCCESS" if choice == "ignored" else "INVALID_DATA")


@pytest.mark.parametrize("choice", ["ignored", "NOT_ALLOWED"])
def test_read_only_fields(start, choice):
    """3.3 [?]: read-only fields in a row are ignored (switch: NOT_ALLOWED)."""
    api = start(read_only_in_body=choice)
    row = {"Last_Name": "A", "Created_Time": "2001-01-01T00:00:00+00:00", "Full_Name": "X",
           "Record_Image": "x"}  # fmt: skip
    result = api.one("Contacts", row)
    assert result["code"] == ("SUCCESS" if choice == "ignored" else choice)
    if choice == "ignored":
        read = api.read("Contacts", result["details"]["id"])
        assert not read["Created_Time"].startswith("2001")
        assert (read["Full_Name"], read["Record_Image"]) == ("A", None)


@pytest.mark.parametrize(
    ("zone", "winter", "summer"),
    [("America/Los_Angeles", "-08:00", "-07:00"), ("Africa/Nairobi", "+03:00", "+03:00"),
     ("Asia/Kolkata", "+05:30", "+05:30"), ("UTC", "+00:00", "+00:00")],
)  # fmt: skip
def test_9_54_times_carry_the_orgs_offset(start, zone, winter, summer):
    """9.54: whole seconds with the org's offset, which changes with daylight saving."""
    api = start(time_zone=zone)
    row = {"Last_Name": "A", "Custom_DateTime": "2026-01-15T12:00:00+00:00"}
    id = api.made("Contacts", row)
    read = api.read("Contacts", id)["Custom_DateTime"]
    assert read.endswith(winter)
    assert datetime.fromisoformat(read) == datetime.fromisoformat("2026-01-15T12:00:00+00:00")
    api.update("Contacts", {"id": id, "Custom_DateTime": "2026-07-15T12:00:00+02:00"})
    assert api.read("Contacts", id)["Custom_DateTime"].endswith(summer)
    api.sim.clock.freeze()
    api.sim.clock.set(datetime.fromisoformat("2026-07-01T00:00:00.987654+00:00"))
    stamp = api.one("Contacts", {"Last_Name": "B"})["details"]["Created_Time"]
    assert datetime.fromisoformat(stamp) == datetime.fromisoformat("2026-07-01T00:00:00+00:00")
    assert stamp.endswith(summer)


def test_9_54_text_order_is_not_time_order_at_the_change(start):
    api = start(time_zone="America/Los_Angeles")
    texts = []
    for instant in ("2026-11-01T08:30:00+00:00", "2026-11-01T09:30:00+00:00"):
        id = api.made("Contacts", {"Last_Name": "A", "Custom_DateTime": instant})
        texts.append(api.read("Contacts", id)["Custom_DateTime"])
    assert texts == ["2026-11-01T01:30:00-07:00", "2026-11-01T01:30:00-08:00"]
    api.sim.time_zone = "Europe/Berlin"
    assert api.read("Contacts", id)["Custom_DateTime"] == "2026-11-01T10:30:00+01:00"


@pytest.mark.parametrize("choice", ["accepted", "refused"])
def test_zulu_as_offset(start, choice):
    api = start(zulu_offset=choice)
    row = {"Last_Name": "A", "Custom_DateTime": "2026-01-15T12:00:00Z"}
    assert (api.one("Contacts", row)["code"] == "SUCCESS") == (choice == "accepted")


@pytest.mark.parametrize("choice", ["refused", "accepted"])
def test_11_12_unknown_picklist_value(start, choice):
    """11.12: an unknown value of an ordinary picklist is refused (switch: accepted)."""
    api = start(unknown_picklist=choice)
    for field, value in (("Custom_Picklist", "platinum"), ("Custom_MultiSelect", ["pink"])):
        result = api.one("Contacts", {"Last_Name": "A", field: value})
        assert (result["code"] == "SUCCESS") == (choice == "accepted")


@pytest.mark.parametrize("choice", ["INVALID_DATA", "cleared"])
def test_11_12_empty_string(start, choice):
    """11.12: "" for a field that is not text is INVALID_DATA (switch: cleared)."""
    api = start(empty_string=choice)
    id = api.made("Contacts", {"Last_Name": "A", "Custom_Date": "2026-01-01", "Title": "T"})
    reply = api.update("Contacts", {"id": id, "Custom_Date": ""})
    assert codes(reply) == ["SUCCESS" if choice == "cleared" else choice]
    assert codes(api.update("Contacts", {"id": id, "Title": ""})) == ["SUCCESS"]
    read = api.read("Contacts", id)
    assert read["Title"] is None
    assert read["Custom_Date"] == (None if choice == "cleared" else "2026-01-01")


@pytest.mark.parametrize(("choice", "empty"), [("null", None), ("[]", [])])
def test_11_12_empty_multi_select(start, choice, empty):
    """11.12: an empty multi-select reads null (switch: [])."""
    api = start(empty_multiselect=choice)
    id = api.made("Contacts", {"Last_Name": "A", "Custom_MultiSelect": ["red", "blue;ish"]})
    assert api.read("Contacts", id)["Custom_MultiSelect"] == ["red", "blue;ish"]
    api.update("Contacts", {"id": id, "Custom_MultiSelect": []})
    assert api.read("Contacts", id)["Custom_MultiSelect"] == empty


@pytest.mark.parametrize("choice", ["DEPENDENT_FIELD_MISSING", "accepted"])
def test_11_17_related_module(start, choice):
    """11.17: Related_To without $related_module (switch: accepted); a deal is "Deals"."""
    api = start(related_module_missing=choice)
    parent = api.sim.store.records("Pipelines")[0]
    result = api.one("Tasks", {"Subject": "A", "Related_To": {"id": parent["id"]}})
    assert result["code"] == ("SUCCESS" if choice == "accepted" else choice)
    row = {"Subject": "B", "Related_To": {"id": parent["id"]}, "$related_module": "Deals"}
    id = api.made("Tasks", row)
    listed = api.get("Tasks", fields="Related_To,$related_module", ids=id).json()["data"][0]
    assert listed["$related_module"] == "Deals"
    assert listed["Related_To"] == {"name": parent["Deal_Name"], "id": parent["id"]}


@pytest.mark.parametrize("choice", ["asked", "always"])
def test_11_18_parent_module_in_lists(start, choice):
    """11.18: $se_module, $related_module only when asked for (switch: always)."""
    api = start(parent_module_key=choice)
    keys = set(api.page("Notes", fields="Note_Title")["data"][0])
    assert ("$se_module" in keys) == (choice == "always")
    assert ("$related_module" in api.page("Tasks")["data"][0]) == (choice == "always")


@pytest.mark.parametrize("choice", ["Related_To", "What_Id"])
def test_10_7_parent_of_activities(start, choice):
    api = start(activity_parent=choice)
    names = [item["api_name"] for item in
             api.get("settings/fields", module="Tasks").json()["fields"]]  # fmt: skip
    assert ("Related_To" in names, "What_Id" in names) == (
        choice == "Related_To", choice == "What_Id"
    )  # fmt: skip
    rows = api.page("Tasks", fields=choice)["data"]
    assert any(row[choice] for row in rows)
    assert set(api.page("Tasks", fields="Related_To,What_Id")["data"][0]) == {choice, "id"}


@pytest.mark.parametrize("choice", ["v2", "v8"])
def test_10_7_parent_of_notes(start, choice):
    api = start(notes_parent=choice)
    row = api.page("Notes", fields="Parent_Id,$se_module")["data"][0]
    assert set(row["Parent_Id"]) == ({"name", "id"} if choice == "v2" else {"name", "id", "module"})


def test_notes(api):
    """3.9: notes need a parent and its module; through a record the parent is implied."""
    contact = api.made("Contacts", {"Last_Name": "A"})
    assert api.one("Notes", {"Note_Content": "x"})["code"] == "MANDATORY_NOT_FOUND"
    reply = api.post(f"Contacts/{contact}/Notes", {"data": [{"Note_Content": "x"}]})
    assert reply.status_code == 201
    id = reply.json()["data"][0]["details"]["id"]
    listed = api.get(f"Contacts/{contact}/Notes", fields="Note_Content,$se_module").json()
    assert listed["data"] == [{"Note_Content": "x", "$se_module": "Contacts", "id": id}]
    changed = api.put(f"Contacts/{contact}/Notes/{id}", {"data": [{"Note_Content": "y"}]})
    assert changed.status_code == 200
    assert api.sim.store.get("Notes", id)["Note_Content"] == "y"
    assert api.delete(f"Contacts/{contact}/Notes/{id}").status_code == 200
    assert api.sim.store.get("Notes", id) is None


def test_events_end_after_they_start(api):
    row = {"Event_Title": "E", "Start_DateTime": "2026-01-01T10:00:00+00:00"}
    assert api.one("Events", row)["code"] == "MANDATORY_NOT_FOUND"
    early = api.one("Events", {**row, "End_DateTime": "2026-01-01T09:00:00+00:00"})
    assert (early["code"], early["details"]["api_name"]) == ("INVALID_DATA", "End_DateTime")
    assert api.made("Events", {**row, "End_DateTime": "2026-01-01T11:00:00+00:00"})


@pytest.mark.parametrize("everywhere", [True, False, "no key"])
def test_subforms(start, everywhere):
    """Section 4: rows with id are updated, without added, missing kept, _delete removes."""
    api = start(subforms_in_lists=everywhere)
    product = api.sim.store.records("Products")[0]["id"]
    id = api.made("Pipelines", deal(Associated_Products=[
        {"Product": {"id": product}, "Quantity": 2, "List_Price": 1.5},
        {"Product": {"id": product}, "Quantity": 1, "List_Price": 10},
    ]))  # fmt: skip
    items = api.read("Pipelines", id)["Associated_Products"]
    assert [item["Total"] for item in items] == [3.0, 10]
    api.update("Pipelines", {"id": id, "Associated_Products": [
        {"id": items[0]["id"], "Quantity": 4}, {"id": items[1]["id"], "_delete": None},
        {"Product": {"id": product}, "Quantity": 5},
    ]})  # fmt: skip
    after = api.read("Pipelines", id)["Associated_Products"]
    assert [item["Quantity"] for item in after] == [4, 5]
    listed = api.get("Pipelines", fields="Associated_Products", ids=id).json()["data"][0]
    assert ("Associated_Products" in listed) == (everywhere != "no key")
    assert (listed.get("Associated_Products") is not None) == (everywhere is True)


@pytest.mark.parametrize("trims", [True, False])
def test_10_13_trimming(start, trims):
    api = start(trims_text=trims)
    id = api.made("Contacts", {"Last_Name": "  A ", "Title": " t "})
    assert api.read("Contacts", id)["Last_Name"] == ("A" if trims else "  A ")


@pytest.mark.parametrize("choice", ["honoured", "ignored"])
def test_if_unmodified_since(start, choice):
    """3.1: refuses an update of a record changed since, 412 in the service's shape."""
    api = start(if_unmodified_since=choice)
    api.sim.clock.freeze()
    id = api.made("Contacts", {"Last_Name": "A"})
    stamp = api.read("Contacts", id)["Modified_Time"]
    past = (datetime.fromisoformat(stamp) - timedelta(seconds=1)).isoformat()
    body = {"data": [{"id": id, "Title": "x"}]}
    refused = api.put("Contacts", body, {"If-Unmodified-Since": past})
    assert refused.status_code == (412 if choice == "honoured" else 200)
    assert api.put("Contacts", body, {"If-Unmodified-Since": stamp}).status_code == 200


def test_decimals_are_exact(api):
    """Section 4: numbers survive the way in and out."""
    for text in ("0.1", "1234567.89", "99999999999999.99", "100"):
        body = b'{"data":[{"Last_Name":"A","Custom_Currency":%s}]}' % text.encode()
        reply = api.send("POST", "Contacts", data=body)
        id = reply.json()["data"][0]["details"]["id"]
        assert api.sim.store.get("Contacts", id)["Custom_Currency"] == Decimal(text)
        raw = api.get(f"Contacts/{id}", fields="Custom_Currency").text
        assert f'"Custom_Currency":{text},' in raw


def test_bodies_that_are_none(api):
    assert refusal(api.send("POST", "Contacts", data=b"{not json"))[0] == 400
    assert refusal(api.post("Contacts", {"rows": []}))[0] == 400
    assert refusal(api.post("Contacts", {"data": []}))[0] == 400
    assert refusal(api.post("Contacts", {"data": [{}], "trigger": "workflow"}))[0] == 400
    assert codes(api.post("Contacts", {"data": ["row"]})) == ["INVALID_DATA"]
    assert api.insert("Contacts", {"Last_Name": "A"}, trigger=[]).status_code == 201


def test_every_custom_type_round_trips(api):
    users = [user.id for user in api.sim.store.users]
    accounts = [row["id"] for row in api.sim.store.records("Accounts")]
    row = {
        "Last_Name": "All", "Custom_Text": " kept ", "Custom_Notes": "a\nb",
        "Custom_Email": "A.b@c.de", "Custom_Phone": "1", "Custom_Website": "x.y",
        "Custom_Integer": -5, "Custom_Bigint": "9007199254740993", "Custom_Double": 1.25,
        "Custom_Boolean": True, "Custom_Date": "2024-02-29", "Custom_Picklist": "gold",
        "Custom_MultiSelect": ["red"], "Custom_User": {"id": users[1]},
        "Custom_MultiUser": [{"id": users[0]}], "Custom_MultiLookup": [{"id": accounts[0]}],
    }  # fmt: skip
    read = api.read("Contacts", api.made("Contacts", row))
    same = {name: value for name, value in row.items() if not isinstance(value, (dict, list))}
    assert {name: read[name] for name in same} == same
    assert read["Custom_MultiSelect"] == ["red"]
    assert read["Custom_User"]["id"] == users[1]
    assert [item["id"] for item in read["Custom_MultiLookup"]] == accounts[:1]
    assert [item["id"] for item in read["Custom_MultiUser"]] == users[:1]
    assert read["Custom_Formula"] == -10
    assert read["Custom_Serial"].isdigit()
