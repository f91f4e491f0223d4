"""Start when a contact changes, and fetch what changed.

Use it instead of a schedule where changes are rare and should arrive within a minute or two. The
triggerer looks once a minute (1,440 API credits a day and module).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset, AssetWatcher, Param

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger

contacts = Asset(
    name="bigin_contacts",
    watchers=[
        AssetWatcher(
            name="bigin_contacts_changed",
            trigger=BiginRecordsChangedTrigger(module="Contacts", poll_interval=60),
        )
    ],
)

with DAG(
    dag_id="example_bigin_event_driven",
    schedule=[contacts],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Events that come meanwhile start one run afterwards.
    max_active_runs=1,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={"folder": Param("/tmp/bigin", description="Folder or object storage URL")},
    default_args={"pool": "bigin_api", "retries": 3, "retry_delay": timedelta(minutes=1)},
) as dag:
    BiginExtractToFileOperator(
        task_id="extract",
        module="Contacts",
        output_path="{{ params.folder }}",
        include_deleted=True,
    )
