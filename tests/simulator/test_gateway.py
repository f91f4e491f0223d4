"""Statements 1 to 9 of bigin-api.md section 9, and maton.md: transport, keys, connections."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from bigin_client.testing import BiginSimulator
from bigin_client.testing.gateway import RateLimit

LIST = "/zoho-bigin/bigin/v2/Contacts?fields=Last_Name"


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def test_9_1_unknown_paths(api):
    """9.1: an unknown path is a 404 INVALID_URL_PATTERN at top level."""
    assert refusal(api.get("settings/nonsense")) == (404, "INVALID_URL_PATTERN")
    assert refusal(api.get("/zoho-bigin/bigin/v9/Contacts")) == (404, "INVALID_URL_PATTERN")
    assert refusal(api.post("Contacts/actions/mass_update", {})) == (404, "INVALID_URL_PATTERN")
    assert refusal(api.get("Contacts/1/2/3/4")) == (404, "INVALID_URL_PATTERN")
    assert api.get("/bigin/v2/Contacts").status_code == 404


def test_9_1_wrong_method(start):
    api = start()
    assert refusal(api.send("PATCH", "Contacts")) == (400, "INVALID_REQUEST_METHOD")
    api.sim.switches.wrong_method_status = 405
    assert refusal(api.send("PATCH", "Contacts")) == (405, "INVALID_REQUEST_METHOD")


@pytest.mark.parametrize("shape", ["message", "error.message", "error", "detail", "detail list"])
def test_9_2_wrong_key(start, shape):
    """9.2: a missing or wrong key is a 401 in the gateway's shape, without code."""
    api = start(gateway_shape=shape)
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Zoho-oauthtoken x"}):
        reply = requests.get(api.sim.base_url + LIST, headers=headers, timeout=5)
        assert reply.status_code == 401
        assert "code" not in reply.json()
        assert set(reply.json()) == {shape.split(".")[0].split(" ")[0]}
    assert all(api.sim.api_key not in str(entry) for entry in api.sim.requests)


@pytest.mark.parametrize("status", [400, 412])
def test_9_3_no_connection(start, status):
    """9.3: no usable connection is a 400 in the gateway's shape (switch: 412)."""
    api = start(no_connection_status=status)
    api.sim.set_connection_status(api.sim.connection_id, "PENDING")
    del api.session.headers["Maton-Connection"]
    reply = api.get(LIST)
    assert reply.status_code == status
    assert "code" not in reply.json()


def test_9_4_missing_scope_stops_one_module(api):
    """9.4: 401 OAUTH_SCOPE_MISMATCH for the module, which stays listed; others work."""
    api.sim.revoke("Tasks")
    assert refusal(api.get("Tasks", fields="Subject")) == (401, "OAUTH_SCOPE_MISMATCH")
    assert api.get("Contacts", fields="Last_Name").status_code == 200
    assert "Tasks" in [item["api_name"] for item in api.get("settings/modules").json()["modules"]]
    api.sim.grant("Tasks")
    assert api.get("Tasks", fields="Subject").status_code == 200


def test_9_4_finer_scopes(api):
    api.sim.revoke("Contacts.DELETE")
    assert api.get("Contacts", fields="Last_Name").status_code == 200
    assert refusal(api.delete("Contacts", ids="1")) == (401, "OAUTH_SCOPE_MISMATCH")
    api.sim.revoke("settings.fields")
    assert refusal(api.get("settings/fields", module="Contacts"))[1] == "OAUTH_SCOPE_MISMATCH"
    assert api.get("settings/modules").status_code == 200
    api.sim.revoke("notes")
    contact = api.sim.store.records("Contacts")[0]["id"]
    assert refusal(api.get(f"Contacts/{contact}/Notes", fields="Note_Title"))[0] == 401
    api.sim.revoke("deleted")
    assert refusal(api.get("Contacts/deleted"))[0] == 401
    api.sim.revoke("coql")
    query = {"select_query": "select id from Contacts where id is not null"}
    assert refusal(api.post("coql", query))[0] == 401


@pytest.mark.parametrize("needed", [True, False])
def test_9_5_search_scope(start, needed):
    """9.5: search without securesearch is refused while lists work (switch)."""
    api = start(search_needs_scope=needed)
    api.sim.revoke("securesearch")
    reply = api.get("Contacts/search", criteria="(Last_Name:starts_with:zzzz)")
    assert reply.status_code == (401 if needed else 204)
    assert api.get("Contacts", fields="Last_Name").status_code == 200


def test_9_6_content_type_and_empty_bodies(api):
    """9.6: JSON with its charset; 204 and 304 have no body."""
    reply = api.get("Contacts", fields="Last_Name")
    assert reply.headers["Content-Type"] == "application/json;charset=UTF-8"
    empty = api.get("Contacts", fields="Last_Name", page=10)
    assert (empty.status_code, empty.content) == (204, b"")
    assert "Content-Type" not in empty.headers
    later = {"If-Modified-Since": "2099-01-01T00:00:00+00:00"}
    assert api.get("Contacts", later, fields="Last_Name").content == b""


@pytest.mark.parametrize("mode", ["past half", "never", "always"])
def test_9_7_credits_header(start, mode):
    """9.7: X-API-CREDITS-REMAINING only past 50 % (switch: never, always); no rate headers."""
    api = start(credits_header=mode)
    first = api.get("org")
    assert ("X-API-CREDITS-REMAINING" in first.headers) == (mode == "always")
    assert not [name for name in first.headers if "ratelimit" in name.lower()]
    api.sim.account().credits.use(26_000)
    later = api.get("org")
    assert ("X-API-CREDITS-REMAINING" in later.headers) == (mode != "never")
    if mode == "past half":
        assert int(later.headers["X-API-CREDITS-REMAINING"]) == api.sim.credits_left


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("INVALID_MODULE", (400, "INVALID_MODULE")),
     ("INVALID_URL_PATTERN", (404, "INVALID_URL_PATTERN"))],
)  # fmt: skip
@pytest.mark.parametrize("name", ["contacts", "Deals", "Companies", "Social"])
def test_9_8_9_9_11_2_names_of_modules(start, choice, expected, name):
    """9.8, 9.9, 11.2: names are case-sensitive; Deals, Companies, Social are no API modules."""
    assert refusal(start(unknown_module=choice).get(name, fields="Last_Name")) == expected


# --- the gateway, maton.md --------------------------------------------------------------------


def test_connections_are_listed_and_filtered(api):
    other = api.sim.add_connection("PENDING", app="zoho-crm")
    found = api.get("/connections").json()["connections"]
    assert [item["connection_id"] for item in found] == [api.sim.connection_id, other]
    assert set(found[0]) == {
        "connection_id", "status", "creation_time", "last_updated_time", "url", "app", "method",
        "metadata",
    }  # fmt: skip
    active = api.get("/connections", app="zoho-bigin", status="ACTIVE").json()["connections"]
    assert [item["connection_id"] for item in active] == [api.sim.connection_id]
    assert api.get("/connections", limit=0).json()["connections"] == []
    assert api.get("/connections", limit="x").json()["detail"][0]["loc"] == ["query", "limit"]


@pytest.mark.parametrize(
    ("reply", "delete"), [("nested", 200), ("connection_Id", 204), ("id", 200)]
)
def test_11_10_create_and_delete_a_connection(start, reply, delete):
    """11.10: the new connection's id nested (switch: flat, other spellings); 200 {} or 204."""
    api = start(connection_reply=reply, connection_delete_status=delete)
    body = api.post("/connections", {"app": "zoho-bigin"}).json()
    made = body["connection"]["connection_id"] if reply == "nested" else body[reply]
    one = api.get(f"/connections/{made}").json()["connection"]
    assert (one["status"], one["app"]) == ("PENDING", "zoho-bigin")
    assert one["url"].startswith("https://connect.maton.ai/")
    gone = api.delete(f"/connections/{made}")
    assert gone.status_code == delete
    assert api.get(f"/connections/{made}").status_code == 404


@pytest.mark.parametrize(("unknown", "pending"), [(400, 400), (404, 412)])
def test_11_9_bad_connections(start, unknown, pending):
    """11.9: Maton-Connection unknown or PENDING is 400 (switch: 404, 412)."""
    api = start(unknown_connection_status=unknown, pending_connection_status=pending)
    waiting = api.sim.add_connection("PENDING")
    for named, status in (("nobody", unknown), (waiting, pending)):
        reply = api.get(LIST, {"Maton-Connection": named})
        assert reply.status_code == status
        assert "code" not in reply.json()


@pytest.mark.parametrize("order", ["key, rate, connection", "key, connection, rate"])
def test_11_9_order_of_checks(start, order):
    """11.9: the key is checked first; a refused connection costs rate only in the first order."""
    api = start(gateway_order=order, rate_limit=3)
    statuses = [api.get(LIST, {"Maton-Connection": "nobody"}).status_code for _ in range(5)]
    assert (429 in statuses) == (order == "key, rate, connection")
    wrong = [api.get(LIST, {"Authorization": "Bearer no"}).status_code for _ in range(5)]
    assert set(wrong) == {401}


@pytest.mark.parametrize("status", [500, 400])
def test_a_failed_connection_is_the_gateways_500(start, status):
    """maton.md A5: most 500s are an expired grant."""
    api = start(failed_connection_status=status)
    api.sim.set_connection_status(api.sim.connection_id, "FAILED")
    reply = api.get(LIST)
    assert reply.status_code == status
    assert "code" not in reply.json()


@pytest.mark.parametrize("choice", ["oldest", "refused"])
def test_several_connections_without_the_header(start, choice):
    api = start(several_connections=choice)
    second = api.sim.add_connection("ACTIVE")
    pinned = api.get(LIST, {"Maton-Connection": second})
    assert pinned.status_code == 204  # its account is empty
    del api.session.headers["Maton-Connection"]
    assert api.get(LIST).status_code == (200 if choice == "oldest" else 400)


def test_accounts_are_apart(api):
    second = api.sim.add_connection("ACTIVE", sizes={"Contacts": 3})
    theirs = {row["id"] for row in api.sim.account(second).store.records("Contacts")}
    ours = {row["id"] for row in api.sim.store.records("Contacts")}
    assert len(theirs) == 3
    assert not theirs & ours
    shared = api.sim.add_connection("ACTIVE", account_of=api.sim.connection_id)
    assert api.sim.account(shared).store is api.sim.store


@pytest.mark.parametrize("retry_after", [None, 1])
def test_9_60_gateway_rate_limit(start, retry_after):
    """9.60: more than 10 a second is a 429 in the gateway's shape (switch: Retry-After)."""
    api = start(rate_limit=10, rate_limit_retry_after=retry_after)
    replies = [api.get(LIST) for _ in range(14)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert len(refused) >= 3
    assert "code" not in refused[0].json()
    assert refused[0].headers.get("Retry-After") == (str(retry_after) if retry_after else None)
    assert [reply.status_code for reply in replies[:10]] == [200] * 10
    time.sleep(1.05)
    assert api.get(LIST).status_code == 200


def test_9_60_the_second_slides():
    """Ten in any second, not ten in each second of the clock."""
    limit = RateLimit(10)
    assert [limit.take(0.9 + number / 1_000) for number in range(11)] == [True] * 10 + [False]
    assert not limit.take(1.0)
    assert not limit.take(1.899)
    assert limit.take(1.9005)
    assert not limit.take(1.9006)
    assert all(RateLimit(None).take(0.0) for _ in range(100))


def test_date_header_follows_the_clock(api):
    api.sim.clock.freeze()
    api.sim.clock.advance(86_400 * 400)
    shown = api.get(LIST).headers["Date"]
    assert shown == api.sim.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_only_loopback_is_bound(api):
    assert api.sim.base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("reaches", [True, False])
def test_date(start, reaches):
    reply = start(date_header=reaches).get("Contacts", fields="Last_Name")
    assert ("Date" in reply.headers) == reaches


@pytest.mark.parametrize("compress", [False, True])
def test_gzip(start, compress):
    api = start(gzip=compress)
    reply = api.get("settings/modules")
    assert (reply.headers.get("Content-Encoding") == "gzip") == compress
    assert len(reply.json()["modules"]) == 11


def test_chunked_uploads_are_read(api):
    body = b'{"data": [{"Last_Name": "Chunky"}]}'
    reply = api.send("POST", "Contacts", data=iter([body[:10], body[10:]]))
    assert reply.status_code == 201


def test_a_stopped_simulator_leaves_no_thread():
    before = set(threading.enumerate())
    with BiginSimulator(sizes={}) as sim:
        session = requests.Session()
        session.get(sim.base_url + "/connections", timeout=5)
        assert set(threading.enumerate()) - before
    assert not {thread for thread in threading.enumerate() if thread not in before}
    session.close()
