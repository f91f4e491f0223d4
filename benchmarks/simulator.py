"""Is the simulator fast and lean enough not to be the bottleneck of the other benchmarks?

    .venv/dev/bin/python benchmarks/simulator.py

Rates are per second of the simulator's own processor time ("on one core"): the client runs in a
process of its own, so that a busy machine distorts them less.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bigin_client.testing import BiginSimulator

CONTACTS = "/zoho-bigin/bigin/v2/Contacts"


@dataclass(frozen=True)
class Account:
    """How a client in another process reaches the simulator."""

    host: str
    headers: dict[str, str]

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection that is kept."""
        return http.client.HTTPConnection(self.host)


def read_pages(account: Account, count: int, fields: list[str]) -> None:
    """Read pages as the fastest client would: only the end of a body is parsed, for its token."""
    client, token = account.connect(), ""
    for _ in range(count):
        client.request(
            "GET", f"{CONTACTS}?fields={','.join(fields)}{token}", headers=account.headers
        )
        body = client.getresponse().read()
        info = json.loads(body[body.rfind(b'"info":') + 7 : -1])
        token = f"&page_token={info['next_page_token']}" if info["more_records"] else ""


def write_batches(account: Account, count: int, _fields: list[str]) -> None:
    """Insert batches of 100 contacts."""
    client = account.connect()
    for batch in range(count):
        rows = [
            {
                "Last_Name": f"L{batch}-{row}",
                "First_Name": "F",
                "Phone": "123",
                "Email": f"w{batch}.{row}@example.com",
                "Custom_Currency": 12.5,
                "Custom_DateTime": "2026-01-01T00:00:00+00:00",
                "Tag": [{"name": "VIP"}],
            }
            for row in range(100)
        ]
        client.request("POST", CONTACTS, json.dumps({"data": rows}), account.headers)
        reply = client.getresponse()
        assert reply.status == http.client.CREATED, reply.status
        reply.read()


def measure(sim: BiginSimulator, work: Callable[..., None], count: int, fields: list[str]) -> float:
    """Return requests per processor second of the simulator."""
    headers = {"Authorization": f"Bearer {sim.api_key}", "Maton-Connection": sim.connection_id}
    account = Account(sim.base_url.removeprefix("http://"), headers)
    child = multiprocessing.get_context("spawn").Process(target=work, args=(account, count, fields))
    child.start()
    # Only now: what it takes to start the client is not the simulator's, and the client is still
    # loading Python.
    began = time.process_time()
    child.join()
    assert child.exitcode == 0
    return count / (time.process_time() - began)


def started(contacts: int) -> Any:
    """Return a simulator with so many contacts of 45 fields."""
    sim = BiginSimulator(
        sizes={"Contacts": contacts, "Accounts": 500},
        rate_limit=None,
        field_counts={"Contacts": 45},
    )
    sim.account().credits.limit = 10**9
    return sim


def main() -> None:
    """Print the figures as the rows of a table."""
    print("| Measure | Result | Budget |\n|---|---|---|")
    with started(10_000) as sim:
        fields = list(sim.store.fields("Contacts"))[:40]
        cold = measure(sim, read_pages, 50, fields)
        warm = measure(sim, read_pages, 300, fields)
        batches = measure(sim, write_batches, 100, fields)
    # The first reader also pays for starting: orders, plans, a thread.
    print(f"| List pages of 200 x 40 fields a CPU second, read first | {cold:.0f} | 300 |")
    print(f"| The same, read again | {warm:.0f} | 300 |")
    print(f"| Insert batches of 100 a CPU second | {batches:.0f} | 30 |")
    began = time.process_time()
    count = started(200_000).store.count("Contacts")
    seconds = time.process_time() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| CPU seconds to make {count:,} contacts | {seconds:.1f} | 20 |")
    print(f"| Their memory, GB | {gigabytes:.2f} | 1.5 |")


if __name__ == "__main__":
    main()
