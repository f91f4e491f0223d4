"""Servers that the stacks stand on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.stack import servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of a PostgreSQL; each stack makes a database of its own."""
    # Not below pytest's folder, which another user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="bigin-postgres-"))
    folder.chmod(0o755)
    try:
        with servers.postgres(folder / "server") as address:
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """Return the URL of a Redis."""
    with servers.redis() as url:
        yield url
