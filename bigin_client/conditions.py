"""Read search criteria, and check a record against them.

The service's search is loose on text, and its index lags (bigin-api.md 3.5, 7.1). Who deletes by
criteria must not take its word: each record is read back and checked here, by the strict meaning
of the words. What cannot be checked is refused, never guessed.

>>> condition = parse("((Last_Name:equals:Ng)and(Amount:greater_than:5))")
>>> condition.holds({"Last_Name": "NG", "Amount": 7}, {"Last_Name": "text", "Amount": "number"})
True
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bigin_client import timestamps

#: Kind of field (`field_types.FieldType.kind`) → what its values are compared as.
_COMPARED_AS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("text", "picklist", "bigint", "unknown"), "text"),
    **dict.fromkeys(("integer", "number"), "number"),
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "lookup": "lookup",
}
_ORDERED: Final = frozenset({"number", "date", "datetime"})
_TOKEN: Final = re.compile(r"\s*(and|or)\b\s*", re.IGNORECASE)
_HEAD: Final = re.compile(r"\s*(\$?[A-Za-z][A-Za-z0-9_.$]*)\s*:\s*([a-z_]+)\s*:")


class CriteriaError(ValueError):
    """These criteria cannot be read, or not be checked against a record."""


class Condition(ABC):
    """Something that holds for a record or does not."""

    @property
    @abstractmethod
    def fields(self) -> frozenset[str]:
        """Names of the fields that it is about."""

    @abstractmethod
    def check(self, kinds: Mapping[str, str]) -> None:
        """Make sure that it can be checked.

        Args:
            kinds: Field → kind (`field_types.FieldType.kind`).

        Raises:
            CriteriaError: A field, an operator or a value that is not understood.
        """

    @abstractmethod
    def holds(self, record: Mapping[str, Any], kinds: Mapping[str, str]) -> bool:
        """Whether it holds for a record in our form. Nothing holds for an empty value."""


@dataclass(frozen=True)
class _Joined(Condition):
    parts: tuple[Condition, ...]
    every: bool

    @property
    def fields(self) -> frozenset[str]:
        return frozenset().union(*(p.fields for p in self.parts))

    def check(self, kinds: Mapping[str, str]) -> None:
        for part in self.parts:
            part.check(kinds)

    def holds(self, record: Mapping[str, Any], kinds: Mapping[str, str]) -> bool:
        return (all if self.every else any)(p.holds(record, kinds) for p in self.parts)


@dataclass(frozen=True)
class _Single(Condition):
    field: str
    operator: str
    values: tuple[str, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.field})

    def check(self, kinds: Mapping[str, str]) -> None:
        if self.field == "id":
            kind: str | None = "text"
        elif self.field not in kinds:
            raise CriteriaError(f"there is no field {self.field}")
        else:
            kind = _COMPARED_AS.get(kinds[self.field])
        if kind is None:
            raise CriteriaError(f"{self.field}: a field of this type cannot be checked")
        allowed = _ORDER | _EQUALITY if kind in _ORDERED else _EQUALITY
        if kind == "boolean":
            allowed = frozenset({"equals", "not_equal"})
        elif kind == "text":
            allowed = _EQUALITY | {"starts_with"}
        if self.operator not in allowed:
            raise CriteriaError(f"{self.field}: {self.operator} cannot be checked")
        if any(v.startswith("${") or not v for v in self.values):
            raise CriteriaError(f"{self.field}: a value that cannot be checked")
        for value in self.values:
            _typed(value, kind, self.field)

    def holds(self, record: Mapping[str, Any], kinds: Mapping[str, str]) -> bool:
        kind = _COMPARED_AS[kinds.get(self.field, "text")]
        actual = record.get(self.field)
        if kind == "lookup" and isinstance(actual, Mapping):
            actual = actual.get("id")
        if actual is None or actual == "":
            return False
        wanted = [_typed(v, kind, self.field) for v in self.values]
        return _OPERATORS[self.operator](_typed(actual, kind, self.field), wanted)


_EQUALITY: Final = frozenset({"equals", "not_equal", "in"})
_ORDER: Final = frozenset({"greater_equal", "greater_than", "less_equal", "less_than", "between"})
_OPERATORS: Final[Mapping[str, Callable[[Any, list[Any]], bool]]] = {
    "equals": lambda actual, wanted: actual == wanted[0],
    "not_equal": lambda actual, wanted: actual != wanted[0],
    "in": lambda actual, wanted: actual in wanted,
    "starts_with": lambda actual, wanted: actual.startswith(wanted[0]),
    "greater_than": lambda actual, wanted: actual > wanted[0],
    "greater_equal": lambda actual, wanted: actual >= wanted[0],
    "less_than": lambda actual, wanted: actual < wanted[0],
    "less_equal": lambda actual, wanted: actual <= wanted[0],
    "between": lambda actual, wanted: wanted[0] <= actual <= wanted[1],
}


def _typed(value: Any, kind: str, field: str) -> Any:
    """Return a value as it is compared; text without regard to case, as the service does."""
    try:
        if kind == "number":
            return Decimal(str(value))
        if kind == "boolean":
            return {"true": True, "false": False}[str(value).casefold()]
        if kind == "date":
            return timestamps.parse(f"{value}T00:00:00").date()
        if kind == "datetime":
            return timestamps.parse(str(value))
    except (ValueError, KeyError, InvalidOperation):
        raise CriteriaError(f"{field}: a value is no {kind}") from None
    return str(value).casefold()


def parse(criteria: str) -> Condition:
    """Return what criteria say.

    Args:
        criteria: ``(Field:operator:value)``, joined by ``and`` or ``or`` and parentheses.

    Raises:
        CriteriaError: They cannot be read for certain.
    """
    reader = _Reader(criteria)
    condition = reader.expression()
    if reader.rest():
        raise CriteriaError("the criteria go on where they should end")
    return condition


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :].strip()

    def expression(self) -> Condition:
        parts = [self._term()]
        joiner: str | None = None
        while match := _TOKEN.match(self._text, self._at):
            word = match.group(1).casefold()
            if joiner not in (None, word):
                # Which of them binds closer is not known for certain.
                raise CriteriaError("and beside or: put parentheses around one of them")
            joiner = word
            self._at = match.end()
            parts.append(self._term())
        return parts[0] if joiner is None else _Joined(tuple(parts), every=joiner == "and")

    def _term(self) -> Condition:
        self._expect("(")
        if self._peek() == "(":
            inner = self.expression()
            self._expect(")")
            return inner
        head = _HEAD.match(self._text, self._at)
        if head is None:
            raise CriteriaError("a condition has the form (Field:operator:value)")
        self._at = head.end()
        values = self._values()
        operator = head.group(2)
        if operator == "between" and len(values) != 2:  # noqa: PLR2004 - from and to
            raise CriteriaError("between takes two values")
        if operator not in {"in", "between"}:
            values = (",".join(values),)
        return _Single(head.group(1), operator, values)

    def _values(self) -> tuple[str, ...]:
        """Read up to the closing parenthesis; a backslash takes a sign's meaning away."""
        values: list[str] = []
        current = ""
        while self._at < len(self._text):
            sign = self._text[self._at]
            self._at += 1
            if sign == "\\" and self._at < len(self._text):
                current += self._text[self._at]
                self._at += 1
            elif sign == "(":
                break
            elif sign == ")":
                return (*values, current)
            elif sign == ",":
                values.append(current)
                current = ""
            else:
                current += sign
        raise CriteriaError("a parenthesis in a value needs a backslash, and each needs its end")

    def _peek(self) -> str:
        return self.rest()[:1]

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise CriteriaError(f"{sign} is missing in the criteria")
        self._at = self._text.index(sign, self._at) + 1
