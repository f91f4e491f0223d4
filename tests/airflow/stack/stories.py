"""What must go well on every executor."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.airflow.conftest import json_lines
from tests.airflow.stack.servers import until
from tests.airflow.stack.stack import Stack

MAPPED = "example_bigin_extract_watermark_asset"
EVENT_DRIVEN = "example_bigin_event_driven"


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def kill_with_children(pid: int) -> None:
    """SIGKILL a process and its children, without a chance to clean up."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def shot(page: Any, folder: Path, name: str) -> None:
    """Take a picture; into docs/images with SCREENSHOTS=docs/images."""
    folder = Path(os.environ.get("SCREENSHOTS") or folder)
    page.screenshot(path=str(folder / f"airflow-{name}.png"))


def emails(stack: Stack) -> list[str]:
    """Return the addresses of the contacts that tests have loaded."""
    found = [r["Email"] for r in stack.sim.store.records("Contacts")]
    return sorted(e for e in found if e and e.endswith("@stack.example"))


class Stories:
    """Tests for a class with a fixture ``stack``, in the order of their names here.

    The kills come before other inserts by the same user, which would leave a row's fate unknown.
    """

    def kill(self, stack: Stack, task: dict[str, Any]) -> None:  # noqa: ARG002 - others need it
        """Kill what runs a task."""
        kill_with_children(task["pid"])

    def mend(self, stack: Stack) -> None:
        """Start again what was killed with the task."""

    def run_killed(
        self, stack: Stack, rows: list[dict[str, Any]], at: int, expected: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Load rows; kill at the n-th insert, after it was accepted and before its reply.

        Returns the summary and the task instance.
        """
        name = f"{len(rows)}.jsonl"
        (stack.folder / name).write_text("\n".join(map(json.dumps, rows)))
        posts: list[int] = []
        rejects_before: list[bool] = []

        def strike(request: Any, _sim: Any) -> None:
            if request.method != "POST" or not request.path.endswith("/Contacts"):
                return
            posts.append(1)
            if len(posts) == at:
                rejects_before.append((stack.folder / f"{name}.rejects").exists())
                (task,) = stack.tasks("stack_load", run)
                self.kill(stack, task)

        remove = stack.sim.after_request(strike)
        run = stack.trigger("stack_load", input=name)
        assert stack.finished("stack_load", run, 240) == expected
        remove()
        self.mend(stack)
        assert len(posts) >= at, "the task was killed"
        (task,) = stack.tasks("stack_load", run)
        assert task["try_number"] >= 2
        summary = stack.result("stack_load", run, "load")
        return summary, {**task, "rejects_before": rejects_before == [True], "run": run}

    def test_killed_between_acceptance_and_reply(self, stack: Stack) -> None:
        """The retry doubles nothing and loses nothing."""
        rows = [{"Last_Name": f"K{i}", "Email": f"k{i}@stack.example"} for i in range(250)]
        summary, _task = self.run_killed(stack, rows, 2, "success")
        assert emails(stack) == sorted(r["Email"] for r in rows)
        assert summary["outcomes"]["created"] == 250

    def test_killed_after_rejects(self, stack: Stack) -> None:
        """A reject of the first try fails the second: it must not turn green."""
        before = emails(stack)
        rows: list[dict[str, Any]] = [
            {"Last_Name": f"R{i}", "Email": f"r{i}@stack.example"} for i in range(560)
        ]
        del rows[7]["Last_Name"]
        summary, task = self.run_killed(stack, rows, 6, "failed")
        assert task["rejects_before"]
        assert summary["outcomes"] == {
            **dict.fromkeys(summary["outcomes"], 0), "created": 559, "rejected": 1,
        }  # fmt: skip
        good = [r["Email"] for r in rows if "Last_Name" in r]
        assert emails(stack) == sorted([*before, *good])
        assert len(json_lines(stack.folder / "560.jsonl.rejects")) == 1
        assert "1 of 560 rows" in stack.log("stack_load", task["run"], task)

    def test_a_mapped_extract_keeps_its_watermark(self, stack: Stack) -> None:
        # Its watcher's first look takes a while: the next test waits less for it.
        stack.unpause(EVENT_DRIVEN)
        out = stack.folder / "mapped"
        run = stack.trigger(MAPPED, folder=str(out), modules=["Accounts", "Contacts"])
        stack.succeeds(MAPPED, run)
        mapped = [t for t in stack.tasks(MAPPED, run) if t["map_index"] >= 0]
        assert {t["rendered_map_index"] for t in mapped} == {"Accounts", "Contacts"}
        files = list(out.glob("module=Contacts/run=*/part-*.jsonl"))
        assert sum(len(json_lines(f)) for f in files) == stack.sim.store.count("Contacts")
        links = stack.ask(
            "GET",
            f"dags/{MAPPED}/dagRuns/{run}/taskInstances/extract/links",
            params={"map_index": 0},
        )
        assert links["extra_links"]["Bigin"].startswith("https://")
        again = stack.trigger(MAPPED, folder=str(out), modules=["Contacts"])
        stack.succeeds(MAPPED, again)
        before = [stack.result(MAPPED, run, "extract", index) for index in (0, 1)]
        after = stack.result(MAPPED, again, "extract", 0)
        (mark,) = [s["watermark"] for s in before if s["module"] == "Contacts"]
        assert after["window"]["start"] == mark, "the watermark is in the asset state store"

    def test_a_change_in_bigin_starts_a_dag(self, stack: Stack) -> None:
        dag = EVENT_DRIVEN
        stack.unpause(dag)
        stack.wait_for_first_look("Contacts")
        record = stack.sim.store.records("Contacts")[0]["id"]
        stack.sim.store.update("Contacts", record, {"Title": "Changed"})
        (run, *_) = until(
            lambda: stack.ask("GET", f"dags/{dag}/dagRuns")["dag_runs"],
            120,
            "a run by asset event",
        )
        assert run["run_type"] == "asset_triggered"
        stack.succeeds(dag, run["dag_run_id"])
        stack.ask("PATCH", f"dags/{dag}", json={"is_paused": True})

    def test_a_sensor_waits_in_the_triggerer(self, stack: Stack) -> None:
        run = stack.trigger("stack_wait")
        until(
            lambda: [t for t in stack.tasks("stack_wait", run) if t["state"] == "deferred"],
            90,
            "a deferred sensor",
        )
        stack.sim.store.insert("Contacts", {"Last_Name": "Guest", "Title": "Awaited"})
        stack.sim.clock.advance(60)
        stack.succeeds("stack_wait", run, 90)


def assert_no_log_shows_a_secret(stack: Stack) -> None:
    """Scan what all components have written: neither the key nor anything of a row."""
    logs = [*stack.folder.glob("*.log"), *(stack.folder / "home").rglob("*.log")]
    assert len(logs) > 8
    for log in logs:
        text = log.read_bytes()
        assert stack.sim.api_key.encode() not in text, log
        assert b"@stack.example" not in text, log
