"""How fast loads are: beside a plain Singer target, and at a real account's pace.

    python benchmarks/load_speed.py [rows]

1. Without latency or limit: target-bigin beside a plain singer-sdk BatchSink that posts the same
   rows in batches of 100, one after another, and checks nothing. Each in turn, three times, into
   an empty module of a new simulator; the median of the three ratios counts.
2. At 300 ms a request and 9 requests a second: the rows a second that the pace allows (900) and
   those that the engine reaches.

The simulator runs in another process.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
from singer_sdk import Target
from singer_sdk.sinks import BatchSink

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator
from target_bigin.target import TargetBigin

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
COLUMNS = 40
REPEATS = 3
SESSION = requests.Session()


def serve(pipe: Connection) -> None:
    """Run a simulator until told to end; "slow" makes each reply take 300 ms."""
    with BiginSimulator(
        sizes={"Products": 0, "Accounts": 0},
        field_counts={"Products": COLUMNS + 15},
        rate_limit=None,
    ) as sim:
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        while pipe.recv() == "slow":
            sim.faults.add("slow", times=None, seconds=0.3)
            pipe.send("done")


@contextmanager
def simulator(*, slow: bool = False) -> Iterator[dict[str, Any]]:
    """Run a new simulator; yields how to reach it."""
    pipe, other = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(other,), daemon=True)
    process.start()
    base_url, key, connection = pipe.recv()
    if slow:
        pipe.send("slow")
        pipe.recv()
    yield {"api_key": key, "base_url": base_url, "connection_id": connection}
    pipe.send("end")
    process.join()


def row(number: int) -> dict[str, Any]:
    """Return a row of 40 columns of all kinds, each of which is a field of the module."""
    kinds: tuple[Any, ...] = (
        f"text {number}",
        number,
        number / 4,
        number % 2 == 0,
        f"2026-01-{number % 28 + 1:02d}",
        f"2026-01-{number % 28 + 1:02d}T10:00:00+00:00",
        number / 8,
    )
    more = {f"Extra_{i}": kinds[i % 7] for i in range(1, COLUMNS - 1)}
    return {"Product_Name": f"Product {number}", "Unit_Price": number / 4, **more}


class PlainSink(BatchSink):
    """Posts what it gets."""

    max_size = 100

    def process_batch(self, context: dict[str, Any]) -> None:
        """Post one batch."""
        url = f"{self.config['base_url']}/zoho-bigin/bigin/v2/Products"
        body = json.dumps({"data": context["records"], "trigger": []}, default=float)
        reply = SESSION.post(
            url,
            data=body,
            headers={
                "Authorization": f"Bearer {self.config['api_key']}",
                "Maton-Connection": self.config["connection_id"],
                "Content-Type": "application/json",
            },
            timeout=60,
        )
        reply.raise_for_status()


class PlainTarget(Target):
    """As the SDK's template makes it."""

    name = "target-plain"
    config_jsonschema = {"properties": {}}  # noqa: RUF012 - as in the template
    default_sink_class = PlainSink


def messages() -> str:
    """Return the Singer input."""
    properties = {c: {"type": ["string", "number", "boolean", "null"]} for c in row(0)}
    schema = {"properties": properties, "type": "object"}
    lines: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": "Products", "schema": schema, "key_properties": []}
    ]
    lines += [{"type": "RECORD", "stream": "Products", "record": row(i)} for i in range(ROWS)]
    return "".join(json.dumps(x) + "\n" for x in lines)


def main() -> None:
    """Run all and print."""
    text = messages()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(REPEATS):
            with simulator() as config:
                plain = timed(PlainTarget(config=config), text)
            with simulator() as config:
                ours = timed(TargetBigin(config={**config, **settings(folder, number)}), text)
            ratios.append(ours / plain)
            print(f"plain {plain:,.0f} rows/s, target-bigin {ours:,.0f}: {ours / plain:.2f}")
        print(f"median of the ratios: {statistics.median(ratios):.2f}")
        with simulator(slow=True) as config:
            paced(config, str(Path(folder, "paced")))


def settings(folder: str, number: int) -> dict[str, Any]:
    """Return the target's settings besides the connection."""
    return {
        "requests_per_second": 0,
        "rate_limit_store": "memory",
        "match_on": ["Product_Name"],
        "journal_path": str(Path(folder, f"journal-{number}")),
    }


def timed(target: Target, text: str) -> float:
    """Return rows a second."""
    began = time.perf_counter()
    target.listen(io.StringIO(text))
    return ROWS / (time.perf_counter() - began)


def paced(config: dict[str, Any], journal: str) -> None:
    """Load at the default pace over a slow line."""
    given = {k: config[k] for k in ("api_key", "base_url", "connection_id")}
    settings = Settings(**given, requests_per_second=9, rate_limit_store="memory")
    count = 27_000  # half a minute: the first reads and the last reply take one second of it
    with BiginClient(settings) as client:
        rows = ({"account_name": f"Firm {i}", "phone": str(i)} for i in range(count))
        client.fields("Accounts")
        before, began = client.transport.requests_sent, time.perf_counter()
        client.load("Accounts", rows, match_on=["Account_Name"], journal_path=journal)
        seconds = time.perf_counter() - began
        sent = client.transport.requests_sent - before
    rate = sent / seconds
    print(
        f"300 ms a request, 9 requests/s: {count / seconds:,.0f} rows/s, "
        f"{rate:.2f} requests/s = {rate / 9:.0%} of the rate"
    )


if __name__ == "__main__":
    main()
