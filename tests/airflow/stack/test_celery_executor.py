"""CeleryExecutor: two workers, Redis, PostgreSQL; one account whose pace they share."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bigin_client.testing import BiginSimulator
from tests.airflow.conftest import json_lines
from tests.airflow.stack.servers import until
from tests.airflow.stack.stack import Stack
from tests.airflow.stack.stories import (
    Stories,
    assert_no_log_shows_a_secret,
    parent_of,
)
from tests.machine import Watch

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

log = logging.getLogger(__name__)

WORKERS = ("one", "two")
#: The pace of a connection without a setting of its own, and the account's limit.
RATE, LIMIT = 9, 10
PRODUCTS = 33_000


@pytest.fixture(scope="module")
def stack(postgres: str, redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    sizes = {"Accounts": 12, "Contacts": 230, "Pipelines": 8, "Products": PRODUCTS}
    with BiginSimulator(seed=7, sizes=sizes, rate_limit=LIMIT) as sim:
        folder = tmp_path_factory.mktemp("celery")
        running = Stack(
            folder,
            sim,
            postgres,
            environment={
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": f"{redis}/0",
                "AIRFLOW__CELERY__RESULT_BACKEND": f"{redis}/1",
            },
            extra={"rate_limit_store": f"{redis}/3"},
        )
        try:
            running.start(*WORKERS)
            yield running
        finally:
            running.stop()


def worker_of(stack: Stack, pid: int) -> str:
    """Return the name of the worker that runs a process."""
    leaders = {process.pid: name for name, process in stack.processes.items()}
    while pid not in leaders:
        pid = parent_of(pid)
    return leaders[pid]


def most_in(times: list[float], seconds: float) -> int:
    """Return the most requests that arrived within any such time."""
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class TestCeleryExecutor(Stories):
    #: A retry has waited until the lease of the killed load had ended.
    waited_for_lease = False

    def kill(self, stack: Stack, task: dict[str, Any]) -> None:
        """Kill the whole worker: nobody is left there to say what became of the task."""
        name = worker_of(stack, task["pid"])
        os.kill(task["pid"], signal.SIGKILL)
        os.killpg(stack.processes[name].pid, signal.SIGKILL)
        stack.processes[name].wait(10)
        if self.waited_for_lease:
            # It takes up to a minute; once is enough.
            with closing(Redis.from_url(stack.rate_store)) as store:
                (lease,) = store.keys("bigin-connectors:lease:*")
                store.delete(lease)
        type(self).waited_for_lease = True

    def mend(self, stack: Stack) -> None:
        # Not in `kill`, whose thread ends: on its leash, the worker would end with it.
        for name in WORKERS:
            if stack.processes[name].poll() is not None:
                stack.start_worker(name)

    def test_every_example_runs(self, stack: Stack) -> None:
        """Those that no other story runs, at the same time."""
        import psycopg2

        store, lake = stack.sim.store, stack.folder / "lake"
        doomed = store.insert("Contacts", {"Last_Name": "Old", "Title": "To be deleted"})
        stack.sim.clock.advance(60)
        lake.mkdir(exist_ok=True)
        source = lake / "contacts.csv"
        rows = [f"c{i}@stack.example,Pat,Person {i}" for i in range(39)]
        source.write_text("\n".join(["mail,first,surname", *rows, "bad@stack.example,Bo,"]))
        with (
            psycopg2.connect(f"postgresql://{stack.postgres}/{stack.database}") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "create table crm_segment as select 'q' || n || '@stack.example' as mail, "
                "'Q' as first_name, 'Query' as last_name, null::text as phone "
                "from generate_series(1, 30) as n"
            )
        stage = store.records("Pipelines")[0]["Stage"]
        given: dict[str, dict[str, Any]] = {
            "crud": {"email": "crud@example.org"},
            "all_accounts": {},
            "connection_health": {},
            "load_from_file_with_rejects": {},
            "sql_roundtrip": {},
            "deferrable_sensors": {
                "criteria": f"(Stage:equals:{stage})",
                "since": "2001-01-01T00:00:00+00:00",
            },
            "delete_with_approval": {},
        }
        runs = {n: stack.trigger(f"example_bigin_{n}", **conf) for n, conf in given.items()}
        asked = f"example_bigin_delete_with_approval/dagRuns/{runs['delete_with_approval']}"
        path = f"dags/{asked}/taskInstances/approve/-1/hitlDetails"
        until(lambda: stack.ask("GET", path, tolerate=True), 180, "the question to a person")
        assert store.get("Contacts", doomed)
        stack.ask("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
        for name, run in runs.items():
            stack.succeeds(f"example_bigin_{name}", run)
        assert store.get("Contacts", doomed) is None
        (reject,) = json_lines(lake / "rejects.jsonl")
        assert reject["field"] == "Last_Name"

    def test_the_workers_share_one_pace(self, stack: Stack) -> None:
        """Four long reads on two workers: never above the limit, hardly below the pace."""
        run = stack.trigger("stack_pace")
        seen: set[str] = set()

        def ended() -> bool:
            tasks = stack.tasks("stack_pace", run)
            for pid in (t["pid"] for t in tasks if t["state"] == "running" and t["pid"]):
                if Path(f"/proc/{pid}").exists():
                    seen.add(worker_of(stack, pid))
            return all(t["state"] in {"success", "failed"} for t in tasks)

        stack.sim.clear_log()
        with Watch() as watch:
            until(ended, 240, "the reads")
        stack.succeeds("stack_pace", run)
        tasks = stack.tasks("stack_pace", run)
        assert len(tasks) == 4
        assert min(t["duration"] for t in tasks) >= 60
        assert seen == set(WORKERS)
        times = sorted(e.monotonic for e in stack.sim.requests)
        reads = sorted(e.monotonic for e in stack.sim.requests if e.module == "Products")
        share = (len(reads) - 1) / (reads[-1] - reads[0]) / RATE
        told = (
            f"{len(reads)} requests in {reads[-1] - reads[0]:.1f} s: {share:.1%} of the pace; at "
            f"most {most_in(times, 1)} in a second and {most_in(times, 10)} in ten; the machine "
            f"stood still for up to {watch.longest:.2f} s"
        )
        log.info("%s", told)
        assert most_in(times, 10) < 10 * LIMIT, told
        assert share <= 1.01, told
        slowed = [e for e in stack.sim.requests if e.status == 429]
        # Requests that a busy machine holds up arrive together, and the gateway slows them down:
        # one that comes a slot (0.11 s) late is the eleventh in another's second.
        if watch.longest < 0.05:
            assert most_in(times, 1) <= LIMIT, told
            assert not slowed, told
        elif watch.longest < 0.15:
            assert most_in(times, 1) <= LIMIT + 1, told
        if not slowed:
            assert share >= 0.9, told
        for number in range(4):
            rows = (stack.folder / "pace" / str(number)).rglob("part-*.jsonl")
            assert sum(len(json_lines(f)) for f in rows) == PRODUCTS

    def test_no_log_shows_a_secret(self, stack: Stack) -> None:
        assert_no_log_shows_a_secret(stack)
