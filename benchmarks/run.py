"""Run the benchmarks one after the other; write their tables and plots into a folder.

    make bench                                  # all, into output/bench
    make bench ARGS="client_list extract_speed" # these
    make bench ARGS=--quick                     # smaller inputs: to see that they run

Each benchmark is a script of this folder that prints Markdown tables: what is compared in the
first column, figures in the others. The report holds what they printed, beside the command, the
machine and the versions of the peers; each column of figures becomes a plot.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What a script compares, its arguments for a quick run, and the environment it needs."""

    title: str
    quick: tuple[str, ...] = ()
    environment: str = "dev"


#: Script → what is known of it; tests/docs compares them with the scripts of this folder.
BENCHMARKS = {
    "simulator": Benchmark("Simulator: whether it could be the bottleneck"),
    "client_list": Benchmark(
        "Client: a list, beside loops written by hand", ("--records", "2000", "--rounds", "1")
    ),
    "extract_speed": Benchmark(
        "Extract: one big module", ("--records", "4000", "--latency", "0.05")
    ),
    "extract_memory": Benchmark("Extract: peak memory", ("20000", "40000")),
    "tap_speed": Benchmark(
        "tap-bigin, beside a plain SDK tap and a declarative Airbyte source",
        ("--rounds", "1", "--only", "a"),
    ),
    "load_plan": Benchmark("Load: credits predicted and used", ("5000",)),
    "load_speed": Benchmark("Load: beside a plain SDK target, and at the default pace", ("300",)),
    "load_memory": Benchmark("Load: peak memory", ("10000",)),
    "airflow_import": Benchmark("Airflow: parsing a DAG file", environment="airflow"),
    "scale": Benchmark("Scale: one account, 1,000 accounts, 5 million records", ("--quick",)),
}
#: Distributions whose versions the report names.
PEERS = ("singer-sdk", "requests", "msgspec", "bigin-connectors")
_NUMBER = re.compile(r"^\**(?:about )?([\d,]+(?:\.\d+)?)\s*(%|[^\d|]*)\**$")


@dataclasses.dataclass
class Table:
    """One printed table: the head, and the rows of cells."""

    head: list[str]
    rows: list[list[str]]

    def figures(self) -> dict[str, dict[str, float]]:
        """Return column → row's name → figure, of the columns of figures that differ."""
        found = {}
        for place, column in enumerate(self.head[1:], start=1):
            cells = {row[0]: _NUMBER.match(row[place]) for row in self.rows if len(row) > place}
            if all(cells.values()) and len({m[1] for m in cells.values() if m}) > 1:
                found[column] = {
                    name: float(match[1].replace(",", "")) for name, match in cells.items() if match
                }
        return found


def tables(text: str) -> list[Table]:
    """Return the Markdown tables of a text."""
    found: list[Table] = []
    current: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            current.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        else:
            if len(current) > 2:  # noqa: PLR2004 - head, rule, at least one row
                found.append(Table(current[0], current[2:]))
            current = []
    return found


def run(name: str, *, quick: bool) -> tuple[str, str, float, int]:
    """Return the command, what it printed, seconds and the exit code."""
    known = BENCHMARKS[name]
    arguments = known.quick if quick else ()
    python = f".venv/{known.environment}/bin/python"
    command = [str(ROOT / python), str(FOLDER / f"{name}.py"), *arguments]
    shown = " ".join([python, f"benchmarks/{name}.py", *arguments])
    print(f"\n=== {shown}", flush=True)
    began = time.monotonic()
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return shown, "".join(lines), time.monotonic() - began, process.returncode


def machine() -> str:
    """Return what the figures depend on."""
    peers = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC; Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load averages at the start {load}; {peers}."
    )


def main() -> int:
    """Run, write, plot; returns 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="smaller inputs")
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "bench")
    parser.add_argument("--plot-with", metavar="PYTHON", help="a Python that has matplotlib")
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    options.output.mkdir(parents=True, exist_ok=True)
    report = ["# Benchmarks\n", machine() + "\n"]
    plots: dict[str, dict[str, dict[str, float]]] = {}
    failed = []
    for name in options.names or BENCHMARKS:
        command, text, seconds, code = run(name, quick=options.quick)
        failed += [name] if code else []
        ended = f"Ended with exit code {code}.\n" if code else ""
        report.append(f"## {BENCHMARKS[name].title}\n\n```console\n{command}\n```\n")
        report.append(f"{ended}{text.rstrip()}\n\n{seconds:.0f} s in all.\n")
        for number, table in enumerate(tables(text), start=1):
            figures = table.figures()
            if figures:
                file = f"{name}-{number}.png"
                plots[file] = figures
                report.append(f"![{', '.join(figures)}]({file})\n")
    (options.output / "figures.json").write_text(json.dumps(plots, indent=1), encoding="utf-8")
    (options.output / "report.md").write_text("\n".join(report), encoding="utf-8")
    if options.plot_with and plots:
        plotter = [options.plot_with, str(FOLDER / "plots.py"), str(options.output)]
        subprocess.run(plotter, check=True)
    print(f"\n{options.output / 'report.md'}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
