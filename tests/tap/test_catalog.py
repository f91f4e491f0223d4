"""Discovery: which streams, which schema, and what `--about` says."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from bigin_client.metadata import PARENTS_FIRST

OWN = ["users", "org", "modules", "fields", "pipeline_stages"]


def metadata(stream: dict, *breadcrumb: str) -> dict:
    return next(m["metadata"] for m in stream["metadata"] if m["breadcrumb"] == [*breadcrumb])


def test_every_readable_module_is_a_stream_parents_first(tap):
    """Named by API name; Social, which the API does not serve, is none."""
    run_tap = tap()
    streams = [s["tap_stream_id"] for s in run_tap.catalog()["streams"]]
    assert streams[:5] == OWN
    assert streams[-1] == "deleted_records"
    assert [s for s in streams if s in PARENTS_FIRST] == list(PARENTS_FIRST)
    assert "Social" not in streams
    assert len({s.casefold() for s in streams}) == len(streams)


def test_schemas_say_what_comes(tap):
    """`id` is the key and the only required property; root closed; replication key automatic."""
    run_tap = tap()
    contacts = next(s for s in run_tap.catalog()["streams"] if s["tap_stream_id"] == "Contacts")
    schema = contacts["schema"]
    assert schema["required"] == ["id"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["id"]["type"] == "string"
    assert schema["properties"]["Modified_Time"]["format"] == "date-time"
    assert schema["properties"]["Email"]["maxLength"] == 100
    assert schema["properties"]["Account_Name"]["title"] == "Company Name"
    assert all("null" in p["type"] for n, p in schema["properties"].items() if n != "id")
    assert contacts["key_properties"] == ["id"]
    assert contacts["replication_key"] == "Modified_Time"
    assert contacts["replication_method"] == "INCREMENTAL"
    assert metadata(contacts, "properties", "id")["inclusion"] == "automatic"
    assert metadata(contacts, "properties", "Modified_Time")["inclusion"] == "automatic"
    assert metadata(contacts, "properties", "Email")["inclusion"] == "available"


def test_records_fit_their_schemas(tap):
    """Every record of every stream, formats included; no property beyond the schema."""
    run = tap()()
    assert run.code == 0
    for stream, message in run.schemas.items():
        validator = Draft202012Validator(
            message["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        for record in run.records[stream]:
            validator.validate(record)
        keys = [tuple(r[k] for k in message["key_properties"]) for r in run.records[stream]]
        assert len(set(keys)) == len(keys), f"{stream}: a key comes twice"


def test_unknown_types_and_custom_modules_are_read(tap):
    """A data type nobody has seen becomes a nullable string; a custom module is a stream."""
    run_tap = tap(sizes={"Accounts": 3})
    run_tap.sim.store.add_module("Visits")
    run_tap.sim.store.insert("Visits", {"Name": "First"})
    run = run_tap(config={"modules": ["Visits", "Accounts"]})
    assert run.code == 0, run.err
    assert len(run.records["Visits"]) == 1


def test_a_field_added_since_the_discovery_is_named(tap):
    """It comes with the next one; until then a line says so, at no request more."""
    run_tap = tap(sizes={"Contacts": 3})
    catalog = run_tap.catalog(select=lambda name: name in {"Contacts", "fields"})
    run_tap.sim.store.add_field("Contacts", {"api_name": "Loyalty", "data_type": "text"})
    run = run_tap(catalog=catalog)
    assert run.code == 0, run.err
    (line,) = [x for x in run.err.splitlines() if "the catalog lacks" in x]
    assert "Contacts has fields that the catalog lacks: Loyalty;" in line
    assert all("Loyalty" not in r for r in run.records["Contacts"])
    fresh = run_tap(catalog=run_tap.catalog(select=lambda name: name in {"Contacts", "fields"}))
    assert "the catalog lacks" not in fresh.err
    assert all("Loyalty" in r for r in fresh.records["Contacts"])


def test_a_linking_module_is_read_like_any_other(tap):
    """Line items of deals: a module that hides behind another name."""
    run_tap = tap(sizes={"Pipelines": 4, "Products": 2})
    store = run_tap.sim.store
    deal, product = store.records("Pipelines")[0]["id"], store.records("Products")[0]["id"]
    row = {"Parent_Id": {"id": deal}, "Product": {"id": product}, "Quantity": 3, "List_Price": 5}
    store.insert("Associated_Products", row)
    run = run_tap(config={"modules": ["Associated_Products"]})
    assert run.code == 0, run.err
    truth = {r["id"] for r in store.records("Associated_Products")}
    assert {r["id"] for r in run.records["Associated_Products"]} == truth
    assert {r["Quantity"] for r in run.records["Associated_Products"]} >= {3}


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["companies", "deals"], {"Accounts", "Pipelines"}),
        (["C*"], {"Contacts", "Calls"}),
        (["!Tasks", "!Notes"], None),
        (["*", "!C*"], None),
    ],
)
def test_modules_are_chosen_by_name_and_glob(tap, patterns, chosen):
    """Aliases and case do not matter; a leading ! leaves out."""
    run_tap = tap(sizes={})
    catalog = run_tap.catalog(config={"modules": patterns})
    streams = {s["tap_stream_id"] for s in catalog["streams"]} - {*OWN, "deleted_records"}
    if chosen is not None:
        assert streams == chosen
    assert not any(p[0] == "!" and p[1:] in streams for p in patterns)


def test_about_needs_no_key_and_describes_everything(tap):
    """Every setting has a title and a description; no capability that is not there."""
    about = json.loads(tap(sizes={})("--about", "--format=json", config={"api_key": None}).out)
    assert about["description"]
    own = {n: s for n, s in about["settings"]["properties"].items() if "stream_map" not in n}
    assert all(s.get("description") for s in own.values())
    assert "batch" not in about["capabilities"]
    assert "activate-version" not in about["capabilities"]


@pytest.mark.parametrize(
    ("scope", "stream"),
    [
        ("users", "users"),
        ("org", "org"),
        ("settings.layouts", "pipeline_stages"),
        ("settings.fields", "pipeline_stages"),
    ],
)
def test_a_stream_of_the_account_without_scope_is_left_out_and_named(tap, scope, stream):
    """Nobody asked for it: with a catalog or without one, the modules are read, and exit is 0."""
    run_tap = tap(sizes={"Accounts": 3})
    run_tap.config["modules"] = ["Accounts"]
    run_tap.sim.revoke(scope)
    alone, catalog = run_tap(), run_tap.catalog()
    assert stream not in {s["tap_stream_id"] for s in catalog["streams"]}
    for run in (alone, run_tap(catalog=catalog)):
        assert run.code == 0
        assert len(run.records["Accounts"]) == 3
        assert stream not in run.records
    (warning,) = [x for x in alone.err.splitlines() if f"{stream} is left out" in x]
    assert f"ZohoBigin.{scope}" in warning


def test_a_chosen_stream_of_the_account_that_lost_its_scope_fails_the_run(tap):
    run_tap = tap(sizes={"Accounts": 3})
    run_tap.config["modules"] = ["Accounts"]
    catalog = run_tap.catalog()
    run_tap.sim.revoke("users")
    run = run_tap(catalog=catalog)
    assert run.code == 6
    assert len(run.records["Accounts"]) == 3
    assert "users could not be read" in run.err
