"""What every test runs under: no network, no key, no folder of the user.

Set when pytest starts, not per test, so that session fixtures and child processes get it too.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Variables of the developer's shell that would change what the code under test does.
_FOREIGN = ("AIRFLOW_", "BIGIN_", "MATON_", "MELTANO_", "TAP_", "TARGET_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_folder: str | None = None


def pytest_configure() -> None:
    """Clean the environment and send cache, state and config folders to a temporary place."""
    global _folder  # noqa: PLW0603 - one folder per process, removed in pytest_unconfigure
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _PROXIES:
            del os.environ[name]
    # Hundreds of short processes are started: without it each compiles all it imports again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _folder = tempfile.mkdtemp(prefix="bigin-tests-")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(Path(_folder, name.lower()))
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))


def pytest_unconfigure() -> None:
    """Remove the temporary folders."""
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)


def _loopback_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            pytest.fail(f"a test tried to reach {address[0]}: only this machine is allowed")
        return connect(self, address)

    return guarded


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"", "localhost"}


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis server on a free port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    ) as server:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def _plain(value: Any) -> Any:
    """Return a value in a form that both sides share: times as UTC instants, decimals."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        return Decimal(str(value))
    if isinstance(value, str) and len(value) == 25 and value[10] == "T":
        return datetime.fromisoformat(value).astimezone(timezone.utc).isoformat()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


@pytest.fixture
def same() -> Callable[[Any], Any]:
    """Return the function that puts both sides' values into one form."""
    return _plain
