"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typing_extensions import Self

#: Seconds between two lines where there is no terminal.
_LINE_SECONDS: Final = 30.0


class Meter:
    """Shows counts of one thing after another, on standard error.

    Args:
        what: What is counted, in the plural.
        quiet: Show nothing.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self.is_bar = sys.stderr.isatty() and not quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not self.is_bar,
            transient=True,
        )
        self._task = self._progress.add_task("", visible=False)
        self._name = ""
        self._count = 0
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, name: str, total: int | None = None) -> None:
        """Go on with the next thing.

        Args:
            name: Shown before the bar.
            total: How many there will be; None: not known.
        """
        self._name, self._count = name, 0
        self._progress.start()
        self._progress.reset(self._task, description=name, total=total, visible=True)

    def end(self) -> None:
        """Take the bar away: what comes next is the result."""
        self._progress.stop()

    def advance(self, count: int) -> None:
        """Count some more."""
        self._count += count
        self._progress.advance(self._task, count)
        now = time.monotonic()
        if not self.is_bar and not self._quiet and now - self._said >= _LINE_SECONDS:
            self._said = now
            click.echo(f"{self._name}: {self._count:,} {self._what} so far", err=True)
