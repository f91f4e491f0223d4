"""How fast one big module is read, and how soon its first record comes.

    .venv/dev/bin/python benchmarks/extract_speed.py [--records 40000] [--latency 0.3]

The simulator runs in another process and waits before each answer. In turn:

* chain: one chain of page tokens, one request after the other (`list_records`);
* extract: `client.extract`, whose walkers read several ranges at once; without a pace, and at the
  default of 9 requests a second.

Goals (issue 5, item 8): extract at least 2.5 times as fast as the chain; the first record within
1.5 s.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

MODULE = "Contacts"
FIELDS = 40


def serve(pipe: Connection, records: int, latency: float) -> None:
    """Run a simulator until the pipe closes."""
    with BiginSimulator(
        sizes={MODULE: records}, field_counts={MODULE: FIELDS}, rate_limit=None
    ) as sim:
        sim.account().credits.limit = 10**9
        sim.faults.add("stall", seconds=latency, times=None)
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        pipe.recv()


def chain(client: BiginClient) -> Iterator[list[Any]]:
    """Yield records by one chain of tokens."""
    for record in client.list_records(MODULE):
        yield [record]


def extract(client: BiginClient) -> Iterator[list[Any]]:
    """Yield pages of records by the engine, deletions and the count included."""
    for page in client.extract(MODULE):
        yield page.records


def measure(settings: Settings, way: Callable[[BiginClient], Iterator[list[Any]]]) -> list[float]:
    """Return records, seconds, seconds to the first record, requests."""
    with BiginClient(settings) as client:
        began = time.perf_counter()
        ids: set[str] = set()
        first = 0.0
        for records in way(client):
            if records and not ids:
                first = time.perf_counter() - began
            ids.update(r["id"] for r in records)
        seconds = time.perf_counter() - began
        return [len(ids), seconds, first, client.transport.requests_sent]


def main() -> None:
    """Start the simulator, let the ways take turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--latency", type=float, default=0.3)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(
        target=serve, args=(theirs, arguments.records, arguments.latency), daemon=True
    )
    server.start()
    base_url, api_key, connection_id = ours.recv()
    account = {"api_key": api_key, "base_url": base_url, "connection_id": connection_id}
    ways = {
        "chain of page tokens": (chain, 0),
        "extract": (extract, 0),
        "extract, 9 requests/s": (extract, 9),
    }
    print("| Way | Records | Seconds | Times the chain | First record | Requests |")
    print("|---|---|---|---|---|---|")
    slowest = 0.0
    try:
        for name, (way, pace) in ways.items():
            settings = Settings(**account, requests_per_second=pace)
            count, seconds, first, requests = measure(settings, way)
            assert count == arguments.records
            slowest = slowest or seconds
            print(
                f"| {name} | {count:,.0f} | {seconds:.1f} | {slowest / seconds:.1f} | "
                f"{first:.2f} s | {requests:.0f} |",
                flush=True,
            )
    finally:
        ours.send(None)
        server.join()


if __name__ == "__main__":
    main()
