"""A Meltano project per test, with the checkout's plugins, and a simulator in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from bigin_client.testing import BiginSimulator

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
