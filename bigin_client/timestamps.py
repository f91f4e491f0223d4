"""Times: to and from the UTC form used in records, state and files.

Bigin answers in the offset of the organisation or user, which moves with daylight saving
(bigin-api.md section 4, [rec]); text in such a form must never be compared. Everything that
leaves this package is ``YYYY-MM-DDTHH:MM:SS+00:00``, which sorts as text the way it sorts in
time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
from email.utils import parsedate_to_datetime
from typing import Final

UTC = dt.timezone.utc

#: ``2026-10-09T19:00:00+03:00``: what the service sends.
_LENGTH: Final = 25
_MINUTES: Final = frozenset(f":{m:02d}:{s:02d}" for m in range(60) for s in range(60))
_WHOLE_HOURS: Final = re.compile(r"[+-][0-9]{2}:00", re.ASCII)


def parse(value: str) -> dt.datetime:
    """Return the instant that an ISO 8601 text names, in UTC.

    Args:
        value: ``2026-10-09T19:00:00+03:00``; ``Z`` and a missing colon in the offset are
            understood. A text without an offset is taken as UTC.

    Raises:
        ValueError: The text is no date and time.
    """
    text = value.strip()
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        # Python 3.10 knows only colons in the offset and 3 or 6 digits of a fraction.
        moment = _parse_loosely(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = "not within the years 1 to 9999"
        raise ValueError(msg) from None


def _parse_loosely(text: str) -> dt.datetime:
    for pattern in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S.%f"):
        with contextlib.suppress(ValueError):
            return dt.datetime.strptime(text.replace(" ", "T", 1), pattern)  # noqa: DTZ007 - parse() adds it
    msg = "not an ISO 8601 date and time"
    raise ValueError(msg)


def to_text(moment: dt.datetime) -> str:
    """Return ``2026-11-24T12:00:00+00:00``: UTC, whole seconds, always the same length."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def from_seconds(seconds: int) -> str:
    """Return the UTC form of a number of seconds since 1970."""
    return to_text(dt.datetime.fromtimestamp(seconds, UTC))


def normalise(value: str) -> str:
    """Return the UTC form of a time in any offset; a fraction of a second is cut off."""
    return normalise_common(value) or to_text(parse(value))


def normalise_common(value: str) -> str | None:
    """Return the UTC form of a time in the service's own form, None of any other; quick.

    That form has whole seconds and an offset of whole hours.
    """
    minutes = value[13:19]
    if len(value) != _LENGTH or minutes not in _MINUTES or value[10] != "T":
        return None
    # Days and hours repeat from record to record, so they are kept.
    days, at = _days_around(value[:10]), _utc_hour(value[11:13], value[19:])
    if days is None or at is None:
        return None
    return f"{days[at[0]]}T{at[1]}{minutes}+00:00"


def in_utc(value: object) -> str | None:
    """Return the UTC form of what the service sent as a time, None where it is none."""
    try:
        return normalise(str(value))
    except ValueError:
        return None


@functools.lru_cache(maxsize=4_096)
def _days_around(day: str) -> tuple[str, str, str] | None:
    """Return the day before, a day and the day after it, None unless they are days."""
    try:
        middle = dt.date.fromisoformat(day)
        step = dt.timedelta(days=1)
        before, after = middle - step, middle + step
    except (ValueError, OverflowError):
        return None
    return before.isoformat(), middle.isoformat(), after.isoformat()


@functools.lru_cache(maxsize=4_096)
def _utc_hour(hour: str, offset: str) -> tuple[int, str] | None:
    """Return an hour in UTC, None unless the offset is one of whole hours.

    Args:
        hour: ``19``.
        offset: ``+03:00``.

    Returns:
        The place of its day in `_days_around`, and the hour.
    """
    if not _WHOLE_HOURS.fullmatch(offset):
        return None
    try:
        moment = dt.datetime.fromisoformat(f"2000-01-02T{hour}:00:00{offset}").astimezone(UTC)
    except ValueError:
        return None
    return moment.day - 1, f"{moment.hour:02d}"


def from_http_date(value: str | None) -> dt.datetime | None:
    """Return the instant of a ``Date`` or ``Retry-After`` header, None if it is no date."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def now() -> dt.datetime:
    """Return the present instant by the local clock, in UTC."""
    return dt.datetime.now(UTC)
