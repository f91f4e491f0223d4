"""Get, search, create, update, upsert, delete; modules; connections."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from airflow_provider_bigin.operators.connections import (
    MatonConnectionCheckOperator,
    MatonCreateConnectionOperator,
    MatonDeleteConnectionOperator,
    MatonListConnectionsOperator,
)
from airflow_provider_bigin.operators.delete import BiginDeleteRecordsOperator
from airflow_provider_bigin.operators.modules import (
    BiginDescribeModuleOperator,
    BiginListModulesOperator,
)
from airflow_provider_bigin.operators.records import (
    BiginCreateRecordsOperator,
    BiginGetRecordOperator,
    BiginSearchOperator,
    BiginUpdateRecordsOperator,
    BiginUpsertRecordsOperator,
)
from bigin_client.errors import (
    ConnectionUnavailableError,
    NotFoundError,
    RejectedRecordsError,
    SettingsError,
)
from tests.airflow.conftest import json_lines

pytestmark = pytest.mark.usefixtures("bigin_default")


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "worker"))


def new(sim, **fields):
    made = sim.store.insert("Contacts", {"Last_Name": "Known", **fields})
    return made["id"] if isinstance(made, dict) else made


def stored(sim, record_id):
    return sim.store.get("Contacts", record_id)


# --- reads ------------------------------------------------------------------------------------


def test_get(bigin_default, tasks):
    record_id = new(bigin_default, Title="Dr")
    found = BiginGetRecordOperator(
        task_id="t", module="contacts", record_id=record_id, fields=["Title"]
    ).execute(tasks.context())
    assert found == {"id": record_id, "Title": "Dr"}
    whole = BiginGetRecordOperator(task_id="t", module="Contacts", record_id=record_id)
    assert json.dumps(whole.execute(tasks.context()))


def test_get_of_a_record_that_is_gone(tasks):
    arguments = {"task_id": "t", "module": "Contacts", "record_id": "5725774000009999999"}
    with pytest.raises(NotFoundError, match="no record 5725774000009999999"):
        BiginGetRecordOperator(**arguments).execute(tasks.context())
    assert BiginGetRecordOperator(**arguments, missing_ok=True).execute(tasks.context()) is None


def test_search(bigin_default, tasks, capsys):
    ids = {new(bigin_default, Title="Searched", Email=f"s{i}@example.org") for i in range(5)}
    bigin_default.clock.advance(60)

    def search(**arguments):
        return BiginSearchOperator(task_id="t", module="Contacts", **arguments).execute(
            tasks.context()
        )

    assert {r["id"] for r in search(criteria="(Title:equals:Searched)")} == ids
    assert len(search(criteria="(Title:equals:Searched)", limit=3)) == 3
    assert "More than 3 records match" in capsys.readouterr().out
    assert len(search(email_address="s2@example.org")) == 1
    assert search(criteria="(Title:equals:Nobody)") == []
    with pytest.raises(NotFoundError):
        search(criteria="(Title:equals:Nobody)", fail_if_empty=True)
    with pytest.raises(SettingsError, match="BiginExtractToFileOperator"):
        search(criteria="(Title:equals:Searched)", limit=101)
    with pytest.raises(SettingsError, match="exactly one"):
        search()


def test_email_alone_is_what_is_searched_for(bigin_default, tasks):
    """The word that everyone tries first; with another selector it is Airflow's own."""
    wanted = new(bigin_default, Email="sole@example.org")
    bigin_default.clock.advance(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        operator = BiginSearchOperator(task_id="t", module="Contacts", email="sole@example.org")
    assert [r["id"] for r in operator.execute(tasks.context())] == [wanted]


def test_the_address_that_airflow_tells_of_failures_is_not_searched_for(tasks):
    """Trap: ``email`` in a DAG's default_args reaches every operator."""
    arguments = {"task_id": "t", "module": "Contacts", "word": "zz", "email": "ops@x.org"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        operator = BiginSearchOperator(**arguments)
    assert operator.email_address is None
    assert operator.execute(tasks.context()) == []


def test_modules(bigin_default, tasks):
    def listed(**arguments):
        return BiginListModulesOperator(task_id="t", **arguments).execute(tasks.context())

    bigin_default.revoke("Tasks")
    everything = listed(exclude=["Attachments", "Social"])  # Social has no API
    assert everything[0] == "Accounts"
    assert "Tasks" not in everything
    assert listed(include=["companies", "Con*"]) == ["Accounts", "Contacts"]
    assert "Tasks" in listed(readable_only=False)
    with pytest.raises(SettingsError, match="no module fits 'Cars'"):
        listed(include=["Cars"])


def test_describe(tasks, tmp_path):
    fields = BiginDescribeModuleOperator(task_id="t", module="deals").execute(tasks.context())
    assert {"Deal_Name", "Stage"} <= {f["api_name"] for f in fields}
    path = BiginDescribeModuleOperator(
        task_id="t", module="deals", output_path=str(tmp_path / "fields.json")
    ).execute(tasks.context())
    assert json.loads(Path(path).read_text()) == fields


# --- writes -----------------------------------------------------------------------------------


def test_create_and_its_retry(bigin_default, tasks):
    """Workflows run; a second try creates nothing again and gives the same ids."""
    records = [{"Last_Name": "A", "Email": "a@example.org"}, {"Last_Name": "B"}]
    operator = BiginCreateRecordsOperator(task_id="t", module="Contacts", records=records)
    summary = operator.execute(tasks.context())
    assert summary["outcomes"]["created"] == 2
    assert [stored(bigin_default, i)["Last_Name"] for i in summary["ids"]] == ["A", "B"]
    assert tasks.pushed["ids"] == summary["ids"]
    count = bigin_default.store.count("Contacts")
    again = operator.execute(tasks.context())
    assert bigin_default.store.count("Contacts") == count
    assert again["outcomes"]["skipped"] == 2
    with pytest.raises(RejectedRecordsError) as failure:
        operator.execute(tasks.context("run-2"))
    assert failure.value.summary["outcomes"]["created"] == 1, "the e-mail is unique, B is not"


def test_one_record_may_be_given_as_it_is(bigin_default, tasks):
    summary = BiginCreateRecordsOperator(
        task_id="t", module="Contacts", records={"Last_Name": "Only"}
    ).execute(tasks.context())
    assert stored(bigin_default, summary["ids"][0])["Last_Name"] == "Only"


def test_update_writes_what_differs(bigin_default, tasks):
    one, other = new(bigin_default, Title="x"), new(bigin_default, Title="Boss")
    summary = BiginUpdateRecordsOperator(
        task_id="t",
        module="Contacts",
        records=[{"id": one, "Title": "Boss"}, {"id": other, "Title": "Boss"}],
    ).execute(tasks.context())
    assert summary["outcomes"]["updated"] == summary["outcomes"]["unchanged"] == 1
    assert summary["ids"] == [one, other]
    assert stored(bigin_default, one)["Title"] == "Boss"


def test_upsert_and_a_refusal(bigin_default, tasks):
    known = new(bigin_default, Email="known@example.org")
    operator = BiginUpsertRecordsOperator(
        task_id="t",
        module="Contacts",
        match_on="Email",
        records=[
            {"Email": "KNOWN@example.org", "Title": "Found"},
            {"Email": "new@example.org", "Last_Name": "New"},
            {"Email": "bad@example.org"},
        ],
    )
    with pytest.raises(RejectedRecordsError) as failure:
        operator.execute(tasks.context())
    summary = failure.value.summary
    assert summary["outcomes"]["updated"] == summary["outcomes"]["created"] == 1
    assert summary["ids"][0] == known
    assert summary["ids"][2] is None
    assert stored(bigin_default, known)["Title"] == "Found"


def test_many_records_belong_into_a_file(tasks):
    with pytest.raises(SettingsError, match="BiginLoadFromFileOperator"):
        BiginCreateRecordsOperator(
            task_id="t", module="Contacts", records=[{"Last_Name": "x"}] * 101
        ).execute(tasks.context())
    with pytest.raises(SettingsError, match="list of objects"):
        BiginCreateRecordsOperator(task_id="t", module="Contacts", records=["x"]).execute(
            tasks.context()
        )


# --- deletions --------------------------------------------------------------------------------


def delete(tasks, run="run-1", **arguments):
    return BiginDeleteRecordsOperator(task_id="t", module="Contacts", **arguments).execute(
        tasks.context(run)
    )


def test_delete_by_ids(bigin_default, tasks):
    one, other = new(bigin_default), new(bigin_default)
    assert delete(tasks, ids=[one, other, one])["outcomes"]["deleted"] == 2
    assert stored(bigin_default, one) is None
    again = delete(tasks, run="run-2", ids=[one])
    assert again["outcomes"]["skipped"] == 1


def test_delete_by_criteria_reads_back_and_checks(bigin_default, tasks):
    """The service's ``equals`` is loose: it also finds titles that contain the words."""
    exact = new(bigin_default, Title="Test Buyer")
    loose = new(bigin_default, Title="Test Chief Buyer")
    stale = new(bigin_default, Title="Test Buyer")
    bigin_default.clock.advance(60)
    # The index still shows the old title; the record itself does not fit any more.
    bigin_default.store.update("Contacts", stale, {"Title": "Chief"})
    dry = delete(tasks, criteria="(Title:equals:Test Buyer)", max_deletes=5, dry_run=True)
    assert dry["outcomes"]["deleted"] == 1
    assert stored(bigin_default, exact) is not None
    summary = delete(tasks, run="run-2", criteria="(Title:equals:Test Buyer)", max_deletes=5)
    assert summary["outcomes"]["deleted"] == 1
    assert stored(bigin_default, exact) is None
    assert stored(bigin_default, loose) is not None
    assert stored(bigin_default, stale) is not None


def test_more_than_max_deletes_deletes_none(bigin_default, tasks):
    for _ in range(3):
        new(bigin_default, Title="Surplus")
    bigin_default.clock.advance(60)
    before = bigin_default.store.count("Contacts")
    with pytest.raises(SettingsError, match=r"3 records .* max_deletes is 2"):
        delete(tasks, criteria="(Title:equals:Surplus)", max_deletes=2)
    assert bigin_default.store.count("Contacts") == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"criteria": "(Title:equals:x)"}, "max_deletes"),
        ({}, "either ids or criteria"),
        ({"ids": ["1"], "criteria": "(Title:equals:x)"}, "either ids or criteria"),
        ({"criteria": "(Title:contains:x)", "max_deletes": 1}, "cannot be checked"),
        ({"criteria": "(Colour:equals:x)", "max_deletes": 1}, "no field Colour"),
        ({"criteria": "Title = x", "max_deletes": 1}, "criteria"),
    ],
)
def test_deletions_that_are_refused(bigin_default, tasks, arguments, complaint):
    before = bigin_default.store.count("Contacts")
    with pytest.raises(SettingsError, match=complaint):
        delete(tasks, **arguments)
    assert bigin_default.store.count("Contacts") == before


def test_deleting_companies_needs_a_word_more(bigin_default, tasks):
    company = bigin_default.store.records("Accounts")[0]["id"]
    arguments = {"task_id": "t", "module": "Accounts", "ids": [company]}
    with pytest.raises(SettingsError, match="allow_cascade"):
        BiginDeleteRecordsOperator(**arguments).execute(tasks.context())
    summary = BiginDeleteRecordsOperator(**arguments, options={"allow_cascade": True}).execute(
        tasks.context()
    )
    assert summary["outcomes"]["deleted"] == 1


# --- connections ------------------------------------------------------------------------------


def test_connections_of_the_account(bigin_default, tasks):
    run = tasks.context()
    created = MatonCreateConnectionOperator(task_id="t").execute(run)
    assert "url" not in tasks.pushed
    listed = MatonListConnectionsOperator(task_id="t").execute(run)
    assert {"id": created, "status": "PENDING", "app": "zoho-bigin"} in listed
    active = MatonListConnectionsOperator(task_id="t", status="ACTIVE", ids_only=True).execute(run)
    assert active == [bigin_default.connection_id]
    deletion = MatonDeleteConnectionOperator(task_id="t", connection_id=created)
    assert deletion.execute(run) == created
    assert deletion.execute(run) == created, "gone already is no failure"
    with pytest.raises(SettingsError, match="nothing was deleted"):
        MatonDeleteConnectionOperator(task_id="t", connection_id="").execute(run)


def test_the_url_is_pushed_only_when_asked_for(tasks):
    MatonCreateConnectionOperator(task_id="t", return_url=True).execute(tasks.context())
    assert tasks.pushed["url"].startswith("http")


def test_the_check_names_what_is_wrong(bigin_default, tasks):
    good = MatonConnectionCheckOperator(task_id="t").execute(tasks.context())
    assert "edition" in good
    pending = bigin_default.add_connection("PENDING")
    with pytest.raises(ConnectionUnavailableError, match=r"Maton connection: .*PENDING"):
        MatonConnectionCheckOperator(task_id="t", connection_id=pending).execute(tasks.context())


def test_the_link_opens_bigin(bigin_default, tasks):
    from airflow_provider_bigin.links import BiginModuleLink

    record_id = new(bigin_default)
    operator = BiginGetRecordOperator(task_id="t", module="Contacts", record_id=record_id)
    operator.execute(tasks.context())
    assert tasks.pushed["bigin_url"].startswith("https://")
    (link,) = operator.operator_extra_links
    assert isinstance(link, BiginModuleLink)
    assert link.name == "Bigin"


def test_the_plan_of_a_dry_run(tasks, tmp_path):
    plan = str(tmp_path / "plan.jsonl")
    BiginCreateRecordsOperator(
        task_id="t",
        module="Contacts",
        records={"Last_Name": "Dry"},
        dry_run=True,
        plan_path=plan,
    ).execute(tasks.context())
    assert [line["action"] for line in json_lines(plan)] == ["create"]


def test_tasks_without_a_module_have_no_link():
    """Airflow asks every link for its address, and logs an error where none was pushed."""
    for operator in (
        BiginListModulesOperator(task_id="a"),
        MatonListConnectionsOperator(task_id="b"),
        MatonConnectionCheckOperator(task_id="c"),
        MatonCreateConnectionOperator(task_id="d"),
        MatonDeleteConnectionOperator(task_id="e", connection_id="x"),
    ):
        assert not operator.operator_extra_links, operator.task_id
    for operator in (
        BiginDescribeModuleOperator(task_id="f", module="Contacts"),
        BiginDeleteRecordsOperator(task_id="g", module="Contacts", ids=["1"]),
    ):
        assert operator.operator_extra_links, operator.task_id
