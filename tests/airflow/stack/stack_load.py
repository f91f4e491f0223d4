"""DAGs that only the stack tests run: short waits, a load that is killed."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from airflow_provider_bigin.sensors.record import BiginRecordSensor
from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger

FOLDER = os.environ["BIGIN_STACK_FOLDER"]
COMMON = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc), "catchup": False}

with DAG(dag_id="stack_load", schedule=None, **COMMON):
    BiginLoadFromFileOperator(
        task_id="load",
        module="Contacts",
        mode="insert",
        input_path=f"{FOLDER}/in.jsonl",
        rejects_path=f"{FOLDER}/rejects.jsonl",
        options={"row_key": ["Email"], "settle_seconds": 3},
        retries=2,
        retry_delay=timedelta(seconds=1),
    )

with DAG(dag_id="stack_wait", schedule=None, **COMMON):
    BiginRecordSensor(
        task_id="wait",
        module="Contacts",
        criteria="(Title:equals:Awaited)",
        deferrable=True,
        poke_interval=1,
        timeout=120,
    )

contacts = Asset(
    name="stack_contacts",
    watchers=[
        AssetWatcher(
            name="stack_contacts_changed",
            trigger=BiginRecordsChangedTrigger(module="Contacts", poll_interval=1),
        )
    ],
)
with DAG(dag_id="stack_event", schedule=[contacts], max_active_runs=1, **COMMON):
    BiginExtractToFileOperator(task_id="extract", module="Contacts", output_path=f"{FOLDER}/event")
