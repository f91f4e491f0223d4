"""What `docs/airflow.md` says beside other providers, tried where no other test tries it."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import (
    BiginLoadFromFileOperator,
    BiginLoadFromSqlOperator,
)
from airflow_provider_bigin.sensors.record import BiginRecordSensor
from bigin_client.testing import BiginSimulator
from tests.airflow.conftest import connection_json, json_lines, needs_3_3

MANY = 100_000


def test_every_test_that_the_page_names_is_there(root):
    """Else a row of the table would stand on nothing."""
    text = (root / "docs/airflow.md").read_text(encoding="utf-8")
    rows, _, tried = text.partition("## Beside other providers")[2].partition("Tried by:")
    assert len(re.findall(r"^\| \w", rows, re.MULTILINE)) == tried.count("\n- ") == 5
    for item in tried.split("\n- ")[1:]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", item)
        assert named, item
        for file, test in named:
            assert f"def {test}(" in (root / file).read_text(encoding="utf-8"), test


def test_a_429_is_waited_out_and_nothing_is_sent_twice(bigin_default, tasks, tmp_path):
    """Of the gateway and of the service; once before a write, and once in the midst of a read."""
    rows = [{"Last_Name": f"P{i}", "Email": f"p{i}@example.org"} for i in range(150)]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    sim = bigin_default
    sim.faults.add("status", status=429, retry_after=1, match={"operation": "insert"})
    summary = BiginLoadFromFileOperator(
        task_id="load", module="Contacts", mode="insert", input_path=str(source)
    ).execute(tasks.context())
    assert summary["outcomes"]["created"] == 150
    mails = [r["Email"] for r in sim.store.records("Contacts")]
    assert sorted(m for m in mails if m and "@example.org" in m) == sorted(r["Email"] for r in rows)
    sim.clear_log()
    sim.faults.add("status", status=429, retry_after=1, match={"operation": "list"}, after=1)
    extracted = BiginExtractToFileOperator(
        task_id="extract", module="Contacts", mode="full", output_path=str(tmp_path / "out.jsonl")
    ).execute(tasks.context())
    assert extracted["rows"] == sim.store.count("Contacts")
    ids = [row["id"] for row in json_lines(tmp_path / "out.jsonl")]
    assert len(ids) == len(set(ids))
    refused = [e for e in sim.requests if e.status == 429]
    later = [e.monotonic for e in sim.requests if e.monotonic > refused[0].monotonic]
    assert len(refused) == 1
    assert min(later) - refused[0].monotonic >= 1


@needs_3_3
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_429_is_no_answer_to_a_sensor(bigin_default, tasks, mode):
    from airflow.exceptions import AirflowRescheduleException

    record = bigin_default.store.records("Contacts")[0]["id"]
    bigin_default.faults.add("status", status=429, retry_after=1, times=2)
    context = tasks.context()
    context["ti"].get_first_reschedule_date.return_value = None

    def look():
        return BiginRecordSensor(
            task_id="t", module="Contacts", record_id=record, poke_interval=0.05, mode=mode
        ).execute(context)

    if mode == "reschedule":
        for _ in range(2):
            with pytest.raises(AirflowRescheduleException):
                look()
    assert look() == [record]


@pytest.fixture
def large(monkeypatch):
    """Make an account with many products the connection ``bigin_default``."""
    with BiginSimulator(seed=7, sizes={"Products": MANY}, rate_limit=None) as sim:
        monkeypatch.setenv("AIRFLOW_CONN_BIGIN_DEFAULT", connection_json(sim))
        yield sim


def test_many_records_go_into_parts_and_not_into_xcom(large, tasks, tmp_path):
    """100,000; memory and what XCom gets are those of a page and of some paths."""
    operator = BiginExtractToFileOperator(
        task_id="extract",
        module="Products",
        mode="full",
        fields=["Product_Name"],
        output_path=str(tmp_path),
        max_rows_per_file=25_000,
    )
    summary = operator.execute(tasks.context())
    assert summary["rows"] == MANY
    assert len(summary["path"]) == 4
    assert len({row["id"] for path in summary["path"] for row in json_lines(path)}) == MANY
    assert len(json.dumps(summary)) < 2_000
    assert large.store.count("Products") == MANY


@pytest.mark.slow
@pytest.mark.usefixtures("bigin_default")
def test_many_rows_come_out_of_a_query_in_chunks(tasks, warehouse, monkeypatch):
    """100,000, only planned; never more than a chunk of them is fetched at a time."""
    chunks = []

    class Cursor(sqlite3.Cursor):
        def fetchmany(self, size):
            chunks.append(size)
            return super().fetchmany(size)

        def fetchall(self):
            pytest.fail("everything at once")

    class Connection(sqlite3.Connection):
        def cursor(self):
            return super().cursor(Cursor)

    rows = [(number, f"Product {number}") for number in range(MANY)]
    with warehouse.get_conn() as connection:
        (path,) = (row[2] for row in connection.execute("pragma database_list"))
        connection.execute("create table names (number, name)")
        connection.executemany("insert into names values (?, ?)", rows)
    monkeypatch.setattr(warehouse, "get_conn", lambda: sqlite3.connect(path, factory=Connection))
    summary = BiginLoadFromSqlOperator(
        task_id="load",
        module="Products",
        mode="insert",
        sql="select number, name from names",
        sql_conn_id="warehouse",
        fields={"name": "Product_Name"},
        options={"row_key": ["number"]},
        dry_run=True,
    ).execute(tasks.context())
    assert summary["outcomes"]["created"] == summary["rows"] == MANY
    assert set(chunks) == {1_000}
    assert len(json.dumps(tasks.pushed)) < 2_000
