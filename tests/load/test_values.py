"""What each kind of field takes, and the exact reason when it does not (docs/load.md)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from bigin_client import field_types
from bigin_client.field_writes import RefusedValueError, is_blank
from bigin_client.metadata import Field, PicklistValue

UTC = dt.timezone.utc
STATUS = (PicklistValue("open", "Open now"), PicklistValue("Closed", "Closed"))


def field(data_type: str, json_type: str = "string", **more: Any) -> Field:
    return Field("Some_Field", "Some field", data_type, json_type, **more)


def written(about: Field, value: Any) -> Any:
    kind = field_types.of(about.api_name, about.data_type, about.json_type, about.return_type)
    return kind.write(value, about)


TAKEN = [
    (field("text"), "Ann", "Ann"),
    (field("text"), " Ann ", " Ann "),
    (field("text"), 12345, "12345"),
    (field("text"), Decimal("1E+2"), "100"),
    (field("text"), dt.date(2026, 2, 3), "2026-02-03"),
    (field("text", length=3), "äöü", "äöü"),
    (field("phone"), 4930123, "4930123"),
    (field("email"), " Ann@Example.com ", "Ann@Example.com"),
    (field("bigint"), 5725767000000123456, "5725767000000123456"),
    (field("bigint"), "5725767000000123456", "5725767000000123456"),
    (field("integer", "integer"), "7", 7),
    (field("integer", "integer"), 7.0, 7),
    (field("integer", "integer"), Decimal("7.00"), 7),
    (field("currency", "double"), Decimal("19.90"), Decimal("19.90")),
    (field("currency", "double"), 19.9, Decimal("19.9")),
    (field("double", "double"), "19.90", Decimal("19.90")),
    (field("percent", "double"), 3, 3),
    (field("boolean", "boolean"), True, True),
    (field("boolean", "boolean"), "FALSE", False),
    (field("boolean", "boolean"), 1, True),
    (field("boolean", "boolean"), "0", False),
    (field("date"), "2026-02-03", "2026-02-03"),
    (field("date"), dt.date(2026, 2, 3), "2026-02-03"),
    (field("date"), dt.datetime(2026, 2, 3, tzinfo=UTC), "2026-02-03"),
    (field("date"), "2026-02-03T00:00:00+00:00", "2026-02-03"),
    (field("date"), "2026-02-03 00:00:00", "2026-02-03"),
    (field("datetime"), "2026-02-03T10:00:00+03:00", "2026-02-03T07:00:00+00:00"),
    (field("datetime"), "2026-02-03T10:00:00Z", "2026-02-03T10:00:00+00:00"),
    (field("datetime"), "2026-02-03 10:00:00", "2026-02-03T10:00:00+00:00"),
    (field("datetime"), "2026-02-03T10:00:00.000000", "2026-02-03T10:00:00+00:00"),
    (field("datetime"), dt.datetime(2026, 2, 3, 10), "2026-02-03T10:00:00+00:00"),  # noqa: DTZ001 - a warehouse without zones
    (
        field("datetime"),
        dt.datetime(2026, 2, 3, 10, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        "2026-02-03T15:00:00+00:00",
    ),
    (field("picklist", picklist=STATUS), "open", "open"),
    (field("picklist", picklist=STATUS), "Open now", "open"),
    (field("multiselectpicklist", "jsonarray", picklist=STATUS), ["open"], ["open"]),
    (field("multiselectpicklist", "jsonarray", picklist=STATUS), '["Closed"]', ["Closed"]),
    (
        field("multiselectpicklist", "jsonarray", picklist=STATUS),
        "Open now; Closed",
        ["open", "Closed"],
    ),
    (field("lookup", "jsonobject"), {"id": "123", "name": "Acme"}, {"id": "123"}),
    (field("lookup", "jsonobject"), '{"id": "123"}', {"id": "123"}),
    (field("lookup", "jsonobject"), 5725767000000123456, {"id": "5725767000000123456"}),
    (field("ownerlookup", "jsonobject"), "123", {"id": "123"}),
    (field("text", "jsonarray"), "vip; new", [{"name": "vip"}, {"name": "new"}]),
    (field("text", "jsonarray"), ["vip"], [{"name": "vip"}]),
    (field("text", "jsonarray"), '[{"name": "vip", "id": "1"}]', [{"name": "vip"}]),
    (field("multiselectlookup", "jsonarray"), ["123"], [{"id": "123"}]),
    (field("subform", "jsonarray"), '[{"Quantity": 2}]', [{"Quantity": 2}]),
    (field("RRULE", "jsonobject"), '{"RRULE": "FREQ=DAILY"}', {"RRULE": "FREQ=DAILY"}),
]

REFUSED = [
    (field("text", length=3), "Anna", "4 characters are too many: the field takes 3"),
    (field("text"), {"a": 1}, "a text is needed, not an object"),
    (field("text"), ["a"], "a text is needed, not a list"),
    (field("text"), True, "a text is needed, not true or false"),
    (field("bigint"), "12a", "a whole number is needed"),
    (
        field("bigint"),
        5725767000000123456.0,
        "a float of this size has lost digits: give it as text",
    ),
    (field("integer", "integer"), "7.5", "a whole number is needed, not one with a fraction"),
    (field("integer", "integer"), "1,000", "a whole number is needed"),
    (field("integer", "integer"), True, "a whole number is needed"),
    (field("currency", "double"), "$5", "a number is needed"),
    (field("currency", "double"), float("inf"), "a number is needed"),
    (field("boolean", "boolean"), "yes", "true or false is needed"),
    (field("boolean", "boolean"), 2, "true or false is needed"),
    (field("date"), "03.02.2026", "a date such as 2026-11-24 is needed"),
    (field("date"), "2026-02-30", "a date such as 2026-11-24 is needed"),
    (field("date"), 20260203, "a date such as 2026-11-24 is needed"),
    (
        field("date"),
        "2026-02-03T10:00:00+00:00",
        "a date is needed, not a date with a time of day",
    ),
    (field("datetime"), "2026-02-03", "a date with a time of day is needed"),
    (field("datetime"), dt.date(2026, 2, 3), "a date with a time of day is needed"),
    (
        field("datetime"),
        "2026-02-03 at noon",
        "a date and time such as 2026-11-24T12:00:00+00:00 is needed",
    ),
    (
        field("datetime"),
        "2026-02-03T10:00:00.5Z",
        "Bigin keeps whole seconds: round the fraction of a second",
    ),
    (field("picklist", picklist=STATUS), "shut", "not one of the field's picklist values"),
    (
        field("multiselectpicklist", "jsonarray", picklist=STATUS),
        ["open", "shut"],
        "not one of the field's picklist values",
    ),
    (
        field("multiselectpicklist", "jsonarray", picklist=STATUS),
        7,
        "a list of picklist values is needed",
    ),
    (field("lookup", "jsonobject"), "Acme", "a record id (digits) is needed, not a name"),
    (field("lookup", "jsonobject"), {"name": "Acme"}, 'a record id is needed: {"id": "…"}'),
    (field("lookup", "jsonobject"), "{oops", "this text is no valid JSON"),
    (field("text", "jsonarray"), [7], 'a tag is given as {"name": "…"}'),
    (field("subform", "jsonarray"), {"a": 1}, "a list is needed"),
    (field("RRULE", "jsonobject"), "[]", "an object is needed"),
]


@pytest.mark.parametrize(("about", "value", "expected"), TAKEN)
def test_taken_without_loss(about, value, expected):
    found = written(about, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("about", "value", "reason"), REFUSED)
def test_refused_with_a_reason_that_quotes_nothing(about, value, reason):
    with pytest.raises(RefusedValueError) as caught:
        written(about, value)
    assert (caught.value.code, caught.value.reason) == ("INVALID_DATA", reason)


@pytest.mark.parametrize("value", [None, "", "  \n", float("nan"), Decimal("NaN"), [], ()])
def test_blank_values_say_nothing(value):
    assert is_blank(value)


@pytest.mark.parametrize("value", [0, False, "0", Decimal(0), {}, dt.date.min])
def test_zero_and_false_say_something(value):
    assert not is_blank(value)


def test_participants_of_an_event_are_written_as_they_are_read():
    """Each has a type and a participant, an id or an e-mail; the documents name no data type."""
    value = [{"type": "email", "participant": "ann@example.com"}]
    assert written(field("multiuserlookup", "jsonarray"), value) == value
