"""The Bigin account of the demo: the simulator in a process of its own, seen from behind."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from processes import Processes
from scenario import Scenario

from bigin_client.testing import SimulatorAdmin

#: Seconds that the simulator may take to generate its data and to listen.
START = 30.0


class SimulatedAccount:
    """What is really in the account, read past the API that the programs use.

    Args:
        base_url: Where the simulator listens.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.admin = SimulatorAdmin(base_url)
        self.api_key: str = self.admin.info()["api_key"]

    def counts(self) -> dict[str, int]:
        """Return module → number of records, for modules that can be read."""
        modules: dict[str, int] = self.admin.info()["modules"]
        # Social is listed by the service but has no API.
        return {name: n for name, n in modules.items() if name != "Social"}

    def records(self, module: str) -> dict[str, dict[str, Any]]:
        """Return id → record of a module, every field."""
        return {record["id"]: record for record in self.admin.records(module)}

    def usage(self) -> tuple[int, int]:
        """Return how many requests were received and credits spent so far."""
        return len(self.admin.requests()), self.admin.credits()["used"]


def arguments(scenario: Scenario) -> list[str]:
    """Return the arguments of ``bigin`` that simulate the account of a scenario."""
    sizes = [f"--size={name}={n}" for name, n in scenario.sizes.items()]
    return ["simulate", "--port=0", f"--seed={scenario.seed}", *sizes]


def start(processes: Processes, scenario: Scenario, bigin: Path, cwd: Path) -> SimulatedAccount:
    """Start ``bigin simulate`` on a free port and wait until it listens.

    Raises:
        RuntimeError: It ended, or did not say where it listens.
    """
    process, log = processes.start(
        "simulator", [bigin, *arguments(scenario)], cwd=cwd, PYTHONUNBUFFERED="1"
    )
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))
        if found:
            return SimulatedAccount(found[0])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise RuntimeError(f"the simulator did not start; see {log}")
