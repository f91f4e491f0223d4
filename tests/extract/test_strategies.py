"""Each assumption about the service, false: the next strategy reads, and says so once."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from bigin_client.errors import PagingError

HEADER_IGNORED = {"if_modified_since": "ignored"}
MISREAD = {"if_modified_since": "offset misread"}
BOGUS = {"if_modified_since": "always 304"}
SORT_IGNORED = {"sort": "ignored"}
SORT_FAKED = {"sort": "ignored, echoed"}


@pytest.mark.parametrize(
    ("switches", "strategy", "reason"),
    [
        ({}, "seek", None),
        ({"if_modified_since_bound": ">="}, "seek", None),
        ({"not_modified_status": 204, "modified_since_past_end": 304}, "seek", None),
        (HEADER_IGNORED, "descend", "ignored"),
        (MISREAD, "descend", "misread"),
        (BOGUS, "descend", "misread"),
        (SORT_IGNORED, "by id", "not echoed"),
        (SORT_FAKED, "by id", "not applied"),
        ({**SORT_IGNORED, **HEADER_IGNORED}, "by id", "not echoed"),
    ],
)
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kolkata"])
def test_a_full_read_is_complete_all_the_same(
    account, copy_of, caplog, switches, strategy, reason, zone
):
    """The copy equals the store, and one line names the strategy and the reason."""
    sim, client = account(sizes={"Contacts": 900}, time_zone=zone, **switches)
    with caplog.at_level(logging.WARNING):
        copy = copy_of(sim, client, "Contacts").read()
    assert copy.differences() == []
    assert copy.summary.strategy == strategy
    lines = [r.message for r in caplog.records if "read by the strategy" in r.message]
    assert len(lines) == (0 if reason is None else 1)
    assert reason is None or (strategy in lines[0] and reason in lines[0])


@pytest.mark.parametrize("switches", [{}, HEADER_IGNORED, MISREAD, BOGUS, SORT_IGNORED, SORT_FAKED])
def test_bookmarks_of_one_strategy_hold_for_another(account, copy_of, switches):
    """A bookmark made while all was well is good when nothing is, and the other way round."""
    sim, client = account(sizes={"Contacts": 700})
    copy = copy_of(sim, client, "Contacts").read()
    for round_ in range(2):
        for name, value in switches.items():
            default = type(sim.switches)().__dict__[name]
            setattr(sim.switches, name, value if round_ == 0 else default)
        sim.clock.advance(3_600)
        ids = [r["id"] for r in sim.store.records("Contacts")]
        for record_id in ids[:250]:
            sim.clock.advance(0.2)
            sim.store.update("Contacts", record_id, {"Title": f"Round {round_}"})
        sim.store.delete("Contacts", ids[300])
        copy.read()
        assert copy.differences() == []
        assert len(copy.emitted) == 250


def test_a_refused_sort_is_read_by_id(account, copy_of):
    """A 400 for the sort is no reason to give up."""
    sim, client = account(sizes={"Accounts": 450})
    sim.faults.add(
        "status",
        status=400,
        code="INVALID_DATA",
        shape="service",
        times=None,
        match={"operation": "list", "query": {"sort_by": True}},
    )
    copy = copy_of(sim, client, "Accounts").read()
    assert copy.summary.strategy == "by id"
    assert copy.differences() == []


def test_without_the_fields_scope_the_standard_fields_are_read(account, copy_of, caplog):
    """One record read whole and bigin-api.md 1.4 tell the fields; said once."""
    sim, client = account(sizes={"Contacts": 20})
    sim.revoke("settings.fields")
    copy = copy_of(sim, client, "Contacts").read()
    assert len(copy.rows) == 20
    assert isinstance(copy.emitted[0]["Owner"], dict)
    assert copy.emitted[0]["Modified_Time"].endswith("+00:00")
    assert len([r for r in caplog.records if "cannot be listed" in r.message]) == 1


def test_without_the_deleted_scope_records_still_come(account, copy_of):
    """Never read before: a warning. Read before: the run fails, for deletions would be lost."""
    sim, client = account(sizes={"Tasks": 20})
    sim.faults.add(
        "status",
        status=401,
        code="OAUTH_SCOPE_MISMATCH",
        times=None,
        match={"operation": "deleted"},
    )
    copy = copy_of(sim, client, "Tasks").read()
    assert len(copy.rows) == 20
    assert "deletions cannot be read" in copy.summary.warnings[0]
    assert copy.deleted_bookmark is None


def test_a_field_that_is_gone_is_named(account, copy_of):
    """Whether the service leaves it out or refuses the request."""
    for unknown in ("ignored", "refused"):
        sim, client = account(sizes={"Accounts": 20}, unknown_field_in_list=unknown)
        names = list(client.metadata.fields("Accounts"))
        sim.store.remove_field("Accounts", "Website")
        client_fields = client.metadata.fields("Accounts")
        assert "Website" in names
        assert "Website" in client_fields
        copy = copy_of(sim, client, "Accounts").read(names)
        assert len(copy.rows) == 20
        assert any("Website" in w for w in copy.summary.warnings)


def test_a_view_is_read_whole(account, copy_of):
    """With cvid neither sort nor header may be sent; it costs three credits a page."""
    sim, client = account(sizes={"Contacts": 450})
    view = client.account.custom_views("Contacts")[0]["id"]
    copy = copy_of(sim, client, "Contacts").read(cvid=view)
    lists = [e for e in sim.requests if e.operation == "list"]
    assert copy.summary.strategy == "by id"
    assert all("sort_by" not in e.params and "if-modified-since" not in e.headers for e in lists)
    assert copy.summary.credits >= 3 * len(lists)


def test_a_team_pipeline_is_read_as_usual(account, copy_of):
    """pipeline_id goes with sort and header."""
    sim, client = account(sizes={"Pipelines": 300})
    pipeline = client.account.pipelines()[0].id
    copy = copy_of(sim, client, "Pipelines").read(pipeline_id=pipeline)
    wanted = {r["id"] for r in sim.store.records("Pipelines") if r["Pipeline"]["id"] == pipeline}
    assert set(copy.rows) == wanted
    assert copy.summary.strategy == "seek"


def test_a_row_that_no_page_showed_is_found_by_counting(account, copy_of, caplog):
    """The service's count is compared after a full read; what is missing is read by id."""
    sim, client = account(sizes={"Accounts": 700})
    sim.faults.add("hide_rows", rows=(50, 60), match={"operation": "list"})
    copy = copy_of(sim, client, "Accounts").read()
    assert copy.differences() == []
    assert any("2 records had not shown" in r.message for r in caplog.records)


def test_without_the_count_a_full_read_is_as_good(account, copy_of):
    """No scope for actions/count: nothing is lost by that."""
    sim, client = account(sizes={"Accounts": 700})
    sim.faults.add(
        "status", status=403, code="NO_PERMISSION", times=None, match={"path": "*/actions/count"}
    )
    copy = copy_of(sim, client, "Accounts").read()
    assert copy.differences() == []
    assert copy.summary.complete


def test_records_that_wait_for_approval_are_asked_for(account, copy_of, caplog):
    """In every list but those of views; refused, it is left out, and one line says so."""
    sim, client = account(sizes={"Accounts": 450})
    copy = copy_of(sim, client, "Accounts").read()
    lists = [e for e in sim.requests if e.operation == "list"]
    assert {e.params["approved"] for e in lists} == {"both"}
    sim.clear_log()
    sim.faults.add(
        "status",
        status=400,
        code="INVALID_DATA",
        shape="service",
        times=None,
        match={"operation": "list", "query": {"approved": True}},
    )
    caplog.set_level(logging.INFO)
    for _ in range(2):
        caplog.clear()
        copy.bookmark = None
        copy.read()
        assert copy.differences() == []
        assert copy.summary.strategy == "seek"
        assert len([r for r in caplog.records if "approved=both" in r.message]) == 1


#: A token chain of 100 rows instead of 100,000.
SHORT_CHAINS = {"token_chain_rows": 100}


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"if_modified_since": "ignored"},
        {"sort": "ignored"},
        {"sort": "ignored", "coql_lag": "as search"},
    ],
)
def test_past_the_end_of_page_tokens_coql_names_the_ids(account, copy_of, caplog, switches):
    """A module, or a second of it, holds more records than a token chain reaches."""
    sim, client = account(sizes={"Products": 0}, **SHORT_CHAINS, **switches)
    sim.clock.freeze()
    for number in range(330):
        sim.store.insert("Products", {"Product_Name": f"P{number}"})
    sim.clock.resume()
    sim.clock.advance(60)
    with caplog.at_level(logging.WARNING):
        copy = copy_of(sim, client, "Products").read(page_size=50)
    assert copy.differences() == []
    assert copy.summary.strategy == "by COQL"
    assert "because page tokens end" in caplog.text
    for record in sim.store.records("Products")[:120]:
        sim.store.update("Products", record["id"], {"Product_Code": "x"})
    copy.read(page_size=50)
    sim.clock.advance(60)
    copy.read(page_size=50)
    assert copy.differences() == []


def test_a_deletion_amid_the_walk_by_coql_hides_nothing(account, copy_of, on_list):
    """Ids keep their order whatever happens."""
    sim, client = account(sizes={"Tasks": 400}, sort="ignored", **SHORT_CHAINS)
    ids = sorted(r["id"] for r in sim.store.records("Tasks"))

    def change(number: int) -> None:
        if number < 40:
            sim.store.delete("Tasks", ids[number * 3])
            sim.store.update("Tasks", ids[number * 3 + 1], {"Subject": "New"})

    copy = copy_of(sim, client, "Tasks")
    stop = on_list(sim, change)
    copy.read(page_size=20)
    stop()
    copy.read(page_size=20)
    assert copy.differences() == []


@pytest.mark.parametrize("way", ["no COQL", "ids ignored", "no module"])
def test_without_coql_both_reasons_are_named(account, copy_of, monkeypatch, way):
    """The page tokens end, and the ids cannot be had otherwise."""
    module = "Notes" if way == "no module" else "Tasks"
    sim, client = account(sizes={"Notes": 300, "Tasks": 300}, sort="ignored", **SHORT_CHAINS)
    if way == "no COQL":
        sim.revoke("coql")
    if way == "ids ignored":
        real = client.records.fetch
        monkeypatch.setattr(
            client.records, "fetch", lambda query, token=None: real(replace(query, ids=None), token)
        )
    with pytest.raises(PagingError, match=r"page tokens end.*(COQL|ids)"):
        copy_of(sim, client, module).read(page_size=50)
