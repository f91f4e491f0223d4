"""Every example DAG is imported, and run to its end against the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.airflow.conftest import EXAMPLES, json_lines


@pytest.fixture(scope="module")
def bag(database):  # noqa: ARG001 - a DAG's run needs it
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(EXAMPLES))


def test_all_examples_are_imported(bag):
    assert bag.import_errors == {}
    files = {p.stem for p in EXAMPLES.glob("example_*.py")}
    assert set(bag.dags) == files


def test_examples_are_explained_paced_and_pinned(bag):
    for dag in bag.dags.values():
        assert dag.doc_md, dag.dag_id
        assert dag.start_date is not None, dag.dag_id
        for task in dag.tasks:
            if task.task_type.startswith(("Bigin", "Maton")):
                assert task.pool == "bigin_api", task.task_id


def test_extract_mapped_over_modules(bag, bigin_default, tmp_path):
    run = bag.dags["example_bigin_extract_watermark"].test(
        run_conf={"folder": str(tmp_path), "modules": ["Contacts", "companies"]}
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
    run = bag.dags["example_bigin_load_with_rejects"].test(
        run_conf={"input": str(source), "rejects": str(rejects)}
    )
    assert run.state == "success"
    assert bigin_default.store.count("Contacts") == before + 39
    (reject,) = json_lines(rejects)
    assert (reject["field"], reject["code"]) == ("Last_Name", "MANDATORY_NOT_FOUND")


def _ids(folder: Path, module: str) -> set[str]:
    files = folder.glob(f"module={module}/run=*/part-*.jsonl")
    return {row["id"] for file in files for row in json_lines(file)}
