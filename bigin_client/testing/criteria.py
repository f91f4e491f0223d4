"""``criteria`` of search and count: ``((Last_Name:equals:Smith)and(Email:starts_with:a))``.

Operators by field type and the escapes are the family's ([crm°], bigin-api.md 3.5). A comma that
is not escaped in a value that is no list is refused: stricter than known, it catches a client
that forgot to escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.fields import Field
from bigin_client.testing.reading import PARENT
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.store import Store
from bigin_client.testing.table import Record

#: Conditions in one criteria ([crm°]).
MAX_CONDITIONS: Final = 15

Test = Callable[[Record], bool]

_TEXT: Final = frozenset({"equals", "not_equal", "starts_with", "in"})
_ORDERED: Final = frozenset(
    {
        "equals", "not_equal", "greater_equal", "greater_than", "less_equal", "less_than",
        "between", "in",
    }
)  # fmt: skip
_OPERATORS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("text", "email", "phone", "website", "picklist", "autonumber"), _TEXT),
    "textarea": frozenset({"equals", "not_equal", "starts_with"}),
    "multiselectpicklist": frozenset({"equals", "not_equal", "in"}),
    **dict.fromkeys(("date", "datetime", "integer", "currency", "decimal", "double", "percent"),
                    _ORDERED),
    "bigint": _ORDERED,
    "formula": _ORDERED,
    "boolean": frozenset({"equals", "not_equal"}),
    **dict.fromkeys(
        ("lookup", "ownerlookup", "userlookup", "multi_module_lookup"),
        frozenset({"equals", "not_equal", "in"}),
    ),
}  # fmt: skip
_NUMBERS: Final = frozenset({"integer", "currency", "decimal", "double", "percent", "formula"})
_LOOSE: Final = frozenset({"text", "textarea"})


@dataclass
class Condition:
    """One condition; ``values`` without escapes, several for ``in`` and ``between``."""

    field: str
    operator: str
    values: list[str]


@dataclass
class Group:
    """Conditions joined by "and" or "or"."""

    joined: str
    members: list[Any]


def parse(text: str) -> Condition | Group:
    """The tree of a criteria.

    Raises:
        Refusal: INVALID_QUERY or LIMIT_EXCEEDED.
    """
    parser = _Parser(text)
    found = parser.sequence()
    if parser.at != len(text):
        raise _invalid(text)
    if parser.conditions > MAX_CONDITIONS:
        raise Refusal("LIMIT_EXCEEDED", {"param_name": "criteria", "limit": MAX_CONDITIONS})
    return found


def _invalid(column: str) -> Refusal:
    return Refusal("INVALID_QUERY", {"reason": "invalid criteria", "column": column})


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.conditions = 0

    def sequence(self) -> Condition | Group:
        """``(...)`` or ``(...)and(...)``."""
        members, joined = [self.bracket()], ""
        while match := re.compile(r"(and|or)(?=\()").match(self.text, self.at):
            if joined and match.group(1) != joined:
                raise _invalid(self.text)
            joined = match.group(1)
            self.at = match.end()
            members.append(self.bracket())
        return members[0] if len(members) == 1 else Group(joined, members)

    def bracket(self) -> Condition | Group:
        if self.text[self.at : self.at + 1] != "(":
            raise _invalid(self.text)
        self.at += 1
        inner = self.sequence() if self.text[self.at : self.at + 1] == "(" else self.condition()
        if self.text[self.at : self.at + 1] != ")":
            raise _invalid(self.text)
        self.at += 1
        return inner

    def condition(self) -> Condition:
        match = re.compile(r"(\$?\w+):(\w+):").match(self.text, self.at)
        if match is None:
            raise _invalid(self.text)
        self.at = match.end()
        self.conditions += 1
        values, current = [], []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "\\":
                self.at += 1
                if self.at >= len(self.text):
                    raise _invalid(self.text)
                current.append(self.text[self.at])
            elif letter == ",":
                values.append("".join(current))
                current = []
            elif letter == ")":
                break
            elif letter == "(":
                raise _invalid(self.text)
            else:
                current.append(letter)
            self.at += 1
        values.append("".join(current))
        return Condition(match.group(1), match.group(2), values)


def compiled(store: Store, module: str, tree: Condition | Group) -> Test:
    """A test of records for a criteria's tree."""
    if isinstance(tree, Group):
        tests = [compiled(store, module, member) for member in tree.members]
        if tree.joined == "and":
            return lambda record: all(test(record) for test in tests)
        return lambda record: any(test(record) for test in tests)
    return _condition(store, module, tree)


def _condition(store: Store, module: str, condition: Condition) -> Test:
    field = store.fields(module).get(condition.field)
    # Sub_Pipeline is not criteria-searchable [code].
    if field is None or not field.searchable or field.api_name in ("Sub_Pipeline", "Tag"):
        raise _invalid(condition.field)
    operator, values = condition.operator, condition.values
    if operator not in _OPERATORS.get(field.data_type, frozenset()):
        raise _invalid(condition.field)
    wanted = {"between": 2}.get(operator, 1)
    if operator != "in" and len(values) != wanted:
        raise _invalid(condition.field)
    if operator == "in" and len(values) > 100:
        raise Refusal("LIMIT_EXCEEDED", {"param_name": "criteria", "limit": 100})
    literals = [_literal(field, value) for value in values]
    read = reader(field)
    loose = field.data_type in _LOOSE and store.switches.search_equals == "words"
    if operator == "equals" and loose:
        words = set(_words(values[0]))
        return lambda record: words <= set(_words(read(record)))
    compare = _COMPARE[operator]

    def test(record: Record) -> bool:
        value = read(record)
        if isinstance(value, (tuple, list)):
            folded = [_fold(item) for item in value]
            hit = any(literal in folded for literal in literals)
            return not hit if operator == "not_equal" else hit
        return compare(_fold(value), literals)

    return test


def reader(field: Field) -> Callable[[Record], Any]:
    """Reads a field's stored value."""
    system = {
        "Created_Time": "created",
        "Modified_Time": "modified",
        "Last_Activity_Time": "activity",
        "Created_By": "created_by",
        "Modified_By": "modified_by",
    }.get(field.api_name)
    if system is not None:
        return lambda record: getattr(record, system)
    if field.data_type == "multi_module_lookup":
        return lambda record: (record.values.get(PARENT) or (None, None))[1]
    if field.data_type == "boolean":
        return lambda record: record.values.get(field.api_name, False)
    return lambda record: record.values.get(field.api_name)


def _literal(field: Field, text: str) -> Any:
    kind = field.data_type
    if kind == "datetime":
        epoch = parse_datetime(text)
        if epoch is None:
            raise _invalid(field.api_name)
        return epoch
    if kind == "date":
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise _invalid(field.api_name)
        return text
    if kind in _NUMBERS:
        try:
            return Decimal(text)
        except InvalidOperation:
            raise _invalid(field.api_name) from None
    if kind == "boolean":
        if text not in ("true", "false"):
            raise _invalid(field.api_name)
        return text == "true"
    return text.casefold()


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _words(text: str | None) -> list[str]:
    return re.findall(r"\w+", text.casefold()) if text else []


_COMPARE: Final[dict[str, Callable[[Any, list[Any]], bool]]] = {
    "equals": lambda value, given: value == given[0],
    "not_equal": lambda value, given: value != given[0],
    "starts_with": lambda value, given: value is not None and str(value).startswith(given[0]),
    "in": lambda value, given: value in given,
    "greater_equal": lambda value, given: value is not None and value >= given[0],
    "greater_than": lambda value, given: value is not None and value > given[0],
    "less_equal": lambda value, given: value is not None and value <= given[0],
    "less_than": lambda value, given: value is not None and value < given[0],
    "between": lambda value, given: value is not None and given[0] <= value <= given[1],
}
