"""How much memory a load takes, the comparison included (issue 6, item 10).

    python benchmarks/load_memory.py [rows ...]

For each number of rows (100,000 and 200,000) a new simulated account, and two loads of the table
into it, each in a process of its own: one that makes all records, one that reads and compares
them all. Flat is what takes the same for twice the rows.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

ROWS = [int(a) for a in sys.argv[1:]] or [100_000, 200_000]


def serve(pipe: Connection) -> None:
    """Run a simulator until told to end."""
    with BiginSimulator(sizes={"Products": 0}, rate_limit=None) as sim:
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        pipe.recv()
        sim.clock.advance(3_600)  # as between two nightly runs
        pipe.send("later")
        pipe.recv()


def load(pipe: Connection, given: tuple[str, str, str], count: int) -> None:
    """Load a table; sends the outcomes and the peak of memory in MB."""
    base_url, key, connection = given
    settings = Settings(
        api_key=key,
        base_url=base_url,
        connection_id=connection,
        requests_per_second=0,
        rate_limit_store="memory",
    )

    def table() -> Iterator[dict[str, Any]]:
        for i in range(count):
            yield {"product_name": f"Product {i}", "unit_price": i, "description": f"text {i}"}

    with tempfile.TemporaryDirectory() as folder, BiginClient(settings) as client:
        report = client.load(
            "Products",
            table(),
            match_on=["Product_Name"],
            compare="always",
            journal_path=str(Path(folder, "journal")),
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send((dict(report.streams["Products"].outcomes), peak))


def main() -> None:
    """Run all and print."""
    context = multiprocessing.get_context("spawn")
    for count in ROWS:
        ours, theirs = context.Pipe()
        server = context.Process(target=serve, args=(theirs,), daemon=True)
        server.start()
        given = ours.recv()
        for attempt in range(2):
            mine, other = context.Pipe()
            process = context.Process(target=load, args=(other, given, count))
            process.start()
            outcomes, peak = mine.recv()
            process.join()
            print(f"{count:,} rows: {outcomes}, {peak:.0f} MB", flush=True)
            ours.send("go on")
            if attempt == 0:
                ours.recv()
        server.join()


if __name__ == "__main__":
    main()
