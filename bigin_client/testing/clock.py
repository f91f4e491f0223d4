"""The simulator's clock, and the time zone in which the service writes its times.

Everything that the documents tie to time (Modified_Time, token expiry, the recycle bin's 60
days, the search index's lag, the rolling 24 hours of credits, the ``Date`` header) follows this
clock, so that a test can jump. Only the gateway's rate limit follows real time, because it
protects a real socket from a real client.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Final, overload
from zoneinfo import ZoneInfo

#: ``2026-03-08T03:30:00-07:00``: whole seconds, offset with colon or none in between.
_DATETIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?"
)

_EPOCH: Final = date(1970, 1, 1)
_MINUTES: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1_440))
_SECONDS: Final = tuple(f"{second:02d}" for second in range(60))


class Clock:
    """A clock that follows real time until told otherwise.

    Args:
        start: What the clock shows now; real time when omitted. It runs on from there.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._frozen: float | None = None
        if start is not None:
            self.set(start)

    def timestamp(self) -> float:
        """Seconds since 1970 that the clock shows."""
        with self._lock:
            return time.time() + self._ahead if self._frozen is None else self._frozen

    def seconds(self) -> int:
        """Whole seconds since 1970: the service knows no smaller unit (bigin-api.md 7.2)."""
        return int(self.timestamp() // 1)

    def now(self) -> datetime:
        """The time shown, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), tz=timezone.utc)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock forward (or back, with a negative number)."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        with self._lock:
            if self._frozen is not None:
                self._frozen += step
            else:
                self._ahead += step

    def set(self, moment: datetime) -> None:
        """Show ``moment`` (aware, or read as UTC); a running clock runs on from there."""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        with self._lock:
            if self._frozen is not None:
                self._frozen = moment.timestamp()
            else:
                self._ahead = moment.timestamp() - time.time()

    def freeze(self, moment: datetime | None = None) -> None:
        """Stand still, at ``moment`` or at what is shown now. `advance` and `set` still work."""
        shown = self.timestamp()
        with self._lock:
            self._frozen = shown
        if moment is not None:
            self.set(moment)

    def resume(self) -> None:
        """Run on from what is shown now."""
        with self._lock:
            if self._frozen is not None:
                self._ahead = self._frozen - time.time()
                self._frozen = None

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._frozen is not None


class OrgZone:
    """Writes instants the way the service does: whole seconds with the org's own offset.

    Source: bigin-api.md section 4 and 7.9 ([rec]: "+03:00" for Nairobi). With a zone that has
    daylight saving the offset changes during the year, so texts do not sort as instants.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.zone = ZoneInfo(name)
        # Offsets change on quarter hours at the most, so one look per quarter hour is enough.
        self._offsets: dict[int, tuple[int, str]] = {}
        self._days: dict[int, str] = {}
        self._steady: dict[int, tuple[int, str]] = {}

    def _offset(self, epoch: int) -> tuple[int, str]:
        found = self._offsets.get(epoch // 900)
        if found is None:
            delta = datetime.fromtimestamp(epoch, tz=self.zone).utcoffset() or timedelta()
            seconds = int(delta.total_seconds())
            sign = "-" if seconds < 0 else "+"
            minutes = abs(seconds) // 60
            found = (seconds, f"{sign}{minutes // 60:02d}:{minutes % 60:02d}")
            self._offsets[epoch // 900] = found
        return found

    def offset_seconds(self, epoch: int) -> int:
        """Seconds that the zone is ahead of UTC at an instant."""
        return self._offset(epoch)[0]

    def text(self, epoch: int) -> str:
        """``2026-10-09T22:00:00+03:00``."""
        return self.texts((epoch,))[0]

    @overload
    def texts(self, epochs: Iterable[int]) -> list[str]: ...

    @overload
    def texts(self, epochs: Iterable[int | None]) -> list[str | None]: ...

    def texts(self, epochs: Iterable[int | None]) -> Sequence[str | None]:
        """The texts of many instants; None stays None."""
        # Put together from cached parts, because a page of 200 records has a thousand times.
        steady, days = self._steady, self._days
        found: list[str | None] = []
        for epoch in epochs:
            if epoch is None:
                found.append(None)
                continue
            shift, suffix = steady.get(epoch // 86_400) or self._of_day(epoch)
            day, second = (epoch + shift) // 86_400, (epoch + shift) % 86_400
            shown = days.get(day)
            if shown is None:
                shown = days[day] = f"{(_EPOCH + timedelta(days=day)).isoformat()}T"
            found.append(f"{shown}{_MINUTES[second // 60]}{_SECONDS[second % 60]}{suffix}")
        return found

    def _of_day(self, epoch: int) -> tuple[int, str]:
        """The offset at an instant; kept for its whole day (UTC) unless it changes on it."""
        day = epoch // 86_400
        first = self._offset(day * 86_400)
        # The next day's first instant, so that one look serves two days.
        if first == self._offset(day * 86_400 + 86_400):
            self._steady[day] = first
            return first
        return self._offset(epoch)

    def local_as_instant(self, epoch: int) -> int:
        """The instant whose local wall time reads like ``epoch``'s UTC time (a misreading)."""
        return epoch - self._offset(epoch)[0]


def parse_datetime(text: str, *, zulu: bool = True) -> int | None:
    """Seconds since 1970 of an API date-time, or None when it is not one.

    An offset is required (bigin-api.md section 4); ``Z`` counts as one only with ``zulu``.
    Fractions of a second are cut off: the service keeps whole seconds.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    offset = match.group(8)
    if offset is None or (offset == "Z" and not zulu):
        return None
    try:
        year, month, day, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
        naive = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    seconds = int(naive.timestamp())
    if offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 14 or minutes > 59:
            return None
        shift = hours * 3600 + minutes * 60
        seconds += -shift if offset[0] == "+" else shift
    return seconds


def to_epoch(moment: datetime) -> int:
    """Whole seconds since 1970 of a datetime (a naive one is read as UTC)."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() // 1)
