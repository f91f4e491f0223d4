"""Every row of bigin-api.md section 6 and maton.md A5, over HTTP: what a caller gets to see."""

from __future__ import annotations

import pytest

from bigin_client import retry, scopes
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ScopeError,
    ServiceError,
)

SECRET = "planted-content"

# status, Bigin's code, error, tries of a read, part of the hint
OF_BIGIN = [
    (400, "REQUIRED_PARAM_MISSING", RequestError, 1, "fault of the program"),
    (400, "EXPECTED_PARAM_MISSING", RequestError, 1, "criteria, email, phone or word"),
    (400, "INVALID_MODULE", NotFoundError, 1, "bigin modules"),
    (404, "INVALID_URL_PATTERN", NotFoundError, 1, "bigin modules"),
    (400, "INVALID_REQUEST_METHOD", RequestError, 1, "does not offer"),
    (405, "INVALID_REQUEST_METHOD", RequestError, 1, "does not offer"),
    (400, "INVALID_REQUEST", RequestError, 1, "Authorization scheme"),
    (400, "INVALID_QUERY", RequestError, 1, "field names, operators"),
    (400, "SYNTAX_ERROR", RequestError, 1, "field names, operators"),
    (400, "LIMIT_EXCEEDED", RequestError, 1, "50 fields, 100 records"),
    (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", RequestError, 1, "page tokens"),
    (400, "PAGINATION_LIMIT_EXCEEDED", RequestError, 1, "Modified_Time"),
    (400, "EXPIRED_VALUE", RequestError, 1, "start again"),
    (400, "TOKEN_BOUND_DATA_MISMATCH", RequestError, 1, "start again"),
    (401, "TOKEN_BOUND_DATA_MISMATCH", RequestError, 1, "start again"),
    (400, "AMBIGUITY_DURING_PROCESSING", RequestError, 1, "cvid goes without"),
    (400, "INVALID_DATA", RequestError, 1, "names in brackets"),
    (401, "INVALID_TOKEN", ConnectionUnavailableError, retry.FEW_TRIES, "US data centre"),
    (401, "AUTHENTICATION_FAILURE", ConnectionUnavailableError, retry.FEW_TRIES, "new connection"),
    (401, "OAUTH_SCOPE_MISMATCH", ScopeError, 1, "support@maton.ai"),
    (403, "NO_PERMISSION", ScopeError, 1, "administrator"),
    (400, "FEATURE_NOT_ENABLED", ScopeError, 1, "administrator"),
    (403, "FEATURE_NOT_SUPPORTED", ScopeError, 1, "administrator"),
    (413, "FILE_TOO_LARGE", RequestError, 1, "smaller"),
    (415, "UNSUPPORTED_MEDIA_TYPE", RequestError, 1, "kind of content"),
    (429, "TOO_MANY_REQUESTS", RateLimitedError, None, "requests_per_second"),
    (429, "API_CREDITS_EXCEEDED", CreditsExhaustedError, 1, "24 hours"),
    (500, "INTERNAL_ERROR", ServiceError, None, "Run again later"),
    (500, "INTERNAL_SERVER_ERROR", ServiceError, None, "Run again later"),
    (503, "SERVICE_UNAVAILABLE", ServiceError, None, "Run again later"),
]


def ask(client):
    with pytest.raises(BiginError) as caught:
        client.records.count("Contacts")
    return caught.value


@pytest.fixture
def client(sim, connect):
    """A client that retries for a fifth of a second."""
    return connect(sim, max_wait=0.2)


@pytest.mark.parametrize("row", OF_BIGIN, ids=lambda row: f"{row[0]}-{row[1]}")
def test_refusals_of_bigin(sim, client, row):
    status, code, kind, tries, hint = row
    sim.faults.add(
        "status",
        status=status,
        code=code,
        message=SECRET,
        values={"param_name": "fields", "api_name": "Email", "value": SECRET},
        match={"operation": "count"},
        times=None,
    )
    error = ask(client)
    assert type(error) is kind
    assert (error.status, error.code, error.origin) == (status, code, "Bigin")
    assert error.request_id == f"sim-1-{len(sim.requests)}"
    assert error.request_id in str(error)
    assert error.details == {"param_name": "fields", "api_name": "Email"}
    assert hint in error.hint
    assert SECRET not in str(error) + repr(error)
    assert sim.api_key not in str(error) + repr(error)
    asked = sum(e.operation == "count" for e in sim.requests)
    assert asked == tries if tries else asked > 1, "transient answers are asked for again"


SHAPES = ["gateway", "html", "text", "empty", "broken json"]

# status, error, tries of a read, part of the text
OF_THE_GATEWAY = [
    (302, RequestError, 1, "redirect"),
    (400, RequestError, 1, "refused"),
    (401, AuthenticationError, 1, "MATON_API_KEY"),
    (403, AuthenticationError, 1, "does not let this Maton API key"),
    (404, NotFoundError, 1, "knows no such path"),
    (407, RequestError, 1, "HTTPS_PROXY"),
    (412, RequestError, 1, "refused"),
    (413, RequestError, 1, "smaller"),
    (415, RequestError, 1, "kind of content"),
    (422, RequestError, 1, "refused"),
    (408, ServiceError, None, "Run again later"),
    (429, RateLimitedError, None, "requests_per_second"),
    (502, ServiceError, None, "Run again later"),
    (503, ServiceError, None, "Run again later"),
    (504, ServiceError, None, "Run again later"),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", OF_THE_GATEWAY, ids=lambda row: str(row[0]))
def test_refusals_of_the_gateway(sim, client, row, shape):
    """By status: the gateway has no codes. What its body looks like makes no difference."""
    status, kind, tries, said = row
    sim.faults.add(
        "status",
        status=status,
        shape=shape,
        message=SECRET,
        match={"operation": "count"},
        times=None,
    )
    error = ask(client)
    assert type(error) is kind
    assert (error.status, error.code, error.origin) == (status, None, "gateway")
    assert error.request_id.startswith("sim-1-")
    assert said in str(error)
    assert SECRET not in str(error) + repr(error)
    asked = sum(e.operation == "count" for e in sim.requests)
    assert asked == tries if tries else asked > 1


@pytest.mark.parametrize("shape", ["message", "error.message", "error", "detail", "detail list"])
def test_every_shape_of_the_gateway(simulate, connect, shape):
    """The gateway's own refusals, in each form that maton.md A5 names."""
    sim = simulate(gateway_shape=shape)
    wrong = connect(sim, api_key="wrong", max_wait=0.1)
    error = ask(wrong)
    assert type(error) is AuthenticationError
    assert (error.status, error.origin) == (401, "gateway")
    client = connect(sim, max_wait=0.2)
    sim.set_connection_status(sim.connection_id, "FAILED")
    error = ask(client)
    assert type(error) is ConnectionUnavailableError
    assert "FAILED" in str(error)
    assert "bigin connections create" in error.hint


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
def test_a_connection_that_does_not_exist(simulate, connect, status):
    sim = simulate(unknown_connection_status=status)
    error = ask(connect(sim, connection_id="no-such"))
    assert type(error) is ConnectionUnavailableError
    assert "no-such (not known to the gateway)" in str(error)


@pytest.mark.parametrize("status", [400, 412])
def test_a_connection_that_is_pending(simulate, connect, status):
    sim = simulate(pending_connection_status=status)
    error = ask(connect(sim, connection_id=sim.add_connection("PENDING")))
    assert type(error) is ConnectionUnavailableError
    assert "(PENDING)" in str(error)


@pytest.mark.parametrize("status", [500, 400])
def test_an_expired_grant(simulate, connect, status):
    """A 500 in the gateway's shape that repeats: the way out, after a few tries."""
    sim = simulate(failed_connection_status=status)
    client = connect(sim)
    sim.faults.add("fail_connection", match={"operation": "count"})
    error = ask(client)
    assert type(error) is ConnectionUnavailableError
    assert (error.status, error.origin, error.exit_code) == (status, "gateway", 3)
    assert f"{sim.connection_id} is FAILED" in str(error) or "(FAILED)" in str(error)
    assert "bigin connections create" in error.hint
    tries = sum(e.operation == "count" for e in sim.requests)
    assert tries == (retry.FEW_TRIES if status == 500 else 1)


def test_a_repeated_500_of_the_gateway_while_the_connection_looks_active(sim, connect):
    """Most often an expired grant, says the gateway's documentation (maton.md A5)."""
    sim.faults.add("status", status=500, match={"operation": "count"}, times=None)
    error = ask(connect(sim))
    assert type(error) is ConnectionUnavailableError
    assert "is ACTIVE" in str(error)
    assert sum(e.operation == "count" for e in sim.requests) == retry.FEW_TRIES


@pytest.mark.parametrize("shape", ["gateway", "html", "text", "broken json"])
def test_a_500_that_passes(sim, client, shape):
    sim.faults.add("status", status=500, shape=shape, match={"operation": "count"}, times=2)
    assert client.records.count("Contacts") == 230


@pytest.mark.parametrize("code", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE"])
def test_a_token_that_the_gateway_refreshes(sim, client, code):
    sim.faults.add("status", status=401, code=code, match={"operation": "insert"}, times=2)
    (result,) = client.insert_records("Contacts", [{"Last_Name": "Once"}])
    assert result.ok


def test_a_500_that_was_tried_once_is_not_called_an_expired_grant(sim, connect):
    sim.faults.add("status", status=500, match={"operation": "count"}, times=None)
    error = ask(connect(sim, max_wait=0))
    assert type(error) is ServiceError
    assert sum(e.operation == "count" for e in sim.requests) == 1


def test_an_insert_that_meets_an_expired_grant_may_have_been_processed(sim, client):
    """The load engine must settle it; the message still names the way out."""
    sim.faults.add("fail_connection", match={"operation": "insert"})
    with pytest.raises(ServiceError) as caught:
        list(client.insert_records("Contacts", [{"Last_Name": "Once"}]))
    assert caught.value.processed
    assert "is FAILED" in str(caught.value)
    assert "bigin connections create" in caught.value.hint


# --- scopes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "module", "scope"),
    [
        ("GET Contacts", "Contacts", "ZohoBigin.modules.contacts.READ"),
        ("GET Contacts/1", "Contacts", "ZohoBigin.modules.contacts.READ"),
        ("POST Contacts", "Contacts", "ZohoBigin.modules.contacts.CREATE"),
        ("PUT Contacts", "Contacts", "ZohoBigin.modules.contacts.UPDATE"),
        ("DELETE Contacts", "Contacts", "ZohoBigin.modules.contacts.DELETE"),
        (
            "POST Contacts/upsert",
            "Contacts",
            "ZohoBigin.modules.contacts.CREATE and ZohoBigin.modules.contacts.UPDATE",
        ),
        ("POST Contacts/1/actions/add_tags", "Contacts", "ZohoBigin.modules.contacts.UPDATE"),
        (
            "GET Contacts/search",
            "Contacts",
            "ZohoSearch.securesearch.READ and ZohoBigin.modules.contacts.READ",
        ),
        (
            "POST Contacts/1/Notes",
            "Contacts",
            "ZohoBigin.modules.contacts.READ and ZohoBigin.modules.notes.CREATE",
        ),
        ("GET settings/fields", "Contacts", "ZohoBigin.settings.fields.READ"),
        ("GET settings/modules", None, "ZohoBigin.settings.modules.READ"),
        ("GET users", None, "ZohoBigin.users.READ"),
        ("GET org", None, "ZohoBigin.org.READ"),
        ("POST coql", None, "ZohoBigin.coql.READ"),
        ("POST /bigin/bulk/v2/read", "Contacts", "ZohoBigin.bulk.CREATE"),
        ("GET /bigin/bulk/v2/read/1", None, "ZohoBigin.bulk.READ"),
        ("GET something", None, None),
    ],
)
def test_the_scope_that_is_missing(label, module, scope):
    assert scopes.needed(label, module) == scope


def test_credits_of_the_account_are_used_up(sim, connect):
    """A plain TOO_MANY_REQUESTS beside a remainder of 0 is no reason to try for minutes."""
    client = connect(sim)
    sim.account().credits.use(sim.credits_left)
    error = ask(client)
    assert type(error) is CreditsExhaustedError
    assert len(sim.requests) == 1


#: Codes with which section 6 refuses one row, beside those that the service has of its own accord.
OF_A_ROW = [
    "MANDATORY_NOT_FOUND",
    "INVALID_DATA",
    "DEPENDENT_FIELD_MISSING",
    "DEPENDENT_MISMATCH",
    "NOT_ALLOWED",
    "RECORD_LOCKED",
    "NOT_APPROVED",
    "CANNOT_PERFORM_ACTION",
    "NOT_SUPPORTED",
    "PATTERN_NOT_MATCHED",
    "LIMIT_REACHED",
    "RECORD_IN_BLUEPRINT",
    "NO_PERMISSION",
    "A_CODE_THAT_NOBODY_KNOWS",
]


@pytest.mark.parametrize("code", OF_A_ROW)
def test_refusals_of_one_row(sim, client, tmp_path, code):
    """A value, no exception; the rows beside it are written, by a load too."""
    sim.faults.add("row_error", rows=[1], code=code, match={"operation": "insert"}, times=None)
    rows, before = [{"Last_Name": f"Row {i}"} for i in range(3)], sim.store.count("Contacts")
    results = list(client.insert_records("Contacts", rows))
    assert [(r.ok, r.code) for r in results] == [
        (True, "SUCCESS"),
        (False, code),
        (True, "SUCCESS"),
    ]
    assert sim.store.count("Contacts") == before + 2
    refused = {"max_rejects": 1, "rejects_path": str(tmp_path / "rejects.jsonl")}
    report = client.load("Contacts", rows, mode="insert", allow_duplicates=True, **refused)
    assert report.streams["Contacts"].rejects_by_code == {code: 1}
    assert report.streams["Contacts"].outcomes == {"created": 2, "rejected": 1}
