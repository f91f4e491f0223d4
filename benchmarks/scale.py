"""What accounts of different sizes cost, measured with the real programs; for docs/scale.md.

    .venv/dev/bin/python benchmarks/scale.py [--quick] [--only one|many|large]

The simulator runs in a process of its own. Three parts:

1. One account: tap-bigin discovers, reads everything, reads what changed.
2. Many accounts behind one key: several workers run tap-bigin for one account after another and
   share one pace of 9 requests a second, through a file and (if there is a redis-server) through
   Redis. From the requests of a run follows how many accounts an hour holds.
3. One large module: reads and loads at growing sizes. What they cost must grow in a straight
   line (checked); then the line says what 5,000,000 records cost.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

TAP = str(Path(sys.executable).with_name("tap-bigin"))
#: Requests a second that the settings allow by default; the gateway allows 10.
PACE = 9
LARGE = 5_000_000
#: Largest deviation from the straight line, as a share, that is taken for a straight line.
TOLERANCE = 0.03


@dataclass
class Cost:
    """What a piece of work cost."""

    requests: int
    credits: int
    seconds: float
    megabytes: float
    #: Most requests that the service saw within a second, and how many it refused for the rate.
    per_second: int = 0
    refused: int = 0


def serve(pipe: Connection, sizes: dict[str, int], rate_limit: int | None) -> None:
    """Run a simulator; answer what `Service` asks."""
    with BiginSimulator(sizes=sizes, field_counts={"Contacts": 40}, rate_limit=rate_limit) as sim:
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        while (asked := pipe.recv()) is not None:
            kind, *given = asked
            if kind == "add":
                pipe.send(sim.add_connection(sizes=given[0]))
            elif kind == "change":
                connection, module, count = given
                store = sim.account(connection).store
                for record in store.records(module)[:count]:
                    store.update(module, record["id"], {"Description": "changed"})
                sim.clock.advance(3_600)
                pipe.send(None)
            elif kind == "credits":
                for connection in sim.connections:
                    sim.account(connection.id).credits.limit = 10**9
                pipe.send(None)
            else:
                times = sorted(r.monotonic for r in sim.requests)
                most = max(Counter(int(t) for t in times).values(), default=0)
                limited = sum(r.status == 429 for r in sim.requests)  # noqa: PLR2004 - HTTP
                spent = sum(r.credits for r in sim.requests)
                pipe.send((len(times), spent, most, limited))
                sim.clear_log()


class Service:
    """The simulator, from this process."""

    def __init__(self, sizes: dict[str, int], rate_limit: int | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, sizes, rate_limit), daemon=True)
        self._process.start()
        self.base_url, self.api_key, self.connection_id = self._pipe.recv()
        self.ask("credits")

    def ask(self, *what: object) -> Any:
        """Ask the simulator and return its answer."""
        self._pipe.send(what)
        return self._pipe.recv()

    def settings(self, pace: float = 0) -> dict[str, Any]:
        """Return the settings of a client."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "connection_id": self.connection_id,
            "requests_per_second": pace,
            "rate_limit_store": "memory",
        }

    def close(self) -> None:
        """End the simulator."""
        self._pipe.send(None)
        self._process.join()


@contextmanager
def service(sizes: dict[str, int], rate_limit: int | None = None) -> Iterator[Service]:
    """Run a simulator as long as the block runs."""
    running = Service(sizes, rate_limit)
    try:
        yield running
    finally:
        running.close()


def cost_of(account: Service, work: Callable[[], float]) -> Cost:
    """Return what a piece of work costs; it returns its peak memory in megabytes."""
    account.ask("spent")
    began = time.monotonic()
    megabytes = work()
    seconds = time.monotonic() - began
    requests, spent, most, limited = account.ask("spent")
    return Cost(requests, spent, seconds, megabytes, most, limited)


# -- the tap -----------------------------------------------------------------------------------


def tap(folder: Path, settings: dict[str, Any], *options: str) -> float:
    """Run tap-bigin in a folder, keeping its last STATE there; returns its peak in megabytes."""
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    state = folder / "state.json"
    command = [TAP, "--config", "config.json", *options]
    command += ["--state", "state.json"] if state.exists() else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BIGIN", "MATON"))}
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=log, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert not process.returncode, (folder / "log").read_text(encoding="utf-8")[-2_000:]
    if "--discover" in options:
        shutil.move(folder / "out", folder / "catalog.json")
        return usage.ru_maxrss / 1024
    with (folder / "out").open("rb") as lines:
        states = [line for line in lines if line.startswith(b'{"type":"STATE"')]
    assert states
    state.write_text(json.dumps(json.loads(states[-1])["value"]), encoding="utf-8")
    return usage.ru_maxrss / 1024


def one_account(scale: int) -> None:
    """Print what one account costs a day."""
    sizes = {"Contacts": 20, "Accounts": 5, "Pipelines": 5, "Tasks": 5, "Events": 2, "Products": 1}
    sizes = {module: count * scale for module, count in sizes.items()}
    print(f"\n## One account: {sum(sizes.values()):,} records in {len(sizes)} modules\n")
    print("| Run of tap-bigin | Requests | Credits | Seconds at 9 requests/s | Peak MB |")
    print("|---|---|---|---|---|")
    with service(sizes) as account, tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def run(title: str, *options: str) -> None:
            cost = cost_of(account, lambda: tap(folder, account.settings(), *options))
            seconds = max(cost.seconds, cost.requests / PACE)
            print(
                f"| {title} | {cost.requests} | {cost.credits} | {seconds:.0f} | "
                f"{cost.megabytes:.0f} |",
                flush=True,
            )

        catalog = ("--catalog", "catalog.json")
        run("discovery", "--discover")
        run("first: everything", *catalog)
        run("nothing changed", *catalog)
        for module in ("Contacts", "Pipelines", "Tasks"):
            account.ask("change", account.connection_id, module, 50)
        run("150 records changed in 3 modules", *catalog)
        account.ask("change", account.connection_id, "Contacts", scale * 10)
        run(f"{scale * 10:,} contacts changed", *catalog)


# -- many accounts -----------------------------------------------------------------------------


def many_accounts(accounts: int, workers: int, stores: dict[str, str]) -> None:
    """Print what workers that share a pace reach."""
    print(f"\n## Many accounts: {accounts} of them, {workers} workers, one key, 9 requests/s\n")
    print(
        "| Shared through | Requests a run | Requests/s | Most in a second | Refused (429) | "
        "Accounts an hour |"
    )
    print("|---|---|---|---|---|---|")
    sizes = {"Contacts": 400, "Accounts": 100, "Pipelines": 100}
    # The gateway's own limit is on: a pace that is not shared would be refused.
    with service(sizes, rate_limit=10) as gateway, tempfile.TemporaryDirectory() as name:
        homes: dict[str, Path] = {}
        for _ in range(accounts):
            connection = gateway.ask("add", sizes)
            homes[connection] = Path(name, connection)
            homes[connection].mkdir()
        gateway.ask("credits")

        def hourly(store: str, options: tuple[str, ...]) -> float:
            def run(connection: str) -> float:
                settings = gateway.settings(PACE) | {
                    "connection_id": connection,
                    "rate_limit_store": store,
                }
                return tap(homes[connection], settings, *options)

            with ThreadPoolExecutor(workers) as pool:
                return max(pool.map(run, homes))

        first = str(Path(name, "first-pace"))
        hourly(first, ("--discover",))
        hourly(first, ("--catalog", "catalog.json"))
        for title, store in stores.items():
            for connection in homes:
                gateway.ask("change", connection, "Contacts", 20)
            shared = store or str(Path(name, "pace"))
            cost = cost_of(gateway, lambda s=shared: hourly(s, ("--catalog", "catalog.json")))  # type: ignore[misc]
            each = cost.requests / accounts
            rate = cost.requests / cost.seconds
            print(
                f"| {title} | {each:.1f} | {rate:.1f} | {cost.per_second} | {cost.refused} | "
                f"{3_600 * PACE / each:,.0f} |",
                flush=True,
            )


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Run a Redis on a free port; None: there is no redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly"]
    with subprocess.Popen([*command, "no"], stdout=subprocess.DEVNULL) as process:
        try:
            _await_port(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _await_port(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise SystemExit("redis-server did not start")


# -- one large module --------------------------------------------------------------------------


def child(pipe: Connection, work: str, settings: dict[str, Any], rows: int) -> None:
    """Do one piece of work in a process of its own and send its peak memory."""
    import resource  # noqa: PLC0415 - of the child alone

    with BiginClient(Settings(**settings)) as client:
        WORK[work](client, rows)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def read(client: BiginClient, rows: int) -> None:
    """Read everything."""
    seen = sum(len(page.records) for page in client.extract("Contacts", None))
    assert seen >= rows, seen


def unchanged(client: BiginClient, rows: int) -> None:
    """Load what is there already."""
    fields = ["Last_Name", "Phone"]
    found = client.list_records("Contacts", fields)
    given = ({"id": r["id"], **{f: r[f] for f in fields}} for r in found)
    report = client.load("Contacts", given, match_on=["id"]).streams["Contacts"]
    assert report.outcomes["unchanged"] == rows, report.outcomes


def inserted(client: BiginClient, rows: int) -> None:
    """Load what is not there yet."""
    given = ({"Product_Name": f"Thing {i}", "Product_Code": f"c{i}"} for i in range(rows))
    report = client.load("Products", given, match_on=["Product_Name"]).streams["Products"]
    assert report.outcomes["created"] == rows, report.outcomes


WORK = {"read": read, "unchanged": unchanged, "inserted": inserted}
TITLES = {
    "read": "read everything, 40 fields",
    "unchanged": "load rows that change nothing, and the list they come from",
    "inserted": "load new rows",
}


def large_module(counts: list[int]) -> None:
    """Print what one module costs at growing sizes, and what the line says of 5,000,000."""
    print(f"\n## One large module: {LARGE:,} records by a straight line\n")
    print("| Work | Records | Requests | Credits | Records/s, unpaced | Peak MB |")
    print("|---|---|---|---|---|---|")
    costs: dict[str, list[Cost]] = {name: [] for name in WORK}
    for count in counts:
        with service({"Contacts": count}) as account:
            for name in WORK:
                cost = cost_of(account, lambda n=name, c=count: _in_child(account, n, c))  # type: ignore[misc]
                costs[name].append(cost)
                print(
                    f"| {TITLES[name]} | {count:,} | {cost.requests:,} | {cost.credits:,} | "
                    f"{count / cost.seconds:,.0f} | {cost.megabytes:.0f} |",
                    flush=True,
                )
    print("\n| Work | Records | Requests | Credits | Hours at 9 requests/s |")
    print("|---|---|---|---|---|")
    for name, measured in costs.items():
        requests = _by_line(counts, [c.requests for c in measured])
        spent = _by_line(counts, [c.credits for c in measured])
        said = "no straight line | no straight line | "
        if requests is not None and spent is not None:
            said = f"{requests:,.0f} | {spent:,.0f} | {requests / PACE / 3_600:.1f}"
        print(f"| {TITLES[name]} | {LARGE:,} | {said} |", flush=True)


def _in_child(account: Service, work: str, rows: int) -> float:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs, work, account.settings(), rows))
    process.start()
    process.join()
    assert process.exitcode == 0, work
    megabytes: float = ours.recv()
    return megabytes


def _by_line(counts: list[int], costs: list[int]) -> float | None:
    """Return the cost of `LARGE` records by the line through the first and the last measurement.

    None if a measurement between them does not lie on it.
    """
    slope = (costs[-1] - costs[0]) / (counts[-1] - counts[0])
    for count, cost in zip(counts, costs, strict=True):
        if abs(cost - costs[0] - slope * (count - counts[0])) > max(TOLERANCE * cost, 2):
            return None
    return costs[0] + slope * (LARGE - counts[0])


def main() -> None:
    """Run the three parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="small: to see that it runs")
    parser.add_argument("--only", choices=["one", "many", "large"], help="this part alone")
    options = parser.parse_args()
    quick, parts = options.quick, [options.only] if options.only else ["one", "many", "large"]
    if "one" in parts:
        one_account(100 if quick else 1_000)
    if "many" in parts:
        with redis_server() as redis:
            stores = {"a file": ""} | ({"Redis": redis} if redis else {})
            many_accounts(3 if quick else 16, workers=4, stores=stores)
    if "large" in parts:
        large_module([1_000, 2_000, 4_000] if quick else [20_000, 40_000, 80_000])


if __name__ == "__main__":
    main()
