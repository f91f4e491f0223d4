"""A load's report as a table for people."""

from __future__ import annotations

from typing import IO, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bigin_client.load.results import LoadReport, Outcome

#: Where no terminal gives a width nothing is folded: a log has long lines.
_UNFOLDED: Final = 10_000
_STYLES: Final = {
    Outcome.CREATED: "green",
    Outcome.UPDATED: "green",
    Outcome.DELETED: "yellow",
    Outcome.REJECTED: "bold red",
    Outcome.UNKNOWN: "bold red",
}


def show(report: LoadReport, file: IO[str]) -> None:
    """Print what became of each stream's rows, and what the run took.

    Plain text where `file` is no terminal. Outcomes that no row has are left out.
    """
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console.width = _UNFOLDED
    if report.streams:
        console.print(_table(report))
    cost = f"{report.credits_used} credits used, {report.credits_predicted} predicted"
    if report.dry_run:
        cost = f"nothing was written; the load would cost {report.credits_predicted} credits"
    console.print(f"{report.requests} requests in {report.seconds:.1f} s; {cost}")


def _table(report: LoadReport) -> Table:
    entries = report.streams.values()
    shown = [o for o in Outcome if any(e.outcomes[o.value] for e in entries)]
    table = Table(box=None, pad_edge=False)
    for name in ("stream", "module", "mode"):
        table.add_column(name)
    for name in ("rows", *(o.value for o in shown)):
        table.add_column(name, justify="right")
    for name, entry in report.streams.items():
        counts = (
            f"[{_STYLES[o]}]{entry.outcomes[o.value]}[/]"
            if o in _STYLES and entry.outcomes[o.value]
            else str(entry.outcomes[o.value])
            for o in shown
        )
        table.add_row(escape(name), entry.module or "none", entry.mode, str(entry.rows), *counts)
    return table
