"""What the tap tells a person at the end: a table with a row for each stream."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

    from bigin_client import BiginClient
    from bigin_client.errors import BiginError
    from bigin_client.extract import Summary

_NUMBERS: Final = ("rows", "deletes", "requests", "credits", "seconds")
#: Characters of a line where no terminal says how wide it is.
WIDTH: Final = 160


class Report:
    """Collects how the streams went.

    Args:
        logger: Where it is told.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._log = logger
        self._summaries: dict[str, Summary] = {}
        self._left_out: dict[str, BiginError] = {}
        #: Stream → why it could not be read.
        self.failures: dict[str, BiginError] = {}

    def failed(self, stream: str, error: BiginError) -> None:
        """Note a failure and tell it at once."""
        self.failures[stream] = error
        self._log.error("%s could not be read: %s", stream, error)

    def left_out(self, stream: str, error: BiginError) -> None:
        """Note a module that discovery has left out."""
        self._left_out[stream] = error

    def reading(self, stream: str, summary: Summary) -> None:
        """Note a stream that is being read; its summary goes on to be filled."""
        self._summaries[stream] = summary

    def end(self, client: BiginClient | None, not_reached: list[str]) -> None:
        """Tell the summary.

        Args:
            client: For what the whole run has cost.
            not_reached: Selected streams that the run ended before.
        """
        # Imported at the end of a run, not at its start: it takes a while.
        from rich.console import Console  # noqa: PLC0415 - see above

        table = self._table(not_reached)
        if client is not None:
            table.columns[0].footer = "in all"
            table.columns[4].footer = f"{client.transport.requests_sent:,}"
            table.columns[5].footer = f"{client.transport.credits.used:,}"
        if sys.stderr.isatty():
            Console(stderr=True).print(table)
            return
        # One log line for each line of it, so that it stays a table within Meltano's log.
        plain = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False)
        table.box = None
        with plain.capture() as captured:
            plain.print(table)
        for line in captured.get().splitlines():
            if line.strip():
                self._log.info("%s", line.rstrip())

    def _table(self, not_reached: list[str]) -> Table:
        from rich import box  # noqa: PLC0415 - see `end`
        from rich.table import Table  # noqa: PLC0415 - see `end`

        table = Table(box=box.SIMPLE, show_footer=True, pad_edge=False)
        for name in ("stream", "strategy", *_NUMBERS, "remarks"):
            table.add_column(
                name,
                justify="right" if name in _NUMBERS else "left",
                no_wrap=name != "remarks",
                overflow="fold",
            )
        for stream, summary in self._summaries.items():
            table.add_row(stream, *_cells(summary), self._remarks(stream, summary))
        for stream, error in self.failures.items():
            if stream not in self._summaries:
                table.add_row(stream, *[""] * 6, _not_read("not read", error))
        for stream, error in self._left_out.items():
            if stream not in self.failures:
                table.add_row(stream, *[""] * 6, _not_read("skipped", error))
        for stream in not_reached:
            if stream not in self._summaries and stream not in self.failures:
                table.add_row(stream, *[""] * 6, "skipped: the run ended before it")
        return table

    def _remarks(self, stream: str, summary: Summary) -> str:
        remarks = []
        if stream in self.failures:
            remarks.append(_not_read("not read to its end", self.failures[stream]))
        if summary.reason:
            remarks.append(summary.reason)
        if summary.null_cursors:
            remarks.append(f"{summary.null_cursors} without Modified_Time")
        return "; ".join(remarks)


def _cells(summary: Summary) -> list[str]:
    numbers = (summary.rows, summary.tombstones, summary.requests, summary.credits)
    return [summary.strategy, *(f"{n:,}" for n in numbers), f"{summary.seconds:.1f}"]


def _not_read(how: str, error: BiginError) -> str:
    return f"{how}: {error.code or type(error).__name__}" + (
        f", {error.hint}" if error.hint else ""
    )
