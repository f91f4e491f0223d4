"""Reading values: the short cuts give what the long way gives."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigin_client import field_types, timestamps
from bigin_client.records import reader_of

KINDS = {t.kind: t for t in vars(field_types).values() if isinstance(t, field_types.FieldType)}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(kind=st.sampled_from(sorted(KINDS)), value=JSON)
def test_values_that_are_kept_are_those_that_reading_leaves_alone(kind, value):
    row = KINDS[kind]
    if row.kept is not None and type(value) is row.kept:
        assert row.read(value) is value


@given(kind=st.sampled_from(sorted(KINDS)), value=JSON)
def test_any_value_can_be_read(kind, value):
    """Whatever the service sends for a field, the record comes out, and null stays null."""
    record = reader_of({"F": KINDS[kind]})({"id": "1", "F": value, "other": 1})
    assert list(record) == ["id", "F"]
    assert record["F"] is None if value is None else True


@given(
    st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)),  # noqa: DTZ001 - the offset follows
    st.integers(-15 * 60, 15 * 60),
)
def test_the_services_times(moment, minutes):
    """Offsets of whole hours take a short cut; what is no time stays none."""
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    text = moment.replace(microsecond=0, tzinfo=zone).isoformat()
    assert timestamps.normalise(text) == timestamps.to_text(timestamps.parse(text))


@pytest.mark.parametrize(
    "text",
    ["2026-13-01T00:00:00+00:00", "2026-02-30T00:00:00+01:00",
     "2026-01-01T00:60:00+00:00", "2026-01-01T00:00:61+00:00", "2026-01-01T00:00:00+99:00",
     "2026-01-01x00:00:00+00:00", "0001-01-01T00:00:00+05:00", ""],
)  # fmt: skip
def test_no_time_is_none(text):
    assert KINDS["datetime"].read(text) is None or text[10:11] == "x"


def test_a_record_without_its_id_is_an_error():
    with pytest.raises(KeyError):
        reader_of({})({"F": Decimal(1)})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "many"),
        ("number", True),
        ("number", [1]),
        ("integer", "few"),
        ("boolean", "perhaps"),
        ("date", 20261124),
        ("date", "2026-02-30"),
        ("datetime", "soon"),
        ("datetime", "9999-12-31T23:59:59-08:00"),
    ],
)
def test_what_is_made_null_is_said_once_for_a_field(caplog, kind, value):
    read = reader_of({"F": KINDS[kind]})
    for number in range(3):
        assert read({"id": number, "F": value})["F"] is None
    (line,) = caplog.messages
    assert line == f"F: a value that is no {kind} is given as null"
    assert str(value) not in line


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "date", "datetime"])
def test_blanks_are_null_without_a_word(caplog, kind):
    read = reader_of({"F": KINDS[kind]})
    assert read({"id": "1", "F": ""})["F"] is None
    assert read({"id": "1", "F": None})["F"] is None
    assert caplog.messages == []
