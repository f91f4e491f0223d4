"""How far a module has been read: the instant from which the next read must begin.

A bookmark is text, UTC, and compared as an instant. It is never ahead of what was handed over
and never goes back.
"""

from __future__ import annotations

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.extract.rows import Row, to_text
from bigin_client.reply import Reply

#: A reply whose rows are this much newer than its Date header has a clock we cannot use.
MAX_SKEW = 60


def parse(bookmark: str | None, what: str, *, is_setting: bool = False) -> int | None:
    """Return a bookmark as seconds since 1970; None stays None.

    Args:
        bookmark: A date and time; the empty text is none.
        what: Names it in the message.
        is_setting: The user wrote it; otherwise it comes from a state.

    Raises:
        SettingsError: It is no date and time.
    """
    if bookmark is None or bookmark == "":
        return None
    try:
        return int(timestamps.parse(str(bookmark)).timestamp())
    except ValueError:
        form = "The form is 2026-11-24T12:00:00+00:00."
        raise SettingsError(
            f"{what} {str(bookmark)[:40]!r} is not a date and time",
            hint=form if is_setting else f"{form} Reset the state to read in full.",
        ) from None


class Bookmark:
    """The bookmark of one read.

    Args:
        since: Where the read before this one ended (seconds since 1970); None: the first one.
    """

    def __init__(self, since: int | None = None) -> None:
        self._value = self._since = since
        self._last_seen: int | None = None
        #: The newest row of the first reply, and our clock when that was asked for.
        self._first_seen: int | None = None
        self._asked_at: int | None = None
        #: The earlier of the server's and our clock when the read began.
        self.began: int | None = None
        self._asked = False

    @property
    def text(self) -> str | None:
        """The bookmark, None if nothing is safe yet."""
        return None if self._value is None else to_text(self._value)

    def first_reply(self, reply: Reply, rows: list[Row]) -> None:
        """Note when the read began, from its first reply (only the first call counts)."""
        if self._asked:
            return
        self._asked = True
        self.see(rows)
        self._first_seen = newest_time(rows)
        self._asked_at = int(reply.asked_at.timestamp())
        date = reply.date
        if date is None:
            return
        served = int(date.timestamp())
        if self._last_seen is not None and self._last_seen > served + MAX_SKEW:
            return
        self.began = min(served, self._asked_at)

    def see(self, rows: list[Row]) -> None:
        """Note rows that were read, handed over or not."""
        newest = newest_time(rows)
        if newest is not None and (self._last_seen is None or newest > self._last_seen):
            self._last_seen = newest

    def advance(self, safe: int | None) -> None:
        """Everything before `safe` has been handed over."""
        if safe is None:
            return
        # Not past the beginning of the read: the last page may show later changes already.
        value = safe if self.began is None else min(safe, self.began)
        if self._value is None or value > self._value:
            self._value = value

    def finish(self, lag: int = 0) -> None:
        """Everything until the read began, less a lag in seconds, has been handed over."""
        end = self.began if self.began is not None else self._end_without_date()
        self.advance(None if end is None else end - lag)

    def _end_without_date(self) -> int | None:
        """Return an instant that the service's clock had surely reached when the read began.

        Not the last row seen: of a read that takes minutes it may be younger than a change of a
        record that had been read before. The first reply's newest row is safe, and after a read
        with a bookmark not too old; else our own clock says when the read began.
        """
        first, since = self._first_seen, self._since
        if first is not None and since is not None and first >= since:
            return first
        if self._last_seen is None or self._asked_at is None:
            return self._last_seen
        return min(self._last_seen, self._asked_at)


def newest_time(rows: list[Row]) -> int | None:
    """Return the latest Modified_Time of rows, None if they have none."""
    return max((r.time for r in rows if r.time is not None), default=None)
