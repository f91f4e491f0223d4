"""Mirror mode: deletes only what a provably whole input does not have, whatever tries it took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_bigin import loading
from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import (
    BiginLoadFromFileOperator,
    BiginLoadFromSqlOperator,
)
from bigin_client.batches import Batches
from bigin_client.errors import BiginError, ServiceError, SettingsError
from bigin_client.load.mirror import MirrorRefusedError
from tests.airflow.conftest import json_lines

pytestmark = pytest.mark.usefixtures("bigin_default")

MIRROR = {
    "task_id": "mirror",
    "module": "Products",
    "mode": "mirror",
    "match_on": "id",
    "options": {"mirror_scope": "all", "max_delete_share": 0.8},
}


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "worker"))


@pytest.fixture
def whole(bigin_default, tasks, tmp_path):
    """Extract all products, then add three; returns the extract's summary and the three ids."""
    summary = BiginExtractToFileOperator(
        task_id="extract", module="Products", mode="full", output_path=str(tmp_path / "out")
    ).execute(tasks.context())
    bigin_default.clock.advance(600)
    store = bigin_default.store
    more = {store.insert("Products", {"Product_Name": f"More {i}"}) for i in range(3)}
    bigin_default.clock.advance(600)
    return summary, more


def products(sim):
    return {r["id"] for r in sim.store.records("Products")}


def test_a_manifest_proves_that_the_input_is_whole(bigin_default, tasks, whole, tmp_path):
    extracted, more = whole
    before = products(bigin_default)
    operator = BiginLoadFromFileOperator(
        **MIRROR, input_path=extracted["manifest"], before_path=str(tmp_path / "before.jsonl")
    )
    summary = operator.execute(tasks.context())
    assert summary["mirror_deleted"] == 3
    assert summary["outcomes"]["unchanged"] == summary["rows"] == extracted["rows"]
    assert products(bigin_default) == before - more
    assert len(json_lines(tmp_path / "before.jsonl")) == 3


def test_fewer_rows_than_the_manifest_says_delete_nothing(bigin_default, tasks, whole):
    extracted, _more = whole
    before = products(bigin_default)
    (path,) = extracted["path"]
    with Path(path).open("r+b") as file:
        kept = file.readlines()[:-1]
        file.seek(0)
        file.truncate()
        file.writelines(kept)
    with pytest.raises(MirrorRefusedError, match="not known to be whole"):
        BiginLoadFromFileOperator(**MIRROR, input_path=extracted["manifest"]).execute(
            tasks.context()
        )
    assert products(bigin_default) == before


def test_a_bare_file_needs_expected_rows(bigin_default, tasks, whole):
    extracted, more = whole
    before = products(bigin_default)

    def mirror(**arguments):
        operator = BiginLoadFromFileOperator(
            **MIRROR, input_path=extracted["path"], checkpoint=False, **arguments
        )
        return operator.execute(tasks.context())

    for wrong in ({}, {"expected_rows": extracted["rows"] + 1}):
        with pytest.raises(MirrorRefusedError):
            mirror(**wrong)
    with pytest.raises(SettingsError, match="whole number"):
        mirror(expected_rows="many")
    assert products(bigin_default) == before
    # A template gives text.
    assert mirror(expected_rows=str(extracted["rows"]))["mirror_deleted"] == 3
    assert products(bigin_default) == before - more


def test_a_second_try_sees_all_rows_again(bigin_default, tasks, whole, tmp_path, monkeypatch):
    """What the first try has settled is no row less: its records must not be taken for absent."""
    monkeypatch.setattr(loading, "STRETCH", 2)
    extracted, more = whole
    before = products(bigin_default)
    source = tmp_path / "in.jsonl"
    rows = [{"id": r["id"], "Description": "new"} for r in json_lines(extracted["path"][0])]
    source.write_text("\n".join(map(json.dumps, rows)))
    operator = BiginLoadFromFileOperator(**MIRROR, input_path=str(source), expected_rows=len(rows))
    real, written = Batches.write, []

    def write(self, *args, **arguments):
        written.append(1)
        if len(written) == 2:
            raise ServiceError("the gateway is gone")
        return real(self, *args, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "write", write)
        with pytest.raises(BiginError):
            operator.execute(tasks.context())
    assert tasks.task_state, "there is a checkpoint"
    assert products(bigin_default) == before
    assert operator.execute(tasks.context())["mirror_deleted"] == 3
    assert products(bigin_default) == before - more


def test_the_database_counts_the_rows_of_a_query(bigin_default, tasks, whole, warehouse):
    extracted, more = whole
    before = products(bigin_default)
    warehouse.run("create table kept (id)")
    warehouse.insert_rows("kept", [(r["id"],) for r in json_lines(extracted["path"][0])])
    summary = BiginLoadFromSqlOperator(
        **MIRROR, sql="select id from kept;", sql_conn_id="warehouse"
    ).execute(tasks.context())
    assert summary["mirror_deleted"] == 3
    assert products(bigin_default) == before - more
