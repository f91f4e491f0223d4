"""Lists and single records, over HTTP, against the simulator."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import pytest

from bigin_client.errors import NotFoundError, PagingError, RequestError, ScopeError, SettingsError

MODULES = ["Accounts", "Contacts", "Products", "Pipelines", "Tasks", "Events", "Calls", "Notes"]


@pytest.mark.parametrize("module", MODULES)
def test_every_record_with_every_field(sim, client, same, module):
    """All pages, all fields, and every value as the store holds it."""
    fields = [f.api_name for f in client.fields(module)]
    truth = {r["id"]: r for r in sim.store.records(module)}
    found = {r["id"]: r for r in client.list_records(module)}
    assert found.keys() == truth.keys()
    for record_id, record in found.items():
        assert list(record) == ["id", *fields]
        for name in fields:
            theirs = same(truth[record_id].get(name))
            assert same(record[name]) == theirs or theirs in (None, []), (name, record[name])


def test_pages_by_token_and_every_parameter_repeated(sim, client):
    """A token never goes with a page number, and always with the first request's parameters."""
    records = list(
        client.list_records(
            "Contacts",
            ["Last_Name", "Modified_Time"],
            sort_by="Modified_Time",
            sort_order="asc",
            modified_since="2020-01-01T00:00:00Z",
            page_size=50,
        )
    )
    assert len(records) == sim.store.count("Contacts") == 230
    times = [r["Modified_Time"] for r in records]
    assert times == sorted(times)
    lists = [e for e in sim.requests if e.operation == "list"]
    assert len(lists) == 5
    first = lists[0].params
    assert first == {
        "fields": "Last_Name,Modified_Time",
        "per_page": "50",
        "sort_by": "Modified_Time",
        "sort_order": "asc",
    }
    for entry in lists[1:]:
        assert {k: v for k, v in entry.params.items() if k != "page_token"} == first
        assert entry.params["page_token"]
    assert {e.headers["if-modified-since"] for e in lists} == {"2020-01-01T00:00:00+00:00"}
    assert sim.audit() == []


def test_default_order_is_the_services(client):
    ids = [r["id"] for r in client.list_records("Accounts", ["Account_Name"])]
    assert ids == sorted(ids, reverse=True)


def test_sort_order_alone_names_the_default_sort(client):
    """Alone it may be refused (bigin-api.md 11.3)."""
    ids = [r["id"] for r in client.list_records("Accounts", ["Account_Name"], sort_order="asc")]
    assert ids == sorted(ids)


def test_modified_since(sim, client):
    contact = sim.store.records("Contacts")[3]["id"]
    sim.clock.advance(100)
    since = sim.clock.now()
    sim.clock.advance(5)
    sim.store.update("Contacts", contact, {"Title": "Changed"})
    for form in (since, since.isoformat(), since.replace(tzinfo=None)):
        found = list(client.list_records("Contacts", ["Title"], modified_since=form))
        assert [(r["id"], r["Title"]) for r in found] == [(contact, "Changed")]
    later = sim.clock.now() + dt.timedelta(hours=1)
    assert list(client.list_records("Contacts", ["Title"], modified_since=later)) == []
    assert sim.requests[-1].status == 304


@pytest.mark.parametrize("fields", [["Title"], ["Title", "Modified_Time"], None])
def test_modified_since_that_the_service_ignores(simulate, connect, caplog, fields):
    """The header is not confirmed for Bigin: what is older is left out here, said once."""
    sim = simulate(
        if_modified_since="ignored", sizes={"Contacts": 230}, field_counts={"Contacts": 60}
    )
    client = connect(sim)
    sim.clock.advance(100)
    since = sim.clock.now()
    changed = [r["id"] for r in sim.store.records("Contacts")[::50]]
    for contact in changed:
        sim.store.update("Contacts", contact, {"Title": "Changed"})
    found = list(client.list_records("Contacts", fields, modified_since=since))
    assert {r["id"] for r in found} == set(changed)
    names = fields or [f.api_name for f in client.fields("Contacts")]
    assert all(r.keys() == {"id", *names} for r in found)
    assert [r.message for r in caplog.records].count(
        "Contacts: If-Modified-Since is ignored: what is older is left out here"
    ) == 1


def test_custom_view(sim, client):
    view = client.account.custom_views("Contacts")[-1]
    before = sim.credits_used
    found = list(client.list_records("Contacts", ["Last_Name"], cvid=view["id"]))
    entry = sim.requests[-1]
    assert entry.params["cvid"] == view["id"]
    assert "sort_by" not in entry.params
    pages = sum(e.operation == "list" for e in sim.requests)
    assert sim.credits_used - before == 3 * pages + 2  # modules and fields
    assert len(found) <= 230


def test_team_pipeline(client):
    everything = list(client.list_records("Pipelines", ["Deal_Name", "Pipeline"]))
    for pipeline in client.account.pipelines():
        found = list(
            client.list_records("deals", ["Deal_Name", "Pipeline"], pipeline_id=pipeline.id)
        )
        assert {r["id"] for r in found} == {
            r["id"] for r in everything if r["Pipeline"]["id"] == pipeline.id
        }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cvid": "1", "sort_by": "id"}, "cvid goes without"),
        ({"cvid": "1", "sort_order": "asc"}, "cvid goes without"),
        ({"page_size": 201}, "1 to 200"),
        ({"page_size": 0}, "1 to 200"),
        ({"modified_since": "yesterday"}, "not a time"),
        ({"fields": ["Last_Name", "Lastname"]}, "no field Lastname"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_sent(sim, client, arguments, said):
    with pytest.raises(SettingsError, match=said):
        list(client.list_records("Contacts", **arguments))
    assert not [e for e in sim.requests if e.operation == "list"]


@pytest.mark.parametrize("count", [49, 50, 51, 120])
def test_more_fields_than_one_request_takes(simulate, connect, same, count):
    """Groups of at most 50 fields, put together by id."""
    sim = simulate(field_counts={"Contacts": count}, sizes={"Contacts": 230})
    client = connect(sim)
    fields = client.fields("Contacts")
    assert len(fields) == count
    truth = {r["id"]: r for r in sim.store.records("Contacts")}
    found = list(client.list_records("Contacts"))
    assert {r["id"] for r in found} == truth.keys()
    for record in found:
        assert same(record["Last_Name"]) == truth[record["id"]]["Last_Name"]
        assert len(record) == count + 1
    lists = [e for e in sim.requests if e.operation == "list"]
    assert all(len(e.params["fields"].split(",")) <= 50 for e in lists)
    assert len(lists) == 2 * (1 if count <= 50 else -(-(count - 1) // 49))
    whole = client.get_record("Contacts", found[0]["id"])
    assert whole == found[0]


def test_a_record_that_changes_between_its_groups_is_read_whole(simulate, connect):
    """Half a record, of two moments, is never emitted."""
    sim = simulate(field_counts={"Contacts": 70}, sizes={"Contacts": 5})
    client = connect(sim)
    names = [f.api_name for f in client.fields("Contacts")]
    changed, gone = (r["id"] for r in sim.store.records("Contacts")[:2])

    def between(_request, _sim):
        if sum(e.operation == "list" for e in sim.requests) == 2:
            stop()
            sim.clock.advance(10)
            sim.store.update("Contacts", changed, {"First_Name": "After", "Custom_Text": "After"})
            sim.store.delete("Contacts", gone)

    stop = sim.before_request(between)
    found = {r["id"]: r for r in client.list_records("Contacts", names)}
    assert found[changed]["First_Name"] == found[changed]["Custom_Text"] == "After"
    assert gone not in found
    assert len(found) == 4


def test_a_list_of_ids_alone(sim, client):
    """`fields` is required, so another field is asked for and not shown."""
    found = list(client.list_records("Accounts", ["id"]))
    assert {r["id"] for r in found} == {r["id"] for r in sim.store.records("Accounts")}
    assert {tuple(r) for r in found} == {("id",)}
    assert list(client.list_records("Accounts", [])) == found
    one = found[0]["id"]
    assert client.get_record("Accounts", one, ["id"]) == {"id": one}


def test_approved_and_ids(sim, client):
    some = [r["id"] for r in sim.store.records("Accounts")[:3]]
    asked = {"approved": "both", "ids": some}
    found = list(client.list_records("Accounts", ["Account_Name"], **asked))
    assert {r["id"] for r in found} == set(some)
    assert sim.requests[-1].params["approved"] == "both"
    assert sim.requests[-1].params["ids"] == ",".join(some)
    before = len(sim.requests)
    for wrong in ([], some * 34):
        with pytest.raises(SettingsError, match="1 to 100 ids"):
            list(client.list_records("Accounts", ["Account_Name"], ids=wrong))
    assert len(sim.requests) == before


def test_ids_that_the_service_ignores(sim, client):
    """The parameter is not confirmed for Bigin: what was not asked for is left out here."""

    def ignore(request, _sim):
        request.query.pop("ids", None)

    sim.before_request(ignore)
    some = [r["id"] for r in sim.store.records("Accounts")[:3]]
    found = list(client.list_records("Accounts", ["Account_Name"], ids=some))
    assert {r["id"] for r in found} == set(some)


def test_an_empty_module(simulate, connect):
    client = connect(simulate(sizes={}))
    assert list(client.list_records("Contacts", ["Last_Name"])) == []
    assert client.count_records("Contacts") == 0


def test_times_in_utc_whatever_the_organisations_zone(simulate, connect, same):
    sim = simulate(time_zone="Asia/Kathmandu", sizes={"Contacts": 30})
    client = connect(sim)
    truth = {r["id"]: r for r in sim.store.records("Contacts")}
    for record in client.list_records("Contacts", ["Created_Time"]):
        assert truth[record["id"]]["Created_Time"].endswith("+05:45")
        assert record["Created_Time"].endswith("+00:00")
        assert record["Created_Time"] == same(truth[record["id"]]["Created_Time"])


def test_times_in_utc_wherever_they_come(simulate, connect):
    """Related records, attachments, users and the results of writes, like records themselves."""
    sim = simulate(time_zone="Asia/Kathmandu", sizes={"Accounts": 1, "Contacts": 1})
    client = connect(sim)
    (result,) = client.insert_records("Accounts", [{"Account_Name": "New"}])
    account = result.id
    related = client.related
    related.attach("Accounts", account, io.BytesIO(b"x"), "x.txt")
    related.add_note("Accounts", account, "Content")
    person = {"Last_Name": "N", "Account_Name": {"id": account}}
    (added,) = client.insert_records("Contacts", [person])
    names = ["Created_Time", "Modified_Time", "Record_Creation_Source_ID__s"]
    (contact,) = related.records("Accounts", account, "Contacts", names)
    (read,) = client.list_records("Contacts", names, ids=[added.id])
    assert contact == read
    (attachment,) = related.attachments("Accounts", account)
    (note,) = related.records("Accounts", account, "Notes", ["Created_Time"])
    me, *_ = client.users()
    times = [result.created_time, result.modified_time, added.modified_time]
    times += [r["Created_Time"] for r in (contact, attachment, note)]
    times += [attachment["Modified_Time"], me["created_time"], me["Modified_Time"]]
    assert [t[19:] for t in times] == ["+00:00"] * len(times)
    assert added.modified_time == contact["Modified_Time"]


def test_decimals_are_exact(sim, client):
    product = sim.store.insert("Products", {"Product_Name": "P", "Unit_Price": Decimal("0.1")})
    identifier = product if isinstance(product, str) else product["id"]
    record = client.get_record("Products", identifier, ["Unit_Price"])
    assert record == {"id": identifier, "Unit_Price": Decimal("0.1")}
    assert isinstance(record["Unit_Price"], Decimal)


def test_get_one(sim, client):
    truth = sim.store.records("Accounts")[0]
    record = client.get_record("companies", truth["id"], ["Account_Name"])
    assert record == {"id": truth["id"], "Account_Name": truth["Account_Name"]}
    sim.store.delete("Accounts", truth["id"])
    assert client.get_record("Accounts", truth["id"]) is None


def test_lists_are_right_under_every_switch(simulate, connect, flipped):
    """Every choice that the documents leave open, the other way."""
    if "next_token" in flipped:
        return  # ends in an error, not in a short list: tested below
    sim = simulate(sizes={"Contacts": 45, "Accounts": 3, "Notes": 5}, **flipped)
    client = connect(sim)
    for module in ("Contacts", "Notes"):
        truth = {r["id"] for r in sim.store.records(module)}
        assert sorted(r["id"] for r in client.list_records(module, page_size=20)) == sorted(truth)
        some = next(iter(truth))
        assert client.get_record(module, some)["id"] == some
        assert client.count_records(module) == len(truth)


def test_a_page_without_the_token_it_needs_is_an_error(simulate, connect):
    """Records were announced that cannot be reached: stopping quietly would lose them."""
    client = connect(simulate(next_token="at_limit"))
    with pytest.raises(PagingError, match="no new page token"):
        list(client.list_records("Contacts", ["Last_Name"]))


@pytest.mark.parametrize("kind", ["missing_token", "repeat_token", "duplicate_page"])
def test_a_broken_chain_is_an_error(sim, client, kind):
    sim.faults.add(kind, match={"operation": "list"}, after=1)
    with pytest.raises(PagingError):
        list(client.list_records("Contacts", ["Last_Name"], page_size=50))


@pytest.mark.parametrize(
    ("kind", "code"),
    [("token_expired", "EXPIRED_VALUE"), ("token_mismatch", "TOKEN_BOUND_DATA_MISMATCH")],
)
def test_a_refused_token_is_an_error_with_the_way_out(sim, client, kind, code):
    sim.faults.add(kind)
    with pytest.raises(RequestError) as caught:
        list(client.list_records("Contacts", ["Last_Name"], page_size=50))
    assert caught.value.code == code
    assert "start again" in str(caught.value)


def test_names_of_modules(client):
    assert client.metadata.module("DEALS").api_name == "Pipelines"
    assert client.metadata.module("contacts").api_name == "Contacts"
    with pytest.raises(NotFoundError, match="It has: Accounts, Contacts"):
        list(client.list_records("Leads"))


def test_a_module_without_scope(sim, client):
    """The module's own 401 stops this module only, and names the scope."""
    sim.revoke("Tasks")
    with pytest.raises(ScopeError) as caught:
        list(client.list_records("Tasks", ["Subject"]))
    assert caught.value.module == "Tasks"
    assert caught.value.scope == "ZohoBigin.modules.tasks.READ"
    assert caught.value.code == "OAUTH_SCOPE_MISMATCH"
    assert list(client.list_records("Accounts", ["Account_Name"]))
