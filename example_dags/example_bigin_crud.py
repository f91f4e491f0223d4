"""Create a contact, change it, read it back, delete it.

Use it as a first look at the single-record operators, or as a smoke test of a new account. For
more than a handful of records, use files.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, Param, chain, task

from airflow_provider_bigin.operators.delete import BiginDeleteRecordsOperator
from airflow_provider_bigin.operators.records import (
    BiginCreateRecordsOperator,
    BiginGetRecordOperator,
    BiginUpdateRecordsOperator,
)

NEW = "{{ ti.xcom_pull(task_ids='create', key='ids')[0] }}"

with DAG(
    dag_id="example_bigin_crud",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={"email": Param("example@example.org", type="string", format="email")},
    default_args={"pool": "bigin_api"},
) as dag:
    create = BiginCreateRecordsOperator(
        task_id="create",
        module="Contacts",
        records=[{"Last_Name": "Example", "Email": "{{ params.email }}"}],
    )
    update = BiginUpdateRecordsOperator(
        task_id="update", module="Contacts", records=[{"id": NEW, "Title": "Buyer"}]
    )
    get = BiginGetRecordOperator(
        task_id="get",
        module="Contacts",
        record_id=NEW,
        fields=["Last_Name", "Email", "Title"],
    )

    @task
    def check(record: dict) -> None:
        """Fail if Bigin does not hold what was written."""
        if record["Title"] != "Buyer":
            raise ValueError(f"the title is {record['Title']}")

    delete = BiginDeleteRecordsOperator(
        task_id="delete", module="Contacts", ids=[NEW], trigger_rule="all_done"
    )
    chain(create, update, get, check(get.output), delete)
