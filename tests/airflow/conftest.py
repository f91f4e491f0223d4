"""Airflow in a temporary folder, one connection to a simulator, contexts for operators."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from bigin_client.testing import BiginSimulator

#: Not by importing Airflow: its environment must be set first.
VERSION = tuple(int(n) for n in importlib.metadata.version("apache-airflow").split(".")[:2])
IS_3_3 = VERSION >= (3, 3)
needs_3_3 = pytest.mark.skipif(not IS_3_3, reason="only Airflow 3.3 and later have this")

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"

_home: str | None = None


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Point Airflow at a folder of its own, before anything imports it.

    ``UNIT_TEST_MODE`` stays off: it gives cron schedules the data intervals that they no longer
    have in Airflow 3, and would hide windows without width.
    """
    global _home  # noqa: PLW0603 - one folder per process
    _home = tempfile.mkdtemp(prefix="bigin-airflow-")
    os.environ.update(
        {
            "AIRFLOW_HOME": _home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_home}/airflow.db",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        }
    )


def pytest_unconfigure() -> None:
    """Remove Airflow's folder."""
    if _home:
        shutil.rmtree(_home, ignore_errors=True)


@pytest.fixture
def sim() -> Iterator[BiginSimulator]:
    """Return a small account behind a gateway that does not limit the pace."""
    sizes = {"Accounts": 12, "Contacts": 230, "Products": 5, "Pipelines": 8, "Tasks": 6}
    with BiginSimulator(seed=7, sizes=sizes, rate_limit=None) as simulator:
        yield simulator


def json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON lines file.

    Not by splitlines(): a text may hold U+2028, which ends no line in JSON.
    """
    return [json.loads(line) for line in Path(path).read_text().split("\n") if line]


def connection_json(sim: BiginSimulator, **extra: Any) -> str:
    """Return an Airflow connection to a simulator, as ``AIRFLOW_CONN_…`` holds it."""
    return json.dumps(
        {
            "conn_type": "bigin",
            "host": sim.base_url,
            "password": sim.api_key,
            "extra": {"requests_per_second": 0, **extra},
        }
    )


@pytest.fixture
def bigin_default(sim: BiginSimulator, monkeypatch: pytest.MonkeyPatch) -> BiginSimulator:
    """Make the simulator the connection ``bigin_default``; returns it."""
    monkeypatch.setenv("AIRFLOW_CONN_BIGIN_DEFAULT", connection_json(sim))
    return sim


class FakeStore(dict[str, Any]):
    """Airflow's accessor of a state store, in memory; holds what JSON can hold, as that does."""

    def set(self, key: str, value: Any, **_options: Any) -> None:
        """Keep a value."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a key."""
        self.pop(key, None)


class Tasks:
    """Makes the contexts of one task's tries and runs; its stores outlive them."""

    def __init__(self) -> None:
        self.asset_state: dict[Any, FakeStore] = {}
        self.task_state = FakeStore()
        self.pushed: dict[str, Any] = {}

    def context(self, run_id: str = "run-1", map_index: int = -1, **more: Any) -> dict[str, Any]:
        """Return a context as Airflow 3.3 gives it."""
        from airflow_provider_bigin.operators.extract import WATERMARKS

        for asset in WATERMARKS:
            self.asset_state.setdefault(asset, FakeStore())
        ti = MagicMock(map_index=map_index, run_id=run_id, try_number=1)
        ti.xcom_push.side_effect = lambda key, value: self.pushed.update(
            {key: json.loads(json.dumps(value))}
        )
        return {
            "ti": ti,
            "run_id": run_id,
            "asset_state_store": self.asset_state,
            "task_state_store": self.task_state,
            **more,
        }


@pytest.fixture
def tasks() -> Tasks:
    """Return a maker of contexts."""
    return Tasks()


@pytest.fixture(scope="session")
def database() -> None:
    """Make Airflow's database, with the pool that the examples use."""
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    initdb()
    Pool.create_or_update_pool(
        "bigin_api", slots=2, description="Bigin API", include_deferred=False
    )


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the hook of a SQLite database, which is the Airflow connection ``warehouse``."""
    import sqlite3

    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    class Warehouse(DbApiHook):
        conn_name_attr = "conn_id"
        supports_autocommit = False
        placeholder = "?"

        def get_conn(self) -> sqlite3.Connection:
            return sqlite3.connect(tmp_path / "warehouse.db")

    hook = Warehouse("warehouse")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "sqlite:///nowhere")
    monkeypatch.setattr(BaseHook, "get_hook", lambda *_args, **_kwargs: hook)
    return hook
