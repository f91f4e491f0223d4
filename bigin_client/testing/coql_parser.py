"""The language of ``POST coql``: one SELECT with WHERE, ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

#: Longest query parts (bigin-api.md 3.6).
MAX_LIMIT: Final = 200
MAX_REACH: Final = 10_000
MAX_CONDITIONS: Final = 25
MAX_JOINS: Final = 2

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<number>-?\d+(?:\.\d+)?)|"
    r"(?P<name>\$?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,))"
)


class QueryError(Exception):
    """The query does not parse; the message names the place."""


@dataclass
class Comparison:
    """``column operator values``."""

    column: str
    operator: str
    values: list[Any]


@dataclass
class Junction:
    """Conditions joined by "and" or "or"."""

    word: str
    members: list[Any]


@dataclass
class Query:
    """A parsed query."""

    columns: list[str]
    module: str
    where: Any = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = MAX_LIMIT
    offset: int = 0
    conditions: int = 0


def parse(text: str) -> Query:
    """The query of a text.

    Raises:
        QueryError: It does not parse.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, Any]] = []
        at, text = 0, text.strip().rstrip(";").rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise QueryError(text[at : at + 20])
            at = match.end()
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind)))
        self.at = 0
        self.conditions = 0

    def peek(self) -> tuple[str, Any]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, Any]:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take a keyword (of any case) if it comes next."""
        kind, value = self.peek()
        if kind == "name" and value.lower() in words:
            self.at += 1
            return True
        return False

    def sign(self, *signs: str) -> str | None:
        kind, value = self.peek()
        if kind == "sign" and value in signs:
            self.at += 1
            return str(value)
        return None

    def expect(self, word: str) -> None:
        if not self.word(word):
            raise QueryError(str(self.peek()[1]))

    def name(self) -> str:
        kind, value = self.take()
        if kind != "name":
            raise QueryError(str(value))
        return str(value)

    def integer(self) -> int:
        kind, value = self.take()
        if kind != "number" or not value.isdigit():
            raise QueryError(str(value))
        return int(value)

    def query(self) -> Query:
        self.expect("select")
        columns = [self.name()]
        while self.sign(","):
            columns.append(self.name())
        self.expect("from")
        found = Query(columns, self.name())
        if self.word("where"):
            found.where = self.junction()
        if self.word("order"):
            self.expect("by")
            found.order.append(self.order())
            while self.sign(","):
                found.order.append(self.order())
        if self.word("limit"):
            found.limit = self.integer()
            if self.sign(","):
                found.offset, found.limit = found.limit, self.integer()
        if self.word("offset"):
            found.offset = self.integer()
        if self.peek()[0] != "end":
            raise QueryError(str(self.peek()[1]))
        found.conditions = self.conditions
        return found

    def order(self) -> tuple[str, bool]:
        column = self.name()
        if self.word("desc"):
            return column, True
        self.word("asc")
        return column, False

    def junction(self) -> Any:
        """``and`` binds closer than ``or``."""
        members = [self.conjunction()]
        while self.word("or"):
            members.append(self.conjunction())
        return members[0] if len(members) == 1 else Junction("or", members)

    def conjunction(self) -> Any:
        members = [self.condition()]
        while self.word("and"):
            members.append(self.condition())
        return members[0] if len(members) == 1 else Junction("and", members)

    def condition(self) -> Any:
        if self.sign("("):
            inner = self.junction()
            if not self.sign(")"):
                raise QueryError(str(self.peek()[1]))
            return inner
        self.conditions += 1
        column = self.name()
        sign = self.sign("=", "!=", "<>", "<", "<=", ">", ">=")
        if sign is not None:
            return Comparison(column, "!=" if sign == "<>" else sign, [self.literal()])
        if self.word("is"):
            negated = self.word("not")
            self.expect("null")
            return Comparison(column, "is not null" if negated else "is null", [])
        negated = self.word("not")
        prefix = "not " if negated else ""
        if self.word("in"):
            return Comparison(column, prefix + "in", self.listed())
        if self.word("like"):
            return Comparison(column, prefix + "like", [self.literal()])
        if self.word("between"):
            low = self.literal()
            self.expect("and")
            return Comparison(column, prefix + "between", [low, self.literal()])
        raise QueryError(column)

    def listed(self) -> list[Any]:
        if not self.sign("("):
            raise QueryError(str(self.peek()[1]))
        values = [self.literal()]
        while self.sign(","):
            values.append(self.literal())
        if not self.sign(")"):
            raise QueryError(str(self.peek()[1]))
        return values

    def literal(self) -> Any:
        kind, value = self.take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", value[1:-1].replace("''", "'"))
        if kind == "number":
            return value
        if kind == "name" and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise QueryError(str(value))
