"""Servers that the stacks stand on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """Return a page of a browser with a new profile."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    flags = (
        "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    )  # fmt: skip
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=chromium,
            headless=True,
            viewport={"width": 1200, "height": 900},
            args=list(flags),
        )
        try:
            context.set_default_timeout(45_000)
            yield context.pages[0]
        finally:
            context.close()
