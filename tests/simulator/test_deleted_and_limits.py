"""Statements 59 and 60 of bigin-api.md section 9: the deleted feed, credits, concurrency."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

UTC = timezone.utc


def refusal(reply):
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    return reply.status_code, body["code"]


def rows(api, module="Contacts", headers=None, **params):
    reply = api.get(f"{module}/deleted", headers, **params)
    assert reply.status_code in (200, 204, 304), reply.text
    return reply.json()["data"] if reply.content else []


def test_9_59_row_shape(api):
    """9.59: rows as section 3.4 says; 204 when empty."""
    empty = api.get("Contacts/deleted")
    assert (empty.status_code, empty.content) == (204, b"")
    record = api.sim.store.records("Contacts")[0]
    api.delete("Contacts", ids=record["id"])
    body = api.get("Contacts/deleted", type="all").json()
    assert body["info"] == {"per_page": 200, "count": 1, "page": 1, "more_records": False}
    row = body["data"][0]
    assert set(row) == {"deleted_by", "id", "display_name", "type", "created_by", "deleted_time"}
    assert (row["id"], row["display_name"]) == (record["id"], record["Full_Name"])
    assert set(row["deleted_by"]) == set(row["created_by"]) == {"name", "id"}


def test_9_59_recycle_bin_and_clock(api):
    """9.59: after 60 days a deletion is permanent, after 60 more it is no longer listed."""
    ids = [row["id"] for row in api.sim.store.records("Contacts")]
    api.sim.store.delete("Contacts", ids[0])
    api.sim.store.delete("Contacts", ids[1], permanent=True)
    assert [row["id"] for row in rows(api, type="recycle")] == [ids[0]]
    assert [row["id"] for row in rows(api, type="permanent")] == [ids[1]]
    assert refusal(api.get("Contacts/deleted", type="some"))[0] == 400
    api.sim.clock.advance(timedelta(days=59, hours=23))
    assert {row["id"]: row["type"] for row in rows(api)} == {
        ids[0]: "recycle", ids[1]: "permanent",
    }  # fmt: skip
    api.sim.clock.advance(timedelta(hours=2))
    assert {row["id"]: row["type"] for row in rows(api)} == {ids[0]: "permanent"}
    with pytest.raises(KeyError):
        api.sim.store.restore("Contacts", ids[0])
    api.sim.clock.advance(timedelta(days=60))
    assert rows(api) == []


@pytest.mark.parametrize(("module", "choice"), [("Notes", "INVALID_MODULE"), ("Notes", "served")])
def test_9_59_seven_modules(start, module, choice):
    """9.59: Contacts, Pipelines, Accounts, Products, Tasks, Events, Calls; no Notes (switch)."""
    api = start(deleted_notes=choice)
    for served in ("Contacts", "Pipelines", "Accounts", "Products", "Tasks", "Events", "Calls"):
        assert api.get(f"{served}/deleted").status_code == 204
    reply = api.get(f"{module}/deleted")
    if choice == "served":
        assert reply.status_code == 204
    else:
        assert refusal(reply) == (400, "INVALID_MODULE")
    assert refusal(api.get("Attachments/deleted")) == (400, "INVALID_MODULE")


@pytest.mark.parametrize(
    ("order", "limit", "header"),
    [("newest first", 2_000, "honoured"), ("ascending", None, "ignored")],
)
def test_11_14_order_limit_header(start, order, limit, header):
    """11.14: newest first, 2,000 rows, the header honoured (switch: the contrary)."""
    api = start(deleted_order=order, deleted_page_limit=limit, deleted_modified_since=header)
    api.sim.clock.freeze(datetime(2026, 7, 1, tzinfo=UTC))
    ids = [row["id"] for row in api.sim.store.records("Contacts")][:5]
    for id in ids:
        api.sim.store.delete("Contacts", id)
        api.sim.clock.advance(10)
    listed = [row["id"] for row in rows(api)]
    assert listed == (ids[::-1] if order == "newest first" else ids)
    pages = [row["id"] for page in (1, 2, 3) for row in rows(api, page=page, per_page=2)]
    assert pages == listed
    deep = api.get("Contacts/deleted", page=11, per_page=200)
    assert deep.status_code == (400 if limit else 204)
    since = {"If-Modified-Since": "2026-07-01T00:00:25+00:00"}
    assert len(rows(api, headers=since)) == (2 if header == "honoured" else 5)
    late = {"If-Modified-Since": "2026-07-02T00:00:00+00:00"}
    assert api.get("Contacts/deleted", late).status_code == (304 if header == "honoured" else 200)
    assert refusal(api.get("Contacts/deleted", per_page=201))[0] == 400


@pytest.mark.parametrize("moves", [False, True])
def test_a_restored_record_leaves_the_feed(start, moves):
    """3.4: restored records leave the feed; whether Modified_Time moves is a switch."""
    api = start(restore_moves_modified_time=moves)
    record = api.sim.store.records("Contacts")[0]
    api.sim.store.delete("Contacts", record["id"])
    assert len(rows(api)) == 1
    api.sim.store.restore("Contacts", record["id"])
    assert rows(api) == []
    after = api.sim.store.get("Contacts", record["id"])
    assert (after["Modified_Time"] != record["Modified_Time"]) == moves


@pytest.mark.parametrize("days", [60, 10])
def test_retention_is_a_switch(start, days):
    api = start(recycle_days=days, permanent_days=days)
    api.sim.store.delete("Contacts", api.sim.store.records("Contacts")[0]["id"])
    api.sim.clock.advance(timedelta(days=days * 2 - 1))
    assert len(rows(api)) == 1
    api.sim.clock.advance(timedelta(days=2))
    assert rows(api) == []


# --- credits, concurrency ---------------------------------------------------------------------


def test_9_60_costs(api):
    """9.60, section 5: 1 a call, cvid 3, writes 1 per 10 rows, tags 1 per 50, bulk job 50."""

    def cost(call):
        before = api.sim.credits_used
        assert call().status_code < 300
        return api.sim.credits_used - before

    rows_of = [{"Last_Name": f"N{number}"} for number in range(100)]
    for count, wanted in ((1, 1), (10, 1), (11, 2), (100, 10)):
        assert cost(lambda count=count: api.insert("Contacts", *rows_of[:count])) == wanted
    ids = [row["id"] for row in api.sim.store.records("Contacts")][-60:]
    assert cost(lambda: api.get("Contacts", fields="Tag")) == 1
    assert cost(lambda: api.get("settings/modules")) == 1
    changes = [{"id": id, "Title": "x"} for id in ids[:25]]
    assert cost(lambda: api.update("Contacts", *changes)) == 3
    listed = ",".join(ids)
    assert cost(lambda: api.post("Contacts/actions/add_tags", None, ids=listed,
                                 tag_names="a")) == 2  # fmt: skip
    job = {"query": {"module": "Contacts"}}
    assert cost(lambda: api.post("bulk/v2/read", job)) == 50
    assert sum(entry.credits for entry in api.sim.requests) == api.sim.credits_used


@pytest.mark.parametrize(("edition", "limit"), [("free", 5_000), ("premier", 50_000 + 4 * 250)])
def test_9_60_budget_rolls_over_24_hours(start, edition, limit):
    api = start(edition=edition)
    assert api.sim.credits_left == limit
    api.get("org")
    assert (api.sim.credits_used, api.sim.credits_left) == (1, limit - 1)
    api.sim.clock.advance(86_399)
    api.get("org")
    assert api.sim.credits_used == 2
    api.sim.clock.advance(2)
    assert api.sim.credits_used == 1


@pytest.mark.parametrize(("code", "retry"), [("TOO_MANY_REQUESTS", None), ("LIMIT_EXCEEDED", 2)])
def test_9_60_spent_credits(start, code, retry):
    """9.60: over the budget is 429 TOO_MANY_REQUESTS without Retry-After (switches)."""
    api = start(credits_exhausted_code=code, limit_retry_after=retry)
    api.sim.account().credits.limit = 2
    assert [api.get("org").status_code for _ in range(3)] == [200, 200, 429]
    reply = api.get("org")
    assert refusal(reply) == (429, code)
    assert reply.headers.get("Retry-After") == (str(retry) if retry else None)


@pytest.mark.parametrize("cost", [0, 1])
def test_11_16_refused_calls(start, cost):
    """11.16: a refused call costs nothing (switch: 1)."""
    api = start(refused_calls_cost=cost)
    api.get("Contacts")
    assert api.sim.credits_used == cost


@pytest.mark.parametrize(("edition", "allowed"), [("free", 5), ("premier", 10)])
def test_9_60_concurrency(start, edition, allowed):
    """9.60: more than 5 (Free) or 10 simultaneous calls are 429 TOO_MANY_REQUESTS."""
    api = start(edition=edition)
    api.sim.faults.add("slow", seconds=0.4, times=None)
    statuses = []

    def call():
        other = type(api)(api.sim)
        statuses.append(other.get("org").status_code)
        other.session.close()

    threads = [threading.Thread(target=call) for _ in range(allowed + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * allowed + [429] * 3
    assert max(entry.running for entry in api.sim.requests) == allowed + 3


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (("sorted", "view"), 1),
        (("sorted", "big insert", "big upsert"), 2),
        (("sorted", "plain", "small", "plain"), 0),
    ],
)
def test_9_60_sub_concurrency(start, names, refused):
    """9.60: lists with cvid or sort, and big writes, have a limit of their own: 10 (switch)."""
    api = start(edition="premier")
    assert api.sim.switches.sub_concurrency == 10
    api.sim.switches.sub_concurrency = 1
    (view, *_) = api.get("settings/custom_views", module="Contacts").json()["custom_views"]

    def rows(count):
        return {"data": [{"Last_Name": f"Row {number}"} for number in range(count)]}

    calls = {
        "sorted": lambda one: one.get("Contacts", fields="Email", sort_by="Modified_Time"),
        "view": lambda one: one.get("Contacts", fields="Email", cvid=view["id"]),
        "plain": lambda one: one.get("Contacts", fields="Email"),
        "big insert": lambda one: one.post("Contacts", rows(11)),
        "big upsert": lambda one: one.post("Contacts/upsert", rows(11)),
        "small": lambda one: one.post("Contacts", rows(10)),
    }
    api.sim.faults.add("slow", seconds=0.3, times=None)
    codes = []

    def call(name):
        other = type(api)(api.sim)
        codes.append(calls[name](other).status_code)
        other.session.close()

    threads = [threading.Thread(target=call, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(429) == refused
    last = api.sim.requests[-len(names) :]
    assert {entry.code for entry in last if entry.status == 429} <= {"TOO_MANY_REQUESTS"}
    assert max(entry.demanding for entry in last) == refused + 1
