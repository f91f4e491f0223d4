"""Planted secrets: the key, connection links, record contents and search values get nowhere."""

from __future__ import annotations

import io
import logging
import string
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigin_client import BiginClient, Settings, coql, criteria, refusals, transport
from bigin_client.errors import BiginError, ConnectionUnavailableError
from bigin_client.testing import BiginSimulator

#: Long enough not to come up by chance.
SECRETS = st.text(string.ascii_letters + string.digits, min_size=12, max_size=24).map(
    "s3cr".__add__
)
FAULTS = st.sampled_from(
    [
        None,
        {"kind": "cut"},
        {"kind": "cut_after"},
        {"kind": "truncate"},
        {"kind": "html"},
        {"kind": "broken_json"},
        {"kind": "fail_connection"},
        *({"kind": "status", "status": s} for s in (400, 401, 403, 404, 412, 429, 500, 503)),
        *(
            {"kind": "status", "status": s, "code": c}
            for s, c in [
                (400, "INVALID_DATA"),
                (400, "SYNTAX_ERROR"),
                (401, "OAUTH_SCOPE_MISMATCH"),
                (401, "INVALID_TOKEN"),
                (429, "TOO_MANY_REQUESTS"),
                (500, "INTERNAL_ERROR"),
            ]
        ),
    ]
)
CALLS = st.sampled_from(
    [
        "list", "get", "insert", "update", "upsert", "delete", "criteria", "email", "phone", "word",
        "coql", "count", "note", "attach", "attach link", "tag", "connections", "create", "wait",
        "resolve",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def sim():
    with BiginSimulator(rate_limit=None, sizes={"Contacts": 3}) as started:
        yield started


@contextmanager
def everything_said() -> Iterator[io.StringIO]:
    """Collect all that any logger says at DEBUG, with tracebacks."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    names = ("urllib3", "requests", "tenacity", "bigin_client", "filelock")
    loggers = [root, *map(logging.getLogger, names)]
    levels, before = [one.level for one in loggers], root.handlers[:]
    root.handlers[:] = [handler]
    for one in loggers:
        one.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.handlers[:] = before
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def perform(client: BiginClient, call: str, contact: str, secret: str) -> object:
    row = {"Last_Name": secret, "Email": f"{secret}@example.org", "Title": secret * 6}
    field = criteria.field("Last_Name")
    calls = {
        "list": lambda: list(client.list_records("Contacts")),
        "get": lambda: client.records._get("Contacts", contact, None) and None,
        "insert": lambda: list(client.insert_records("Contacts", [row])),
        "update": lambda: list(client.update_records("Contacts", [{"id": contact, **row}])),
        "upsert": lambda: list(client.upsert_records("Contacts", [row], ["Email"])),
        "delete": lambda: list(client.delete_records("Contacts", [contact])),
        "criteria": lambda: list(client.queries.search("Contacts", criteria=field.equals(secret))),
        "email": lambda: list(client.queries.search("Contacts", email=secret)),
        "phone": lambda: list(client.queries.search("Contacts", phone=secret)),
        "word": lambda: list(client.queries.search("Contacts", word=secret)),
        "coql": lambda: list(client.query(f"select id from Contacts where City = '{secret}'")),
        "count": lambda: client.count_records("Contacts", criteria=field.equals(secret)),
        "note": lambda: client.related.add_note("Contacts", contact, secret, secret),
        "attach": lambda: client.related.attach(
            "Contacts", contact, io.BytesIO(secret.encode()), f"{secret}.pdf"
        ),
        "attach link": lambda: client.related.attach_link(
            "Contacts", contact, f"https://example.org/{secret}"
        ),
        "tag": lambda: client.tags.add("Contacts", contact, [secret]),
        "connections": lambda: client.connections.list() and None,
        "create": lambda: client.connections.create() and None,
        "wait": lambda: client.connections.wait_until_active(
            client.connections.create()["connection_id"], timeout=0.01, poll_interval=0.02
        ),
        "resolve": client.connections.resolve,
    }
    return calls[call]()


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(secret=SECRETS, call=CALLS, fault=FAULTS, stored=st.booleans())
def test_secrets_get_nowhere(sim, monkeypatch, secret, call, fault, stored):
    """Whatever is asked, whatever goes wrong: nothing in repr, logs, errors or tracebacks."""
    monkeypatch.setattr(transport, "FIRST_DELAY", 0.001)
    key = f"key-{secret}"
    monkeypatch.setattr(sim.gateway, "api_key", key)
    sim.set_connection_status(sim.connection_id, "ACTIVE")
    sim.faults.clear()
    made = sim.store.insert("Contacts", {"Last_Name": secret if stored else "Public"})
    contact = made if isinstance(made, str) else made["id"]
    if fault:
        sim.faults.add(**fault, message=secret, values={"api_name": "Email", "value": secret})
    session = [c.describe()["url"] for c in sim.connections]
    shown: list[object] = []
    with everything_said() as said:
        given = Settings(
            api_key=key,
            base_url=sim.base_url,
            connection_id=sim.connection_id,
            requests_per_second=0,
            max_wait=0.01,
            rate_limit_store=f"redis://:{secret}@127.0.0.1:1/0",
        )
        with BiginClient(given) as client:
            shown += [given, client, client.transport, client.connections, client.transport.credits]
            try:
                results = perform(client, call, contact, secret)
            except BiginError as error:
                shown += [error, *traceback.format_exception(error), error.details, error.hint]
                shown += chain(error)
            else:
                if isinstance(results, list) and results and not isinstance(results[0], dict):
                    shown += [r for r in results if not isinstance(r, list)]
    sim.store.delete("Contacts", contact) if sim.store.get("Contacts", contact) else None
    text = said.getvalue() + "\n".join(f"{s} {s!r}" for s in shown)
    assert secret not in text
    assert not [u for u in session if u in text]
    assert "session_token" not in text


def chain(error: BaseException) -> Iterator[str]:
    """Yield the texts of what an error was raised from or during."""
    while (before := error.__cause__ or error.__context__) is not None:
        yield repr(before)
        error = before


@given(SECRETS)
def test_builders_show_no_values(secret):
    """A criteria object in a log line must not hold what was looked for."""
    one = criteria.field("Email").equals(secret) & criteria.field("City").is_in([secret])
    other = coql.column("Email").equals(secret) | coql.column("City").is_in([secret])
    query = coql.select("id").source("Contacts").where(other)
    assert secret in str(one)
    assert secret in str(query)
    assert secret not in repr([one, other, query])


def test_debug_lines_of_the_http_library_are_still_there(sim, monkeypatch):
    """Only the query is cut off: method, path and status help at 3 a.m."""
    monkeypatch.setattr(sim.gateway, "api_key", "k")
    sim.faults.clear()
    given = Settings(
        api_key="k", base_url=sim.base_url, connection_id=sim.connection_id, requests_per_second=0
    )
    with everything_said() as said, BiginClient(given) as client:
        list(client.queries.search("Contacts", email="planted@example.org"))
    assert '"GET /zoho-bigin/bigin/v2/Contacts/search HTTP/1.1" 204' in said.getvalue()


def test_other_programs_log_lines_are_left_alone():
    """The filter concerns the gateway's host only."""
    record = logging.LogRecord(
        "urllib3.connectionpool", logging.DEBUG, "f", 1, "%s %s", ("other.example", "/a?b=c"), None
    )
    assert logging.getLogger("urllib3.connectionpool").filter(record)
    assert record.getMessage() == "other.example /a?b=c"


def test_an_error_carries_no_cause_that_holds_the_query():
    """`raise … from None` hides a cause from people, not from programs: there must be none."""
    wanted = "planted"
    given = Settings(
        api_key="planted-key",
        base_url="http://127.0.0.1:9",
        connection_id="c",
        requests_per_second=0,
        max_wait=0,
    )
    with BiginClient(given) as client, pytest.raises(BiginError) as caught:
        list(client.queries.search("Contacts", email=wanted))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert wanted not in "".join(traceback.format_exception(caught.value))


def test_the_way_out_names_no_link():
    error = ConnectionUnavailableError("x", hint=refusals.REAUTHORISE)
    assert "http" not in str(error)
