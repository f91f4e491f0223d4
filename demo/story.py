"""How the demo tells what happens: titles, the commands to type, tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

#: Columns when the output is no terminal.
WIDTH = 100


class Story:
    """Prints the account of a run, plain text when it goes into a file."""

    def __init__(self) -> None:
        console = Console(highlight=False, markup=False)
        self._console = console if console.is_terminal else Console(
            highlight=False, markup=False, width=WIDTH
        )  # fmt: skip
        self._began = time.monotonic()
        self._step = 0

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def title(self, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._console.print()
        self._console.print(f"{self._step}. {text}", style="bold")

    def say(self, *lines: str) -> None:
        """Print plain sentences."""
        for line in lines:
            self._console.print(f"   {line}" if line else "", soft_wrap=True)

    def command(self, *lines: str) -> None:
        """Show what is being run, as a person would type it."""
        for line in lines:
            self._console.print(f"   $ {line}", style="cyan", soft_wrap=True)

    def quote(self, lines: Iterable[str]) -> None:
        """Show what a program or a file says."""
        for line in lines:
            self._console.print(f"   | {line}", style="dim", soft_wrap=True)

    def problem(self, text: str) -> None:
        """Show what went wrong."""
        self._console.print(text, style="bold red", soft_wrap=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
    ) -> None:
        """Print a table; numbers are set to the right."""
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        body = [tuple(row) for row in rows]
        for at, column in enumerate(columns):
            numeric = all(isinstance(row[at], int) or row[at] in ("", None) for row in body)
            table.add_column(column, justify="right" if numeric else "left", no_wrap=not numeric)
        for row in body:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        self._console.print()
        self._console.print(table)
