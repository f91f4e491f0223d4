"""The tap as users run it: its command line over real HTTP.

Most tests run it in this process, which saves a second for each run; the fixture `apart` runs the
console script in a process of its own, for tests about endings.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from bigin_client import console
from bigin_client.testing import BiginSimulator
from tap_bigin.run import run

SCRIPT = Path(sys.executable).with_name("tap-bigin")


@dataclass
class Run:
    """What one run of the script left."""

    code: int
    out: str
    err: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Stream → records, in order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self.messages:
            if message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
        return found

    @property
    def states(self) -> list[dict[str, Any]]:
        """Every STATE, in order."""
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """Stream → SCHEMA message."""
        return {m["stream"]: m for m in self.messages if m["type"] == "SCHEMA"}

    @property
    def last_line(self) -> str:
        """The last line on standard error."""
        return self.err.strip().rsplit("\n", 1)[-1]


def environment() -> dict[str, str]:
    """The environment of a run; compiled modules are kept, or each start would take seconds."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


class Output(io.TextIOWrapper):
    """Stands for standard output."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")

    @property
    def text(self) -> str:
        """What was written."""
        self.flush()
        return self.buffer.getvalue().decode()


class Tap:
    """The script against one simulator."""

    apart = False

    def __init__(self, sim: BiginSimulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.config: dict[str, Any] = {
            "api_key": sim.api_key,
            "base_url": sim.base_url,
            "requests_per_second": 0,
            "max_wait": 2,
        }

    def command(self, *arguments: str, config: Any = None, **files: Any) -> list[str]:
        """The command line; `files` are ``state`` and ``catalog``."""
        content = config
        if not isinstance(config, str):
            given = {**self.config, **(config or {})}
            content = {k: v for k, v in given.items() if v is not None}
        command = [str(SCRIPT), "--config", self._file("config", content), *arguments]
        for name, content in files.items():
            if content is not None:
                command += [f"--{name}", self._file(name, content)]
        return command

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def __call__(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> Run:
        """Run to the end."""
        command = self.command(*arguments, **options)
        run = self._apart(command, env or {}) if self.apart else self._inside(command, env or {})
        if "--discover" not in arguments and "--about" not in arguments:
            # Not splitlines(): values hold separators that JSON leaves as they are.
            run.messages = [json.loads(line) for line in run.out.split("\n") if line]
        return run

    @staticmethod
    def _apart(command: list[str], env: dict[str, str]) -> Run:
        done = subprocess.run(
            command,
            capture_output=True,
            env={**environment(), **env},
            timeout=100,
            check=False,
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    @staticmethod
    def _inside(command: list[str], env: dict[str, str]) -> Run:
        out, err = Output(), Output()
        root, signals = logging.getLogger(), (signal.SIGINT, signal.SIGTERM)
        handlers, level = list(root.handlers), root.level
        actions = [signal.getsignal(s) for s in signals]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            for name, value in env.items():
                patch.setenv(name, value)
            try:
                code = console.run("tap-bigin", lambda: run(command[1:]))
            finally:
                # The SDK sets these for a process of its own.
                root.handlers[:] = handlers
                root.setLevel(level)
                for number, action in zip(signals, actions, strict=True):
                    signal.signal(number, action)
        return Run(int(code), out.text, err.text)

    def catalog(self, *, select: Callable[[str], bool] = lambda _: True, **options: Any) -> dict:
        """Discover, and select streams by name, as Meltano would."""
        catalog = json.loads(self("--discover", **options).out)
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                if entry["breadcrumb"] == []:
                    entry["metadata"]["selected"] = select(stream["tap_stream_id"])
        return catalog


def utc(value: Any) -> Any:
    """A value as the tap must give it: times in UTC."""
    if isinstance(value, str) and len(value) == 25 and value[10] == "T":
        return datetime.fromisoformat(value).astimezone(timezone.utc).isoformat()
    if isinstance(value, dict):
        return {k: utc(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [utc(v) for v in value]
    return value


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Callable[..., Tap]]:
    """Make a simulator and its tap, as in ``tap(sizes={"Contacts": 5})``."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> Tap:
            sim = stack.enter_context(BiginSimulator(**{"rate_limit": None, **arguments}))
            return Tap(sim, tmp_path)

        yield make


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of a test be processes of their own."""
    monkeypatch.setattr(Tap, "apart", True)


@pytest.fixture
def as_given() -> Callable[[Any], Any]:
    """The function `utc`."""
    return utc
