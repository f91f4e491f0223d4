"""Run programs, keep what they print in a log file, and leave none behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from typing_extensions import Self

#: Seconds that a program gets to end by itself before it is killed.
GRACE = 5.0


@dataclass(frozen=True)
class Finished:
    """A program that has ended.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        seconds: How long it ran.
        log: File with everything that it printed.
    """

    code: int
    seconds: float
    log: Path

    def text(self) -> str:
        """Return what it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


class Processes:
    """All programs that the demo starts.

    Each runs in a process group of its own, so that it is stopped together with what it
    started itself (Meltano's plugins, Airflow's tasks). A context manager: leaving it, for
    whatever reason, stops what still runs.

    Args:
        environment: All environment variables that the programs see.
        logs: Folder for the log files.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.environment = dict(environment)
        self._logs = logs
        self._running: list[subprocess.Popen[bytes]] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):
            self._stop(process)

    def start(
        self, name: str, command: Sequence[str | Path], *, cwd: Path, **variables: str
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a program that keeps running; returns it and its log file."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as out:
            return self._popen(command, cwd, variables, out), log

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        timeout: float,
        **variables: str,
    ) -> Finished:
        """Run a program to its end.

        Args:
            name: Of the log file.
            command: Program and arguments.
            cwd: Folder to run it in.
            timeout: Seconds after which it counts as hanging.
            variables: Environment variables for this program alone.

        Raises:
            TimeoutError: It took longer; it was stopped.
        """
        began = time.monotonic()
        process, log = self.start(name, command, cwd=cwd, **variables)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{name} did not end within {timeout:.0f} s; see {log}") from None
        finally:
            self._stop(process)
        return Finished(code, time.monotonic() - began, log)

    def _popen(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        variables: Mapping[str, str],
        out: IO[bytes],
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a program and its children: asked first, then killed."""
        if _signal_group(process.pid, signal.SIGTERM):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            # Children may outlive it; an empty group is no group any more.
            _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        if process in self._running:
            self._running.remove(process)


def _signal_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to a process group; returns whether there was one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of an ended group
        return False
    return True
