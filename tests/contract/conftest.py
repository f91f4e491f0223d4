"""An account of the simulator that holds enough for every statement, and its examination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from bigin_client import BiginClient, Settings, transport
from bigin_client.contract import Report, run
from bigin_client.testing import BiginSimulator

SIZES = {
    "Contacts": 30,
    "Accounts": 8,
    "Pipelines": 12,
    "Tasks": 10,
    "Events": 6,
    "Calls": 5,
    "Products": 6,
    "Associated_Products": 5,
    "Notes": 8,
}
Prepare = Callable[[BiginSimulator], None]


@contextmanager
def _account(prepare: Prepare | None = None, **options: object) -> Iterator[BiginSimulator]:
    """Serve an account with two ACTIVE connections, a FAILED one, and two old deletions."""
    defaults = {"seed": 3, "sizes": SIZES, "rate_limit": None}
    with BiginSimulator(**{**defaults, **options}) as sim:
        sim.add_connection("ACTIVE")
        sim.add_connection("FAILED")
        for _ in range(2):
            sim.store.delete("Contacts", sim.store.insert("Contacts", {"Last_Name": "gone"}))
            sim.clock.advance(5)
        if prepare:
            prepare(sim)
        yield sim


def _examine(sim: BiginSimulator, **options: object) -> Report:
    """Examine the simulator; waits move its clock instead of passing, or take milliseconds."""
    settings = Settings(
        api_key=sim.api_key,
        base_url=sim.base_url,
        connection_id=sim.connection_id,
        requests_per_second=0,
        rate_limit_store="memory",
    )
    short = patch.multiple(transport, FIRST_DELAY=0.002, LONGEST_DELAY=0.02)
    with short, BiginClient(settings, front_end="bigin") as client:
        return run(client, wait=sim.clock.advance, clock=sim.clock.timestamp, **options)


@pytest.fixture(scope="session")
def account() -> Callable[..., object]:
    return _account


@pytest.fixture(scope="session")
def examine() -> Callable[..., Report]:
    return _examine


@pytest.fixture(scope="session")
def contents() -> Callable[[BiginSimulator], object]:
    """Return a function that shows what an examination must leave as it was."""

    def of(sim: BiginSimulator) -> object:
        records = {
            module: {i: (r.values, r.modified) for i, r in table.live.items()}
            for module, table in sim.store.tables.items()
        }
        tags = {module: sorted(known) for module, known in sim.store.tags.items()}
        return records, tags, sorted((c.id, c.status) for c in sim.connections)

    return of
