"""The audit: a deliberately bad client per rule proves that it fires; a good one is left alone."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
import requests

from bigin_client.testing.audit import RULES

FIELDS = {"fields": "Modified_Time"}


def duplicate_insert(api):
    for _ in range(2):
        api.insert("Contacts", {"Last_Name": "Twice", "Title": "T"})


def blind_resend(api):
    api.sim.faults.add("cut_after")
    for _ in range(2):
        with contextlib.suppress(requests.ConnectionError):
            api.insert("Contacts", {"Last_Name": "Resent"})
        time.sleep(0.1)


def page_with_token(api):
    token = api.page("Contacts", per_page=4)["info"]["next_page_token"]
    api.get("Contacts", per_page=4, page=2, page_token=token, **FIELDS)


def too_many_fields(api):
    api.get("Contacts", fields=",".join(list(api.sim.store.fields("Contacts"))[:51]))


def missing_fields(api):
    api.get("Contacts")


def too_many_rows(api):
    api.insert("Contacts", *[{"Last_Name": f"N{number}"} for number in range(101)])


def deep_page(api):
    api.get("Contacts", page=11, **FIELDS)


def changed_with_token(api):
    token = api.page("Contacts", per_page=4)["info"]["next_page_token"]
    api.get("Contacts", fields="Last_Name", per_page=4, page_token=token)


def lone_sort_order(api):
    api.get("Contacts", sort_order="asc", **FIELDS)


def cvid_with_sort(api):
    api.get("Contacts", sort_by="id", cvid="1", **FIELDS)


def missing_connection(api):
    del api.session.headers["Maton-Connection"]
    api.get("Contacts", **FIELDS)


def limit_zero(api):
    api.get("/connections", limit=0)


def early_retry(api):
    api.sim.faults.add("status", status=429, retry_after=30)
    for _ in range(2):
        api.get("Contacts", **FIELDS)
        time.sleep(0.1)


def rate(api):
    api.sim.rate_limit = 5
    for _ in range(6):
        api.get("org")


def concurrency(api):
    api.sim.faults.add("slow", seconds=0.3, times=None)
    threads = [threading.Thread(target=lambda: requests.get(
        f"{api.sim.base_url}/zoho-bigin/bigin/v2/org", timeout=5,
        headers=dict(api.session.headers))) for _ in range(12)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def refused_scope(api):
    api.sim.revoke("Tasks")
    for _ in range(4):
        api.get("Tasks", fields="Subject")


def refused_key(api):
    for _ in range(4):
        api.get("org", {"Authorization": "Bearer wrong"})


def expired_token(api):
    token = api.page("Contacts", per_page=4)["info"]["next_page_token"]
    api.sim.clock.advance(90_000)
    for _ in range(2):
        api.get("Contacts", per_page=4, page_token=token, **FIELDS)


def repeated_delete(api):
    id = api.made("Contacts", {"Last_Name": "Gone"})
    for _ in range(2):
        api.delete("Contacts", ids=id)


def key_in_url(api):
    api.get("org", api_key="x")


BAD_CLIENTS = [
    duplicate_insert, blind_resend, page_with_token, too_many_fields, missing_fields,
    too_many_rows, deep_page, changed_with_token, lone_sort_order, cvid_with_sort,
    missing_connection, limit_zero, early_retry, rate, concurrency, refused_scope, refused_key,
    expired_token, repeated_delete, key_in_url,
]  # fmt: skip


@pytest.mark.parametrize("bad_client", BAD_CLIENTS, ids=lambda client: client.__name__)
def test_a_bad_client_is_found_out(api, bad_client):
    bad_client(api)
    found = api.sim.audit()
    assert bad_client.__name__ in {violation.rule for violation in found}
    one = next(violation for violation in found if violation.rule == bad_client.__name__)
    assert one.explanation
    assert one.request in api.sim.requests
    assert api.sim.audit([bad_client.__name__])


def test_every_rule_has_its_bad_client():
    assert {client.__name__ for client in BAD_CLIENTS} == set(RULES)


def test_a_good_client_is_left_alone(start):
    api = start(rate_limit=20)
    api.get("/connections", app="zoho-bigin", status="ACTIVE")
    for body in api.chain("Contacts", per_page=5, sort_by="Modified_Time", sort_order="asc"):
        assert body["data"]
        time.sleep(0.11)
    # An insert of unclear end: looked for, and only then sent again.
    api.sim.faults.add("cut")
    with pytest.raises(requests.ConnectionError):
        api.insert("Contacts", {"Last_Name": "Careful"})
    time.sleep(0.11)
    api.page("Contacts", sort_by="Created_Time")
    time.sleep(0.11)
    api.insert("Contacts", {"Last_Name": "Careful"})
    # A 429 with Retry-After, waited in full by a clock that is moved.
    api.sim.faults.add("status", status=429, retry_after=20)
    api.get("Accounts", **FIELDS)
    api.sim.clock.advance(20.1)
    api.get("Accounts", **FIELDS)
    # An insert refused by 429 was not processed: sending it again is no blind resend.
    api.sim.faults.add("status", status=429)
    for _ in range(2):
        api.insert("Contacts", {"Last_Name": "Patient"})
        time.sleep(0.11)
    assert api.sim.audit() == []


def test_violations_are_json(api):
    missing_fields(api)
    shown = api.sim.audit()[0].to_dict()
    assert shown["rule"] == "missing_fields"
    assert shown["request"]["path"] == "Contacts"
