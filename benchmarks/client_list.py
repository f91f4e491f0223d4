"""How fast `list_records` is: records a second, beside two loops written by hand.

    python benchmarks/client_list.py [--records 20000] [--rounds 5]

The simulator runs in another process. All three read the same list with the same fields by page
token and end with the same records: id first, exactly the fields, times in UTC, ids as text.

* plain: requests and the standard json module (numbers with a fraction become floats);
* fastest: requests and msgspec, decimals exact, conversions unrolled by type: no checks, no
  retries, no pace, no errors worth the name;
* client: `BiginClient.list_records`.

They take turns, and the median of each is shown, by the clock and by the processor time of this
process (which leaves out the simulator's own work).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import requests

from bigin_client import BiginClient, Settings, field_types, timestamps
from bigin_client.testing import BiginSimulator

Record = dict[str, Any]
MODULE = "Contacts"
#: One request takes them all.
FIELDS = 40


def serve(pipe: Connection, records: int) -> None:
    """Run a simulator until the pipe closes."""
    with BiginSimulator(
        sizes={MODULE: records}, field_counts={MODULE: FIELDS}, rate_limit=None
    ) as sim:
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        pipe.recv()


class ByHand:
    """The loops that somebody would write without this package."""

    def __init__(self, settings: Settings, kinds: dict[str, str]) -> None:
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {settings.api_key}"
        self._session.headers["Maton-Connection"] = settings.connection_id or ""
        self._url = f"{settings.base_url}/zoho-bigin/bigin/v2/{MODULE}"
        self._names = list(kinds)
        self._times = [n for n, k in kinds.items() if k == "datetime"]
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode

    def plain(self) -> Iterator[Record]:
        """Yield records with requests and json."""
        return self._records(lambda reply: json.loads(reply.content))

    def fastest(self) -> Iterator[Record]:
        """Yield records with requests and msgspec."""
        return self._records(lambda reply: self._decode(reply.content))

    def _records(self, decode: Callable[[requests.Response], Any]) -> Iterator[Record]:
        params = {"fields": ",".join(self._names), "per_page": "200"}
        names, times, normalise = ["id", *self._names], self._times, timestamps.normalise
        while True:
            body = decode(self._session.get(self._url, params=params, timeout=30))
            for raw in body["data"]:
                record = {name: raw[name] for name in names}
                for name in times:
                    value = record[name]
                    if value is not None:
                        record[name] = normalise(value)
                yield record
            if not body["info"]["more_records"]:
                return
            params["page_token"] = body["info"]["next_page_token"]


def consume(records: Iterator[Record]) -> tuple[int, float, float]:
    """Return how many records there were, and the seconds by the clock and the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in records)
    return count, time.perf_counter() - wall, time.process_time() - cpu


def measure(settings: Settings, records: int, rounds: int) -> None:
    """Let the three take turns and print their medians."""
    with BiginClient(settings) as client:
        kinds = {
            f.api_name: field_types.of(f.api_name, f.data_type, f.json_type, f.return_type).kind
            for f in client.fields(MODULE)
        }
        by_hand = ByHand(settings, kinds)
        ways: dict[str, Callable[[], Iterator[Record]]] = {
            "plain": by_hand.plain,
            "fastest": by_hand.fastest,
            "client": lambda: client.list_records(MODULE),
        }
        assert list(ways["client"]()) == list(ways["fastest"]()), "the same records"
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                count, wall, cpu = consume(way())
                assert count == records
                times[name].append((wall, cpu))
    print(f"{records} records of {len(kinds)} fields, median of {rounds} rounds\n")
    rates = {
        name: [records / statistics.median(t[i] for t in times[name]) for i in (0, 1)]
        for name in ways
    }
    print("| Way | Records/s | Of the fastest | Per CPU second | Of the fastest, CPU |")
    print("|---|---|---|---|---|")
    for name, (wall, cpu) in rates.items():
        shares = [wall / rates["fastest"][0], cpu / rates["fastest"][1]]
        print(f"| {name} | {wall:,.0f} | {shares[0]:.0%} | {cpu:,.0f} | {shares[1]:.0%} |")


def main() -> None:
    """Start the simulator and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, arguments.records), daemon=True)
    server.start()
    base_url, api_key, connection_id = ours.recv()
    settings = Settings(
        api_key=api_key, base_url=base_url, connection_id=connection_id, requests_per_second=0
    )
    try:
        measure(settings, arguments.records, arguments.rounds)
    finally:
        ours.send(None)
        server.join()


if __name__ == "__main__":
    main()
