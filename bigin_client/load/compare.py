"""When a field already holds what a row says."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import msgspec

from bigin_client.field_types import FieldType
from bigin_client.metadata import Field

#: Stands for an empty field.
EMPTY: Final = b"\0" * 8
_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")
_NAMED: Final = frozenset({"text", "tag"})
_BY_ID: Final = frozenset({"multiselectlookup", "multiuserlookup"})


def canonical(kind: FieldType, field: Field, value: Any) -> str | None:
    """Return the one text of a value as read, or as it goes on the wire; None when empty.

    Two values of a field are the same exactly if their texts are.
    """
    if value is None or value in ("", []):
        return None
    return _CANONICAL[kind.kind](field, value)


def holds(kind: FieldType, field: Field, wanted: Any, have: Any) -> bool:
    """Whether a field whose value is `have` needs no write to hold `wanted`."""
    if kind.kind in {"array", "object"} and not _is_set(field):
        return _covers(wanted, have)
    return fingerprint(canonical(kind, field, have)) in acceptable(kind, field, wanted)


def acceptable(kind: FieldType, field: Field, wanted: Any) -> set[bytes]:
    """Return the fingerprints of stored values that are as good as `wanted`.

    Apart from the value itself: what the service makes of it when it trims text, keeps a
    double, or rounds to the field's decimal places. Otherwise each run would write such a row
    again.
    """
    text = canonical(kind, field, wanted)
    found = {text}
    if text is not None and kind.kind in {"text", "unknown"}:
        found.add(text.strip())
        found.add(text.replace("\r\n", "\n"))
    elif text is not None and kind.kind == "number":
        number = Decimal(text)
        found.add(_number(field, Decimal(repr(float(number)))))
        if field.decimal_place is not None:
            rounded = number.quantize(Decimal(1).scaleb(-field.decimal_place), ROUND_HALF_UP)
            found.add(_number(field, rounded))
    elif text is None and kind.kind == "boolean":
        found.add("false")  # the service has no third state
    return {fingerprint(t) for t in found}


def fingerprint(text: str | None) -> bytes:
    """Return 8 bytes that stand for a canonical text, in this process only.

    Python's own hash of a text has 64 bits and takes a twentieth of blake2b's time.
    """
    if text is None:
        return EMPTY
    found = hash(text).to_bytes(8, "little", signed=True)
    return found if found != EMPTY else b"\1" * 8


def keeps_whole(kind: FieldType, field: Field) -> bool:
    """Whether a field must be kept as read: its values are compared in part."""
    return kind.kind in {"array", "object"} and not _is_set(field)


def _is_set(field: Field) -> bool:
    return field.data_type in _NAMED or field.data_type in _BY_ID


def _number(_field: Field, value: Any) -> str:
    number = Decimal(str(value))
    return format(number.normalize(), "f") if number else "0"


def _lookup(_field: Field, value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("id", ""))
    return str(value)


def _strings(_field: Field, value: Any) -> str:
    return _encoder.encode(sorted({str(v) for v in value})).decode()


def _array(field: Field, value: Any) -> str:
    items = value if isinstance(value, list) else [value]
    if field.data_type in _NAMED:  # tags: a set of names, whatever the case
        names = {_part(v, "name").casefold() for v in items}
        return _encoder.encode(sorted(unicodedata.normalize("NFC", n) for n in names)).decode()
    if field.data_type in _BY_ID:
        return _encoder.encode(sorted({_part(v, "id") for v in items})).decode()
    return _encoder.encode(value).decode()


def _part(value: Any, name: str) -> str:
    return str(value.get(name, "")) if isinstance(value, dict) else str(value)


def _text(_field: Field, value: Any) -> str:
    return str(value)


def _boolean(_field: Field, value: Any) -> str:
    return "true" if value else "false"


_CANONICAL: Final = {
    "text": _text,
    "picklist": _text,
    "bigint": _text,
    "unknown": _text,
    "date": _text,
    "datetime": _text,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "lookup": _lookup,
    "strings": _strings,
    "array": _array,
    "object": _array,
}


def _covers(wanted: Any, have: Any) -> bool:
    """Whether `have` holds all that `wanted` says; the service adds keys of its own."""
    if isinstance(wanted, dict):
        return isinstance(have, dict) and all(_covers(v, have.get(k)) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and len(wanted) == len(have) and _each(wanted, have)
    if isinstance(wanted, (int, float, Decimal)) and not isinstance(wanted, bool):
        return isinstance(have, (int, float, Decimal)) and Decimal(str(wanted)) == Decimal(
            str(have)
        )
    return bool(wanted == have) or (wanted is None and have in ("", []))


def _each(wanted: Iterable[Any], have: list[Any]) -> bool:
    rest = list(have)
    for item in wanted:
        match = next((i for i, h in enumerate(rest) if _covers(item, h)), None)
        if match is None:
            return False
        del rest[match]
    return True
