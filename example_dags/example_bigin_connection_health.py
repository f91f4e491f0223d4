"""Look every morning whether the grants still hold, before the night's loads fail.

Use it in every deployment: a grant that has expired looks like a failing service. The check says
whether key, connection or account is at fault, and what to do.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG

from airflow_provider_bigin.operators.connections import (
    MatonConnectionCheckOperator,
    MatonListConnectionsOperator,
)

with DAG(
    dag_id="example_bigin_connection_health",
    schedule="0 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["bigin", "example"],
    default_args={"pool": "bigin_api"},
) as dag:
    connections = MatonListConnectionsOperator(task_id="connections", ids_only=True)
    MatonConnectionCheckOperator.partial(
        task_id="check", map_index_template="{{ task.connection_id }}"
    ).expand(connection_id=connections.output)
