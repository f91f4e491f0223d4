"""target-bigin as a process of its own, talking HTTP to a simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bigin_client.testing import BiginSimulator

Message = dict[str, Any]


@dataclass
class Ended:
    """What a run left behind."""

    code: int
    states: list[Any]
    stderr: str

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1]


class Target:
    """Runs the console script against a simulator."""

    def __init__(self, sim: BiginSimulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.script = str(Path(sys.executable).with_name("target-bigin"))

    def config(self, **settings: Any) -> Path:
        """Write a configuration and return its path."""
        values = {
            "api_key": self.sim.api_key,
            "base_url": self.sim.base_url,
            "requests_per_second": 0,
            "rate_limit_store": "memory",
            "settle_seconds": 0.3,
            "max_wait": 10,
            **settings,
        }
        path = self.folder / "config.json"
        path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
        return path

    def run(self, messages: Iterable[Message | str], **settings: Any) -> Ended:
        """Run to the end of the input."""
        text = "".join((m if isinstance(m, str) else json.dumps(m)) + "\n" for m in messages)
        done = subprocess.run(
            [self.script, "--config", str(self.config(**settings))],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ,
        )
        return Ended(
            done.returncode, [json.loads(x) for x in done.stdout.splitlines()], done.stderr
        )

    def start(self, **settings: Any) -> subprocess.Popen[str]:
        """Start it, to be fed line by line."""
        return subprocess.Popen(
            [self.script, "--config", str(self.config(**settings))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[BiginSimulator]:
    arguments = {"sizes": {"Contacts": 30, "Accounts": 10, "Products": 20}, "rate_limit": None}
    with BiginSimulator(seed=7, **{**arguments, **getattr(request, "param", {})}) as simulator:
        yield simulator


@pytest.fixture
def target(sim: BiginSimulator, tmp_path: Path) -> Target:
    return Target(sim, tmp_path)


@pytest.fixture
def singer() -> Callable[..., list[Message]]:
    """Return the messages of one stream, with a STATE after each so many rows."""

    def messages(
        stream: str, rows: list[dict[str, Any]], key: Iterable[str] = (), every: int = 100
    ) -> list[Message]:
        columns = dict.fromkeys(c for r in rows for c in r)
        found: list[Message] = [
            {
                "type": "SCHEMA",
                "stream": stream,
                "schema": {"type": "object", "properties": {c: {} for c in columns}},
                "key_properties": list(key),
            }
        ]
        for number, row in enumerate(rows, 1):
            found.append({"type": "RECORD", "stream": stream, "record": row})
            if number % every == 0 or number == len(rows):
                found.append({"type": "STATE", "value": {stream: number}})
        return found

    return messages
