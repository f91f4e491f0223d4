"""Inserts, updates, upserts and deletions, over HTTP, against the simulator."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bigin_client.errors import RequestError, ServiceError, SettingsError


def contacts(count, **more):
    return [{"Last_Name": f"Row {i}", "Email": f"row{i}@example.org", **more} for i in range(count)]


def names(sim, module="Contacts", field="Last_Name"):
    return sorted(r[field] for r in sim.store.records(module))


@pytest.fixture
def sim(simulate):
    return simulate(sizes={})


@pytest.mark.parametrize("count", [1, 100, 101, 250])
def test_insert_in_batches(sim, client, count):
    """A result per row, in order, with the id of the record that it became."""
    results = list(client.insert_records("Contacts", contacts(count)))
    assert [r.index for r in results] == list(range(count))
    assert all(r.ok and r.code == "SUCCESS" and r.answered for r in results)
    for index, result in enumerate(results):
        assert sim.store.get("Contacts", result.id)["Last_Name"] == f"Row {index}"
        assert result.created_time == result.modified_time
    sizes = [e.body_rows for e in sim.requests if e.operation == "insert"]
    assert sizes == [min(100, count - start) for start in range(0, count, 100)]
    assert client.transport.credits.used == sim.credits_used
    assert sim.audit() == []


def test_rows_may_be_generated(client, sim):
    list(client.insert_records("Contacts", (r for r in contacts(3))))
    assert sim.store.count("Contacts") == 3


def test_good_rows_are_written_beside_bad_ones(sim, client):
    rows = [
        {"Last_Name": "Good", "Email": "a@example.org"},
        {"First_Name": "Nameless"},
        {"Last_Name": "L" * 81},
        {"Last_Name": "Twice", "Email": "A@EXAMPLE.ORG"},
        {"Last_Name": "Wrong", "Email_Opt_Out": "yes"},
    ]
    good, nameless, long, twice, wrong = client.insert_records("Contacts", rows)
    assert good.ok
    assert (nameless.ok, nameless.code, nameless.field) == (
        False, "MANDATORY_NOT_FOUND", "Last_Name",
    )  # fmt: skip
    assert (long.code, long.field, long.details["maximum_length"]) == (
        "INVALID_DATA", "Last_Name", 80,
    )  # fmt: skip
    assert (twice.code, twice.field, twice.id) == ("DUPLICATE_DATA", "Email", good.id)
    assert (wrong.code, wrong.details["expected_data_type"]) == ("INVALID_DATA", "boolean")
    assert names(sim) == ["Good"]
    assert "A@EXAMPLE" not in repr(twice)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"single_failure_status": 202},
        {"all_failed_status": 400},
        {"mixed_status": 207},
        {"duplicate_details": "id"},
        {"json_path": "none"},
        {"refused_calls_cost": 1},
    ],
)
def test_refusals_whatever_their_status(simulate, connect, switches):
    """Status and details of failing rows are open (bigin-api.md 9.36, 11.7, 9.40, 11.13)."""
    sim = simulate(sizes={}, **switches)
    client = connect(sim)
    (first,) = client.insert_records("Contacts", contacts(1))
    (one,) = client.insert_records("Contacts", [{"First_Name": "Nameless"}])
    assert (one.ok, one.code, one.field) == (False, "MANDATORY_NOT_FOUND", "Last_Name")
    all_bad = list(client.insert_records("Contacts", [{}, {}]))
    assert [r.code for r in all_bad] == ["MANDATORY_NOT_FOUND"] * 2
    mixed = list(client.insert_records("Contacts", [*contacts(1), {"Last_Name": "New"}]))
    assert [(r.ok, r.code) for r in mixed] == [(False, "DUPLICATE_DATA"), (True, "SUCCESS")]
    assert mixed[0].id == first.id


def test_update(sim, client):
    """Absent keys are left alone, null clears, an unknown id is that row's error."""
    ids = [r.id for r in client.insert_records("Contacts", contacts(2, Title="T"))]
    results = list(
        client.update_records(
            "Contacts",
            [
                {"id": ids[0], "Title": None},
                {"id": "5725768000009999999", "Title": "x"},
                {"id": ids[1], "Last_Name": "New"},
            ],
        )
    )
    assert [r.ok for r in results] == [True, False, True]
    assert results[1].code == "INVALID_DATA"
    first, second = (sim.store.get("Contacts", i) for i in ids)
    assert (first["Last_Name"], first["Title"]) == ("Row 0", None)
    assert (second["Last_Name"], second["Title"]) == ("New", "T")


def test_upsert(sim, client):
    (made,) = client.upsert_records("Contacts", contacts(1), match_on=["Email"])
    assert (made.ok, made.action) == (True, "insert")
    changed, new = client.upsert_records(
        "Contacts",
        [{"Last_Name": "Changed", "Email": "ROW0@example.org"}, {"Last_Name": "No mail"}],
        match_on=["Email"],
    )
    assert (changed.action, changed.id) == ("update", made.id)
    assert new.action == "insert"
    assert names(sim) == ["Changed", "No mail"]
    (default,) = client.upsert_records("Contacts", contacts(1))
    assert default.action == "update"


def test_delete(sim, client):
    ids = [r.id for r in client.insert_records("Contacts", contacts(130))]
    results = list(client.delete_records("Contacts", ids))
    assert [r.id for r in results] == ids
    assert all(r.ok for r in results)
    assert sim.store.count("Contacts") == 0
    (again,) = client.delete_records("Contacts", ids[:1])
    assert (again.ok, again.code) == (False, "INVALID_DATA")
    assert client.transport.credits.used == sim.credits_used


@pytest.mark.parametrize("run", [True, False])
def test_workflows(sim, client, run):
    """`trigger: []` keeps them from running; deletions say wf_trigger instead."""
    bodies = []
    sim.before_request(lambda request, _sim: bodies.append((request.query, request.body)))
    (made,) = client.insert_records("Contacts", contacts(1), run_workflows=run)
    list(client.update_records("Contacts", [{"id": made.id}], run_workflows=run))
    list(client.upsert_records("Contacts", contacts(1), run_workflows=run))
    sent = [body for _, body in bodies if b'"data"' in body]
    assert len(sent) == 3
    assert all((b'"trigger":[]' in body) is not run for body in sent)
    list(client.delete_records("Contacts", [made.id], run_workflows=run))
    assert bodies[-1][0]["wf_trigger"] == str(run).lower()


@pytest.mark.parametrize("bad", ["", None, "1,2", "a/b", "1 2", "½"])
def test_ids_that_are_none_or_several(sim, client, bad):
    """`ids=1,2` would delete two records for one row."""
    with pytest.raises(SettingsError, match=r"Row 2 .* no usable id"):
        list(client.delete_records("Contacts", ["5725768000001000001", bad]))
    with pytest.raises(SettingsError):
        list(client.update_records("Contacts", [{"id": "1"}, {"id": bad}]))
    assert {e.method for e in sim.requests} == {"GET"}


@pytest.mark.parametrize("bad", ["", "1?fields=x", "../users", "%2e%2e", "1#", "1\r\nX: y"])
def test_an_id_cannot_become_another_request(sim, client, bad):
    with pytest.raises(SettingsError):
        client.get_record("Contacts", bad, ["Last_Name"])
    with pytest.raises(SettingsError):
        client.connections.get(bad)
    assert not [e for e in sim.requests if e.operation in {"list", "get", "users"}]


def test_batch_sizes(client):
    for rows in ([], contacts(101)):
        with pytest.raises(ValueError, match="1 to 100"):
            client.batches.write("insert", "Contacts", rows)


def test_a_whole_batch_refused(sim, client):
    sim.faults.add("batch_refused", values={"Last_Name": "Row 1"}, times=None)
    with pytest.raises(RequestError) as caught:
        list(client.insert_records("Contacts", contacts(3)))
    assert caught.value.status == 400
    assert sim.store.count("Contacts") == 0


def test_results_that_cannot_be_paired_are_no_results(sim, client):
    """Fewer results than rows: which belongs to which would be a guess."""
    sim.faults.add(
        "status", status=200, shape="text", message='{"data": []}', match={"operation": "insert"}
    )
    results = list(client.insert_records("Contacts", contacts(2)))
    assert [r.answered for r in results] == [False, False]


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), Decimal("NaN")])
def test_numbers_that_json_has_not(sim, client, bad):
    """They would be sent as null, and clear the field."""
    with pytest.raises(SettingsError, match="Row 2 of the batch: Custom_Double is not a finite"):
        list(client.insert_records("Contacts", [{"Last_Name": "a"}, {"Custom_Double": bad}]))
    assert sim.store.count("Contacts") == 0


def test_writes_are_right_under_every_switch(simulate, connect, flipped):
    """Every choice that the documents leave open, the other way: the same results and records."""
    sim = simulate(sizes={}, **flipped)
    client = connect(sim)
    inserted = list(client.insert_records("Contacts", contacts(3)))
    assert [r.ok for r in inserted] == [True] * 3
    ids = [r.id for r in inserted]
    updated = list(client.update_records("Contacts", [{"id": i, "Title": "T"} for i in ids]))
    assert [(r.ok, r.id) for r in updated] == [(True, i) for i in ids]
    upserted = list(
        client.upsert_records(
            "Contacts",
            [{"Last_Name": "Changed", "Email": "ROW0@example.org"}, *contacts(4)[3:]],
            match_on=["Email"],
        )
    )
    assert [(r.ok, r.action) for r in upserted] == [(True, "update"), (True, "insert")]
    assert upserted[0].id == ids[0]
    assert names(sim) == ["Changed", "Row 1", "Row 2", "Row 3"]
    found = {r["id"]: r for r in client.list_records("Contacts", ["Last_Name", "Title"])}
    assert found[ids[0]] == {"id": ids[0], "Last_Name": "Changed", "Title": "T"}
    deleted = list(client.delete_records("Contacts", [*ids, ids[0]]))
    assert [r.ok for r in deleted] == [True, True, True, False]
    assert {t["id"] for t in client.deleted_records("Contacts")} == set(ids)
    assert names(sim) == ["Row 3"]


# --- writes whose reply is lost ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "cut_after", "truncate", "html", "broken_json"])
def test_an_insert_is_never_sent_again_blindly(sim, client, kind):
    sim.faults.add(kind, match={"operation": "insert"})
    with pytest.raises(ServiceError) as caught:
        list(client.insert_records("Contacts", contacts(2)))
    assert caught.value.processed
    assert sum(e.operation == "insert" for e in sim.requests) == 1
    assert sim.store.count("Contacts") == (2 if kind in {"cut_after", "truncate"} else 0)


@pytest.mark.parametrize("code", [None, "TOO_MANY_REQUESTS"])
def test_an_insert_that_was_refused_unprocessed_is_sent_again(sim, client, code):
    sim.faults.add("status", status=429, code=code, match={"operation": "insert"}, times=2)
    assert all(r.ok for r in client.insert_records("Contacts", contacts(2)))
    assert sim.store.count("Contacts") == 2


@pytest.mark.parametrize("kind", ["cut", "cut_after", "truncate", "html", "broken_json"])
def test_updates_are_sent_again(sim, client, kind):
    ids = [r.id for r in client.insert_records("Contacts", contacts(2))]
    sim.faults.add(kind, match={"operation": "update"}, times=2)
    rows = [{"id": i, "Title": "New"} for i in ids]
    results = list(client.update_records("Contacts", rows))
    assert [(r.ok, r.tries) for r in results] == [(True, 3)] * 2
    assert [sim.store.get("Contacts", i)["Title"] for i in ids] == ["New", "New"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut"},
        {"kind": "cut_after"},
        {"kind": "truncate"},
        {"kind": "status_after", "status": 500, "code": "INTERNAL_ERROR"},
    ],
    ids=lambda f: f["kind"],
)
def test_the_second_answer_to_a_deletion_is_understood(sim, client, fault):
    """The service refuses a second deletion; that the record is gone is what was wanted."""
    ids = [r.id for r in client.insert_records("Contacts", contacts(3))]
    sim.faults.add(match={"operation": "delete"}, **fault)
    results = list(client.delete_records("Contacts", ids))
    assert [(r.ok, r.id) for r in results] == [(True, i) for i in ids]
    assert sim.store.count("Contacts") == 0


def test_a_deletion_refused_for_another_reason_stays_refused(sim, client):
    (made,) = client.insert_records("Contacts", contacts(1))
    sim.faults.add("cut", match={"operation": "delete"})
    sim.faults.add("row_error", code="NOT_ALLOWED", match={"operation": "delete"}, after=1)
    (result,) = client.delete_records("Contacts", [made.id])
    assert (result.ok, result.code) == (False, "NOT_ALLOWED")
