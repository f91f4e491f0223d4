"""A Meltano project per test, with the checkout's plugins, and a simulator in this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from bigin_client.testing import BiginSimulator

POSTGRES_PROGRAMS = ("initdb", "postgres", "pg_isready", "psql")
SIZES = {"Contacts": 30, "Accounts": 5, "Products": 6, "Tasks": 8}


@dataclass
class Project:
    """A folder with a copy of the checkout's meltano.yml, and what is done in it."""

    root: Path
    folder: Path
    variables: dict[str, str]
    config: dict[str, Any] = field(default_factory=dict)

    def plugin(self, name: str) -> dict[str, Any]:
        """Return a plugin's definition; `write` saves what is changed in it."""
        plugins = [p for kind in self.config["plugins"].values() for p in kind]
        found: dict[str, Any] = next(p for p in plugins if p["name"] == name)
        return found

    def configure(self, name: str, **settings: Any) -> None:
        """Set a plugin's settings."""
        self.plugin(name).setdefault("config", {}).update(settings)
        self.write()

    def add(self, kind: str, **plugin: Any) -> None:
        """Add a plugin definition."""
        self.config["plugins"][kind].append(plugin)
        self.write()

    def write(self) -> None:
        """Write meltano.yml."""
        text = yaml.safe_dump(self.config, sort_keys=False)
        (self.folder / "meltano.yml").write_text(text, encoding="utf-8")

    def meltano(self, *arguments: str, code: int | None = 0, **variables: str) -> str:
        """Run ``meltano``; returns all that it printed.

        It must end with the exit code; None: with any.
        """
        done = subprocess.run(
            [self.root / ".venv" / "meltano" / "bin" / "meltano", *arguments],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=150,
            check=False,
        )
        assert code in (None, done.returncode), done.stdout
        assert self.variables["MATON_API_KEY"] not in done.stdout
        return done.stdout

    def state(self, state_id: str) -> dict[str, Any]:
        """Return a job's saved state, empty when it has none."""
        text = self.meltano("--log-level=error", "state", "get", state_id)
        saved: dict[str, Any] = json.loads(text[text.index("{") :])
        found: dict[str, Any] = saved.get("singer_state", {})
        return found

    def bookmark(self, state_id: str, stream: str) -> Any:
        """Return a stream's bookmark, None when it has none."""
        entry = self.state(state_id).get("bookmarks", {}).get(stream, {})
        return entry.get("replication_key_value")

    def query(self, sql: str, path: str = "warehouse.duckdb") -> list[tuple[Any, ...]]:
        """Ask the DuckDB file."""
        with duckdb.connect(str(self.folder / path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


class Postgres:
    """A PostgreSQL server of its own on a free port of 127.0.0.1."""

    user = database = "bigin"

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {"user": "postgres", "group": "postgres"}
        if os.getuid() != 0:
            self._as = {}
        self._server: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: str, **options: Any) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Make a cluster, run its server, wait until it answers."""
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", self.user, "-A", "trust", "--no-sync", **self._as)
        command = [self._programs / "postgres", "-D", data, "-h", "127.0.0.1", "-F"]
        self._server = subprocess.Popen(
            [*command, "-p", str(self.port), "-k", str(self._folder)],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,
        )
        ready = [self._programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(300):
            if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.query(f"create database {self.database}", database="postgres")

    def stop(self) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(timeout=30)

    def query(self, sql: str, database: str = database) -> list[str]:
        """Ask the server; a line for each row."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", database]
        # Lines of JSON hold no line break; aligned output would be cut.
        return self._run("psql", "-X", "-q", "-A", "-t", *where, "-c", sql).splitlines()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a running server; without PostgreSQL the test is skipped."""
    # Debian keeps the server's programs out of the PATH.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve().parent] if on_path else []
    programs = next((p for p in found if all((p / n).exists() for n in POSTGRES_PROGRAMS)), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="bigin-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(programs, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def simulator() -> Iterator[BiginSimulator]:
    """Return a small account, without the gateway's limit: these tests are about Meltano."""
    with BiginSimulator(seed=5, sizes=SIZES, rate_limit=None) as simulator:
        yield simulator


@pytest.fixture
def project(root: Path, tmp_path: Path, simulator: BiginSimulator) -> Project:
    """Return a project of its own: state, catalogs and logs of one test disturb no other."""
    if not (root / ".meltano" / "loaders").is_dir():
        pytest.fail("Meltano's plugins are not installed; run: make environments")
    plugins = tmp_path / ".meltano"
    plugins.mkdir()
    for kind in ("extractors", "loaders"):
        (plugins / kind).symlink_to(root / ".meltano" / kind, target_is_directory=True)
    for name in ("constraints.txt", "constraints-plugins.txt"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "meltano", tmp_path / "meltano")
    made = Project(
        root,
        tmp_path,
        {
            **os.environ,
            "MATON_API_KEY": simulator.api_key,
            "MATON_API_BASE_URL": simulator.base_url,
            "BIGIN_REQUESTS_PER_SECOND": "0",
            "MELTANO_AUTO_INSTALL": "false",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "1",
            "NO_COLOR": "1",
        },
        yaml.safe_load((root / "meltano.yml").read_text(encoding="utf-8")),
    )
    made.write()
    return made
