"""Wait for a won deal without holding a worker, then go on with it.

Use it where a process in Bigin, done by people, gates one in the warehouse. While they wait, the
sensors are in the triggerer and take no worker's slot.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, Param, task

from airflow_provider_bigin.sensors.changes import BiginRecordsChangedSensor
from airflow_provider_bigin.sensors.record import BiginRecordSensor

with DAG(
    dag_id="example_bigin_deferrable_sensors",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["bigin", "example"],
    params={
        "criteria": Param("(Stage:equals:Closed Won)", type="string"),
        "since": Param("2026-01-01T00:00:00+00:00", type="string", format="date-time"),
    },
    default_args={
        "pool": "bigin_api",
        "deferrable": True,
        "poke_interval": 60,
        "timeout": 24 * 3600,
    },
) as dag:
    changed = BiginRecordsChangedSensor(
        task_id="a_deal_changed", module="Pipelines", since="{{ params.since }}"
    )
    won = BiginRecordSensor(
        task_id="a_deal_was_won", module="Pipelines", criteria="{{ params.criteria }}"
    )

    @task
    def tell(ids: list[str]) -> int:
        """Say how many there are."""
        return len(ids)

    changed >> won
    tell(won.output)
