"""LocalExecutor on PostgreSQL: the stories, backfills, loads by SQL, the connection by REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_bigin.get_provider_info import CONN_FIELDS
from bigin_client.testing import BiginSimulator
from tests.airflow.stack.servers import until
from tests.airflow.stack.stack import Stack
from tests.airflow.stack.stories import MAPPED, Stories, assert_no_log_shows_a_secret, shot

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
        days = ["2026-11-03", "2026-11-04", "2026-11-05"]
        stack.airflow(
            "backfill", "create", "--dag-id", dag, "--from-date", days[0], "--to-date", days[-1],
            "--max-active-runs", "2",
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


class TestBrowser:
    """What a person sees and presses, in Chromium; after the stories, which have left runs."""

    def test_the_form_and_the_test_button(self, stack: Stack, page: Any) -> None:
        host, _, port = stack.sim.base_url.rpartition(":")
        page.goto(f"{stack.url}/connections")
        page.get_by_role("button", name="Add Connection").first.click()
        page.locator("input[name=connection_id]").fill("bigin_ui")
        page.get_by_role("combobox").last.click()
        page.keyboard.type("bigin")
        page.get_by_role("option", name="Zoho Bigin (Maton)").click()
        dialog = page.get_by_role("dialog")
        for label in ("Gateway base URL", "Gateway port", "Maton API key"):
            dialog.get_by_text(label, exact=True).wait_for()
        assert dialog.get_by_text("Login", exact=True).count() == 0
        page.locator("input[name=host]").fill(host)
        page.locator("input[name=port]").fill(port)
        page.locator("input[name=password]").fill(stack.sim.api_key)
        shot(page, stack.folder, "connection-form")
        page.get_by_role("button", name="Extra Fields", exact=True).click()
        for about in CONN_FIELDS.values():
            dialog.get_by_text(about["label"], exact=True).wait_for()
        page.locator("input[name=element_requests_per_second]").fill("5")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Test Connection").first.click()
        page.get_by_text("Connected as").wait_for()
        shot(page, stack.folder, "connection-test")
        saved = stack.ask("GET", "connections/bigin_ui")
        assert json.loads(saved["extra"])["requests_per_second"] == 5
        self.edit_shows_no_key(stack, page)
        stack.sim.faults.add("status", match={"operation": "connections"}, status=401, times=1)
        page.goto(f"{stack.url}/connections")
        page.get_by_role("button", name="Test Connection").first.click()
        page.get_by_text("Maton key").wait_for()

    def edit_shows_no_key(self, stack: Stack, page: Any) -> None:
        page.get_by_role("button", name="Edit Connection").first.click()
        page.locator("input[name=password]").wait_for()
        assert page.locator("input[name=password]").input_value() in {"", "***"}
        assert stack.sim.api_key not in page.content()

    def test_the_graph_of_a_mapped_extract_and_the_link(self, stack: Stack, page: Any) -> None:
        runs = stack.ask("GET", f"dags/{MAPPED}/dagRuns")["dag_runs"]
        where = f"{stack.url}/dags/{MAPPED}/runs/{runs[0]['dag_run_id']}"
        page.goto(where)
        page.get_by_text("Run Type").first.wait_for()
        page.locator("body").press("g")
        page.get_by_text("BiginListModulesOperator").first.wait_for()
        page.get_by_text("extract [2]").first.wait_for()
        page.wait_for_timeout(1500)  # the graph glides into its place
        shot(page, stack.folder, "mapped-extract")
        page.goto(f"{where}/tasks/extract/mapped/0/details")
        link = page.get_by_role("link", name="Bigin", exact=True)
        assert link.get_attribute("href").startswith("https://bigin.zoho.com/")
        page.wait_for_timeout(1_500)
        shot(page, stack.folder, "extra-link")

    def test_no_page_and_no_answer_shows_a_secret(self, stack: Stack, page: Any) -> None:
        """The key, and the rows that went through."""
        runs = stack.ask("GET", "dags/stack_load/dagRuns")["dag_runs"]
        task = f"dags/stack_load/runs/{runs[0]['dag_run_id']}/tasks/load"
        tabs = {}
        for path in (
            *("connections", "events", "xcoms", "configs", task),
            *(f"{task}/{part}" for part in ("rendered_templates", "xcom", "details", "code")),
        ):
            tabs[path] = page.context.new_page()
            tabs[path].goto(f"{stack.url}/{path}")
        page.wait_for_timeout(2_000)  # pages poll: they are never idle
        for path, tab in tabs.items():
            shown = tab.content()
            assert "Dags" in shown, path
            assert stack.sim.api_key not in shown, path
            assert "@stack.example" not in shown, path
        api = task.replace("/runs/", "/dagRuns/").replace("/tasks/", "/taskInstances/")
        for path in ("connections", "eventLogs", api, f"{api}/xcomEntries", f"{api}/logs/1"):
            told = json.dumps(stack.ask("GET", path))
            assert stack.sim.api_key not in told, path
            assert "@stack.example" not in told, path
        body = {
            "connection_id": "bigin_wrong",
            "conn_type": "bigin",
            "host": stack.sim.base_url,
            "password": "wrong-key-000",
        }
        told = stack.ask("POST", "connections/test", json=body)
        assert told["status"] is False
        assert "Maton key" in told["message"]
        assert "wrong-key-000" not in told["message"]
        assert_no_log_shows_a_secret(stack)
