"""How fast tap-bigin is, beside two taps as people would write them.

    .venv/dev/bin/python benchmarks/tap_speed.py [--rounds 3] [--only a]

The simulator runs in another process; each tap is a process of its own that writes into a file.
They take turns, and the median of each is shown.

* tap-bigin;
* plain: the Singer SDK's template with URL, page token, 200 a page and 204 (`tap_plain.py`);
* cdk: a declarative source for the airbyte-cdk, 8 workers, in an environment of its own that this
  script makes in `.venv/cdk`; once as it is, and where the gateway has a limit once more with an
  `api_budget` of that limit.

Scenarios, of issue 5, item 8:

a. no latency, no limit, 50,000 records of 40 fields. Goals: at least 2.5 times the plain tap and
   2.8 times the cdk source in records a second;
b. 0.3 s a request, 10 requests a second let through, seven modules of 4,000 records. tap-bigin is
   set to 9.8. Goals: 95 % of that rate after the start, 3 times the plain tap, 1.8 times the cdk
   source.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bigin_client.testing import BiginSimulator

ROOT = Path(__file__).resolve().parent.parent
CDK = "airbyte-cdk==7.39.1"
FIELDS = 40
SEVEN = ("Accounts", "Contacts", "Products", "Pipelines", "Tasks", "Events", "Calls")
RATE = 9.8
HTTP_OK, HTTP_TOO_MANY = 200, 429
WORKERS = 8


@dataclass(frozen=True)
class Scenario:
    """What is read, and how the service answers."""

    modules: tuple[str, ...]
    records: int
    latency: float = 0.0
    limit: int | None = None

    @property
    def total(self) -> int:
        """Records in all."""
        return len(self.modules) * self.records


SCENARIOS = {"a": Scenario(("Contacts",), 50_000), "b": Scenario(SEVEN, 4_000, 0.3, 10)}


@dataclass
class Result:
    """What one way took."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


def serve(pipe: Connection, scenario: Scenario) -> None:
    """Run a simulator; each message asks for what was requested since the one before."""
    modules = scenario.modules
    with BiginSimulator(
        sizes=dict.fromkeys(modules, scenario.records),
        field_counts=dict.fromkeys(modules, FIELDS),
        rate_limit=scenario.limit,
    ) as sim:
        sim.account().credits.limit = 10**9
        if scenario.latency:
            sim.faults.add("stall", seconds=scenario.latency, times=None)
        pipe.send((sim.base_url, sim.api_key, sim.connection_id))
        while pipe.recv() is not None:
            at = [e.monotonic for e in sim.requests]
            pages = sum(e.operation == "list" and e.status == HTTP_OK for e in sim.requests)
            rate = (len(at) - 1) / (max(at) - min(at)) if len(at) > 1 else 0.0
            pipe.send((rate, pages, sum(e.status == HTTP_TOO_MANY for e in sim.requests)))
            sim.clear_log()


# -- the three taps ------------------------------------------------------------------------


def catalog_for(settings: dict[str, Any], scenario: Scenario, folder: Path) -> Path:
    """Discover once, and select the modules alone."""
    config = folder / "discover.json"
    config.write_text(json.dumps({**settings, "modules": list(scenario.modules)}))
    script = Path(sys.executable).with_name("tap-bigin")
    done = subprocess.run(
        [script, "--config", config, "--discover"], capture_output=True, check=True
    )
    catalog = json.loads(done.stdout)
    wanted = [s for s in catalog["streams"] if s["tap_stream_id"] in scenario.modules]
    for stream in wanted:
        # What no metadata lists would be one field too many for the plain taps' one request.
        for name in [n for n in stream["schema"]["properties"] if n.startswith("$")]:
            del stream["schema"]["properties"][name]
    path = folder / "catalog.json"
    path.write_text(json.dumps({"streams": wanted}))
    return path


def bigin(settings: dict[str, Any], scenario: Scenario, folder: Path, catalog: Path) -> list[str]:
    """The command line of tap-bigin."""
    config = folder / "bigin.json"
    rate = RATE if scenario.limit else 0
    config.write_text(json.dumps({**settings, "requests_per_second": rate}))
    script = str(Path(sys.executable).with_name("tap-bigin"))
    return [script, "--config", str(config), "--catalog", str(catalog)]


def plain(settings: dict[str, Any], _s: Scenario, folder: Path, catalog: Path) -> list[str]:
    """The command line of the plain tap."""
    config = folder / "plain.json"
    config.write_text(json.dumps({**settings, "schemas": str(catalog)}))
    script = str(Path(__file__).with_name("tap_plain.py"))
    return [sys.executable, script, "--config", str(config), "--catalog", str(catalog)]


def cdk(budget: int | None) -> Callable[[dict[str, Any], Scenario, Path, Path], list[str]]:
    """Return what gives the command line of the declarative source."""

    def command(settings: dict[str, Any], _s: Scenario, folder: Path, catalog: Path) -> list[str]:
        streams = {
            s["tap_stream_id"]: s["schema"] for s in json.loads(catalog.read_text())["streams"]
        }
        config = folder / f"cdk-{budget}.json"
        manifest = _manifest(settings, streams, budget)
        config.write_text(json.dumps({"__injected_declarative_manifest": manifest}))
        configured = folder / "cdk-catalog.json"
        configured.write_text(
            json.dumps({"streams": [_configured(n, s) for n, s in streams.items()]})
        )
        script = str(ROOT / ".venv/cdk/bin/source-declarative-manifest")
        return [script, "read", "--config", str(config), "--catalog", str(configured)]

    return command


def _configured(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "stream": {
            "name": name,
            "json_schema": schema,
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [["id"]],
        },
        "sync_mode": "full_refresh",
        "destination_sync_mode": "overwrite",
    }


def _manifest(
    settings: dict[str, Any], streams: dict[str, dict[str, Any]], budget: int | None
) -> dict[str, Any]:
    """Return the source as its connector builder would write it."""
    manifest: dict[str, Any] = {
        "version": CDK.split("==")[1],
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": list(streams)[:1]},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": WORKERS},
        "streams": [_stream(settings, n, s) for n, s in streams.items()],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
    }
    if budget is not None:
        rates = [{"type": "Rate", "limit": budget, "interval": "PT1S"}]
        policy = {"type": "MovingWindowCallRatePolicy", "rates": rates, "matchers": []}
        manifest["api_budget"] = {"type": "HTTPAPIBudget", "policies": [policy]}
    return manifest


def _stream(settings: dict[str, Any], name: str, schema: dict[str, Any]) -> dict[str, Any]:
    fields = ",".join(n for n in schema["properties"] if n != "id")
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": f"{settings['base_url']}/zoho-bigin/bigin/v2/",
                "path": name,
                "http_method": "GET",
                "authenticator": {
                    "type": "BearerAuthenticator",
                    "api_token": settings["api_key"],
                },
                "request_headers": {"Maton-Connection": settings["connection_id"]},
                "request_parameters": {"fields": fields, "per_page": "200"},
            },
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
            },
            "paginator": {
                "type": "DefaultPaginator",
                "page_token_option": {
                    "type": "RequestOption",
                    "inject_into": "request_parameter",
                    "field_name": "page_token",
                },
                "pagination_strategy": {
                    "type": "CursorPagination",
                    "cursor_value": "{{ response.info.next_page_token }}",
                    "stop_condition": "{{ not response.info.more_records }}",
                },
            },
        },
    }


def make_cdk() -> None:
    """Make the environment of the airbyte-cdk, unless it is there."""
    folder = ROOT / ".venv/cdk"
    stamp = folder / f".{CDK}"
    if stamp.exists():
        return
    uv = shutil.which("uv") or str(ROOT / ".venv/uv/bin/uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, CDK], check=True)
    stamp.touch()


# -- measuring -----------------------------------------------------------------------------


def run(command: list[str], output: Path) -> tuple[float, float]:
    """Run a tap into a file; returns its seconds by the clock and by the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with output.open("wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, check=False, env={**os.environ}
        )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-3_000:] + output.read_text()[-2_000:])
    return seconds, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def measure(name: str, scenario: Scenario, rounds: int, folder: Path) -> dict[str, Result]:
    """Let the taps take turns against one simulator."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, scenario), daemon=True)
    server.start()
    base_url, api_key, connection_id = ours.recv()
    settings = {"base_url": base_url, "api_key": api_key, "connection_id": connection_id}
    catalog = catalog_for({**settings, "requests_per_second": 0}, scenario, folder)
    ways = {"tap-bigin": bigin, "plain": plain, "cdk": cdk(None)}
    if scenario.limit:
        ways["cdk, api_budget"] = cdk(scenario.limit)
    commands = {n: w(settings, scenario, folder, catalog) for n, w in ways.items()}
    results = {n: Result() for n in ways}
    try:
        # What the simulator makes when a record is first read is nobody's time.
        run(commands["plain"], folder / "output")
        for _ in range(rounds):
            for way, command in commands.items():
                output = folder / "output"
                ours.send("forget")
                ours.recv()
                seconds, cpu = run(command, output)
                with output.open("rb") as lines:
                    count = sum(b'"RECORD"' in line[:200] for line in lines)
                ours.send("tell")
                rate, pages, refused = ours.recv()
                if count != scenario.total:
                    raise SystemExit(f"{name}: {way} gave {count} of {scenario.total} records")
                found = results[way]
                found.seconds.append(seconds)
                found.cpu.append(cpu)
                found.rates.append(rate)
                found.pages.append(pages)
                found.refused.append(refused)
    finally:
        ours.send(None)
        server.join(10)
    return results


def show(name: str, scenario: Scenario, results: dict[str, Result]) -> None:
    """Print the medians, and how many times as fast tap-bigin is."""
    median = statistics.median
    base = results["tap-bigin"]
    print(f"\nScenario {name}: {scenario.total:,} records of {FIELDS} fields")
    print("| Tap | Records/s | Ratio | Records/CPU s | Ratio | Pages | Requests/s | Refused |")
    print("|---|---|---|---|---|---|---|---|")
    for way, r in results.items():
        wall, cpu = median(r.seconds), median(r.cpu)
        cells = [
            way,
            f"{scenario.total / wall:,.0f}",
            f"{wall / median(base.seconds):.2f}",
            f"{scenario.total / cpu:,.0f}",
            f"{cpu / median(base.cpu):.2f}",
            f"{median(r.pages):.0f}",
            f"{median(r.rates):.1f}",
            f"{median(r.refused):.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure the scenarios and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(SCENARIOS))
    arguments = parser.parse_args()
    make_cdk()
    for name, scenario in SCENARIOS.items():
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                results = measure(name, scenario, arguments.rounds, Path(folder))
            show(name, scenario, results)
    print(f"load of the machine: {', '.join(f'{n:.1f}' for n in os.getloadavg())}")


if __name__ == "__main__":
    main()
