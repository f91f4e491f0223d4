"""``POST coql`` (bigin-api.md 3.6; 9.58, 11.15)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import cmp_to_key
from itertools import islice
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.coql_parser import (
    MAX_CONDITIONS,
    MAX_JOINS,
    MAX_LIMIT,
    MAX_REACH,
    Comparison,
    Query,
    QueryError,
    parse,
)
from bigin_client.testing.criteria import reader
from bigin_client.testing.fields import Field
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.table import Record
from bigin_client.testing.wire import Response

#: Modules that COQL reads ([bigin-doc]), by their names in lower case.
MODULES: Final = {
    name.lower(): name
    for name in ("Pipelines", "Contacts", "Accounts", "Products", "Calls", "Events", "Tasks")
}
#: Columns that COQL does not have: multi-line, file, tag, note, multi-select lookup [code].
_EXCLUDED: Final = frozenset(
    {
        "textarea", "fileupload", "imageupload", "multiselectlookup", "multiuserlookup", "subform",
        "profileimage",
    }
)  # fmt: skip
_NUMBERS: Final = frozenset({"integer", "currency", "decimal", "double", "percent", "formula"})

#: Reads a column of a record: its comparable value.
Value = Callable[[Record], Any]


def query_records(call: Call) -> Response:
    """Run a query."""
    switches = call.switches
    body = call.request.json()
    text = body.get("select_query") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "select_query"})
    try:
        query = parse(text)
    except QueryError as error:
        raise Refusal(switches.coql_error, {"near": str(error)}) from None
    _limits(query, switches.coql_needs_where, switches.coql_error)
    name = MODULES.get(query.module.lower())
    if name is None:
        raise Refusal("INVALID_QUERY", {"column_name": query.module, "reason": "invalid module"})
    call.module = name
    if not call.account.scopes.allows(name, "read"):
        raise Refusal("OAUTH_SCOPE_MISMATCH")
    return _run(call, query)


def _limits(query: Query, needs_where: bool, code: str) -> None:
    if query.where is None and needs_where:
        raise Refusal(code, {"clause": "where"}, "missing clause")
    if query.limit > MAX_LIMIT:
        raise Refusal("LIMIT_EXCEEDED", {"limit": MAX_LIMIT, "clause": "limit"})
    if query.offset + query.limit > MAX_REACH:
        raise Refusal("LIMIT_EXCEEDED", {"limit": MAX_REACH, "clause": "offset"})
    if query.conditions > MAX_CONDITIONS:
        raise Refusal("LIMIT_EXCEEDED", {"limit": MAX_CONDITIONS, "clause": "where"})
    joins = {column.split(".")[0] for column in query.columns if "." in column}
    if len(joins) > MAX_JOINS:
        raise Refusal("LIMIT_EXCEEDED", {"limit": MAX_JOINS, "clause": "join"})


def _run(call: Call, query: Query) -> Response:
    columns = [(name, _column(call, name)) for name in query.columns if name != "id"]
    test = _test(call, query.where) if query.where is not None else None
    order = query.order or [("id", False)]
    wanted = query.offset + query.limit + 1
    source, sorted_already = _source(call, query, order)
    matching: Iterable[Record] = source if test is None else filter(test, source)
    if sorted_already:
        found = list(islice(matching, wanted))
    else:
        found = sorted(matching, key=_sorter(call, order))
    chosen = found[query.offset : query.offset + query.limit]
    if not chosen:
        return Response.empty()
    rows = []
    for record in chosen:
        row = {name: _shown(call, column, record) for name, column in columns}
        row["id"] = record.id
        rows.append(row)
    more = len(found) > query.offset + query.limit
    info = {"count": len(rows), "more_records": more}
    return Response.json(200, {"data": rows, "info": info}, rows=len(rows))


def _source(
    call: Call, query: Query, order: list[tuple[str, bool]]
) -> tuple[Iterable[Record], bool]:
    """Records to look at, and whether they come in the wanted order.

    Keyset paging on (Modified_Time, id) is how a client gets past the 10,000: it must not cost
    a look at every record each time.
    """
    table = call.store.tables[call.module]
    if call.switches.coql_lag != "none":
        until = call.account.clock.timestamp() - call.switches.index_lag
        return table.searchable(until).values(), False
    if order in ([("id", False)], [("Modified_Time", False)],
                 [("Modified_Time", False), ("id", False)]):  # fmt: skip
        column = order[0][0]
        pairs = table.ordering(column).pairs
        start = 0
        bound = _bound(query.where, column) if query.where is not None else None
        if bound is not None:
            key = (0, str(bound)) if column == "id" else (parse_datetime(str(bound)) or 0, "")
            start = bisect_left(pairs, key)
        return (table.live[id] for _, id in islice(pairs, start, None)), True
    return table.live.values(), False


def _bound(where: Any, column: str) -> Any:
    """The least value of a column that a condition lets through, or None."""
    if isinstance(where, Comparison):
        bounded = where.column == column and where.operator in ("=", ">", ">=", "between")
        return where.values[0] if bounded else None
    bounds = [_bound(member, column) for member in where.members]
    known = [bound for bound in bounds if bound is not None]
    if where.word == "and":
        return max(known, key=_instant) if known else None
    return min(known, key=_instant) if len(known) == len(bounds) else None


def _instant(text: Any) -> Any:
    epoch = parse_datetime(str(text))
    return (epoch, "") if epoch is not None else (0, str(text))


# --- columns ----------------------------------------------------------------------------------


class _Column:
    """A column: the field, and the lookup it is reached through."""

    def __init__(self, field: Field | None, through: Field | None, target: str) -> None:
        self.field = field
        self.through = through
        self.target = target


def _column(call: Call, name: str) -> _Column:
    fields = call.store.fields(call.module)
    first, _, second = name.partition(".")
    if name == "id":
        return _Column(None, None, call.module)
    field = fields.get(first)
    if field is None or field.api_name == "Tag" or field.data_type in _EXCLUDED:
        raise Refusal("INVALID_QUERY", {"column_name": name, "reason": "invalid column"})
    if not second:
        return _Column(field, None, call.module)
    if field.data_type != "lookup":
        raise Refusal("INVALID_QUERY", {"column_name": name, "reason": "invalid column"})
    inner = call.store.fields(field.lookup).get(second)
    if second != "id" and (inner is None or inner.data_type in _EXCLUDED):
        raise Refusal("INVALID_QUERY", {"column_name": name, "reason": "invalid column"})
    return _Column(inner, field, field.lookup)


def _reached(call: Call, column: _Column, record: Record) -> Record | None:
    if column.through is None:
        return record
    id = record.values.get(column.through.api_name)
    return call.store.tables[column.target].live.get(id) if id else None


def _shown(call: Call, column: _Column, record: Record) -> Any:
    reached = _reached(call, column, record)
    if reached is None:
        return None
    if column.field is None:
        return reached.id
    name = column.field.api_name
    value = call.store.plan(column.target, [name]).row(reached)[name]
    if isinstance(value, dict) and "id" in value:
        if call.switches.coql_lookups == "id":
            return {"id": value["id"]}
        return {"name": value.get("name"), "id": value["id"]}
    return value


def _value(call: Call, column: _Column) -> Value:
    """The comparable value of a column: text without case, instants as seconds."""
    read: Callable[[Record], Any]
    read = (lambda record: record.id) if column.field is None else reader(column.field)

    def value(record: Record) -> Any:
        reached = _reached(call, column, record)
        found = None if reached is None else read(reached)
        return found.casefold() if isinstance(found, str) else found

    return value


def _sorter(call: Call, order: list[tuple[str, bool]]) -> Any:
    keys = [(_value(call, _column(call, name)), descending) for name, descending in order]

    def compare(left: Record, right: Record) -> int:
        for value, descending in keys:
            a, b = value(left), value(right)
            if a == b:
                continue
            # Empty values come first, as the lowest ([?]).
            less = a is None or (b is not None and a < b)
            return (1 if less else -1) if descending else (-1 if less else 1)
        return -1 if left.id < right.id else 1

    return cmp_to_key(compare)


# --- conditions -------------------------------------------------------------------------------


def _test(call: Call, where: Any) -> Callable[[Record], bool]:
    if not isinstance(where, Comparison):
        tests = [_test(call, member) for member in where.members]
        if where.word == "and":
            return lambda record: all(test(record) for test in tests)
        return lambda record: any(test(record) for test in tests)
    column = _column(call, where.column)
    value = _value(call, column)
    given = [_literal(column.field, literal) for literal in where.values]
    compare = _compare(where, given)
    return lambda record: compare(value(record))


def _literal(field: Field | None, literal: Any) -> Any:
    if field is None or isinstance(literal, bool):
        return str(literal) if field is None else literal
    bad = Refusal("INVALID_QUERY", {"column_name": field.api_name, "reason": "invalid value"})
    if field.data_type == "datetime":
        epoch = parse_datetime(literal)
        if epoch is None:
            raise bad
        return epoch
    if field.data_type in _NUMBERS:
        try:
            return Decimal(literal)
        except InvalidOperation:
            raise bad from None
    if field.data_type == "boolean":
        raise bad
    return str(literal).casefold()


def _compare(where: Comparison, given: list[Any]) -> Callable[[Any], bool]:
    operator = where.operator
    if operator in ("is null", "is not null"):
        return lambda value: (value is None) == (operator == "is null")
    if operator.startswith("not "):
        positive = _compare(Comparison(where.column, operator[4:], where.values), given)
        return lambda value: not positive(value)
    if operator == "like":
        parts = (re.escape(part) for part in str(given[0]).split("%"))
        pattern = re.compile(".*".join(parts), re.DOTALL)
        return lambda value: value is not None and pattern.fullmatch(str(value)) is not None
    if operator == "in":
        return lambda value: value in given
    if operator == "between":
        return lambda value: value is not None and bool(given[0] <= value <= given[1])
    if operator == "=":
        return lambda value: bool(value == given[0])
    if operator == "!=":
        return lambda value: bool(value != given[0])
    ordered: dict[str, Callable[[Any], bool]] = {
        "<": lambda value: bool(value < given[0]),
        "<=": lambda value: bool(value <= given[0]),
        ">": lambda value: bool(value > given[0]),
        ">=": lambda value: bool(value >= given[0]),
    }
    chosen = ordered[operator]
    return lambda value: value is not None and chosen(value)
