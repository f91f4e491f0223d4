"""Statement 61 of bigin-api.md section 9, and the other settings: metadata, users, files, bulk."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def test_9_61_modules_in_order(api):
    """9.61, 1.1: the modules in their order, Social and Associated_Products among them."""
    modules = api.get("settings/modules").json()["modules"]
    assert [item["api_name"] for item in modules] == [
        "Contacts", "Accounts", "Pipelines", "Tasks", "Events", "Calls", "Products", "Social",
        "Associated_Products", "Notes", "Attachments",
    ]  # fmt: skip
    by_name = {item["api_name"]: item for item in modules}
    social, linking = by_name["Social"], by_name["Associated_Products"]
    assert not any(social[key] for key in ("api_supported", "creatable", "editable", "deletable"))
    assert (linking["generated_type"], linking["visibility"]) == ("subform", 2)
    assert not by_name["Notes"]["visible"]
    assert not by_name["Notes"]["triggers_supported"]
    assert by_name["Attachments"]["creatable"]
    assert not by_name["Attachments"]["editable"]
    assert by_name["Accounts"]["plural_label"] == "Companies"
    one = api.get("settings/modules/Contacts").json()["modules"]
    assert one == [by_name["Contacts"]]
    assert refusal(api.get("settings/modules/Deals"))[1] == "INVALID_MODULE"


def test_9_61_fields(start):
    """9.61: the 27 fields of Contacts, no id, and the quirks of their flags."""
    api = start(field_counts={"Contacts": 27})
    fields = api.get("settings/fields", module="Contacts").json()["fields"]
    by_name = {item["api_name"]: item for item in fields}
    assert len(fields) == 27
    assert "id" not in by_name
    for name in ("First_Name", "Last_Name"):
        assert by_name[name]["view_type"]["view"] is False
    for name in ("Created_Time", "Modified_Time", "Created_By", "Modified_By", "Full_Name"):
        field = by_name[name]
        assert not field["read_only"]
        assert not field["field_read_only"]
        assert not field["view_type"]["create"]
        assert not field["view_type"]["edit"]
    assert by_name["Email"]["unique"] == {"casesensitive": "0"}
    assert by_name["Account_Name"]["field_label"] == "Company Name"
    assert [item["actual_value"] for item in by_name["Unsubscribed_Mode"]["pick_list_values"]] == [
        "Consent form", "Manual", "Unsubscribe link", "Zoho campaigns",
    ]  # fmt: skip
    assert refusal(api.get("settings/fields"))[1] == "REQUIRED_PARAM_MISSING"
    assert refusal(api.get("settings/fields", module="Nope"))[1] == "INVALID_MODULE"
    assert refusal(api.get("settings/fields", module="Social"))[1] == "INVALID_MODULE"


def test_custom_fields_of_every_type(api):
    fields = api.get("settings/fields", module="Contacts").json()["fields"]
    kinds = {item["data_type"] for item in fields if item["custom_field"]}
    assert kinds == {
        "text", "textarea", "email", "phone", "website", "integer", "bigint", "double", "decimal",
        "currency", "percent", "boolean", "date", "datetime", "picklist", "multiselectpicklist",
        "lookup", "userlookup", "multiuserlookup", "multiselectlookup", "fileupload",
        "imageupload", "formula", "autonumber",
    }  # fmt: skip


@pytest.mark.parametrize("number", [27, 40, 60])
def test_field_counts(start, number):
    api = start(field_counts={"Contacts": number}, sizes={"Contacts": 3})
    assert len(api.get("settings/fields", module="Contacts").json()["fields"]) == number
    assert len(api.sim.store.records("Contacts")[0]) == number + 1


@pytest.mark.parametrize("present", [False, True])
def test_unknown_data_types(start, present):
    api = start()
    api.sim.switches.unknown_data_types = present
    fields = api.get("settings/fields", module="Contacts").json()["fields"]
    assert ("hologram" in {item["data_type"] for item in fields}) == present
    id = api.sim.store.insert("Contacts", {"Last_Name": "A"})
    assert ("Custom_Hologram" in api.read("Contacts", id)) == present


@pytest.mark.parametrize("missing", [False, True])
def test_formula_without_json_type(start, missing):
    api = start(missing_json_type=missing)
    fields = api.get("settings/fields", module="Contacts").json()["fields"]
    formula = next(item for item in fields if item["data_type"] == "formula")
    assert ("json_type" in formula) != missing
    assert formula["formula"]["return_type"] == "double"


def test_metadata_may_change_during_a_run(api):
    store = api.sim.store
    store.add_field("Contacts", {"api_name": "Fresh", "data_type": "text"})
    id = api.made("Contacts", {"Last_Name": "A", "Fresh": "x"})
    assert api.read("Contacts", id)["Fresh"] == "x"
    store.remove_field("Contacts", "Fresh")
    assert "Fresh" not in api.read("Contacts", id)
    store.add_module("Vehicles", [], plural="Vehicles")
    modules = {item["api_name"]: item for item in
               api.get("settings/modules").json()["modules"]}  # fmt: skip
    assert modules["Vehicles"]["generated_type"] == "custom"
    assert modules["Vehicles"]["module_name"] == "CustomModule1"
    assert api.get("Vehicles", fields="Name").status_code == 204
    car = api.made("Vehicles", {"Name": "Beetle"})
    assert api.page("Vehicles", fields="Name,Owner")["data"][0]["id"] == car
    api.sim.revoke("Vehicles")
    assert api.get("Vehicles", fields="Name").status_code == 401
    store.remove_module("Vehicles")
    assert refusal(api.get("Vehicles", fields="Name"))[1] == "INVALID_MODULE"


def test_9_61_users_and_org(api):
    """9.61: users by type and page; org is an array of one."""

    def names(**params):
        reply = api.get("users", **params)
        return [user["status"] for user in reply.json()["users"]] if reply.content else []

    assert names() == names(type="AllUsers") == ["active", "active", "active", "disabled"]
    assert names(type="ActiveUsers") == ["active"] * 3
    assert names(type="DeactiveUsers") == ["disabled"]
    assert names(type="NotConfirmedUsers") == ["active"]
    assert len(names(type="ActiveConfirmedAdmins")) == 1
    assert names(type="DeletedUsers") == []
    assert refusal(api.get("users", type="Nobody"))[0] == 400
    assert len(names(per_page=3)) == 3
    assert len(names(per_page=3, page=2)) == 1
    assert names(page=2) == []
    one = api.get("users").json()["users"][1]
    assert api.get(f"users/{one['id']}").json()["users"] == [one]
    assert api.get("users/1").status_code == 204
    assert len(api.get("org").json()["org"]) == 1


def test_layouts_views_lists_roles(api):
    layouts = api.get("settings/layouts", module="Pipelines").json()["layouts"]
    assert len(layouts) == 3
    one = api.get(f"settings/layouts/{layouts[1]['id']}", module="Pipelines").json()["layouts"]
    assert one == [layouts[1]]
    inside = next(
        field for field in layouts[1]["sections"][0]["fields"] if field["api_name"] == "Stage"
    )
    stages = {item["actual_value"] for item in inside["pick_list_values"]}
    assert stages == {"Closed Lost", "Identified", "Signed"}
    assert api.get("settings/layouts/1", module="Pipelines").status_code == 204
    lists = api.get("settings/related_lists", module="Contacts").json()["related_lists"]
    assert {"Products", "Notes", "Attachments"} <= {item["api_name"] for item in lists}
    assert len(api.get("settings/roles").json()["roles"]) == 2
    assert len(api.get("settings/profiles").json()["profiles"]) == 2
    assert api.get("settings/related_lists", module="Tasks").status_code == 204


# --- tags, files, bulk ------------------------------------------------------------------------


def test_tags(api):
    id = api.made("Contacts", {"Last_Name": "A", "Tag": [{"name": "one"}]})
    body = {"tags": [{"name": "two"}]}
    assert api.post(f"Contacts/{id}/actions/add_tags", body).status_code == 200
    assert [tag["name"] for tag in api.read("Contacts", id)["Tag"]] == ["one", "two"]
    api.post(f"Contacts/{id}/actions/remove_tags", {"tags": [{"name": "ONE"}]})
    assert [tag["name"] for tag in api.read("Contacts", id)["Tag"]] == ["two"]
    api.post(f"Contacts/{id}/actions/add_tags", {"tags": [{"name": "3"}], "over_write": True})
    assert [tag["name"] for tag in api.read("Contacts", id)["Tag"]] == ["3"]
    tags = api.get("settings/tags", module="Contacts").json()["tags"]
    three = next(tag for tag in tags if tag["name"] == "3")
    assert {"created_time", "modified_time", "created_by", "modified_by"} <= set(three)
    count = api.get(f"settings/tags/{three['id']}/actions/records_count", module="Contacts")
    assert count.json() == {"count": 1}
    before = api.read("Contacts", id)["Modified_Time"]
    changed = api.send("PUT", f"settings/tags/{three['id']}", params={"module": "Contacts"},
                       json={"tags": [{"name": "drei", "color_code": "#879BFC"}]})  # fmt: skip
    assert changed.status_code == 200
    after = api.read("Contacts", id)
    assert (after["Tag"][0]["name"], after["Tag"][0]["color_code"]) == ("drei", "#879BFC")
    assert after["Modified_Time"] == before
    api.delete(f"settings/tags/{three['id']}", module="Contacts")
    assert api.read("Contacts", id)["Tag"] == []
    made = api.post("settings/tags", {"tags": [{"name": "four"}]}, module="Contacts")
    assert made.status_code == 201
    many = ",".join(str(10**18 + number) for number in range(501))
    reply = api.post("Contacts/actions/add_tags", None, ids=many, tag_names="x")
    assert refusal(reply) == (400, "LIMIT_EXCEEDED")


def test_attachments(api):
    id = api.sim.store.insert("Contacts", {"Last_Name": "A"})
    path = f"Contacts/{id}/Attachments"
    assert api.get(path, fields="id").status_code == 204
    content = bytes(range(256)) * 40 + b"\r\n--tail\r\n"
    reply = api.send("POST", path, files={"file": ("büro 1.txt", content)})
    assert reply.status_code == 200
    attachment = reply.json()["data"][0]["details"]["id"]
    row = api.get(path, fields="File_Name,Size,Parent_Id,$file_id,$type").json()["data"][0]
    assert (row["Size"], row["Parent_Id"]["id"]) == (str(len(content)), id)
    assert row["$type"] == "Attachment"
    assert api.get(f"{path}/{attachment}").content == content
    linked = api.send("POST", path, data={"attachmentUrl": "https://example.com/a/b.pdf"})
    assert linked.status_code == 200
    assert api.delete(f"{path}/{attachment}").status_code == 200
    assert api.get(f"{path}/{attachment}").status_code == 204
    assert refusal(api.delete(f"{path}/{attachment}"))[0] == 400
    assert refusal(api.send("POST", path, data=b"x"))[0] == 415
    assert refusal(api.insert("Attachments", {"File_Name": "x"}))[1] == "INVALID_REQUEST_METHOD"


def test_generated_attachments_have_content(api):
    for row in api.sim.store.records("Attachments"):
        word = {"Deals": "Pipelines"}
        listed = api.get("Attachments", fields="Parent_Id,$se_module", ids=row["id"]).json()
        parent = listed["data"][0]
        module = word.get(parent["$se_module"], parent["$se_module"])
        path = f"{module}/{parent['Parent_Id']['id']}/Attachments/{row['id']}"
        assert len(api.get(path).content) == int(row["Size"])


def test_photos(api):
    id = api.sim.store.insert("Contacts", {"Last_Name": "A"})
    assert api.get(f"Contacts/{id}/photo").status_code == 204
    sent = api.send("POST", f"Contacts/{id}/photo", files={"file": ("a.png", b"png!")})
    assert sent.json()["status"] == "success"
    assert set(sent.json()) == {"code", "message", "status"}
    assert api.get(f"Contacts/{id}/photo").content == b"png!"
    assert api.read("Contacts", id)["Record_Image"]
    api.delete(f"Contacts/{id}/photo")
    assert api.read("Contacts", id)["Record_Image"] is None
    task = api.sim.store.records("Tasks")[0]["id"]
    assert refusal(api.get(f"Tasks/{task}/photo"))[0] == 400


@pytest.mark.parametrize("seconds", [2.0, 60.0])
def test_bulk_read(start, seconds):
    """3.11: ADDED, IN PROGRESS, COMPLETED by the clock; a zip with one CSV."""
    api = start(bulk_seconds=seconds)
    api.sim.clock.freeze()
    query = {"module": "Contacts", "fields": ["Last_Name", "Account_Name", "Email_Opt_Out",
                                              "Account_Name.Account_Name", "Tag"]}  # fmt: skip
    created = api.post("bulk/v2/read", {"query": query, "file_type": "csv"})
    assert created.status_code == 201
    assert created.json()["data"][0]["code"] == "ADDED_SUCCESSFULLY"
    job = created.json()["data"][0]["details"]["id"]
    states = []
    for _ in range(3):
        states.append(api.get(f"bulk/v2/read/{job}").json()["data"][0]["state"])
        api.sim.clock.advance(seconds * 0.6)
    assert states == ["ADDED", "IN PROGRESS", "COMPLETED"]
    result = api.get(f"bulk/v2/read/{job}").json()["data"][0]["result"]
    assert (result["count"], result["more_records"], result["per_page"]) == (12, False, 200_000)
    reply = api.get(f"bulk/v2/read/{job}/result")
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    assert archive.namelist() == [f"{job}.csv"]
    text = archive.read(f"{job}.csv").decode()
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    for record in api.sim.store.records("Contacts"):
        row, company = rows[record["id"]], record["Account_Name"]
        assert row["Last_Name"] == record["Last_Name"]
        assert row["Account_Name"] == (company["id"] if company else "")
        assert row["Account_Name.Account_Name"] == (company["name"] if company else "")
        assert row["Email_Opt_Out"] == str(record["Email_Opt_Out"]).lower()
    downloads = [api.get(f"bulk/v2/read/{job}/result").status_code for _ in range(10)]
    assert downloads == [200] * 9 + [429]


def test_bulk_criteria_and_refusals(start):
    api = start()
    criteria = {"group_operator": "and", "group": [
        {"api_name": "Email_Opt_Out", "comparator": "equal", "value": True},
        {"api_name": "Last_Name", "comparator": "not_equal", "value": "x"},
    ]}  # fmt: skip
    body = {"query": {"module": "Contacts", "criteria": criteria}}
    job = api.post("bulk/v2/read", body).json()["data"][0]["details"]["id"]
    api.sim.clock.advance(10)
    result = api.get(f"bulk/v2/read/{job}").json()["data"][0]["result"]
    opted_out = sum(row["Email_Opt_Out"] for row in api.sim.store.records("Contacts"))
    assert result["count"] == opted_out
    assert refusal(api.post("bulk/v2/read", {"query": {"module": "Nope"}}))[0] == 400
    wrong = {"query": {"module": "Contacts", "fields": ["Nope"]}}
    assert refusal(api.post("bulk/v2/read", wrong))[0] == 400
    api.sim.revoke("bulk")
    assert refusal(api.post("bulk/v2/read", body)) == (401, "OAUTH_SCOPE_MISMATCH")
    api.sim.switches.bulk_routed = False
    assert refusal(api.post("bulk/v2/read", body)) == (404, "INVALID_URL_PATTERN")
