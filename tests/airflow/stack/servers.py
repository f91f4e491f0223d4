"""PostgreSQL and Redis on 127.0.0.1, started by the tests; without their programs tests skip."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

#: Runs a program that ends with the tests, even if these are killed.
LEASH: Final = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(check: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a check gives something true; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.3)
    return pytest.fail(f"not within {seconds} s: {what}")


def listens(port: int) -> bool:
    """Whether somebody listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end_group(process: subprocess.Popen[bytes], patience: float = 15) -> None:
    """Stop a process that leads a group, and its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    return


def _program(name: str) -> str:
    found = shutil.which(name)
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found is None and not debian:
        pytest.skip(f"{name} is not installed: apt-get install postgresql redis-server")
    return found or str(debian[-1])


def _as_another_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: return what runs it as somebody else."""
    if os.geteuid() != 0:
        return []
    if not LEASH:
        pytest.skip("PostgreSQL does not run as root, and setpriv is not installed")
    shutil.chown(folder, "nobody")
    return [*LEASH, "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a server; yields its address without a database: ``user@host:port``."""
    initdb, server = _program("initdb"), _program("postgres")
    folder.mkdir(mode=0o700)
    prefix = _as_another_user(folder)
    data, port = folder / "data", free_port()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    made = [initdb, "-D", data, "-U", "airflow", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(
        [*prefix, *map(str, made)], check=True, capture_output=True, env=environment, cwd="/"
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",  # nobody needs this data after a power cut
        "max_connections": 200,
    }
    options = [part for n, v in settings.items() for part in ("-c", f"{n}={v}")]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*(prefix or LEASH), server, "-D", str(data), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    try:
        until(lambda: listens(port), 60, "PostgreSQL")
        yield f"airflow@127.0.0.1:{port}"
    finally:
        # Fast shutdown; SIGTERM would wait for the sessions to end.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            end_group(process)


@contextmanager
def redis() -> Iterator[str]:
    """Run a server that keeps nothing on disk; yields its URL without a database."""
    program, port = _program("redis-server"), free_port()
    process = subprocess.Popen(
        [*LEASH, program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: listens(port), 30, "Redis")
        yield f"redis://127.0.0.1:{port}"
    finally:
        end_group(process)
