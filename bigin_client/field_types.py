"""Bigin's data types: a row each, with its JSON Schema, how its values are read and written.

Source: bigin-api.md sections 2 and 4. A type that nobody has seen yet becomes a nullable
string, so that an account's new feature never stops a sync.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from bigin_client import field_writes, timestamps
from bigin_client.field_writes import FieldFacts

log = logging.getLogger(__name__)

Schema = dict[str, Any]

#: Module word that deals have in values (bigin-api.md 1.4) → the module that the API serves.
DEALS: Final = "Deals"
PIPELINES: Final = "Pipelines"

_encoder = msgspec.json.Encoder(decimal_format="number")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class FieldType:
    """How one kind of value looks and is read.

    Attributes:
        kind: Name of the row: ``text``, ``number``, ``lookup``, …
        schema: JSON Schema of the values we emit.
        read: Turns the service's value, never None, into ours.
        kept: Values of this type `read` returns as they are: they need not go through it.
        write: Turns an input row's value, never blank, into what goes on the wire; raises
            `field_writes.RefusedValueError` when that would lose something.
    """

    kind: str
    schema: Schema
    read: Callable[[Any], Any]
    write: Callable[[Any, FieldFacts], Any]
    kept: type | None = None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return _encoder.encode(value).decode()
    return str(value)


def _integer(value: object) -> object:
    if isinstance(value, bool) or value == "":
        return None if value == "" else int(value)
    if isinstance(value, (Decimal, str)):
        try:
            number = Decimal(value)
        except ArithmeticError:
            return None
        # An "integer" field that holds a fraction is emitted as it is, not cut off.
        return int(number) if number == number.to_integral_value() else number
    return value


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            number = Decimal(value.strip()) if value.strip() else None
        except ArithmeticError:
            return None
        return number if number is None or number.is_finite() else None
    if isinstance(value, dict):  # a currency may come as an object (singer.md 5.3)
        return _number(value.get("value", ""))
    return None if isinstance(value, (bool, list)) else value


def _boolean(value: object) -> object:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().casefold())
    return value if isinstance(value, bool) else bool(value)


def _date(value: object) -> object:
    text = str(value).strip()
    match = _DATE.match(text)
    if match is None:
        return None
    try:
        dt.date.fromisoformat(match.group())
    except ValueError:  # no day of the calendar
        return None
    return match.group()


def _lookup(value: object) -> object:
    if isinstance(value, dict):
        known = value.get("id")
        return value if known is None or isinstance(known, str) else {**value, "id": str(known)}
    # A bare id is a lookup without its name (bigin-api.md 1.2: Pipeline).
    return {"id": str(value)} if value != "" else None


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {"value": value}


def _array(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _strings(value: object) -> object:
    if isinstance(value, str):
        return [v for v in value.split(";") if v]
    return [_text(v) for v in value] if isinstance(value, list) else [_text(value)]


_LOOKUP_SCHEMA: Final[Schema] = {
    "type": ["object", "null"],
    "properties": {
        "id": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"]},
        "email": {"type": ["string", "null"]},
    },
    "additionalProperties": True,
}
_ARRAY_SCHEMA: Final[Schema] = {"type": ["array", "null"], "items": {}}

_TEXT_SCHEMA: Final[Schema] = {"type": ["string", "null"]}

TEXT: Final = FieldType("text", _TEXT_SCHEMA, _text, field_writes.text, str)
PICKLIST: Final = FieldType("picklist", _TEXT_SCHEMA, _text, field_writes.choice, str)
ADDRESS: Final = FieldType("text", _TEXT_SCHEMA, _text, field_writes.trimmed)
BIGINT: Final = FieldType("bigint", _TEXT_SCHEMA, _text, field_writes.big_integer, str)
UNKNOWN: Final = FieldType("unknown", _TEXT_SCHEMA, _text, field_writes.text, str)
INTEGER: Final = FieldType(
    "integer", {"type": ["integer", "null"]}, _integer, field_writes.integer, int
)
NUMBER: Final = FieldType(
    "number", {"type": ["number", "null"]}, _number, field_writes.number, Decimal
)
BOOLEAN: Final = FieldType(
    "boolean", {"type": ["boolean", "null"]}, _boolean, field_writes.boolean, bool
)
DATE: Final = FieldType(
    "date", {"type": ["string", "null"], "format": "date"}, _date, field_writes.date
)
DATETIME: Final = FieldType(
    "datetime",
    {"type": ["string", "null"], "format": "date-time"},
    timestamps.in_utc,
    field_writes.date_time,
)
LOOKUP: Final = FieldType("lookup", _LOOKUP_SCHEMA, _lookup, field_writes.lookup)
OBJECT: Final = FieldType(
    "object",
    {"type": ["object", "null"], "additionalProperties": True},
    _object,
    field_writes.mapping,
    dict,
)
ARRAY: Final = FieldType("array", _ARRAY_SCHEMA, _array, field_writes.sequence, list)
STRINGS: Final = FieldType(
    "strings",
    {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
    _strings,
    field_writes.choices,
)

_BY_DATA_TYPE: Final[Mapping[str, FieldType]] = {
    **dict.fromkeys(
        (
            "text",
            "textarea",
            "autonumber",
            "profileimage",
        ),
        TEXT,
    ),
    **dict.fromkeys(("email", "phone", "website"), ADDRESS),
    "picklist": PICKLIST,
    **dict.fromkeys(("bigint", "id", "long"), BIGINT),
    "integer": INTEGER,
    **dict.fromkeys(("double", "decimal", "currency", "percent"), NUMBER),
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    **dict.fromkeys(("lookup", "ownerlookup", "userlookup"), LOOKUP),
    "multiselectpicklist": STRINGS,
    **dict.fromkeys(
        (
            "multiselectlookup",
            "multiuserlookup",
            "subform",
            "fileupload",
            "imageupload",
            "multireminder",
            "tag",
        ),
        ARRAY,
    ),
    **dict.fromkeys(("RRULE", "ALARM"), OBJECT),
}
_BY_JSON_TYPE: Final[Mapping[str, FieldType]] = {
    "jsonarray": ARRAY,
    "jsonobject": OBJECT,
}
#: The result types of formulas and roll-ups, under the names seen for them.
_BY_RETURN_TYPE: Final[Mapping[str, FieldType]] = {
    **_BY_DATA_TYPE,
    "string": TEXT,
    "number": NUMBER,
    "int": INTEGER,
}


def of(
    api_name: str,
    data_type: str,
    json_type: str | None = None,
    return_type: str | None = None,
) -> FieldType:
    """Return the row for a field.

    Args:
        api_name: ``Pipeline`` is typed bigint by the metadata but reads as an object, a text
            or null (bigin-api.md 1.2).
        data_type: As in ``settings/fields``.
        json_type: As in ``settings/fields``; sometimes missing.
        return_type: ``formula.return_type``.
    """
    if api_name == "Pipeline" and data_type == "bigint":
        return LOOKUP
    if data_type in {"formula", "rollup_summary"}:
        return _BY_RETURN_TYPE.get(str(return_type), TEXT)
    known = _BY_DATA_TYPE.get(data_type)
    if known is TEXT and json_type == "jsonarray":  # Tag: text by name, objects by value
        return ARRAY
    if known is not None:
        return known
    return _BY_JSON_TYPE.get(str(json_type), UNKNOWN)
