"""Metadata, people, layouts, pipelines and the gateway's connections, over HTTP."""

from __future__ import annotations

import threading

import pytest

from bigin_client.errors import (
    ConnectionUnavailableError,
    NotFoundError,
    PagingError,
    ScopeError,
    ServiceError,
    SettingsError,
)


def test_modules_parents_first(client):
    modules = {m.api_name: m for m in client.modules()}
    names = list(modules)
    assert names[:8] == [
        "Accounts", "Contacts", "Products", "Pipelines", "Tasks", "Events", "Calls", "Notes",
    ]  # fmt: skip
    assert modules["Accounts"].label == "Companies"
    assert not modules["Social"].api_supported
    assert modules["Associated_Products"].generated_type == "subform"


def test_fields(sim, client):
    """What the metadata says, read as bigin-api.md section 2 tells; asked for once."""
    fields = {f.api_name: f for f in client.fields("contacts")}
    assert "id" not in fields
    assert fields["Last_Name"].mandatory
    assert fields["Last_Name"].length == 80
    assert fields["Email"].unique
    assert not fields["Email"].case_sensitive
    assert fields["Account_Name"].lookup_module == "Accounts"
    assert fields["Tag"].writable
    assert not fields["Record_Image"].writable
    assert not fields["Created_Time"].writable
    assert not fields["Last_Activity_Time"].writable
    stage = next(f for f in client.fields("deals") if f.api_name == "Sub_Pipeline")
    assert {v.actual for v in stage.picklist} >= {"Sales Pipeline Standard"}
    before = len(sim.requests)
    client.fields("Contacts")
    client.modules()
    assert len(sim.requests) == before


def test_fields_without_their_scope(sim, client):
    sim.revoke("settings.fields")
    with pytest.raises(ScopeError) as caught:
        client.fields("Contacts")
    assert caught.value.scope == "ZohoBigin.settings.fields.READ"


def test_unknown_data_types(simulate, connect):
    client = connect(simulate(unknown_data_types=True, missing_json_type=True))
    (record, *_rest) = client.list_records("Contacts")
    assert len(record) == len(client.fields("Contacts")) + 1


def test_users(simulate, connect):
    sim = simulate()
    client = connect(sim)
    everyone = client.users()
    assert len({u["id"] for u in everyone}) == len(everyone) >= 4
    (me,) = client.users("CurrentUser")
    assert me["email"] == everyone[0]["email"]
    assert client.records.user(everyone[1]["id"]) == everyone[1]
    assert client.records.user("1") is None
    assert client.transport.credits.used == sim.credits_used


def test_a_users_page_that_comes_twice_is_an_error(sim, client):
    body = '{"users": [{"id": "1"}], "info": {"more_records": true}}'
    sim.faults.add("status", status=200, shape="text", message=body, times=None)
    with pytest.raises(PagingError, match="twice"):
        client.users()


def test_org(client):
    assert client.org()["company_name"] == "Simulated Goods"
    assert client.org()["license_details"]["paid_type"] == "premier"


def test_settings_lists(client):
    assert client.account.layouts("Pipelines")[0]["sections"]
    assert client.account.custom_views("Contacts")[0]["id"]
    assert "Products" in {r["api_name"] for r in client.account.related_lists("Contacts")}
    assert {r["name"] for r in client.account.roles()} == {"CEO", "Manager"}
    assert {p["name"] for p in client.account.profiles()} == {"Administrator", "Standard"}
    assert "VIP" in {t["name"] for t in client.tags.list("Contacts")}


def test_pipelines_as_one_object(client):
    """Team Pipelines, their sub-pipelines with stored and shown names, their stages in order."""
    first, *others = client.account.pipelines()
    assert (first.name, first.active) == ("Sales Pipeline", True)
    onboarding = first.sub_pipelines[1]
    assert (onboarding.actual, onboarding.display) == ("Customer Onboarding Standard", "All Leads")
    assert onboarding.stages == ("New", "Kick-off", "Live", "Closed Lost")
    seen = [s.actual for p in (first, *others) for s in p.sub_pipelines]
    assert len(seen) == len(set(seen)), "each sub-pipeline belongs to one Team Pipeline"


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.modules(),
        lambda c: c.users(),
        lambda c: c.org(),
        lambda c: c.account.layouts("Contacts"),
        lambda c: c.tags.list("Contacts"),
        lambda c: c.records.count("Contacts"),
        lambda c: c.connections.list(),
        lambda c: c.connections.get("x"),
        lambda c: list(c.query("select id from Contacts where id is not null")),
    ],
)
def test_an_unknown_shape_is_an_error(sim, client, ask):
    """Where the data lies is not guessed; nothing is invented, nothing is taken as empty."""
    sim.faults.add("status", status=200, shape="text", message='{"other": 1}', times=None)
    with pytest.raises(ServiceError):
        ask(client)


# --- connections -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["nested", "connection_Id", "id"])
@pytest.mark.parametrize("status", [200, 204])
def test_life_of_a_connection(simulate, connect, form, status):
    """All spellings of the id, and both answers to a deletion (bigin-api.md 11.10)."""
    sim = simulate(connection_reply=form, connection_delete_status=status)
    client = connect(sim)
    made = client.connections.create()
    key = made["connection_id"]
    assert made["status"] == "PENDING"
    assert made["url"].startswith("https://")
    assert {c["connection_id"] for c in client.connections.list()} == {sim.connection_id, key}
    assert [c["connection_id"] for c in client.connections.list(status="PENDING")] == [key]
    waits = []
    client.connections._transport._sleep = lambda s: (
        waits.append(s),
        sim.set_connection_status(key, "ACTIVE"),
    )
    assert client.connections.wait_until_active(key, poll_interval=2)["status"] == "ACTIVE"
    assert waits == [2]
    client.connections.delete(key)
    with pytest.raises(NotFoundError, match="no such connection"):
        client.connections.get(key)
    with pytest.raises(NotFoundError):
        client.connections.delete(key)
    assert client.transport.credits.used == 0, "the gateway's own paths cost nothing"


def test_waiting_for_a_connection_that_fails_or_takes_too_long(sim, client):
    pending = client.connections.create()["connection_id"]
    with pytest.raises(ConnectionUnavailableError, match="still PENDING") as caught:
        client.connections.wait_until_active(pending, timeout=0.05, poll_interval=0.02)
    assert "Open its link" in caught.value.hint
    assert "session_token" not in str(caught.value)
    sim.set_connection_status(pending, "FAILED")
    with pytest.raises(ConnectionUnavailableError, match="is FAILED"):
        client.connections.wait_until_active(pending)


@pytest.mark.parametrize("kind", ["cut_after", "truncate"])
def test_a_connection_deleted_by_a_request_whose_reply_was_lost(sim, client, kind):
    key = sim.add_connection("FAILED")
    sim.faults.add(kind, match={"method": "DELETE"})
    client.connections.delete(key)
    assert key not in {c.id for c in sim.connections}


def test_a_connection_is_never_created_twice(sim, client):
    sim.faults.add("cut_after", match={"method": "POST"})
    with pytest.raises(ServiceError) as caught:
        client.connections.create()
    assert caught.value.processed
    assert len(sim.connections) == 2


def test_the_one_active_connection_is_found_once_and_pinned(simulate, connect):
    sim = simulate()
    sim.add_connection("FAILED")
    sim.add_connection("ACTIVE", app="zoho-crm")
    client = connect(sim, connection_id=None)
    threads = [threading.Thread(target=client.org) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(e.path == "connections" for e in sim.requests) == 1
    orgs = [e for e in sim.requests if e.operation == "org"]
    assert [e.headers["maton-connection"] for e in orgs] == [sim.connection_id] * 4


@pytest.mark.parametrize("count", [0, 2])
def test_no_or_several_connections_are_an_error_that_lists_them(simulate, connect, count):
    sim = simulate()
    if count == 0:
        sim.set_connection_status(sim.connection_id, "FAILED")
    else:
        other = sim.add_connection("ACTIVE")
    client = connect(sim, connection_id=None)
    with pytest.raises(ConnectionUnavailableError) as caught:
        client.org()
    said = str(caught.value)
    assert sim.connection_id in said
    assert "session_token" not in said
    if count == 0:
        assert "FAILED" in said
        assert "bigin connections create" in said
    else:
        assert other in said
        assert f"export BIGIN_CONNECTION_ID={sim.connection_id}" in said
    assert not [e for e in sim.requests if e.operation == "org"]


def test_another_shells_connection_is_not_used(simulate, connect, monkeypatch):
    monkeypatch.setenv("BIGIN_CONNECTION_ID", "other")
    sim = simulate()
    client = connect(sim, connection_id=None)
    with pytest.raises(SettingsError, match="names other"):
        client.org()
