"""Delete contacts by criteria, after a person has seen how many there are.

Use it for clean-ups and for requests to be forgotten. A dry run counts first; a person approves;
then each record is read back and checked once more before it is deleted.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, chain

from airflow_provider_bigin.operators.delete import BiginDeleteRecordsOperator

with DAG(
    dag_id="example_bigin_delete_with_approval",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={
        "criteria": Param("(Title:equals:To be deleted)", type="string"),
        "plan": Param("/tmp/bigin/plan.jsonl", type="string", description="What would be deleted"),
    },
) as dag:
    what = {"module": "Contacts", "criteria": "{{ params.criteria }}", "max_deletes": 50}
    count = BiginDeleteRecordsOperator(
        task_id="count", pool="bigin_api", dry_run=True, plan_path="{{ params.plan }}", **what
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Delete {{ ti.xcom_pull(task_ids='count')['outcomes']['deleted'] }} contacts?",
        body="Criteria: {{ params.criteria }}. The ids are in {{ params.plan }}.",
    )
    delete = BiginDeleteRecordsOperator(task_id="delete", pool="bigin_api", **what)
    chain(count, approve, delete)
