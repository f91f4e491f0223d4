"""LocalExecutor on PostgreSQL: the stories, backfills, loads by SQL, the connection by REST."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bigin_client.testing import BiginSimulator
from tests.airflow.stack.servers import until
from tests.airflow.stack.stack import Stack
from tests.airflow.stack.stories import Stories

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def stack(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    sizes = {"Accounts": 12, "Contacts": 230, "Pipelines": 8}
    with BiginSimulator(seed=7, sizes=sizes) as sim:
        folder = tmp_path_factory.mktemp("local")
        running = Stack(
            folder,
            sim,
            postgres,
            environment={"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"},
            extra={"rate_limit_store": str(folder / "rate.json")},
        )
        try:
            running.start()
            yield running
        finally:
            running.stop()


class TestLocalExecutor(Stories):
    def test_a_backfill_of_several_days_at_a_time(self, stack: Stack) -> None:
        """By Airflow's own command; windows side by side, each in a folder of its own."""
        dag = "example_bigin_extract_window"
        days = ["2026-11-03", "2026-11-04", "2026-11-05", "2026-11-06"]
        stack.airflow(
            "backfill", "create", "--dag-id", dag, "--from-date", days[0], "--to-date", days[-1],
            "--max-active-runs", "3",
        )  # fmt: skip
        stack.unpause(dag)

        def filled() -> list[dict[str, object]] | None:
            runs = stack.ask("GET", f"dags/{dag}/dagRuns", params={"limit": 50})["dag_runs"]
            ours = [r for r in runs if r["run_type"] == "backfill"]
            done = len(ours) >= len(days) and all(r["state"] in {"success", "failed"} for r in ours)
            return ours if done else None

        runs = until(filled, 180, "the backfill")
        assert {r["state"] for r in runs} == {"success"}
        folders = stack.folder.glob("lake/module=Contacts/window=*")
        assert {f.name[7:17] for f in folders} >= {d.replace("-", "") + "T0" for d in days}

    def test_a_query_on_postgres_into_bigin_and_the_ids_back(self, stack: Stack) -> None:
        import psycopg2

        dag = "example_bigin_sql_roundtrip"
        rows = [(f"s{i}@stack.example", "Sam", f"Segment {i}", None) for i in range(1500)]
        where = f"postgresql://{stack.postgres}/{stack.database}"
        with psycopg2.connect(where) as connection, connection.cursor() as cursor:
            cursor.execute(
                "create table crm_segment (mail text, first_name text, last_name text, phone text)"
            )
            cursor.executemany("insert into crm_segment values (%s, %s, %s, %s)", rows)
        run = stack.trigger(dag, folder=str(stack.folder))
        stack.succeeds(dag, run)
        assert stack.result(dag, run, "load")["outcomes"]["created"] == len(rows)
        with psycopg2.connect(where) as connection, connection.cursor() as cursor:
            cursor.execute("select mail, bigin_id, outcome from crm_ids")
            back = cursor.fetchall()
        known = {r["id"]: r["Email"] for r in stack.sim.store.records("Contacts")}
        assert {known[record] for _mail, record, _outcome in back} == {r[0] for r in rows}
        assert all(known[record] == mail for mail, record, _outcome in back)

    def test_the_connection_is_tested_and_masked(self, stack: Stack) -> None:
        body = {
            "connection_id": "bigin_test",
            "conn_type": "bigin",
            "host": stack.sim.base_url,
            "password": stack.sim.api_key,
        }
        assert stack.ask("POST", "connections/test", json=body)["status"] is True
        wrong = stack.ask("POST", "connections/test", json={**body, "password": "wrong-key-000"})
        assert wrong["status"] is False
        assert "Maton key" in wrong["message"]
        stack.ask("POST", "connections", json=body)
        assert stack.sim.api_key not in json.dumps(stack.ask("GET", "connections"))
