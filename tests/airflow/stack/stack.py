"""A running Airflow, component by component, and what tests do with it by REST."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from bigin_client.testing import BiginSimulator
from tests.airflow.conftest import EXAMPLES
from tests.airflow.stack.servers import LEASH, end_group, free_port, until

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
ENDED = {"success", "failed"}


class Stack:
    """Airflow with an executor, on PostgreSQL, and the account that it works on.

    Args:
        folder: Home, DAGs, logs and files.
        sim: The account.
        postgres: Address of the server; the stack makes a database of its own.
        environment: Further variables of all components.
        extra: Extra fields of the connection ``bigin_default``.
    """

    def __init__(
        self,
        folder: Path,
        sim: BiginSimulator,
        postgres: str,
        *,
        environment: dict[str, str],
        extra: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.sim = sim
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.rate_store = extra["rate_limit_store"]
        self.postgres = postgres
        self.database = f"airflow_{secrets.token_hex(4)}"
        connection = {
            "conn_type": "bigin",
            "host": sim.base_url,
            "password": sim.api_key,
            "extra": extra,
        }
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__FERNET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._sql("postgresql+psycopg2"),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW_CONN_BIGIN_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_WAREHOUSE": self._sql("postgres"),
            "BIGIN_STACK_FOLDER": str(folder),
            # No other stack's inserts are known here.
            "XDG_STATE_HOME": str(folder / "state"),
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.session = requests.Session()

    def _sql(self, scheme: str) -> str:
        return f"{scheme}://{self.postgres}/{self.database}"

    def _dags(self) -> Path:
        """Copy the examples; unpausing one must not start runs that no test asked for."""
        dags = self.folder / "dags"
        shutil.copytree(EXAMPLES, dags, ignore=shutil.ignore_patterns("__pycache__"))
        for own in (Path(__file__).parent / "dags").glob("*.py"):
            shutil.copy(own, dags)
        for name, old, new in (
            ("extract_watermark_asset", 'schedule="@hourly"', "schedule=None"),
            ("all_accounts", 'schedule="@daily"', "schedule=None"),
            ("connection_health", 'schedule="0 6 * * *"', "schedule=None"),
            ("extract_window", "catchup=True", "catchup=False"),
            ("extract_window", "max_active_runs=1", "max_active_runs=3"),
            ("event_driven", "poll_interval=60", "poll_interval=2"),
        ):
            file = dags / f"example_bigin_{name}.py"
            text = file.read_text()
            assert old in text, name
            file.write_text(text.replace(old, new))
        for file in dags.glob("example_*.py"):
            file.write_text(file.read_text().replace('"/tmp/bigin', f'"{self.folder}/lake'))
        return dags

    # -- processes -------------------------------------------------------------------------

    def start(self, *workers: str) -> None:
        """Make the database, start the components and wait until all are well.

        Args:
            workers: Names of Celery workers, with two slots each.
        """
        import psycopg2

        with closing(psycopg2.connect(f"postgresql://{self.postgres}/postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"create database {self.database}")
        self.airflow("db", "migrate")
        self.run("api-server")
        for name in ("scheduler", "triggerer"):
            self.run(name, "--skip-serve-logs")
        self.run("dag-processor")
        for name in workers:
            self.start_worker(name)
        until(self.healthy, 180, "a healthy Airflow")
        token = requests.get(f"{self.url}/auth/token", timeout=10).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.ask("POST", "pools", json={"name": "bigin_api", "slots": 4})
        until(lambda: self.ask("GET", "dags/stack_load", tolerate=True), 120, "parsed DAGs")
        assert self.ask("GET", "importErrors")["import_errors"] == []

    def start_worker(self, name: str) -> None:
        """Start a Celery worker."""
        self.run(
            "celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle",
            "--concurrency", "2", "--celery-hostname", f"{name}@%h", name=name,
        )  # fmt: skip

    def run(self, *arguments: str, name: str | None = None) -> None:
        """Start a component, with a log of its own."""
        called = name or arguments[0]
        with (self.folder / f"{called}.log").open("ab") as log:
            self.processes[called] = subprocess.Popen(
                [*LEASH, AIRFLOW, *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )

    def airflow(self, *arguments: str) -> str:
        """Run an ``airflow`` command to its end; returns what it printed."""
        done = subprocess.run(
            [AIRFLOW, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def healthy(self) -> bool:
        """Whether every component has been heard of."""
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended: see {self.folder}/{name}.log"
        try:
            parts = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except requests.RequestException:
            return False
        return all(
            parts.get(name, {}).get("status") == "healthy"
            for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
        )

    def stop(self) -> None:
        """Stop every component."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            end_group(process, patience=3)

    # -- REST ------------------------------------------------------------------------------

    def ask(self, method: str, path: str, *, tolerate: bool = False, **arguments: Any) -> Any:
        """Send a request; returns the body. With `tolerate` None stands for a refusal."""
        reply = self.session.request(method, f"{self.url}/api/v2/{path}", timeout=30, **arguments)
        if tolerate and reply.status_code >= 400:
            return None
        assert reply.status_code < 400, f"{path}: {reply.status_code} {reply.text[:300]}"
        return reply.json() if reply.content else {}

    def unpause(self, dag: str) -> None:
        """Let a DAG run."""
        self.ask("PATCH", f"dags/{dag}", json={"is_paused": False})

    def trigger(self, dag: str, **conf: Any) -> str:
        """Start a run without a date; returns its id."""
        self.unpause(dag)
        body = {"logical_date": None, "conf": conf}
        made: str = self.ask("POST", f"dags/{dag}/dagRuns", json=body)["dag_run_id"]
        return made

    def finished(self, dag: str, run: str, seconds: float = 180) -> str:
        """Wait for the end of a run; returns how it ended."""

        def ended() -> str | None:
            state: str = self.ask("GET", f"dags/{dag}/dagRuns/{run}")["state"]
            return state if state in ENDED else None

        state: str = until(ended, seconds, f"the end of {dag} {run}")
        return state

    def succeeds(self, dag: str, run: str, seconds: float = 180) -> None:
        """Wait for the good end of a run; a bad one shows the task's log."""
        if self.finished(dag, run, seconds) == "success":
            return
        failed = [t for t in self.tasks(dag, run) if t["state"] == "failed"]
        shown = [self.log(dag, run, t) for t in failed[:2]]
        pytest.fail(f"{dag} {run}: {[t['task_id'] for t in failed]}\n" + "\n".join(shown)[-6000:])

    def log(self, dag: str, run: str, task: dict[str, Any]) -> str:
        """Return the log of a task's last try, as the UI shows it."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        params = {"map_index": task["map_index"]}
        return json.dumps(self.ask("GET", path, params=params))

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found: list[dict[str, Any]] = self.ask("GET", f"dags/{dag}/dagRuns/{run}/taskInstances")[
            "task_instances"
        ]
        return found

    def result(self, dag: str, run: str, task: str, map_index: int = -1) -> Any:
        """Return what a task has returned."""
        return self.ask(
            "GET",
            f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value",
            params={"map_index": map_index, "deserialize": "true"},
        )["value"]

    # -- the account -----------------------------------------------------------------------

    def wait_for_first_look(self, module: str) -> None:
        """Wait until a watcher has looked at a module: only later changes start something."""
        self.sim.clear_log()

        def looked() -> bool:
            return any(e.module == module and e.operation == "list" for e in self.sim.requests)

        until(looked, 120, "the watcher's first look")
        time.sleep(2)
        self.sim.clock.advance(5)
