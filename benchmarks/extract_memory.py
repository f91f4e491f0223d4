"""How much memory the reading of a big module takes.

    .venv/dev/bin/python benchmarks/extract_memory.py [records ...]

The simulator runs in one process, the reader in another, which keeps nothing of what it reads; its
own peak is what is shown. Then tap-bigin reads the same into nothing, in a process of its own, too.
Goal (issue 5, item 8d): 1,000,000 records below 120 MB, and flat.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

MODULE = "Contacts"
FIELDS = 40
SIZES = (100_000, 200_000, 400_000)


def serve(pipe: Connection, records: int) -> None:
    """Run a simulator until the pipe closes."""
    with BiginSimulator(
        sizes={MODULE: records}, field_counts={MODULE: FIELDS}, rate_limit=None
    ) as sim:
        sim.account().credits.limit = 10**9
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        pipe.recv()


def read(pipe: Connection, settings: dict[str, str]) -> None:
    """Read everything; tell records, seconds, and the peak in MB before and after."""
    with BiginClient(Settings(**settings, requests_per_second=0)) as client:
        client.fields(MODULE)
        before = peak()
        began = time.perf_counter()
        changes = client.extract(MODULE)
        count = sum(len(page.records) for page in changes)
        pipe.send((count, time.perf_counter() - began, before, peak(), changes.summary.strategy))


def peak() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def tap(settings: dict[str, str]) -> float:
    """Return the peak of tap-bigin in MB, which reads the module into nothing."""
    script = Path(sys.executable).with_name("tap-bigin")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({**settings, "modules": [MODULE], "requests_per_second": 0}, config)
        config.flush()
        process = subprocess.Popen(
            [script, "--config", config.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1_024


def measure(records: int) -> None:
    """Print a row of the table."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, records), daemon=True)
    server.start()
    names = ("base_url", "api_key", "connection_id")
    settings = dict(zip(names, ours.recv(), strict=True))
    results, told = context.Pipe()
    reader = context.Process(target=read, args=(told, settings), daemon=True)
    reader.start()
    try:
        count, seconds, before, after, strategy = results.recv()
        assert count >= records
        reader.join()
        print(
            f"| {records:,} | {strategy} | {before:.0f} | {after:.0f} | {count / seconds:,.0f} "
            f"| {tap(settings):.0f} |",
            flush=True,
        )
    finally:
        ours.send(None)
        server.join()


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("records", type=int, nargs="*", default=SIZES)
    print("| Records | Strategy | MB before the read | MB at most | Records/s | tap-bigin, MB |")
    print("|---|---|---|---|---|---|")
    for records in parser.parse_args().records:
        measure(records)


if __name__ == "__main__":
    main()
