"""DAGs that only the stack tests run: short waits, loads that are killed, long reads."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from airflow_provider_bigin.sensors.record import BiginRecordSensor

FOLDER = os.environ["BIGIN_STACK_FOLDER"]
COMMON = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc), "catchup": False}

with DAG(dag_id="stack_load", schedule=None, params={"input": "in.jsonl"}, **COMMON):
    BiginLoadFromFileOperator(
        task_id="load",
        module="Contacts",
        mode="insert",
        input_path=f"{FOLDER}/{{{{ params.input }}}}",
        rejects_path=f"{FOLDER}/{{{{ params.input }}}}.rejects",
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

with DAG(dag_id="stack_pace", schedule=None, **COMMON):
    BiginExtractToFileOperator.partial(
        task_id="extract", module="Products", mode="full", fields=["Product_Name"]
    ).expand(output_path=[f"{FOLDER}/pace/{number}" for number in range(4)])
