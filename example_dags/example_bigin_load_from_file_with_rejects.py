"""Load a file into Bigin, tolerate a few bad rows, and keep them.

Use it to bring leads or a warehouse's segment into the CRM: existing contacts are found by
e-mail and only what differs is written. Up to five per cent of the rows may be refused; they
wait in the rejects file, each with its reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param, task

from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator

with DAG(
    dag_id="example_bigin_load_from_file_with_rejects",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={
        "input": Param("/tmp/bigin/contacts.csv", type="string", description="File to load"),
        "rejects": Param("/tmp/bigin/rejects.jsonl", type="string"),
        "max_rejects": Param("5%", type="string"),
    },
    default_args={
        "pool": "bigin_api",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
    },
) as dag:
    load = BiginLoadFromFileOperator(
        task_id="load",
        module="Contacts",
        input_path="{{ params.input }}",
        match_on="Email",
        fields={"mail": "Email", "first": "First_Name", "surname": "Last_Name"},
        rejects_path="{{ params.rejects }}",
        max_rejects="{{ params.max_rejects }}",
    )

    @task(trigger_rule="all_done")
    def report(summary: dict) -> str:
        """Say what became of the rows, even if too many were refused."""
        return ", ".join(f"{n} {outcome}" for outcome, n in summary["outcomes"].items() if n)

    report(load.output)
