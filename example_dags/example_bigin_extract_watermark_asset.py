"""Keep files of everything that changes in Bigin, module by module.

Use it to feed a warehouse or a lake: each run writes what changed, and what was deleted, since
the run before, however long ago that was. A module that fails does not stop the others.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.modules import BiginListModulesOperator

with DAG(
    dag_id="example_bigin_extract_watermark_asset",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Two runs at once would read the same changes twice.
    max_active_runs=1,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={
        "folder": Param("/tmp/bigin", description="Folder or object storage URL"),
        "modules": Param(["*"], type="array", description="Modules or globs"),
    },
    default_args={
        # airflow pools set bigin_api 2 "Bigin API"; each task takes its share of the pace.
        "pool": "bigin_api",
        "requests_per_second": 4.5,
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
    },
    render_template_as_native_obj=True,
) as dag:
    modules = BiginListModulesOperator(
        task_id="modules",
        include="{{ params.modules }}",
        exclude=["Associated_Products", "Attachments"],
    )
    BiginExtractToFileOperator.partial(
        task_id="extract",
        output_path="{{ params.folder }}",
        include_deleted=True,
        map_index_template="{{ task.module }}",
    ).expand(module=modules.output)
