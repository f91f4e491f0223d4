"""The `bigin` console script as its users run it: a process of its own, real HTTP."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bigin_client.cli import app
from bigin_client.errors import BiginError
from bigin_client.testing import BiginSimulator

SCRIPT = str(Path(sys.executable).parent / "bigin")
#: A few records of each module: enough for a page, quick to make.
SIZES = {"Contacts": 12, "Accounts": 5, "Pipelines": 4, "Products": 3, "Tasks": 3}
COLUMNS = 80


@pytest.fixture(scope="module")
def sim() -> Iterator[BiginSimulator]:
    """Serve a small account without a rate limit."""
    with BiginSimulator(seed=1, sizes=SIZES, rate_limit=None) as simulator:
        yield simulator


@pytest.fixture
def environment(sim: BiginSimulator) -> dict[str, str]:
    """Return an environment that leads to the simulator, without pacing."""
    return {
        **os.environ,
        "BIGIN_REQUESTS_PER_SECOND": "0",
        "MATON_API_KEY": sim.api_key,
        "MATON_API_BASE_URL": sim.base_url,
    }


@pytest.fixture
def bigin(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `bigin` with arguments; keywords are environment variables, ``""`` takes one away."""

    def run(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        merged = {n: v for n, v in {**environment, **env}.items() if v}
        return subprocess.run(
            [SCRIPT, *arguments],
            env=merged,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    run.script = SCRIPT
    return run


@pytest.fixture
def in_terminal(environment: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """Run `bigin` in a pseudo-terminal of 80 columns; returns exit code and what it showed."""

    def run(*arguments: str, answer: str = "") -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        env = {n: v for n, v in environment.items() if n not in {"COLUMNS", "LINES"}}
        process = subprocess.Popen(
            [SCRIPT, *arguments],
            env={**env, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        if answer:
            os.write(ours, answer.encode())
        shown = bytearray()
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # Linux says EIO when the other side has closed
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
        return process.wait(60), shown.decode().replace("\r\n", "\n")

    return run


@dataclass
class Done:
    """How a command ended that ran in this process."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def in_process(environment: dict[str, str]) -> Callable[..., Done]:
    """Run `bigin` here, ten times as fast; errors and exit code as its console script has them."""

    def run(*arguments: str, stdin: str | bytes = "", **env: str) -> Done:
        done = CliRunner().invoke(
            app, arguments, input=stdin, env={**environment, **env}, standalone_mode=False
        )
        error = done.exception
        if error is None:
            return Done(done.return_value or 0, done.stdout, done.stderr)
        if not isinstance(error, (BiginError, click.Abort, click.ClickException)):
            raise error
        code = error.exit_code if isinstance(error, BiginError) else 2
        return Done(code, done.stdout, f"{done.stderr}{error}")

    return run
