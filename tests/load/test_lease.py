"""One load into a module at a time: on a machine, and through Redis."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bigin_client import lease
from bigin_client.errors import ServiceError
from bigin_client.lease import Lease

ROW = {"product_name": "Leased", "unit_price": 1}


@pytest.fixture(params=["file", pytest.param("redis", marks=pytest.mark.slow)])
def paced(request: Any, tmp_path: Path) -> dict[str, Any]:
    """Settings of two machines, or of one, that share a store."""
    where = str(tmp_path / "rate.json")
    if request.param == "redis":
        where = request.getfixturevalue("redis_url")
    return {"requests_per_second": 500, "rate_limit_store": where, "max_wait": 0.3}


def load(client: Any, folder: Path, name: str) -> Any:
    """Load with a journal of its own, as on another machine."""
    return client.load(
        "Products", [ROW], match_on=["Product_Name"], journal_path=str(folder / name)
    )


def held(client: Any, module: str = "Products") -> Lease:
    client.modules()
    found = Lease(client.transport, module)
    found.acquire()
    assert found.is_held
    return found


def test_a_second_load_waits_and_gives_up(sim, connect, paced, tmp_path):
    first, second = connect(**paced), connect(**paced)
    lease_of_first = held(first)
    other_module = held(second, "Contacts")
    with pytest.raises(ServiceError, match="Another load into Products") as caught:
        load(second, tmp_path, "second")
    assert caught.value.exit_code == 4
    assert not [r for r in sim.requests if r.method == "POST"]
    assert second.load("Products", [ROW], dry_run=True, match_on=["Product_Name"]).rows == 1
    lease_of_first.release()
    other_module.release()
    assert load(second, tmp_path, "second").streams["Products"].outcomes == {"created": 1}
    assert load(first, tmp_path, "first").streams["Products"].outcomes == {"unchanged": 1}


def test_two_loads_at_the_same_time_insert_a_row_once(sim, connect, paced, tmp_path):
    """Each in a thread of its own, with a journal of its own and a key that is not unique."""
    clients = [connect(**{**paced, "max_wait": 20}) for _ in range(2)]
    sim.faults.add("stall", match={"method": "POST"}, seconds=0.2, times=None)
    threads = [
        threading.Thread(target=load, args=(client, tmp_path, str(number)))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(r["Product_Name"] == "Leased" for r in sim.store.records("Products")) == 1


@pytest.mark.slow
def test_a_lease_is_renewed_and_one_that_is_lost_stops_the_load(connect, redis_url, monkeypatch):
    monkeypatch.setattr(lease, "LIFE", 0.5)
    monkeypatch.setattr(lease, "_RENEWAL", 0.1)
    settings = {"requests_per_second": 500, "rate_limit_store": redis_url, "max_wait": 0}
    first, second = connect(**settings), connect(**settings)
    mine = held(first)
    time.sleep(0.8)
    mine.check()
    with pytest.raises(ServiceError, match="Another load"):
        held(second)
    # As if this process had slept for longer than a lease lives, and another load had begun.
    name = mine._lock._lock.name
    first.transport.rate_store._redis.set(name, "another's", px=700)
    deadline = time.monotonic() + 10
    while not mine.is_lost and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(ServiceError, match="was lost") as caught:
        mine.check()
    assert caught.value.exit_code == 4
    mine.release()
    time.sleep(0.8)
    held(second).release()


def test_a_store_that_is_not_shared_is_said(connect, caplog, tmp_path):
    client = connect(requests_per_second=500, rate_limit_store="memory")
    load(client, tmp_path, "journal")
    assert "another load into this module at the same time would go unnoticed" in caplog.text
