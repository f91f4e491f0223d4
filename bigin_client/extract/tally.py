"""Once a day: does the service's count agree with the changes that were read since the last count?

A record that is restored without a new Modified_Time shows in no list of changes. The newest
deletions are remembered (`deletions.DeletedFeed.vanished`); for older ones, and for deletions
that the feed does not list, the count tells: last count, and created, less deleted, must be the
count of now. If not, the account is looked at once more in a moment of rest before a full read is
advised.

The state between two reads is a small dict, ``{"count": 1200, "sure": true, "change": -3, "at":
time of the count, "until": bookmark, "newest_id": "…"}``; ``count`` is null where nothing is
known, for example after a read that ended early.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bigin_client.errors import NotFoundError, RequestError, ScopeError, ServiceError
from bigin_client.extract.deletions import MAX_LISTED, DeletedFeed
from bigin_client.extract.rows import Row, instant, number, read_page, to_text
from bigin_client.extract.source import Source
from bigin_client.records import MODIFIED

log = logging.getLogger(__name__)

#: Seconds between two counts.
EVERY: Final = 86_400
#: Seconds without a change that make a moment of rest: the count may come from an index that
#: lags 10 to 20 s behind (bigin-api.md 7.1).
REST: Final = 30
#: Seconds by which a record may seem to be created before it was.
SLACK: Final = 60


class Tally:
    """The balance of one incremental read with those before it.

    Args:
        source: What is read; a whole module that has a deleted feed.
        before: The state that the read before this one left.
        since: The bookmark that this read began with.
    """

    def __init__(self, source: Source, before: Mapping[str, Any] | None, since: int | None) -> None:
        self._source = source
        self._state = dict(before or {})
        until = self._state.get("until")
        # A read between them that ended early has moved the bookmark, and was not tallied.
        if since is None or not isinstance(until, str) or instant(until) != since:
            self._state["count"] = None
        self._known_until = instant(until) if isinstance(until, str) else None
        newest = str(self._state.get("newest_id") or "0")
        self._newest = self._newest_before = int(newest) if newest.isdecimal() else 0
        self._created: set[int] = set()
        #: Ids do not grow with time, so they cannot tell what is new.
        self._unordered = False

    def note(self, rows: Iterable[Row], records: Iterable[Mapping[str, Any]]) -> None:
        """Note records that were handed over, as rows and in our form."""
        for row in rows:
            record = number(row.id)
            self._newest = max(self._newest, record)
            if record > self._newest_before and self._state.get("count") is not None:
                self._created.add(record)
        if self._known_until is None:
            return
        for whole in records:
            at = instant(str(whole.get("Created_Time") or ""))
            old = number(str(whole["id"])) <= self._newest_before
            if old and at is not None and at > self._known_until + SLACK:
                self._unordered = True

    def settle(
        self,
        feed: DeletedFeed,
        listed: Mapping[str, str],
        restored: int,
        began: int | None,
        warn: Callable[[str], None],
    ) -> None:
        """Add up what the read has shown, and count if that is due.

        Args:
            feed: The deleted feed, read after the last page.
            listed: What the read before this one saw in it.
            restored: Records that had been deleted and came back.
            began: When this read began.
            warn: Takes a line for a person.
        """
        state = self._state
        deleted = self._deleted(feed, listed)
        if deleted is None or self._unordered or feed.cut_off:
            state["count"] = None
        if state.get("count") is not None and deleted is not None:
            gone = sum(1 for i in deleted if i <= self._newest_before)
            state["change"] += len(self._created - deleted) - gone + restored
        last = instant(str(state.get("at")))
        if began is not None and last is None:
            state["at"] = to_text(began)
        elif began is not None and last is not None and began - last >= EVERY:
            self._count(feed, began, warn)

    def state(self, until: str | None) -> dict[str, Any]:
        """Return what the next read needs to know."""
        return {**self._state, "until": until, "newest_id": str(self._newest)}

    def begin(self, count: int | None, began: int | None) -> None:
        """Note the count of a full read; None: it has none."""
        self._set(count, began, sure=count is not None)

    def _set(self, count: int | None, at: int | None, *, sure: bool) -> None:
        self._state.update(count=count, sure=sure, change=0, at=None if at is None else to_text(at))

    def _deleted(self, feed: DeletedFeed, listed: Mapping[str, str]) -> set[int] | None:
        """Return the deletions that are new in the feed; None: that cannot be told."""
        oldest = None
        if len(listed) >= MAX_LISTED:
            oldest = min((instant(t) or 0 for t in listed.values()), default=0)
        new = {i: t for i, t in feed.listed.items() if i not in listed}
        if oldest is None:
            return {number(i) for i in new}
        if oldest in new.values():
            return None
        return {number(i) for i, t in new.items() if t > oldest}

    # -- the count -------------------------------------------------------------------------

    def _count(self, feed: DeletedFeed, began: int, warn: Callable[[str], None]) -> None:
        counted = count(self._source)
        known = self._state.get("count")
        if counted is None:
            return
        if known is None:
            self._set(counted, began, sure=False)
            return
        wanted = known + self._state["change"]
        if counted == wanted:
            self._set(counted, began, sure=True)
            return
        rested = self._count_at_rest(feed, began)
        if rested is None:
            log.info("%s: no moment of rest to count in; next time", self._source.module)
            return
        if rested != wanted and self._state.get("sure"):
            difference = rested - wanted
            warn(
                f"the service counts {abs(difference)} records "
                f"{'more' if difference > 0 else 'fewer'} than its changes since "
                f"{self._state.get('at')} explain: read the module in full (reset its state) "
                "to find what was restored, or deleted, without a trace"
            )
        self._set(rested, began, sure=True)

    def _count_at_rest(self, feed: DeletedFeed, began: int) -> int | None:
        """Return a count with no change shortly before it or since the read began."""
        latest = max(feed.listed.values(), default=0)
        newest = newest_row(self._source)
        if max(latest, (newest.time if newest else None) or 0) > began - REST:
            return None
        counted = count(self._source)
        again = DeletedFeed(self._source)
        again.read(began)
        if again.listed.keys() - feed.listed.keys() or newest_row(self._source) != newest:
            return None
        return counted


def count(source: Source) -> int | None:
    """Return the service's count of a module, None where it cannot be had."""
    try:
        counted = source.records.count(source.module)
    except (ScopeError, NotFoundError, RequestError, ServiceError) as refusal:
        log.info("%s: cannot be counted (%s)", source.module, refusal.code)
        return None
    source.count(1)
    return counted


def newest_row(source: Source) -> Row | None:
    """Return the record modified last, None if there is none."""
    query = source.narrow().query(sort_by=MODIFIED, sort_order="desc", limit=1)
    reply = source.fetch(query)
    rows = [] if reply.is_empty else read_page(reply, source.module).rows
    return rows[0] if rows else None
