"""``meltano config test``: whether the settings are right, without any harm done.

Meltano 4.4.1 falls over itself after the test of any loader, target-duckdb included: it ends a
program that has ended (``ProcessLookupError``, exit code 1). What it says before that is its
verdict.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.meltano, pytest.mark.timeout(200)]

WRITES = {"insert", "update", "upsert", "delete"}
LOADER_IS_FINE = "Test data was written to your target system"


def test_good_settings_of_the_tap(project):
    assert "Plugin configuration is valid" in project.meltano("config", "test", "tap-bigin")


def test_a_wrong_key_of_the_tap_is_found(project):
    project.configure("tap-bigin", api_key="not-the-key")
    said = project.meltano("config", "test", "tap-bigin", code=1)
    assert "Plugin configuration is invalid" in said
    assert "not-the-key" not in said


def test_good_settings_of_the_target(project, simulator):
    """Meltano sends a row of a made-up stream; it must not reach the account."""
    before = {m: simulator.store.records(m) for m in ("Contacts", "Accounts", "Products", "Tasks")}
    said = project.meltano("config", "test", "target-bigin", code=None)
    assert LOADER_IS_FINE in said
    assert not WRITES & {entry.operation for entry in simulator.requests}
    assert {m: simulator.store.records(m) for m in before} == before


def test_a_wrong_key_of_the_target_is_found(project):
    project.configure("target-bigin", api_key="not-the-key")
    said = project.meltano("--log-level=debug", "config", "test", "target-bigin", code=1)
    assert LOADER_IS_FINE not in said
    assert "target-bigin: exit code 3: key or connection" in said
    assert "not-the-key" not in said
