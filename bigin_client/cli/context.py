"""What all commands share: the client, and the two ways to show things."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bigin_client.client import BiginClient
from bigin_client.errors import NotFoundError, SettingsError
from bigin_client.metadata import Module
from bigin_client.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])
#: Columns of a table that goes into a file or a pipe: nothing is folded there.
_UNFOLDED = 10_000


@dataclass
class Context:
    """The options of the `bigin` group.

    Attributes:
        settings: Settings given as options; the rest comes from the environment.
        as_json: Print JSON instead of tables.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    as_json: bool = False

    def client(self, **more: Any) -> BiginClient:
        """Return a client; use it as a context manager.

        Args:
            more: Settings that win over the options.
        """
        return BiginClient(Settings.from_mapping({**self.settings, **more}), front_end="bigin")

    def show(
        self, rows: Sequence[dict[str, Any]], columns: Sequence[str], *, title: str | None = None
    ) -> None:
        """Print rows as a table, or as a JSON array with all their keys."""
        if self.as_json:
            print_json(rows)
            return
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(_cell(row.get(c)))) for c in columns))
        self.print_table(table)

    @staticmethod
    def print_table(table: Table) -> None:
        """Print a table: folded to a terminal's width, in colour only there."""
        Console(width=None if sys.stdout.isatty() else _UNFOLDED).print(table)


def module_of(client: BiginClient, name: str) -> Module:
    """Return a module that the user named.

    Raises:
        SettingsError: The account has no such module: that is wrong input, no failed read.
    """
    try:
        return client.metadata.module(name)
    except NotFoundError as error:
        if error.status is not None:
            raise
        raise SettingsError(error.message, hint=error.hint) from None


def print_json(value: object) -> None:
    """Print one JSON document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def plain(text: str) -> str:
    """Return text without control characters: an account's label must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def split_names(text: str | None) -> list[str] | None:
    """Return the names in a list with commas, None if there is none."""
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]


def json_option(command: _Command) -> _Command:
    """Add ``--json``, which every command takes, before or after its name."""

    def switch_on(ctx: click.Context, _param: click.Parameter, value: object) -> None:
        if value:
            ctx.ensure_object(Context).as_json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=switch_on,
        help="Machine-readable output.",
    )(command)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(v) for v in value)
    return str(value)


pass_context = click.make_pass_decorator(Context)
