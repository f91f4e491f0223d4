"""A simulator, a client on it, and a way to read what a load left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[BiginSimulator]:
    arguments = {"sizes": {"Contacts": 30, "Accounts": 10, "Products": 20}, "rate_limit": None}
    with BiginSimulator(seed=7, **{**arguments, **getattr(request, "param", {})}) as simulator:
        yield simulator


@pytest.fixture
def connect(sim: BiginSimulator) -> Iterator[Callable[..., BiginClient]]:
    clients = []

    def make(**settings: Any) -> BiginClient:
        values = {
            "api_key": sim.api_key,
            "base_url": sim.base_url,
            "requests_per_second": 0,
            "rate_limit_store": "memory",
            "request_timeout": 5,
            "max_wait": 20,
        }
        clients.append(BiginClient(Settings(**{**values, **settings})))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., BiginClient]) -> BiginClient:
    return connect()


@pytest.fixture
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]
