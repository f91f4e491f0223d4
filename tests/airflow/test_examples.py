"""Every example DAG is imported, and run to its end against the simulator.

On Airflow 2.11 too, but for those that need what only Airflow 3 has: with the changes that
`docs/airflow.md` names.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger
from tests.airflow.conftest import EXAMPLES, VERSION, json_lines

IS_3 = VERSION >= (3, 0)
#: Need asset watchers, or a person's approval.
ONLY_3 = {"example_bigin_event_driven", "example_bigin_delete_with_approval"}
only_3 = pytest.mark.skipif(not IS_3, reason="Airflow 2.11 has no such thing")
#: What an author on 2.11 writes otherwise: where names come from, and where the state is kept.
NAMES = {
    "from airflow.sdk import": "from airflow.providers.common.compat.sdk import",
    "DAG, CronDataIntervalTimetable, Param\n": """DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable
""",
}
STATE = 'state_path="{{ params.folder }}/state", map_index_template='


@pytest.fixture(scope="module")
def bag(database, tmp_path_factory):  # noqa: ARG001 - a DAG's run needs it
    if IS_3:
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(EXAMPLES))
    from airflow.models.dagbag import DagBag

    copies = tmp_path_factory.mktemp("dags")
    for example in EXAMPLES.glob("example_*.py"):
        if example.stem not in ONLY_3:
            text = example.read_text()
            for old, new in NAMES.items():
                text = text.replace(old, new)
            if "BiginExtractToFileOperator" in text:
                text = text.replace("map_index_template=", STATE)
            (copies / example.name).write_text(text)
    return DagBag(str(copies), include_examples=False)


def run_of(dag, **arguments):
    """Run a DAG to its end in this process; Airflow 2 calls the date otherwise."""
    if not IS_3 and "logical_date" in arguments:
        arguments["execution_date"] = arguments.pop("logical_date")
    return dag.test(**arguments)


def test_all_examples_are_imported(bag):
    assert bag.import_errors == {}
    files = {p.stem for p in EXAMPLES.glob("example_*.py")}
    assert set(bag.dags) == files - (set() if IS_3 else ONLY_3)


def test_examples_are_explained_paced_and_pinned(bag):
    for dag in bag.dags.values():
        assert dag.doc_md, dag.dag_id
        assert dag.start_date is not None, dag.dag_id
        for task in dag.tasks:
            if task.task_type.startswith(("Bigin", "Maton")):
                assert task.pool == "bigin_api", task.task_id


def test_extract_mapped_over_modules(bag, bigin_default, tmp_path):
    run = run_of(
        bag.dags["example_bigin_extract_watermark_asset"],
        run_conf={"folder": str(tmp_path), "modules": ["Contacts", "companies"]},
    )
    assert run.state == "success"
    assert _ids(tmp_path, "Contacts") == {r["id"] for r in bigin_default.store.records("Contacts")}
    assert _ids(tmp_path, "Accounts") == {r["id"] for r in bigin_default.store.records("Accounts")}


def test_load_with_rejects(bag, bigin_default, tmp_path):
    source = tmp_path / "contacts.csv"
    rows = [f"p{i}@example.org,Pat,Person {i}" for i in range(39)] + ["bad@example.org,Bo,"]
    source.write_text("\n".join(["mail,first,surname", *rows]))
    before = bigin_default.store.count("Contacts")
    rejects = tmp_path / "rejects.jsonl"
    run = run_of(
        bag.dags["example_bigin_load_from_file_with_rejects"],
        run_conf={"input": str(source), "rejects": str(rejects)},
    )
    assert run.state == "success"
    assert bigin_default.store.count("Contacts") == before + 39
    (reject,) = json_lines(rejects)
    assert (reject["field"], reject["code"]) == ("Last_Name", "MANDATORY_NOT_FOUND")


def _ids(folder: Path, module: str) -> set[str]:
    files = folder.glob(f"module={module}/run=*/part-*.jsonl")
    return {row["id"] for file in files for row in json_lines(file)}


def test_crud(bag, bigin_default):
    before = bigin_default.store.count("Contacts")
    run = run_of(bag.dags["example_bigin_crud"], run_conf={"email": "crud@example.org"})
    assert run.state == "success"
    assert bigin_default.store.count("Contacts") == before


@pytest.mark.usefixtures("bigin_default")
def test_extract_window(bag, tmp_path):
    """A manual run takes the last whole interval before its date."""
    pq = pytest.importorskip("pyarrow.parquet")
    run = run_of(
        bag.dags["example_bigin_extract_window"],
        logical_date=datetime.now(timezone.utc),
        run_conf={"folder": str(tmp_path)},
    )
    assert run.state == "success"
    (file,) = tmp_path.glob("module=Contacts/window=*/part-00000.parquet")
    manifest = json.loads((file.parent / "_manifest.json").read_text())
    start, end = (datetime.fromisoformat(manifest["window"][n]) for n in ("start", "end"))
    assert end - start == timedelta(days=1)
    assert file.parent.name == f"window={start:%Y%m%dT%H%M%SZ}"
    table = pq.read_table(file)
    assert table.num_rows == manifest["rows"]
    assert all(start <= t < end for t in table.column("Modified_Time").to_pylist())


@only_3
def test_event_driven(bag, bigin_default, tmp_path):
    dag = bag.dags["example_bigin_event_driven"]
    run = run_of(dag, run_conf={"folder": str(tmp_path)})
    assert run.state == "success"
    assert len(_ids(tmp_path, "Contacts")) == bigin_default.store.count("Contacts")
    (asset,) = dag.timetable.asset_condition.objects
    (watcher,) = asset.watchers
    assert isinstance(watcher.trigger, BiginRecordsChangedTrigger)


def test_sql_roundtrip(bag, bigin_default, tmp_path, warehouse):
    rows = [(f"s{i}@example.org", "Sam", f"Segment {i}", None) for i in range(7)]
    warehouse.run("create table crm_segment (mail, first_name, last_name, phone)")
    warehouse.insert_rows("crm_segment", rows)
    run = run_of(bag.dags["example_bigin_sql_roundtrip"], run_conf={"folder": str(tmp_path)})
    assert run.state == "success"
    back = warehouse.get_records("select mail, bigin_id, outcome from crm_ids")
    assert {r[0] for r in back} == {r[0] for r in rows}
    for mail, record_id, outcome in back:
        assert outcome == "created"
        assert bigin_default.store.get("Contacts", record_id)["Email"] == mail


def test_deferrable_sensors(bag, bigin_default):
    """The second sensor is really deferred: the search shows the deal only while it waits."""
    dag = bag.dags["example_bigin_deferrable_sensors"]
    for task_id in ("a_deal_changed", "a_deal_was_won"):
        dag.get_task(task_id).poke_interval = 0.2
    looks = []

    def hide(request, sim):  # noqa: ARG001 - the simulator's signature
        if "search" in request.path:
            looks.append(1)

    bigin_default.before_request(hide)
    stage = bigin_default.store.records("Pipelines")[0]["Stage"]
    bigin_default.faults.add("status", match={"operation": "search"}, status=503, times=2)
    since = "2001-01-01T00:00:00+00:00"
    run = run_of(dag, run_conf={"criteria": f"(Stage:equals:{stage})", "since": since})
    assert run.state == "success"
    assert len(looks) == 3, "two looks in vain, one of them in the trigger"


@only_3
def test_delete_with_approval(bag, bigin_default, tmp_path):
    doomed = [
        bigin_default.store.insert("Contacts", {"Last_Name": "Old", "Title": "To be deleted"})
        for _ in range(3)
    ]
    bigin_default.clock.advance(60)
    before = bigin_default.store.count("Contacts")
    run = run_of(
        bag.dags["example_bigin_delete_with_approval"],
        run_conf={"plan": str(tmp_path / "plan.jsonl")},
        mark_success_pattern="approve",
    )
    assert run.state == "success"
    assert bigin_default.store.count("Contacts") == before - len(doomed)
    assert len(json_lines(tmp_path / "plan.jsonl")) == len(doomed)


def test_connection_health(bag, bigin_default):
    dag = bag.dags["example_bigin_connection_health"]
    assert run_of(dag).state == "success"
    bigin_default.add_connection("PENDING")
    assert run_of(dag).state == "failed"


def test_all_accounts(bag, bigin_default, tmp_path):
    other = bigin_default.add_connection("ACTIVE", sizes={"Contacts": 5})
    run = run_of(bag.dags["example_bigin_all_accounts"], run_conf={"folder": str(tmp_path)})
    assert run.state == "success"
    for connection in (bigin_default.connection_id, other):
        store = bigin_default.account(connection).store
        found = _ids(tmp_path / f"account={connection}", "Contacts")
        assert found == {r["id"] for r in store.records("Contacts")}
