"""Values on their way into Bigin: lossless conversions, or a refusal that says why.

One function per kind of field; `bigin_client.field_types` has the table. Each takes the value
of an input row (a warehouse's, a CSV file's, a tap's), never None or blank text, and returns
what goes on the wire. Forms: bigin-api.md section 4.

A reason never quotes the value: it may be shown in logs, and the rejects file has the row.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from bigin_client import timestamps

INVALID_DATA: Final = "INVALID_DATA"
#: Power of ten of the largest number that a double holds: what is beyond is none for the service.
_LARGEST: Final = 307
_NO_DATE: Final = "a date such as 2026-11-24 is needed"


class Choice(Protocol):
    """A picklist value: what is stored, and what people see."""

    @property
    def actual(self) -> str:
        """What the API takes and gives."""

    @property
    def display(self) -> str:
        """What the screen shows."""


class FieldFacts(Protocol):
    """What a conversion may need to know of its field (`bigin_client.metadata.Field`)."""

    @property
    def data_type(self) -> str:
        """As in ``settings/fields``."""

    @property
    def length(self) -> int | None:
        """Most characters or digits."""

    @property
    def picklist(self) -> Sequence[Choice]:
        """Values in use."""


class RefusedValueError(ValueError):
    """A value that the field cannot take without loss.

    Attributes:
        code: The service's own code for such a value.
        reason: In plain words, without the value.
    """

    def __init__(self, reason: str, code: str = INVALID_DATA) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def is_blank(value: object) -> bool:
    """Whether a value says nothing: None, blank text, NaN, an empty list."""
    if isinstance(value, str):  # first what is there most
        return not value or value.isspace()
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, (list, tuple)) and not value


def is_utf8(value: object) -> bool:
    """Whether UTF-8, and so the service, can take all texts in a value: no half characters."""
    if isinstance(value, str):
        if value.isascii():
            return True
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, dict):
        return all(is_utf8(k) and is_utf8(v) for k, v in value.items())
    return not isinstance(value, (list, tuple)) or all(is_utf8(v) for v in value)


def text(value: Any, field: FieldFacts) -> str:
    """Text of any kind: numbers and times are written out, nothing is cut off."""
    if type(value) is str:
        written = value
    elif isinstance(value, (bool, dict, list, tuple, bytes)):
        raise RefusedValueError(f"a text is needed, not {_kind(value)}")
    elif isinstance(value, Decimal):
        written = format(value, "f") if value.is_finite() else str(value)
    elif isinstance(value, dt.datetime):
        written = value.isoformat()
    else:
        written = value if isinstance(value, str) else str(value)
    if field.length and len(written) > field.length:
        raise RefusedValueError(
            f"{len(written)} characters are too many: the field takes {field.length}"
        )
    return written


def trimmed(value: Any, field: FieldFacts) -> str:
    """An e-mail address, phone number or website: blanks around it are no part of it."""
    return text(value.strip() if isinstance(value, str) else value, field)


def big_integer(value: Any, field: FieldFacts) -> str:
    """A number of up to 19 digits; always text on the wire."""
    if isinstance(value, str):
        digits = value.strip()
        if not digits.lstrip("-").isdecimal() or not digits.isascii():
            raise RefusedValueError("a whole number is needed")
        return digits
    return str(integer(value, field))


def integer(value: Any, _field: FieldFacts) -> int:
    """A whole number."""
    if type(value) is int and abs(value) < 10**_LARGEST:
        return value
    found = _decimal(value, "a whole number is needed")
    if found != found.to_integral_value():
        raise RefusedValueError("a whole number is needed, not one with a fraction")
    if isinstance(value, float) and abs(value) > 2**53:
        raise RefusedValueError("a float of this size has lost digits: give it as text")
    return int(found)


def number(value: Any, _field: FieldFacts) -> Decimal | int:
    """A number; no currency sign, no thousands separator."""
    if type(value) is int and abs(value) < 10**15:
        return value
    if type(value) is float and value.is_integer() and abs(value) < 10**15:
        return int(value)
    found = _decimal(value, "a number is needed")
    return int(found) if found == found.to_integral_value() and abs(found) < 10**15 else found


def boolean(value: Any, _field: FieldFacts) -> bool:
    """True or false; 1, 0 and the texts true, false, 1, 0 are understood."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        found = {"true": True, "false": False, "1": True, "0": False}.get(value.strip().lower())
        if found is not None:
            return found
    elif isinstance(value, (int, float, Decimal)) and value in (0, 1):
        return value == 1
    raise RefusedValueError("true or false is needed")


def date(value: Any, _field: FieldFacts) -> str:
    """A date; a date and time only if the time is midnight."""
    if isinstance(value, str):
        return _date_of_text(value)
    return _date_of(value)


@functools.lru_cache(maxsize=4_096)  # a table has few dates for many rows
def _date_of_text(value: str) -> str:
    written = value.strip()
    try:
        return _date_of(
            dt.date.fromisoformat(written)
            if len(written) == len("2026-11-24")
            else dt.datetime.fromisoformat(written.replace("Z", "+00:00"))
        )
    except RefusedValueError:
        raise
    except ValueError:
        raise RefusedValueError(_NO_DATE) from None


def _date_of(value: Any) -> str:
    if isinstance(value, dt.datetime):
        if value.time() != dt.time():
            raise RefusedValueError("a date is needed, not a date with a time of day")
        value = value.date()
    if not isinstance(value, dt.date):
        raise RefusedValueError(_NO_DATE)
    return value.isoformat()


def date_time(value: Any, _field: FieldFacts) -> str:
    """A moment in UTC, in whole seconds; without an offset it is taken as UTC."""
    if isinstance(value, str):
        common = timestamps.normalise_common(value)
        if common is not None:
            return common
        written = value.strip()
        if len(written) <= len("2026-11-24"):
            raise RefusedValueError("a date with a time of day is needed")
        try:
            moment = timestamps.parse(written)
        except (ValueError, OverflowError):
            raise RefusedValueError(
                "a date and time such as 2026-11-24T12:00:00+00:00 is needed"
            ) from None
    elif isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timestamps.UTC)
    else:
        raise RefusedValueError("a date with a time of day is needed")
    if moment.microsecond:
        raise RefusedValueError("Bigin keeps whole seconds: round the fraction of a second")
    return timestamps.to_text(moment)


def choice(value: Any, field: FieldFacts) -> str:
    """A picklist value: the stored one, or the shown one, which is translated."""
    written = text(value, field)
    if not field.picklist:
        return written
    for candidate in (written, written.strip()):
        if any(c.actual == candidate for c in field.picklist):
            return candidate
    shown = {c.actual for c in field.picklist if c.display == written.strip()}
    if len(shown) == 1:
        return shown.pop()
    raise RefusedValueError("not one of the field's picklist values")


def choices(value: Any, field: FieldFacts) -> list[str]:
    """Several picklist values: a list, JSON text of one, or texts joined by semicolons."""
    if isinstance(value, str):
        value = _json(value) if value.lstrip().startswith("[") else _split(value, field)
    if not isinstance(value, (list, tuple)):
        raise RefusedValueError("a list of picklist values is needed")
    return [choice(v.strip() if isinstance(v, str) else v, field) for v in value if not is_blank(v)]


def _split(value: str, field: FieldFacts) -> list[str]:
    """Split at semicolons, unless the whole text is one value that holds some."""
    known = {text for c in field.picklist for text in (c.actual, c.display)}
    return [value] if value.strip() in known else value.split(";")


def lookup(value: Any, _field: FieldFacts) -> dict[str, str]:
    """A record by its id: ``{"id": …}``, JSON text of it, or the bare id."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _json(value)
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RefusedValueError('a record id is needed: {"id": "…"}')
    written = str(value).strip()
    if not (written.isascii() and written.isdecimal()):
        # A name here would create a record of that name (bigin-api.md 3.3).
        raise RefusedValueError("a record id (digits) is needed, not a name")
    return {"id": written}


def mapping(value: Any, _field: FieldFacts) -> dict[str, Any]:
    """An object, or JSON text of one."""
    if isinstance(value, str):
        value = _json(value)
    if not isinstance(value, dict):
        raise RefusedValueError("an object is needed")
    return value


def sequence(value: Any, field: FieldFacts) -> list[Any]:
    """A list, or JSON text of one. Tags may be given by name alone."""
    if isinstance(value, str):
        tag = field.data_type in {"text", "tag"} and not value.lstrip().startswith("[")
        value = [v.strip() for v in value.split(";") if v.strip()] if tag else _json(value)
    if not isinstance(value, (list, tuple)):
        raise RefusedValueError("a list is needed")
    if field.data_type in {"text", "tag"}:  # Tag: text by name, objects by value
        return [_tag(v) for v in value]
    if field.data_type in {"multiselectlookup", "multiuserlookup"}:
        return [v if _is_participant(v) else lookup(v, field) for v in value]
    return list(value)


def _is_participant(value: Any) -> bool:
    """Whether a value is one of an event's Participants, which have no id (bigin-api.md 1.4)."""
    return isinstance(value, dict) and "participant" in value and "id" not in value


def _tag(value: Any) -> dict[str, Any]:
    name = value.get("name") if isinstance(value, dict) else value
    if not isinstance(name, str) or not name.strip():
        raise RefusedValueError('a tag is given as {"name": "…"}')
    return {"name": name}


def _decimal(value: Any, reason: str) -> Decimal:
    if type(value) is Decimal:
        found: Decimal = value
    else:
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise RefusedValueError(reason)
        try:
            # str: the shortest text of a float, not its binary expansion.
            found = Decimal(str(value).strip())
        except ArithmeticError:
            raise RefusedValueError(reason) from None
        if "_" in str(value):
            raise RefusedValueError(reason)
    if not found.is_finite():
        raise RefusedValueError(reason)
    if found and found.adjusted() > _LARGEST:
        raise RefusedValueError("a number of this size fits no field")
    return found


def _json(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError):
        raise RefusedValueError("this text is no valid JSON") from None


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "an object"
    return "bytes" if isinstance(value, bytes) else "a list"
