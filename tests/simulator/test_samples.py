"""The simulator's replies have the keys of the recorded ones (bigin_client/testing/samples)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bigin_client.testing

SAMPLES = Path(bigin_client.testing.__file__).parent / "samples"


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def keys(value, path=""):
    """Paths of all keys; of a list the first item's."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(value, list) and value:
        yield from keys(value[0], path + "[]")


def same_keys(name, reply, status):
    assert reply.status_code == status, reply.text
    assert set(keys(reply.json())) == set(keys(sample(name)))


@pytest.fixture
def nairobi(start):
    return start(time_zone="Africa/Nairobi", edition="free")


def test_replies_about_records(nairobi):
    api = nairobi
    account = api.made("Accounts", {"Account_Name": "Sample Company"})
    row = {"Last_Name": "Sample", "Email": "sample@example.com", "Account_Name": {"id": account},
           "Tag": [{"name": "VIP"}]}  # fmt: skip
    same_keys("contact_insert", api.insert("Contacts", row), 201)
    id = api.sim.store.records("Contacts")[-1]["id"]
    fields = [name for name in sample("contacts_list")["data"][0] if name != "id"]
    same_keys("contacts_list", api.get("Contacts", fields=",".join(fields)), 200)
    same_keys("contact_get", api.get(f"Contacts/{id}", fields="Last_Name,Email"), 200)
    same_keys("contact_update", api.update("Contacts", {"id": id, "Title": "x"}), 200)
    same_keys("contact_upsert", api.upsert("Contacts", row), 200)
    same_keys("related_contacts", api.get(f"Accounts/{account}/Contacts", fields="Last_Name"), 200)
    product = api.made("Products", {"Product_Name": "Sample Product", "Unit_Price": 42.5})
    same_keys("product_link", api.put(f"Contacts/{id}/Products/{product}", {"data": [{}]}), 200)
    same_keys("contact_delete", api.delete("Contacts", ids=id), 200)


def test_search(nairobi):
    body = nairobi.get("Products/search", criteria="(Product_Name:not_equal:zzz)").json()
    wanted = sample("product_search")
    assert set(body["info"]) == set(wanted["info"])
    # The document names "a dozen more" keys without their names: at least these are there.
    assert set(wanted["data"][0]) <= set(body["data"][0])
    assert set(body["data"][0]["$layout_id"]) == set(wanted["data"][0]["$layout_id"])
    assert body["data"][0]["Tax"] == []


def test_metadata(nairobi):
    modules = nairobi.get("settings/modules").json()["modules"]
    assert set(keys(modules[0])) == set(keys(sample("modules")["modules"][0]))
    linking = next(item for item in modules if item["api_name"] == "Associated_Products")
    wanted = sample("module_associated_products")
    assert {name: linking[name] for name in wanted if name != "parent_module"} == {
        name: value for name, value in wanted.items() if name != "parent_module"
    }
    assert linking["parent_module"]["api_name"] == "Pipelines"


def test_fields(nairobi):
    fields = {item["api_name"]: item for item in
              nairobi.get("settings/fields", module="Contacts").json()["fields"]}  # fmt: skip
    wanted = sample("field_account_name")
    assert set(keys(fields["Account_Name"])) == set(keys(wanted))
    optional = {"quick_sequence_number", "textarea", "blueprint_supported"}
    for field in fields.values():
        assert set(field) - optional == set(wanted) - optional
        assert ("textarea" in field) == (field["data_type"] == "textarea")
        assert ("blueprint_supported" in field) == (field["data_type"] == "picklist")
    for name, quirks in sample("fields_quirks").items():
        assert {key: fields[name][key] for key in quirks} == quirks, name


def test_people(nairobi):
    users = nairobi.get("users", type="CurrentUser")
    wanted = sample("users")
    assert set(users.json()["info"]) == set(wanted["info"])
    assert set(users.json()["users"][0]) == set(wanted["users"][0])
    assert users.json()["users"][0]["offset"] == 10_800_000
    same_keys("org", nairobi.get("org"), 200)
    licence = nairobi.get("org").json()["org"][0]["license_details"]
    assert (licence["paid"], licence["paid_type"], licence["trial_type"]) == (
        False, "free", "biginpremier",
    )  # fmt: skip


def test_errors(nairobi):
    reply = nairobi.get("Contacts")
    assert reply.json() == sample("error_required_param")
    nairobi.sim.revoke("Tasks")
    assert nairobi.get("Tasks", fields="Subject").json() == sample("error_scope")


def test_every_sample_is_json_and_used():
    here = Path(__file__).read_text(encoding="utf-8")
    for path in SAMPLES.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))
        assert path.stem == "watch" or f'"{path.stem}"' in here
