"""What the tests of the client share: simulators, clients, and retries that do not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bigin_client import BiginClient, Settings, transport
from bigin_client.testing import BiginSimulator, Switches


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Waits between tries that nobody asked for take milliseconds."""
    monkeypatch.setattr(transport, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(transport, "LONGEST_DELAY", 0.02)


@pytest.fixture
def simulate() -> Iterator[Callable[..., BiginSimulator]]:
    """Return a function that starts a simulator, without a rate limit unless told otherwise."""
    with ExitStack() as stack:

        def start(**options: Any) -> BiginSimulator:
            return stack.enter_context(BiginSimulator(**{"rate_limit": None, **options}))

        yield start


@pytest.fixture
def sim(simulate) -> BiginSimulator:
    """Return a simulator with its small default account."""
    return simulate()


@pytest.fixture
def connect() -> Iterator[Callable[..., BiginClient]]:
    """Return a function that connects a client to a simulator, unpaced unless told otherwise."""
    with ExitStack() as stack:

        def connected(sim: BiginSimulator, **settings: Any) -> BiginClient:
            given = {
                "api_key": sim.api_key,
                "base_url": sim.base_url,
                "connection_id": sim.connection_id,
                "requests_per_second": 0,
                **settings,
            }
            return stack.enter_context(BiginClient(Settings(**given)))

        yield connected


@pytest.fixture
def client(sim, connect) -> BiginClient:
    """Return a client of the default account."""
    return connect(sim)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give tests that take a `flipped` switch each of them, those of section 11 by default."""
    if "flipped" not in metafunc.fixturenames:
        return
    known = Switches.describe()
    section = {n for n, facts in known.items() if "11." in facts["reference"]}
    metafunc.parametrize(
        "flipped",
        [
            pytest.param({name: value}, id=f"{name}={value}", marks=marks)
            for name, values in Switches.alternatives().items()
            for value in values
            for marks in [() if name in section else pytest.mark.slow]
        ],
    )
