"""Write each day's changes into a folder of its own, also for days long past.

Use it where files are kept by day and days must be repeatable, with backfills. The schedule is
CronDataIntervalTimetable on purpose: a plain cron string gives runs of Airflow 3 an interval
without width, and the extract refuses those.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator

with DAG(
    dag_id="example_bigin_extract_window",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 11, 1, tzinfo=timezone.utc),
    # A day that is left out would leave a gap, which the next one reports.
    catchup=True,
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
    BiginExtractToFileOperator.partial(
        task_id="extract",
        mode="window",
        output_path="{{ params.folder }}",
        format="parquet",
        map_index_template="{{ task.module }}",
    ).expand(module=["Accounts", "Contacts", "Pipelines"])
