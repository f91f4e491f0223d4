"""Search, COQL, count and the deleted feed, over HTTP, against the simulator."""

from __future__ import annotations

import datetime as dt

import pytest

from bigin_client.coql import column, select
from bigin_client.criteria import field
from bigin_client.errors import NotFoundError, PagingError, RequestError, ScopeError, SettingsError


@pytest.fixture
def sim(simulate):
    return simulate(sizes={"Contacts": 30, "Accounts": 10}, index_lag=0.0, search_equals="exact")


@pytest.fixture
def ada(sim):
    record = sim.store.insert(
        "Contacts",
        {
            "Last_Name": "Ada (Countess), of\\Lovelace",
            "Email": "ada@example.org",
            "Phone": "+44 1815 1210",
        },
    )
    return record if isinstance(record, str) else record["id"]


# --- search ------------------------------------------------------------------------------------


def test_the_four_selectors(client, ada):
    for selector in (
        {"criteria": field("Last_Name").equals("Ada (Countess), of\\Lovelace")},
        {"criteria": "(Email:equals:ada@example.org)"},
        {"email": "ada@example.org"},
        {"phone": "+44 1815 1210"},
        {"word": "Countess"},
    ):
        found = list(client.search_records("Contacts", fields=["Last_Name"], **selector))
        assert found == [{"id": ada, "Last_Name": "Ada (Countess), of\\Lovelace"}], selector


def test_search_gives_records_as_lists_do(client, ada):
    """Whatever else a search returns: exactly the fields of the module, in our form."""
    (found,) = client.search_records("Contacts", email="ada@example.org")
    assert found == client.get_record("Contacts", ada)


def test_search_that_finds_nothing(client):
    assert list(client.search_records("Contacts", email="nobody@example.org")) == []


@pytest.mark.parametrize("given", [{}, {"email": "a", "word": "b"}, {"criteria": ""}])
def test_exactly_one_selector(sim, client, given):
    with pytest.raises(SettingsError, match="exactly one"):
        list(client.search_records("Contacts", **given))
    assert not [e for e in sim.requests if e.operation == "search"]


def test_search_over_pages(simulate, connect):
    sim = simulate(sizes={"Contacts": 450}, index_lag=0.0)
    client = connect(sim)
    everyone = field("Modified_Time").greater_than(dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc))
    found = [r["id"] for r in client.search_records("Contacts", criteria=everyone, fields=["id"])]
    assert sorted(found) == sorted(r["id"] for r in sim.store.records("Contacts"))


@pytest.mark.slow
def test_more_matches_than_a_search_reaches(simulate, connect):
    sim = simulate(sizes={"Contacts": 2_001}, index_lag=0.0)
    client = connect(sim)
    everyone = field("Modified_Time").greater_than(dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc))
    with pytest.raises(PagingError, match="more than 2000"):
        list(client.search_records("Contacts", criteria=everyone, fields=["id"]))


def test_search_without_its_scope(sim, client):
    sim.revoke("securesearch")
    with pytest.raises(ScopeError) as caught:
        list(client.search_records("Contacts", word="Countess"))
    assert "ZohoSearch.securesearch.READ" in caught.value.scope
    assert client.count_records("Contacts") == 30


# --- COQL --------------------------------------------------------------------------------------

CHOICES = [
    {},
    {"coql_needs_where": False},
    {"coql_lookups": "name and id"},
    {"coql_lag": "as search"},
    {"coql_error": "INVALID_QUERY"},
]


@pytest.mark.parametrize("switches", CHOICES)
def test_coql(simulate, connect, switches):
    sim = simulate(sizes={"Contacts": 450, "Accounts": 5}, index_lag=0.0, **switches)
    client = connect(sim)
    rows = list(client.query(select("Last_Name").source("Contacts")))
    assert [r["id"] for r in rows] == sorted(r["id"] for r in sim.store.records("Contacts"))
    some = rows[7]["Last_Name"]
    query = (
        select("Last_Name", "Modified_Time")
        .source("Contacts")
        .where(column("Last_Name").equals(some))
        .order_by("id", "desc")
    )
    truth = [r["id"] for r in sim.store.records("Contacts") if r["Last_Name"] == some]
    assert [r["id"] for r in client.query(query)] == sorted(truth, reverse=True)


def test_coql_finds_values_with_quotes_and_backslashes(sim, client):
    for name in ["O'Hare", "back\\slash", "' or id is not null or Last_Name = '"]:
        made = sim.store.insert("Contacts", {"Last_Name": name})
        query = select("id").source("Contacts").where(column("Last_Name").equals(name))
        identifier = made if isinstance(made, str) else made["id"]
        assert [r["id"] for r in client.query(query)] == [identifier]


def test_a_limit_of_ones_own(sim, client):
    text = "select Last_Name from Contacts where id is not null limit {}"
    assert len(list(client.query(text.format("7")))) == 7
    assert len(list(client.query(text.format("0, 5")))) == 5
    assert list(client.query(text.replace("is not null", "= '1'").format("7"))) == []
    assert [e.operation for e in sim.requests].count("coql") == 3


def test_the_word_limit_in_a_value_is_no_limit(simulate, connect):
    """Else the rows after the first 200 would be left out in silence."""
    sim = simulate(sizes={"Contacts": 250})
    client = connect(sim)
    text = "select id from Contacts where Last_Name != 'no limit 1 \\' limit 2'"
    assert len(list(client.query(text))) == 250


def test_the_other_spelling_of_limit(simulate, connect):
    """`limit 200 offset 200` is documented, `limit 200, 200` recorded: either may be the one."""
    sim = simulate(sizes={"Contacts": 650})
    client = connect(sim)
    sim.faults.add(
        "status",
        status=400,
        code="SYNTAX_ERROR",
        match={"operation": "coql"},
        when=lambda request: b" offset " in request.body,
        times=None,
    )
    assert len(list(client.query(select("Last_Name").source("Contacts")))) == 650
    refused = [e for e in sim.requests if e.operation == "coql" and e.status == 400]
    assert len(refused) == 1, "what was found out is not asked twice"


def test_a_query_that_does_not_parse(client):
    with pytest.raises(RequestError) as caught:
        list(client.query("select from where"))
    assert caught.value.code in {"SYNTAX_ERROR", "INVALID_QUERY"}
    assert "Check the query" in str(caught.value)


def test_coql_without_its_scope(sim, client):
    sim.revoke("coql")
    with pytest.raises(ScopeError) as caught:
        list(client.query(select("id").source("Contacts")))
    assert caught.value.scope == "ZohoBigin.coql.READ"


@pytest.mark.slow
def test_more_rows_than_coql_reaches(simulate, connect):
    client = connect(simulate(sizes={"Contacts": 10_001}))
    rows = []
    with pytest.raises(PagingError, match="more than 10000 rows"):
        rows.extend(client.query(select("id").source("Contacts")))
    ten_thousand = connect(simulate(sizes={"Contacts": 10_000}))
    assert len(list(ten_thousand.query(select("id").source("Contacts")))) == 10_000


# --- count, deleted ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["number", "text"])
def test_count(simulate, connect, form):
    sim = simulate(sizes={"Contacts": 30}, count_form=form, index_lag=0.0)
    client = connect(sim)
    assert client.count_records("contacts") == 30
    sim.store.insert("Contacts", {"Last_Name": "Zuse", "Email": "k@example.org"})
    criteria = field("Email").equals("k@example.org")
    assert client.count_records("Contacts", criteria=criteria) == 1
    assert client.count_records("Contacts", email="k@example.org") == 1
    assert client.count_records("Contacts", word="Zuse") == 1
    with pytest.raises(SettingsError, match="at most one"):
        client.count_records("Contacts", email="k@example.org", word="Zuse")


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"deleted_order": "ascending"},
        {"deleted_modified_since": "ignored"},
        {"deleted_page_limit": None},
        {"not_modified_status": 204},
    ],
)
def test_deleted(simulate, connect, switches):
    sim = simulate(sizes={"Contacts": 250}, **switches)
    client = connect(sim)
    assert list(client.deleted_records("Contacts")) == []
    ids = [r["id"] for r in sim.store.records("Contacts")]
    for record_id in ids[:210]:
        sim.store.delete("Contacts", record_id)
    sim.clock.advance(60)
    since = sim.clock.now().replace(microsecond=0)
    sim.clock.advance(2)
    for record_id in ids[210:220]:
        sim.store.delete("Contacts", record_id)
    found = list(client.deleted_records("Contacts"))
    assert sorted(t["id"] for t in found) == sorted(ids[:220])
    assert {t["type"] for t in found} == {"recycle"}
    assert all(t["deleted_time"].endswith("+00:00") for t in found)
    new = list(client.deleted_records("Contacts", since=since))
    assert sorted(t["id"] for t in new) == sorted(ids[210:220])
    assert new == list(client.deleted_records("Contacts", since.isoformat()))
    assert new == list(client.deleted_records("Contacts", since.replace(tzinfo=None)))
    assert list(client.deleted_records("Contacts", kind="permanent")) == []
    assert found == list(client.deleted_records("Contacts", kind="recycle"))
    with pytest.raises(SettingsError, match="since is not a time"):
        list(client.deleted_records("Contacts", "last week"))


def test_notes_have_no_feed(client):
    with pytest.raises(NotFoundError) as caught:
        list(client.deleted_records("Notes"))
    assert caught.value.code == "INVALID_MODULE"
