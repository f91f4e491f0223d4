"""Airflow as people run it: scheduler, API server, triggerer and DAG processor, driven by REST."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from bigin_client.testing import BiginSimulator
from tests.airflow.conftest import EXAMPLES, json_lines

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

CONTACTS = 230


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(check, seconds, what):
    """Wait until a check gives something true; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"not within {seconds} s: {what}")


class Stack:
    """A running Airflow and the account that it works on."""

    def __init__(self, folder: Path, sim: BiginSimulator):
        self.folder = folder
        self.sim = sim
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        dags = folder / "dags"
        shutil.copytree(EXAMPLES, dags, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(__file__).parent / "stack_load.py", dags)
        # Unpausing it must not start a scheduled run, which would take the first changes.
        hourly = dags / "example_bigin_extract_watermark_asset.py"
        hourly.write_text(hourly.read_text().replace('schedule="@hourly"', "schedule=None"))
        connection = {
            "conn_type": "bigin",
            "host": sim.base_url,
            "password": sim.api_key,
            "extra": {"rate_limit_store": str(folder / "rate.json")},
        }
        self.environment = {
            **os.environ,
            # standalone starts its components by name.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "AIRFLOW_CONN_BIGIN_DEFAULT": json.dumps(connection),
            "BIGIN_STACK_FOLDER": str(folder),
        }
        self.log = (folder / "standalone.log").open("wb")
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("airflow")), "standalone"],
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.session = requests.Session()

    def healthy(self):
        try:
            parts = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except requests.RequestException:
            return False
        return all(
            parts.get(name, {}).get("status") == "healthy"
            for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
        )

    def start(self):
        until(self.healthy, 180, "a healthy Airflow")
        token = requests.get(f"{self.url}/auth/token", timeout=10).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.ask("POST", "pools", json={"name": "bigin_api", "slots": 2})
        until(lambda: self.ask("GET", "dags/stack_load", tolerate=True), 120, "parsed DAGs")

    def ask(self, method, path, *, tolerate=False, **arguments):
        # SQLite gives an "Database is locked" now and then, answered as a 500.
        for _ in range(5):
            reply = self.session.request(
                method, f"{self.url}/api/v2/{path}", timeout=30, **arguments
            )
            if reply.status_code < 500:
                break
            time.sleep(1)
        if tolerate and reply.status_code >= 400:
            return None
        assert reply.status_code < 400, f"{path}: {reply.status_code} {reply.text[:300]}"
        return reply.json() if reply.content else {}

    def unpause(self, dag):
        self.ask("PATCH", f"dags/{dag}", json={"is_paused": False})

    def trigger(self, dag, **conf):
        self.unpause(dag)
        made = self.ask("POST", f"dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        return made["dag_run_id"]

    def state(self, dag, run):
        return self.ask("GET", f"dags/{dag}/dagRuns/{run}")["state"]

    def finished(self, dag, run, seconds=180):
        return until(
            lambda: (s := self.state(dag, run)) in {"success", "failed"} and s,
            seconds,
            f"{dag} {run}",
        )

    def tasks(self, dag, run):
        found = self.ask("GET", f"dags/{dag}/dagRuns/{run}/taskInstances")
        return found["task_instances"]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    sizes = {"Accounts": 12, "Contacts": CONTACTS}
    with BiginSimulator(seed=7, sizes=sizes) as sim:
        running = Stack(tmp_path_factory.mktemp("stack"), sim)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def test_a_mapped_extract_by_rest(stack):
    out = stack.folder / "lake"
    run = stack.trigger(
        "example_bigin_extract_watermark_asset", folder=str(out), modules=["Accounts", "Contacts"]
    )
    assert stack.finished("example_bigin_extract_watermark_asset", run) == "success"
    mapped = [
        t for t in stack.tasks("example_bigin_extract_watermark_asset", run) if t["map_index"] >= 0
    ]
    assert {t["rendered_map_index"] for t in mapped} == {"Accounts", "Contacts"}
    files = list(out.glob("module=Contacts/run=*/part-*.jsonl"))
    assert sum(len(json_lines(f)) for f in files) == CONTACTS
    links = stack.ask(
        "GET",
        f"dags/example_bigin_extract_watermark_asset/dagRuns/{run}/taskInstances/extract/links",
        params={"map_index": 0},
    )
    assert links["extra_links"]["Bigin"].startswith("https://")
    again = stack.trigger(
        "example_bigin_extract_watermark_asset", folder=str(out), modules=["Contacts"]
    )
    assert stack.finished("example_bigin_extract_watermark_asset", again) == "success"
    summary = stack.ask(
        "GET",
        f"dags/example_bigin_extract_watermark_asset/dagRuns/{again}/taskInstances/extract"
        "/xcomEntries/return_value",
        params={"map_index": 0, "deserialize": "true"},
    )["value"]
    assert summary["rows"] == 0, "the watermark is in the asset state store"


def test_a_worker_that_is_killed_after_the_service_accepted(stack):
    """SIGKILL between acceptance and reply: the retry doubles nothing and loses nothing.

    Before any other insert by the same user, which would leave the rows' fate unknown.
    """
    rows = [{"Last_Name": f"K{i}", "Email": f"k{i}@example.org"} for i in range(250)]
    (stack.folder / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    killed = []

    def kill(request, _sim):
        if request.method == "POST" and request.path.endswith("/Contacts") and not killed:
            (task,) = stack.tasks("stack_load", run)
            killed.append(task["pid"])
            for child in Path(f"/proc/{task['pid']}/task").glob("*/children"):
                for pid in child.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.kill(task["pid"], signal.SIGKILL)

    run = stack.trigger("stack_load")
    stack.sim.after_request(kill)
    assert stack.finished("stack_load", run, 300) == "success"
    assert killed
    (task,) = stack.tasks("stack_load", run)
    assert task["try_number"] >= 2
    found = [r["Email"] for r in stack.sim.store.records("Contacts")]
    ours = sorted(e for e in found if e and e.endswith("@example.org"))
    assert ours == sorted(r["Email"] for r in rows)
    summary = stack.ask(
        "GET", f"dags/stack_load/dagRuns/{run}/taskInstances/load/xcomEntries/return_value",
        params={"deserialize": "true"},
    )["value"]  # fmt: skip
    assert summary["outcomes"]["created"] == 250


def test_a_sensor_waits_in_the_triggerer(stack):
    run = stack.trigger("stack_wait")
    until(
        lambda: [t for t in stack.tasks("stack_wait", run) if t["state"] == "deferred"],
        90,
        "a deferred sensor",
    )
    stack.sim.store.insert("Contacts", {"Last_Name": "Guest", "Title": "Awaited"})
    stack.sim.clock.advance(60)
    assert stack.finished("stack_wait", run, 90) == "success"


def test_a_change_in_bigin_starts_a_dag(stack):
    stack.sim.clear_log()
    stack.unpause("stack_event")
    # The watcher's first look starts nothing; it is the only one that looks now.
    until(lambda: stack.sim.requests, 120, "the watcher's first look")
    time.sleep(2)
    stack.sim.clock.advance(5)
    record = stack.sim.store.records("Contacts")[0]["id"]
    stack.sim.store.update("Contacts", record, {"Title": "Changed"})
    (run, *_) = until(
        lambda: stack.ask("GET", "dags/stack_event/dagRuns")["dag_runs"],
        120,
        "a run by asset event",
    )
    assert run["run_type"] == "asset_triggered"
    assert stack.finished("stack_event", run["dag_run_id"]) == "success"


def test_the_connection_is_tested_and_masked(stack):
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


def test_no_log_of_any_component_shows_the_key(stack):
    logs = [stack.folder / "standalone.log", *(stack.folder / "home").rglob("*.log")]
    assert len(logs) > 5
    for log in logs:
        assert stack.sim.api_key.encode() not in log.read_bytes(), log
