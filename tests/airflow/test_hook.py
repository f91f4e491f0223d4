"""The hook: settings from an Airflow connection, and the connection test's layers."""

from __future__ import annotations

import json
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_bigin.connection import settings_from_connection
from airflow_provider_bigin.hooks.bigin import BiginHook
from bigin_client.errors import SettingsError
from tests.airflow.conftest import connection_json


def conn(**parts) -> Connection:
    extra = parts.pop("extra", None)
    return Connection(
        conn_id="c",
        conn_type="bigin",
        **{"password": "test-key-123", **parts},
        extra=None if extra is None else json.dumps(extra),
    )


def test_every_extra_field_reaches_its_setting():
    values = {
        "connection_id": "conn-1",
        "requests_per_second": 3.5,
        "rate_limit_store": "memory",
        "max_concurrency": 2,
        "request_timeout": 11,
        "max_wait": 22,
        "max_credits": 33,
        "min_credits_left": 44,
        "verify_tls": False,
        "ca_bundle": "/etc/ca.pem",
        "allow_http": True,
    }
    settings = settings_from_connection(conn(host="http://gateway.example", extra=values))
    assert {n: getattr(settings, n) for n in values} == values
    assert settings.base_url == "http://gateway.example"


def test_text_of_forms_and_uris_becomes_numbers_and_truth():
    settings = settings_from_connection(
        conn(extra={"requests_per_second": "4.5", "max_concurrency": "3", "verify_tls": "False"})
    )
    assert settings.requests_per_second == 4.5
    assert settings.max_concurrency == 3
    assert settings.verify_tls is False


@pytest.mark.parametrize(
    ("field", "value"), [("max_concurrency", "many"), ("verify_tls", "perhaps"), ("max_wait", "x")]
)
def test_what_cannot_be_converted_names_the_field(field, value):
    with pytest.raises(SettingsError, match=field):
        settings_from_connection(conn(extra={field: value}))


def test_an_argument_comes_before_the_connection_and_that_before_airflow_cfg(monkeypatch):
    monkeypatch.setenv("AIRFLOW__BIGIN__REQUESTS_PER_SECOND", "2")
    monkeypatch.setenv("BIGIN_REQUESTS_PER_SECOND", "1")
    assert settings_from_connection(conn()).requests_per_second == 2
    with_extra = conn(extra={"requests_per_second": 3})
    assert settings_from_connection(with_extra).requests_per_second == 3
    assert settings_from_connection(with_extra, requests_per_second=4).requests_per_second == 4
    monkeypatch.delenv("AIRFLOW__BIGIN__REQUESTS_PER_SECOND")
    assert settings_from_connection(conn()).requests_per_second == 1


def test_an_empty_connection_falls_back_to_the_environment(monkeypatch):
    monkeypatch.setenv("MATON_API_KEY", "key-of-the-shell")
    settings = settings_from_connection(conn(password=None))
    assert settings.api_key == "key-of-the-shell"
    assert settings.base_url == "https://api.maton.ai"


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("https://gateway.example/", None, "https://gateway.example"),
        ("gateway.example", None, "https://gateway.example"),
        ("127.0.0.1", 8099, "http://127.0.0.1:8099"),
        ("http://127.0.0.1", 8099, "http://127.0.0.1:8099"),
    ],
)
def test_hosts_of_forms_and_of_uris(host, port, url):
    assert settings_from_connection(conn(host=host, port=port)).base_url == url


# --- the connection test ----------------------------------------------------------------------


@pytest.fixture
def answer(sim, monkeypatch):
    def test(key=None, **extra):
        given = json.loads(connection_json(sim, **extra))
        monkeypatch.setenv(
            "AIRFLOW_CONN_TESTED", json.dumps({**given, "password": key or sim.api_key})
        )
        return BiginHook("tested").test_connection()

    return test


def test_success_names_account_and_edition(answer, sim):
    good, message = answer()
    assert good
    assert "edition premier" in message
    assert sim.connection_id in message


@pytest.mark.parametrize("key", ["wrong-key-000", "********"])
def test_a_wrong_key_is_the_keys_fault(answer, key):
    good, message = answer(key)
    assert not good
    assert "Maton" in message
    assert "key" in message
    assert key not in message


def test_a_pending_connection_is_the_connections_fault(answer, sim):
    pending = sim.add_connection("PENDING")
    good, message = answer(connection_id=pending)
    assert not good
    assert message.startswith("Maton connection:")
    assert "PENDING" in message


def test_two_connections_are_listed(answer, sim):
    other = sim.add_connection("ACTIVE")
    good, message = answer()
    assert not good
    assert message.startswith("Maton connection:")
    assert other in message
    assert sim.connection_id in message


def test_an_unknown_connection_is_named(answer):
    good, message = answer(connection_id="no-such-connection")
    assert not good
    assert message.startswith("Maton connection:")


def test_an_unreachable_gateway_is_the_gateways_fault(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_TESTED",
        json.dumps({"conn_type": "bigin", "host": "http://127.0.0.1:9", "password": "some-key-1"}),
    )
    good, message = BiginHook("tested").test_connection()
    assert not good
    assert message.startswith("Gateway:")


def test_it_never_raises():
    good, message = BiginHook("no_such_airflow_connection").test_connection()
    assert not good
    assert message


# --- reads and writes -------------------------------------------------------------------------


@pytest.fixture
def hook(bigin_default):  # noqa: ARG001 - the connection
    made = BiginHook()
    yield made
    made.close()


def test_the_client_is_made_once(hook):
    assert hook.get_conn() is hook.get_conn()


def test_modules_fields_users(hook):
    assert hook.list_modules()[:2] == ["Accounts", "Contacts"]
    assert "Social" not in hook.list_modules()
    fields = {f["api_name"]: f for f in hook.list_fields("contacts")}
    assert fields["Last_Name"]["mandatory"] is True
    assert json.dumps(fields)
    assert len(hook.list_users("CurrentUser")) == 1


def test_modules_without_scope_are_left_out_with_their_name(hook, sim):
    # Where Airflow's log goes depends on its version, and on what ran before.
    hook._log = Mock()
    sim.revoke("Tasks")
    assert hook.readable(["Contacts", "Tasks"]) == ["Contacts"]
    ((text, module, _why), _) = hook._log.warning.call_args
    assert text % (module, "…") == "Module Tasks is left out: …"


def test_iter_records_between_two_times(hook, sim):
    everything = {r["id"]: r["Modified_Time"] for r in hook.iter_records("Contacts")}
    assert set(everything) == {r["id"] for r in sim.store.records("Contacts")}
    times = sorted(everything.values())
    first, last = times[60], times[120]
    found = [r["id"] for r in hook.iter_records("Contacts", ["Last_Name"], since=first, until=last)]
    assert sorted(found) == sorted(i for i, t in everything.items() if first <= t < last)


def test_a_record_is_written_read_and_deleted(hook):
    (made,) = hook.write("Contacts", [{"Last_Name": "Hook", "Email": "h@example.org"}], "insert")
    assert made.ok
    (changed,) = hook.write("Contacts", [{"id": made.id, "Title": "Dr"}], "update")
    assert changed.ok
    assert hook.get_record("Contacts", made.id, ["Title"])["Title"] == "Dr"
    (gone,) = hook.delete("Contacts", [made.id])
    assert gone.ok
    assert hook.get_record("Contacts", made.id) is None
    assert made.id in {r["id"] for r in hook.iter_records("Contacts", include_deleted=True)}


def test_connections_come_without_their_url(hook, sim):
    (listed,) = hook.maton_list_connections()
    assert listed["connection_id"] == sim.connection_id
    assert "url" not in listed
    created = hook.maton_create_connection()
    assert created["status"] == "PENDING"
    assert "url" not in created
    assert "url" in hook.maton_create_connection(return_url=True)
    hook.maton_delete_connection(created["connection_id"])
    assert created["connection_id"] not in {c.id for c in sim.connections}


def test_no_repr_shows_the_key(hook, sim):
    shown = f"{hook!r} {vars(hook)!r} {hook.get_conn()!r} {hook.get_conn().settings!r}"
    assert sim.api_key not in shown
