"""Loads in trouble: each row ends once, and stands once in the store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    CreditsExhaustedError,
    ScopeError,
    ServiceError,
)
from bigin_client.load import loader as loaders
from bigin_client.testing import Switches

WRITES = ("POST", "PUT", "DELETE")


def products(count: int) -> list[dict[str, Any]]:
    return [{"product_name": f"Thing {i}", "unit_price": i} for i in range(count)]


def contacts(count: int) -> list[dict[str, Any]]:
    return [{"last_name": f"N{i}", "email": f"n{i}@load.test"} for i in range(count)]


CASES = [
    ("Products", "Product_Name", products),  # inserts: may not be sent twice
    ("Contacts", "Email", contacts),  # upserts on a unique field: may be
]


def load(client: Any, module: str, rows: Any, key: str, **options: Any) -> dict[str, int]:
    options = {"match_on": [key], "settle_seconds": 0.3, **options}
    try:
        report = client.load(module, rows, **options)
    except BiginError as error:
        report = error.report
        assert report.status == "failed"
    entry = report.to_dict()["streams"][module]
    assert sum(entry["outcomes"].values()) == entry["rows"]
    return {k: v for k, v in entry["outcomes"].items() if v}


def keys(sim: Any, module: str, key: str) -> list[str]:
    values = [r[key] or "" for r in sim.store.records(module)]
    return sorted(v for v in values if v.startswith("Thing ") or v.endswith("@load.test"))


@pytest.mark.parametrize("case", CASES, ids=["insert", "upsert"])
@pytest.mark.parametrize(
    "fault",
    [
        ("cut", {}),
        ("cut_after", {}),
        ("html", {}),
        ("status", {"status": 500, "shape": "html"}),
        ("status", {"status": 503, "shape": "empty"}),
        ("status_after", {"status": 504, "shape": "html"}),
        ("status_after", {"status": 500, "shape": "gateway"}),
        ("status", {"status": 429, "shape": "gateway", "retry_after": 1}),
        ("truncate", {"share": 0.5}),
        ("stall", {"seconds": 2}),
        ("slow", {"seconds": 2}),
    ],
    ids=lambda f: f"{f[0]}-{f[1].get('status', '')}",
)
def test_each_row_once_whatever_happens_to_a_write(sim, connect, case, fault):
    module, key, make = case
    client = connect(request_timeout=1)
    kind, details = fault
    sim.faults.add(kind, match={"method": "POST"}, times=1, after=1, **details)
    rows = make(250)
    assert load(client, module, rows, key) == {"created": 250}
    assert keys(sim, module, key) == sorted(r[key.lower()] for r in rows)
    assert load(client, module, rows, key) == {"unchanged": 250}


@pytest.mark.parametrize("kind", ["cut", "cut_after"])
def test_updates_and_deletions_are_simply_sent_again(sim, client, kind):
    rows = products(150)
    load(client, "Products", rows, "Product_Name")
    sim.faults.add(kind, match={"method": "PUT"}, times=1)
    sim.faults.add(kind, match={"method": "DELETE"}, times=1)
    changed = [{**r, "unit_price": r["unit_price"] + 1} for r in rows]
    assert load(client, "Products", changed, "Product_Name") == {"updated": 150}
    assert load(client, "Products", rows, "Product_Name", mode="delete") == {"deleted": 150}
    assert keys(sim, "Products", "Product_Name") == []


def test_a_write_that_is_applied_late_is_waited_for(sim, client):
    sim.faults.add("late", match={"method": "POST"}, times=1, seconds=0, delay=0.4)
    rows = products(30)
    assert load(client, "Products", rows, "Product_Name", settle_seconds=1) == {"created": 30}
    assert len(keys(sim, "Products", "Product_Name")) == 30


def test_a_lost_insert_is_settled_while_the_load_goes_on(sim, client, monkeypatch):
    """As soon as it need not be waited for: at the end all that was made since would be listed."""
    monkeypatch.setattr(loaders, "CHUNK", 50)
    there = []

    def look(request: Any, sim: Any) -> None:
        if request.query.get("sort_by") == "Created_Time":
            there.append(sim.store.count("Products"))

    sim.before_request(look)
    sim.faults.add("cut_after", match={"method": "POST"}, times=1)
    rows = products(1_500)
    assert load(client, "Products", rows, "Product_Name", settle_seconds=0) == {"created": 1_500}
    assert there[0] < 1_500 / 2
    assert len(keys(sim, "Products", "Product_Name")) == 1_500


@pytest.mark.parametrize("sim", [{"token_chain_rows": 300}], indirect=True)
@pytest.mark.parametrize("kind", ["cut", "cut_after"])
def test_an_insert_is_settled_behind_more_records_than_tokens_reach(sim, client, kind):
    """A load that goes on for long after the reply was lost."""
    sim.before_request(lambda _request, sim: sim.clock.advance(1))
    sim.faults.add(kind, match={"method": "POST"}, times=1)
    assert load(client, "Products", products(900), "Product_Name") == {"created": 900}
    assert len(keys(sim, "Products", "Product_Name")) == 900


@pytest.mark.parametrize(
    "sim", [{"sizes": {"Products": 2_500}, "token_chain_rows": 800}], indirect=True
)
def test_what_was_modified_of_late_is_not_read_where_a_walk_is_cheaper(sim, client):
    """A load run again right after it wrote more than page tokens reach."""
    records = sim.store.records("Products")
    for start in range(0, 1_000, 100):
        sim.clock.advance(1)
        for record in records[start : start + 100]:
            sim.store.update("Products", record["id"], {"Unit_Price": 1})
    rows = [{"product_name": r["Product_Name"], "unit_price": 2} for r in records[:50]]
    report = client.load("Products", rows, match_on=["Product_Name"], compare="always")
    assert report.streams["Products"].outcomes["updated"] == 50
    # A walk, what the list cost until its end, and 50 updates with the date that is tried first.
    assert report.credits_used < 1.5 * 2_500 / 200 + 5 + 10


def test_inserts_are_settled_by_list_not_by_search(sim, client):
    sim.faults.add("cut_after", match={"method": "POST"}, times=1)
    load(client, "Products", products(10), "Product_Name")
    assert not [r for r in sim.requests if "search" in r.path or "coql" in r.path]


def test_what_cannot_be_settled_is_unknown_and_not_sent_again(sim, client, tmp_path, lines):
    """A record of ours without a key may be any of the rows'."""
    sim.faults.add("override", match={"method": "POST"}, values={"Product_Code": None})
    sim.faults.add("cut_after", match={"method": "POST"}, times=1)
    before = sim.store.count("Products")
    path = tmp_path / "rejects.jsonl"
    rows = [{**r, "product_code": r["product_name"]} for r in products(3)]
    got = load(client, "Products", rows, "Product_Code", rejects_path=str(path))
    assert got == {"unknown": 3}
    assert sim.store.count("Products") == before + 3
    assert [(x["outcome"], x["code"]) for x in lines(path)] == [("unknown", "OUTCOME_UNKNOWN")] * 3


@pytest.mark.parametrize(("module", "key", "make"), CASES)
def test_a_batch_refused_as_a_whole_is_halved_to_the_bad_row(sim, client, module, key, make):
    bad = make(120)[77][key.lower()]
    sim.faults.add("batch_refused", match={"method": "POST"}, times=None, values={key: bad})
    assert load(client, module, make(120), key) == {"created": 119, "rejected": 1}
    assert len(keys(sim, module, key)) == 119


@pytest.mark.parametrize(("module", "key", "make"), CASES)
def test_a_row_that_the_service_stumbles_over(sim, client, module, key, make):
    sim.faults.add("row_error", match={"method": "POST"}, times=2, rows=[3, 5])
    assert load(client, module, make(20), key) == {"created": 20}
    assert len(keys(sim, module, key)) == 20


def test_refusals_of_single_rows(sim, client, tmp_path, lines):
    taken = sim.store.records("Contacts")[0]
    rows = [
        {"mobile": str(i), "last_name": f"M{i}", "email": f"m{i}@example.com"} for i in range(5)
    ]
    rows[2]["email"] = taken["Email"]
    path = tmp_path / "r.jsonl"
    got = load(client, "Contacts", rows, "Mobile", rejects_path=str(path))
    assert got == {"created": 4, "rejected": 1}
    (found,) = lines(path)
    assert (found["code"], found["field"], found["id"], found["attempt"]) == (
        "DUPLICATE_DATA",
        "Email",
        taken["id"],
        1,
    )


STATUSES = [
    {name: value}
    for name, values in Switches.alternatives().items()
    for value in values
    if name
    in {
        "mixed_status",
        "single_failure_status",
        "all_failed_status",
        "upsert_insert_status",
        "upsert_mixed_status",
        "duplicate_details",
        "json_path",
        "type_names",
        "over_long_details",
        "unknown_id_update",
        "upsert_same_key",
        "upsert_several_matches",
        "upsert_id_in_row",
        "upsert_check_field_not_unique",
        "unknown_field_in_body",
        "read_only_in_body",
        "null_mandatory",
        "trims_text",
        "token_nature",
        "sort",
        "other_sort",
        "lone_sort_order",
        "empty_multiselect",
        "noop_update_touches",
        "gateway_order",
        "unknown_picklist",
        "zulu_offset",
        "wrong_type",
        "unique_on_insert",
    }
]


@pytest.mark.parametrize("switches", [{}, *STATUSES], ids=str)
def test_right_under_every_answer_to_the_open_questions(sim, client, switches):
    """Section 11 and the A and F items of section 9, either way."""
    for name, value in switches.items():
        setattr(sim.switches, name, value)
    taken = [r for r in sim.store.records("Contacts") if r["Email"]]
    for mode in ("Email", "Phone"):
        rows: list[dict[str, Any]] = [
            {"last_name": f" {mode} {i}", "email": f"{mode}{i}@example.com", "phone": f"{mode}{i}"}
            for i in range(10)
        ]
        if mode == "Phone":
            rows[4]["email"] = taken[0]["Email"]
            rows[5]["email"] = taken[1]["Email"]
            rows[6]["email"] = taken[0]["Email"].upper()
        before = sim.store.count("Contacts")
        got = load(client, "Contacts", rows, mode)
        bad = 3 if mode == "Phone" and switches != {"unique_on_insert": False} else 0
        assert got == {"created": 10 - bad, **({"rejected": bad} if bad else {})}
        assert sim.store.count("Contacts") == before + 10 - bad
        again = load(client, "Contacts", rows, mode)
        assert again == {"unchanged": 10 - bad, **({"rejected": bad} if bad else {})}
    single = [{"last_name": "S", "phone": "only one", "email": taken[0]["Email"]}]
    if switches != {"unique_on_insert": False}:
        assert load(client, "Contacts", single, "Phone") == {"rejected": 1}


def test_a_record_that_goes_while_it_is_loaded(sim, client):
    rows = products(3)
    load(client, "Products", rows, "Product_Name")
    (record,) = [r for r in sim.store.records("Products") if r["Product_Name"] == "Thing 1"]

    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "PUT" and sim.store.get("Products", record["id"]):
            sim.store.delete("Products", record["id"])

    sim.before_request(meddle)
    changed = [{**r, "unit_price": 77} for r in rows]
    assert load(client, "Products", changed, "Product_Name") == {"updated": 2, "created": 1}
    assert len(keys(sim, "Products", "Product_Name")) == 3


def test_another_writer_is_faster(sim, client):
    """The key appears between our read and our write: no second record of it."""
    done = []

    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "POST" and not done:
            row = {"Last_Name": "theirs", "Email": "N1@load.test", "Phone": "1"}
            done.append(sim.store.insert("Contacts", row))

    sim.before_request(meddle)
    assert load(client, "Contacts", contacts(3), "Email") == {"created": 2, "updated": 1}
    assert len([k for k in keys(sim, "Contacts", "Email") if k.lower() == "n1@load.test"]) == 1


def test_credits_give_out(sim, connect):
    client = connect(max_credits=25)
    before = sim.store.count("Products")
    with pytest.raises(CreditsExhaustedError) as caught:
        client.load("Products", products(500), match_on=["Product_Name"])
    entry = caught.value.report.to_dict()["streams"]["Products"]
    assert entry["outcomes"]["created"] == sim.store.count("Products") - before
    assert entry["outcomes"]["created"] + entry["outcomes"]["skipped"] == 500
    assert caught.value.report.exit_codes == [4]
    assert load(connect(), "Products", products(500), "Product_Name")["created"] > 0
    assert len(keys(sim, "Products", "Product_Name")) == 500


@pytest.mark.parametrize("case", CASES, ids=["insert", "upsert"])
@pytest.mark.parametrize(
    "fault",
    [
        ("status_after", {"status": 500, "shape": "service", "code": "INTERNAL_ERROR"}),
        ("status_after", {"status": 500, "shape": "gateway"}),
        ("status_after", {"status": 502, "shape": "html"}),
        ("cut_after", {}),
    ],
    ids=lambda f: f"{f[0]}-{f[1].get('shape', '')}",
)
def test_writes_that_fail_after_they_were_done_do_not_pass_the_limit(sim, connect, case, fault):
    """Nobody says what they cost: at most as much as if they had been answered."""
    module, key, make = case
    kind, details = fault
    sim.faults.add(kind, match={"method": "POST", "module": module}, times=3, **details)
    client = connect(max_credits=45)
    with pytest.raises((CreditsExhaustedError, ServiceError), match="max_credits 45 reached"):
        client.load(module, make(500), match_on=[key], settle_seconds=0, compare="always")
    assert sim.credits_used <= 45


def test_the_service_stays_down(sim, connect):
    client = connect(max_wait=1, request_timeout=1)
    sim.faults.add("status", status=503, shape="html", match={"method": "POST"}, times=None)
    with pytest.raises(ServiceError) as caught:
        client.load("Contacts", contacts(150), match_on=["Email"], settle_seconds=0)
    outcomes = caught.value.report.streams["Contacts"].outcomes
    assert sum(outcomes.values()) == 150
    assert outcomes["created"] == 0


def test_no_scope_and_wrong_key(sim, connect):
    sim.revoke("Products.create")
    with pytest.raises(ScopeError) as caught:
        connect().load("Products", products(3), match_on=["Product_Name"])
    assert caught.value.report.exit_codes == [6]
    with pytest.raises(AuthenticationError):
        connect(api_key="wrong").load("Products", products(3))


@pytest.mark.parametrize("switch", ["keyset", "offset", "snapshot"])
def test_deletions_while_the_module_is_read_double_nothing(sim, client, switch):
    sim.switches.token_nature = switch
    rows = products(900)
    load(client, "Products", rows, "Product_Name")
    victims = [r["id"] for r in sim.store.records("Products")][:40]

    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "GET" and request.query.get("page_token") and victims:
            for _ in range(10):
                if victims:
                    sim.store.delete("Products", victims.pop())

    stop = sim.before_request(meddle)
    load(client, "Products", rows, "Product_Name")
    stop()
    names = keys(sim, "Products", "Product_Name")
    assert len(names) == len(set(names))


def test_details_of_requests(sim, client):
    bodies = []
    sim.before_request(
        lambda request, _sim: bodies.append((request.method, request.route, request.body))
    )
    load(client, "Contacts", contacts(3), "Email")
    ((_, route, body),) = [b for b in bodies if b[0] in WRITES]
    assert route.endswith("Contacts/upsert")
    sent = json.loads(body)
    assert sent["duplicate_check_fields"] == ["Email"]
    assert sent["trigger"] == []
    load(client, "Contacts", [{"last_name": "x", "phone": "5"}], "Phone", run_workflows=True)
    assert "trigger" not in json.loads(bodies[-1][2])
