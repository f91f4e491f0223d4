"""Statement 62 of bigin-api.md section 9, and the other faults of issue 4."""

from __future__ import annotations

import time

import pytest
import requests

from bigin_client.testing import BiginSimulator


def listed(api, **params):
    return api.get("Contacts", fields="Last_Name", **params)


def test_9_62_status_with_and_without_retry_after(api):
    """429 and 5xx in the gateway's or the service's shape, for chosen requests only."""
    api.sim.faults.add("status", status=429, retry_after=2, times=1, after=1,
                       match={"method": "GET", "path": "Contacts"})  # fmt: skip
    replies = [listed(api) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 429, 200]
    assert replies[1].headers["Retry-After"] == "2"
    assert replies[1].json() == {"message": "simulated fault"}
    assert api.get("Accounts", fields="Account_Name").status_code == 200
    fault = api.sim.faults.add("status", status=503, code="INTERNAL_ERROR", times=None)
    assert listed(api).json()["code"] == "INTERNAL_ERROR"
    assert fault.fired == 1
    api.sim.faults.remove(fault)
    assert listed(api).status_code == 200


def test_9_62_html_and_broken_json(api):
    """9.62: 500 with a body that is no JSON, 502 in HTML."""
    api.sim.faults.add("html")
    reply = listed(api)
    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    api.sim.faults.add("broken_json")
    reply = listed(api)
    assert reply.status_code == 500
    assert "json" in reply.headers["Content-Type"]
    with pytest.raises(ValueError, match="JSON|Unterminated|Expecting"):
        reply.json()
    api.sim.faults.add("status", status=304, shape="empty")
    assert (listed(api).status_code, listed(api).status_code) == (304, 200)


def insert(api):
    return api.insert("Contacts", {"Last_Name": "Faulty"})


@pytest.mark.parametrize(("kind", "applied"), [("cut", 0), ("cut_after", 1)])
def test_cut_connections(api, kind, applied):
    """A cut before, and after, the write took effect."""
    before = api.sim.store.count("Contacts")
    api.sim.faults.add(kind, match={"method": "POST"})
    with pytest.raises(requests.ConnectionError):
        insert(api)
    assert api.sim.store.count("Contacts") == before + applied
    entry = api.sim.requests[-1]
    assert (entry.status, entry.delivered, entry.faults) == (0, False, (kind,))
    assert insert(api).status_code == 201


def test_9_62_timeout_after_the_write(api):
    """9.62: the write took effect, the reply comes too late."""
    before = api.sim.store.count("Contacts")
    api.sim.faults.add("slow", seconds=1.0)
    with pytest.raises(requests.ReadTimeout):
        api.session.post(f"{api.sim.base_url}/zoho-bigin/bigin/v2/Contacts",
                         json={"data": [{"Last_Name": "Late"}]}, timeout=0.2)  # fmt: skip
    assert api.sim.store.count("Contacts") == before + 1


def test_status_after_the_write(api):
    before = api.sim.store.count("Contacts")
    api.sim.faults.add("status_after", status=500)
    assert insert(api).status_code == 500
    assert api.sim.store.count("Contacts") == before + 1


@pytest.mark.parametrize("how", ["real time", "clock", "by hand"])
def test_a_write_applied_late(api, how):
    """Applied only after the client gave up waiting."""
    before = api.sim.store.count("Contacts")
    api.sim.faults.add("late", delay=0.3 if how == "real time" else 60, match={"method": "POST"})
    with pytest.raises(requests.ConnectionError):
        insert(api)
    assert api.sim.store.count("Contacts") == before
    if how == "real time":
        time.sleep(0.5)
    elif how == "clock":
        api.sim.clock.advance(61)
        listed(api)
    else:
        api.sim.apply_late()
    assert api.sim.store.count("Contacts") == before + 1


def test_truncated_and_stalled_bodies(api):
    api.sim.faults.add("truncate", share=0.5)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        listed(api)
    api.sim.faults.add("stall", seconds=0.3)
    began = time.monotonic()
    assert listed(api).status_code == 200
    assert time.monotonic() - began >= 0.3
    api.sim.faults.add("stall_body", seconds=0.3)
    began = time.monotonic()
    assert listed(api).json()["data"]
    assert time.monotonic() - began >= 0.3


def test_9_62_pages(api):
    """9.62: a duplicate page, more_records without a token; the token just used, a gap."""
    same = {"fields": "Modified_Time", "per_page": 4}
    first = api.get("Contacts", **same).json()
    token = first["info"]["next_page_token"]
    api.sim.faults.add("duplicate_page", match={"query": {"page_token": True}})
    again = api.get("Contacts", page_token=token, **same).json()
    assert again["data"] == first["data"]
    assert again["info"]["page"] == 2
    api.sim.faults.add("missing_token")
    info = api.get("Contacts", page_token=token, **same).json()["info"]
    assert (info["more_records"], info["next_page_token"]) == (True, None)
    api.sim.faults.add("repeat_token")
    info = api.get("Contacts", page_token=token, **same).json()["info"]
    assert (info["more_records"], info["next_page_token"]) == (True, token)
    api.sim.faults.add("hide_rows", rows=(1,))
    gap = api.get("Contacts", **same).json()["data"]
    assert gap == [first["data"][0], *first["data"][2:]]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("token_expired", "EXPIRED_VALUE"), ("token_mismatch", "TOKEN_BOUND_DATA_MISMATCH")],
)
def test_token_expiry_midway(api, kind, code):
    same = {"fields": "Modified_Time", "per_page": 4}
    api.sim.faults.add(kind)
    token = api.get("Contacts", **same).json()["info"]["next_page_token"]
    reply = api.get("Contacts", page_token=token, **same)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert api.get("Contacts", page_token=token, **same).status_code == 200


def test_scope_and_connection_lost_midway(api):
    api.sim.faults.add("revoke", scope="Tasks", match={"module": "Tasks"}, after=1)
    statuses = [api.get("Tasks", fields="Subject").status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    api.sim.faults.add("fail_connection", after=1)
    assert [listed(api).status_code for _ in range(3)] == [200, 500, 500]
    found = api.get("/connections").json()["connections"][0]
    assert found["status"] == "FAILED"


def test_transient_row_errors(api):
    api.sim.faults.add("row_error", rows=(0, 2))
    rows = [{"Last_Name": f"R{number}"} for number in range(3)]
    reply = api.insert("Contacts", *rows)
    assert reply.status_code == 202
    codes = [result["code"] for result in reply.json()["data"]]
    assert codes == ["INTERNAL_ERROR", "SUCCESS", "INTERNAL_ERROR"]
    assert api.insert("Contacts", *rows).status_code == 201


def test_a_whole_batch_refused_for_one_row(api):
    api.sim.faults.add("batch_refused", times=None, values={"Last_Name": "poison"})
    rows = [{"Last_Name": "good"}, {"Last_Name": "poison"}, {"Last_Name": "fine"}]
    before = api.sim.store.count("Contacts")
    reply = api.insert("Contacts", *rows)
    assert (reply.status_code, reply.json()["code"]) == (400, "INVALID_DATA")
    assert api.sim.store.count("Contacts") == before
    assert api.insert("Contacts", rows[0], rows[2]).status_code == 201
    api.sim.faults.clear()
    api.sim.faults.add("batch_refused", when=lambda row: row.get("Title") == "x")
    assert api.insert("Contacts", {"Last_Name": "a", "Title": "x"}).status_code == 400


def test_a_service_that_changes_values(api):
    api.sim.faults.add("trim", times=None)
    api.sim.faults.add("default", values={"Title": "Untitled"}, times=None)
    api.sim.faults.add("override", values={"Phone": "000"}, times=None)
    row = {"Last_Name": "  a ", "Phone": "1"}
    read = api.read("Contacts", api.made("Contacts", row))
    assert (read["Last_Name"], read["Title"], read["Phone"]) == ("a", "Untitled", "000")


def test_a_workflow_after_the_write(api):
    """7.12: Modified_Time moves after the reply."""
    api.sim.faults.add("workflow", values={"Title": "by workflow"}, delay=5)
    result = api.one("Contacts", {"Last_Name": "A"})
    read = api.read("Contacts", result["details"]["id"])
    assert read["Title"] == "by workflow"
    assert read["Modified_Time"] != result["details"]["Modified_Time"]


def test_fields_that_appear_and_disappear(api):
    extra = {"api_name": "Ghost", "data_type": "ectoplasm"}
    api.sim.faults.add("extra_fields", values={"fields": [extra]})
    api.sim.faults.add("missing_fields", values={"names": ["Title"]})
    names = [item["api_name"] for item in
             api.get("settings/fields", module="Contacts").json()["fields"]]  # fmt: skip
    assert "Ghost" in names
    assert "Title" not in names


def test_matching(api):
    add = api.sim.faults.add
    add("status", status=500, match={"operation": "upsert"})
    assert insert(api).status_code == 201
    assert api.upsert("Contacts", {"Last_Name": "A"}).status_code == 500
    add("status", status=500, match={"path": "Contacts/*"})
    assert listed(api).status_code == 200
    assert api.get("Contacts/deleted").status_code == 500
    add("status", status=500, match={"query": {"page": 2}})
    assert listed(api).status_code == 200
    assert listed(api, page=2).status_code == 500
    add("status", status=500, match={"module": "Contacts", "operation": "fields"})
    assert api.get("settings/fields", module="Contacts").status_code == 500
    add("status", status=500, when=lambda request: "x-odd" in request.headers)
    assert listed(api).status_code == 200
    assert api.get("Contacts", {"X-Odd": "1"}, fields="Tag").status_code == 500
    other = api.sim.add_connection("ACTIVE")
    add("status", status=500, match={"connection": other})
    assert listed(api).status_code == 200
    with pytest.raises(ValueError, match="no fault of kind"):
        add("gremlins")
    with pytest.raises(ValueError, match="match knows"):
        add("status", match={"verb": "GET"})


def test_hooks_change_the_store_between_requests(api):
    seen = []

    def delete_one(request, sim):
        seen.append(request.route)
        records = sim.store.records("Contacts")
        sim.store.delete("Contacts", records[0]["id"])

    stop = api.sim.before_request(delete_one)
    assert listed(api).json()["info"]["count"] == 11
    stop()
    assert listed(api).json()["info"]["count"] == 11
    undo = api.sim.after_request(lambda request, sim: seen.append("after"))
    listed(api)
    undo()
    assert seen == ["zoho-bigin/bigin/v2/Contacts", "after"]


def test_the_request_log(api):
    api.sim.clear_log()
    api.get("Contacts", {"If-Modified-Since": "2020-01-01T00:00:00+00:00", "User-Agent": "me/1"},
            fields="Last_Name", per_page=3)  # fmt: skip
    api.insert("Contacts", {"Last_Name": "A"}, {})
    read, written = api.sim.requests
    assert (read.method, read.path, read.operation, read.module) == (
        "GET", "Contacts", "list", "Contacts",
    )  # fmt: skip
    assert (read.status, read.rows, read.credits) == (200, 3, 1)
    assert read.params == {"fields": "Last_Name", "per_page": "3"}
    assert read.headers["user-agent"] == "me/1"
    assert read.headers["if-modified-since"]
    assert read.connection_id == api.sim.connection_id
    assert (written.body_rows, written.status, written.code) == (2, 202, "MANDATORY_NOT_FOUND")
    assert list(written.created) == [0]
    assert api.sim.api_key not in repr(api.sim.requests)


def test_faults_of_the_simulator_itself_are_not_hidden():
    """A hook that fails answers 500, and leaving the simulator raises its error."""

    def broken(request, sim):
        raise RuntimeError("a test's own mistake")

    sim = BiginSimulator(sizes={})
    sim.before_request(broken)
    sim.start()
    reply = requests.get(f"{sim.base_url}/connections", timeout=5)
    assert reply.status_code == 500
    assert "own mistake" in reply.json()["error"]
    with pytest.raises(RuntimeError, match="own mistake"):
        sim.__exit__(None, None, None)
