r"""Build COQL, Bigin's query language, escaped.

>>> from bigin_client.coql import column, select
>>> str(select("Last_Name").source("Contacts").where(column("City").equals("O'Hare")))
"select Last_Name from Contacts where City = 'O\\'Hare'"

Source: bigin-api.md 3.6 [bigin-doc]; how a quote is escaped is an assumption.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, TypeAlias

from bigin_client import timestamps
from bigin_client.joined import Joinable

Value: TypeAlias = "str | bool | int | float | Decimal | dt.date | dt.datetime"

#: Rows a call, and rows that offsets reach ([bigin-doc]).
PAGE_SIZE: Final = 200
MAX_ROWS: Final = 10_000
#: Conditions after WHERE ([code, docs read 2026-08]).
MAX_CONDITIONS: Final = 25
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,2}")


class Condition(Joinable):
    """A condition after WHERE, or several joined."""

    holder = "query"
    most = MAX_CONDITIONS
    space = " "


@dataclass(frozen=True)
class Column:
    """A column, waiting for its condition."""

    name: str

    def equals(self, value: Value) -> Condition:
        """Match the value."""
        return self._compare("=", value)

    def not_equal(self, value: Value) -> Condition:
        """Match any other value."""
        return self._compare("!=", value)

    def greater_than(self, value: Value) -> Condition:
        """Match larger numbers, later times."""
        return self._compare(">", value)

    def greater_equal(self, value: Value) -> Condition:
        """Match this and larger numbers, later times."""
        return self._compare(">=", value)

    def less_than(self, value: Value) -> Condition:
        """Match smaller numbers, earlier times."""
        return self._compare("<", value)

    def less_equal(self, value: Value) -> Condition:
        """Match this and smaller numbers, earlier times."""
        return self._compare("<=", value)

    def is_in(self, values: Iterable[Value]) -> Condition:
        """Match any of the values."""
        listed = ", ".join(literal(v) for v in values)
        if not listed:
            msg = f"{self.name}: an empty list matches nothing"
            raise ValueError(msg)
        return Condition(f"{self.name} in ({listed})")

    def is_null(self) -> Condition:
        """Match records without a value."""
        return Condition(f"{self.name} is null")

    def is_not_null(self) -> Condition:
        """Match records with a value."""
        return Condition(f"{self.name} is not null")

    def _compare(self, operator: str, value: Value) -> Condition:
        return Condition(f"{self.name} {operator} {literal(value)}")


@dataclass(frozen=True)
class Query:
    """A SELECT without LIMIT: paging is the client's work."""

    columns: tuple[str, ...]
    module: str = ""
    condition: Condition | None = None
    order: tuple[str, ...] = ()

    def source(self, module: str) -> Query:
        """Name the module (FROM)."""
        return replace(self, module=_checked(module))

    def where(self, condition: Condition) -> Query:
        """Keep only what meets the condition; a second call adds to the first."""
        return replace(self, condition=self.condition & condition if self.condition else condition)

    def order_by(self, name: str, direction: str = "asc") -> Query:
        """Sort; a second call sorts within the first."""
        if direction not in {"asc", "desc"}:
            msg = f"{direction!r} is not a direction: asc or desc"
            raise ValueError(msg)
        return replace(self, order=(*self.order, f"{_checked(name)} {direction}"))

    def __str__(self) -> str:
        if not self.module:
            msg = "a query needs a module: .source(…)"
            raise ValueError(msg)
        text = f"select {', '.join(self.columns)} from {self.module}"  # noqa: S608 - names are checked
        # A query without WHERE may be refused (bigin-api.md 11.15); this one keeps everything.
        text += f" where {self.condition or 'id is not null'}"
        if self.order:
            text += f" order by {', '.join(self.order)}"
        return text


def select(*columns: str) -> Query:
    """Begin a query with its columns; ``Account_Name.Account_Name`` joins."""
    if not columns:
        msg = "a query needs a column"
        raise ValueError(msg)
    return Query(tuple(_checked(c) for c in columns))


def column(name: str) -> Column:
    """Return a column to put a condition on."""
    return Column(_checked(name))


def literal(value: Value) -> str:
    """Return a value as COQL holds it: text and times quoted, times in UTC."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, dt.datetime):
        return f"'{timestamps.to_text(value)}'"
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is not a name that COQL takes"
        raise ValueError(msg)
    return name
