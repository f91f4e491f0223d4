"""Extract the contacts of every Bigin account that the Maton key reaches.

Use it as an agency or a holding with many accounts behind one key: an account that is connected
tomorrow is extracted tomorrow. Each has a watermark and a folder of its own; they share the key's
pace, so the pool decides how many run at a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_bigin.operators.connections import MatonListConnectionsOperator
from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator

with DAG(
    dag_id="example_bigin_all_accounts",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={"folder": Param("/tmp/bigin", description="Folder or object storage URL")},
    default_args={
        "pool": "bigin_api",
        "requests_per_second": 4.5,
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
    },
) as dag:
    accounts = MatonListConnectionsOperator(task_id="accounts", status="ACTIVE", ids_only=True)
    BiginExtractToFileOperator.partial(
        task_id="extract",
        module="Contacts",
        output_path="{{ params.folder }}/account={{ task.connection_id }}",
        map_index_template="{{ task.connection_id }}",
    ).expand(connection_id=accounts.output)
