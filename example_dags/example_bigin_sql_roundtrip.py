"""Bring a warehouse's segment into Bigin, and the contacts' ids back into the warehouse.

Use it for reverse ETL: a query says which customers belong into the CRM; existing contacts are
found by e-mail. What became of each row comes back with its Bigin id, ready to be joined.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, BaseHook, Param, task

from airflow_provider_bigin.operators.load import BiginLoadFromSqlOperator

OUTCOMES = "{{ params.folder }}/outcomes-{{ run_id | replace(':', '-') }}.jsonl"

with DAG(
    dag_id="example_bigin_sql_roundtrip",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={"folder": Param("/tmp/bigin", description="A folder that all workers see")},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
) as dag:
    load = BiginLoadFromSqlOperator(
        task_id="load",
        pool="bigin_api",
        sql_conn_id="warehouse",
        sql="select mail, first_name, last_name, phone from crm_segment order by mail",
        module="Contacts",
        match_on="Email",
        fields={"mail": "Email"},
        rejects_path="{{ params.folder }}/rejects.jsonl",
        max_rejects="1%",
        outcomes_path=OUTCOMES,
    )

    @task
    def ids_back(path: str) -> int:
        """Write mail, Bigin id and outcome into the warehouse."""
        rows = []
        with open(path) as file:  # noqa: PTH123 - the path may get a scheme one day
            for line in file:
                done = json.loads(line)
                rows.append((done["key"]["Email"], done["id"], done["outcome"]))
        hook = BaseHook.get_hook("warehouse")
        hook.run("create table if not exists crm_ids (mail text, bigin_id text, outcome text)")
        hook.run("delete from crm_ids")
        hook.insert_rows("crm_ids", rows, target_fields=["mail", "bigin_id", "outcome"])
        return len(rows)

    load >> ids_back(OUTCOMES)
