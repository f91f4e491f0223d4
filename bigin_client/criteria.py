"""Build search criteria, escaped: ``(Last_Name:equals:Ng)``.

>>> from bigin_client.criteria import field
>>> str(field("Last_Name").equals("Ng") & field("City").starts_with("San"))
'((Last_Name:equals:Ng)and(City:starts_with:San))'

Source: bigin-api.md 3.5; operators and escapes [crm°]. The service's ``equals`` on text is
loose ([rec]): check what comes back.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from bigin_client import timestamps
from bigin_client.joined import Joinable

Value: TypeAlias = "str | bool | int | float | Decimal | dt.date | dt.datetime"

#: Conditions that one search may hold ([crm°]).
MAX_CONDITIONS: Final = 15
_ESCAPED: Final = re.compile(r"([(),\\])")
_NAME: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9_.$]*")


class Criteria(Joinable):
    """A condition of a search, or several joined by ``and`` / ``or``."""

    holder = "search"
    most = MAX_CONDITIONS


@dataclass(frozen=True)
class CriteriaField:
    """A field, waiting for its condition. Which operators fit depends on its type."""

    name: str

    def equals(self, value: Value) -> Criteria:
        """Match the value; on text the service is loose and ignores case."""
        return self._condition("equals", escape(value))

    def not_equal(self, value: Value) -> Criteria:
        """Match any other value."""
        return self._condition("not_equal", escape(value))

    def starts_with(self, value: str) -> Criteria:
        """Match the beginning of a text."""
        return self._condition("starts_with", escape(value))

    def is_in(self, values: Iterable[Value]) -> Criteria:
        """Match any of the values."""
        return self._condition("in", ",".join(escape(v) for v in values))

    def greater_than(self, value: Value) -> Criteria:
        """Match larger numbers, later times."""
        return self._condition("greater_than", escape(value))

    def greater_equal(self, value: Value) -> Criteria:
        """Match this and larger numbers, later times."""
        return self._condition("greater_equal", escape(value))

    def less_than(self, value: Value) -> Criteria:
        """Match smaller numbers, earlier times."""
        return self._condition("less_than", escape(value))

    def less_equal(self, value: Value) -> Criteria:
        """Match this and smaller numbers, earlier times."""
        return self._condition("less_equal", escape(value))

    def between(self, low: Value, high: Value) -> Criteria:
        """Match from `low` to `high`."""
        return self._condition("between", f"{escape(low)},{escape(high)}")

    def _condition(self, operator: str, value: str) -> Criteria:
        if not value:
            msg = f"{self.name}: a search cannot look for an empty value"
            raise ValueError(msg)
        return Criteria(f"({self.name}:{operator}:{value})")


def field(name: str) -> CriteriaField:
    """Return a field to put a condition on.

    Raises:
        ValueError: Not a name that a field can have.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is not a field name"
        raise ValueError(msg)
    return CriteriaField(name)


def escape(value: Value) -> str:
    """Return a value as criteria hold it: specials behind a backslash, times in UTC."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return timestamps.to_text(value)
    return _ESCAPED.sub(r"\\\1", str(value))
