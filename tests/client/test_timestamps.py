"""Times: any offset in, one UTC form out."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigin_client import timestamps

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
MOMENTS = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001


@given(MOMENTS, ZONES, ZONES)
def test_text_order_is_time_order_whatever_the_offset(moment, one, other):
    """The form can be compared as text, which the service's own cannot."""
    early = moment.replace(microsecond=0, tzinfo=one)
    late = (early + dt.timedelta(seconds=1)).astimezone(other)
    first, second = timestamps.normalise(early.isoformat()), timestamps.normalise(late.isoformat())
    assert first < second
    assert timestamps.parse(first) == early
    assert len(first) == len("2026-11-24T12:00:00+00:00")


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T15:00:00+03:00",
        "2026-03-01T04:00:00-08:00",
        "2026-03-01T04:00:00-0800",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00",
        "2026-03-01T12:00:00.5Z",
        "2026-03-01T12:00:00.123456+00:00",
    ],
)
def test_forms_that_occur(text):
    assert timestamps.normalise(text) == "2026-03-01T12:00:00+00:00"


def test_no_date_is_an_error():
    with pytest.raises(ValueError, match="ISO 8601"):
        timestamps.parse("yesterday")


def test_http_dates():
    moment = timestamps.from_http_date("Tue, 24 Nov 2026 12:00:00 GMT")
    assert moment is not None
    assert timestamps.to_text(moment) == "2026-11-24T12:00:00+00:00"
    assert timestamps.from_http_date("soon") is None
    assert timestamps.from_http_date(None) is None
