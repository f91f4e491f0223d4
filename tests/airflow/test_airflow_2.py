"""What Airflow 2.11 does otherwise: the form's widgets, registration, a DAG run from end to end."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_bigin.get_provider_info import CONN_FIELDS
from tests.airflow.conftest import VERSION, json_lines

pytestmark = [
    pytest.mark.skipif(VERSION >= (3, 0), reason="Airflow 2 only: make test-airflow runs it"),
    # Airflow 2.11 warns of itself.
    pytest.mark.filterwarnings("ignore"),
]


def test_the_hook_is_registered_with_all_fields_of_the_form():
    """A field of a class that Airflow does not expect would make the connection type disappear."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    hook = manager.hooks["bigin"]
    assert hook is not None
    assert hook.hook_class_name == "airflow_provider_bigin.hooks.bigin.BiginHook"
    widgets = manager.connection_form_widgets
    assert {f"extra__bigin__{name}" for name in CONN_FIELDS} <= set(widgets)
    behaviour = manager.field_behaviours["bigin"]
    assert behaviour["relabeling"]["password"] == "Maton API key"
    assert "extra" in behaviour["hidden_fields"]


def test_a_dag_waits_extracts_and_loads(bigin_default, tmp_path, database):  # noqa: ARG001 - the run needs it
    """Without state stores: the watermark and the checkpoint are files."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
    from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
    from airflow_provider_bigin.operators.modules import BiginListModulesOperator
    from airflow_provider_bigin.sensors.record import BiginRecordSensor

    some = bigin_default.store.records("Contacts")[0]["id"]
    source = tmp_path / "in.jsonl"
    source.write_text('{"Last_Name": "New", "Email": "new@example.org"}\n')
    with DAG(
        "airflow_2", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)
    ) as dag:
        wait = BiginRecordSensor(
            task_id="wait", module="Contacts", record_id=some, deferrable=True, poke_interval=1
        )
        modules = BiginListModulesOperator(task_id="modules", include=["Contacts", "Accounts"])
        extract = BiginExtractToFileOperator.partial(
            task_id="extract",
            output_path=str(tmp_path / "out"),
            state_path=str(tmp_path / "state"),
            include_deleted=True,
        ).expand(module=modules.output)
        load = BiginLoadFromFileOperator(
            task_id="load",
            module="Contacts",
            input_path=str(source),
            match_on="Email",
            checkpoint_path=str(tmp_path / "checkpoints"),
        )
        wait >> modules
        extract >> load

    def run(day):
        return dag.test(execution_date=datetime(2026, 11, day, tzinfo=timezone.utc))

    assert run(1).state == "success"
    files = list((tmp_path / "out").glob("module=Contacts/run=*/part-*.jsonl"))
    assert sum(len(json_lines(f)) for f in files) == bigin_default.store.count("Contacts") - 1
    bigin_default.clock.advance(600)
    before = set(files)
    assert run(2).state == "success"
    (later,) = set((tmp_path / "out").glob("module=Contacts/run=*/part-*.jsonl")) - before
    emails = {row["Email"] for row in json_lines(later)}
    assert emails == {"new@example.org"}, "what was loaded by the first run, and nothing else"
