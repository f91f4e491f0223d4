"""Deletions: the deleted feed, followed from its own bookmark to its end.

Source: bigin-api.md 3.4; row shape [crm-doc]. Order, page limit and whether If-Modified-Since is
heeded are not known (11.14). A header that is misread would hide deletions, and nothing would
tell; so it is not sent, both orders are understood, and old entries are left out here. Only a
feed in ascending order that goes on past its page limit is followed with the header, which then
has to show the last entry again.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Final

from bigin_client.errors import PagingError, RequestError
from bigin_client.extract.rows import HALF, instant, number, to_text
from bigin_client.extract.source import Source
from bigin_client.reply import Reply
from bigin_client.types import Tombstone

log = logging.getLogger(__name__)

#: Days that the recycle bin keeps a record; older deletions may not be listed any more.
RETENTION_DAYS: Final = 60
#: Deletions that a read remembers for the next one.
MAX_LISTED: Final = 100
LATEST: Final = 2**32 - 1
#: A feed of several pages is read until two passes agree, this often at most: a record that is
#: restored meanwhile moves the others across the page boundary.
MAX_PASSES: Final = 4


class Emitted:
    """The records that were handed over, as far as a tombstone could contradict them.

    Args:
        after: Only records modified at or after this instant count; None: all.
    """

    def __init__(self, after: int | None) -> None:
        self._after = after
        #: Upper half of the ids → lower halves (see `rows.Ids`), and seconds since 1970: four bytes
        #: last until 2106.
        self._halves: dict[int, tuple[array[int], array[int]]] = {}

    def note(self, record_id: str, time: int | None) -> None:
        """Remember a record."""
        if time is not None and (self._after is None or time >= self._after):
            upper, lower = divmod(number(record_id), HALF)
            ids, times = self._halves.setdefault(upper, (array("I"), array("I")))
            ids.append(lower)
            times.append(min(max(time, 0), LATEST))

    def contradicted(self, tombstones: list[Tombstone]) -> set[str]:
        """Return the ids whose record was modified after its deletion: it was restored."""
        wanted = {number(t["id"]): t for t in tombstones}
        found = set()
        for upper, (ids, times) in self._halves.items():
            for lower, time in zip(ids, times, strict=True):
                tombstone = wanted.get(upper * HALF + lower)
                if tombstone is not None and time > (instant(tombstone["deleted_time"]) or 0):
                    found.add(tombstone["id"])
        return found


class DeletedFeed:
    """Reads the deleted feed of one module.

    Args:
        source: Whose feed.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        #: The first reply of the last read, for its Date header.
        self.first_reply: Reply | None = None
        #: The feed went on past what its page numbers reach.
        self.cut_off = False
        #: Older entries than those wanted were not read.
        self.broke_off = False
        #: Everything that the last pass showed, older entries too: id → time.
        self.listed: dict[str, int] = {}

    def vanished(self, before: Mapping[str, str]) -> list[str]:
        """Return the ids that an earlier read listed and this one, which reached as far, not.

        They were restored, or left the feed for good after its retention.
        """
        reach = min(self.listed.values(), default=0) if self.broke_off else 0
        return [
            i for i, at in before.items() if i not in self.listed and (instant(at) or 0) > reach
        ]

    def newest(self) -> dict[str, str]:
        """Return the newest entries, to be given to `vanished` by the next read."""
        ids = sorted(self.listed, key=lambda i: self.listed[i], reverse=True)[:MAX_LISTED]
        return {i: to_text(self.listed[i]) for i in ids}

    def read(self, cutoff: int | None) -> list[Tombstone]:
        """Return the deletions since an instant, oldest first, each id once (its latest).

        Raises:
            PagingError: The feed changes faster than it can be read.
            ScopeError, NotFoundError: The connection may not read it, or there is none.
        """
        self.cut_off = self.broke_off = False
        before: set[str] | None = None
        for _ in range(MAX_PASSES):
            found, pages = self._walk(cutoff)
            # One that is missing now was restored, or hidden by another's restoration.
            if pages <= 1 or (before is not None and before <= found.keys()):
                return sorted(found.values(), key=lambda t: (_time(t), t["id"]))
            before = set(found)
        raise PagingError(
            f"{self._source.module}/deleted changes faster than it can be read",
            hint="Run again; what was read so far is kept.",
        )

    def _walk(self, cutoff: int | None) -> tuple[dict[str, Tombstone], int]:
        found: dict[str, Tombstone] = {}
        self.listed = {}
        pages = 0
        last: Tombstone | None = None
        while True:
            stretch = _Stretch(cutoff)
            since = None if last is None else _time(last) - 1
            pages += self._follow(stretch, since)
            shown = stretch.rows
            if last is not None and last["id"] not in {t["id"] for t in shown}:
                break  # the header is not to be relied on
            for tombstone in shown:
                self.listed[tombstone["id"]] = _time(tombstone)
                known = found.get(tombstone["id"])
                if _time(tombstone) >= (cutoff or 0) and (
                    known is None or _time(known) <= _time(tombstone)
                ):
                    found[tombstone["id"]] = tombstone
            if not self.cut_off or not stretch.ascends or shown[-1] == last:
                break
            last, self.cut_off = shown[-1], False
        return found, pages

    def _follow(self, stretch: _Stretch, since: int | None) -> int:
        """Read pages until the end, the page limit, or the cutoff; returns how many."""
        moment = None if since is None else datetime.fromtimestamp(since, timezone.utc)
        pages = 0
        try:
            for reply, tombstones in self._pages(moment):
                pages += 1
                if self.first_reply is None:
                    self.first_reply = reply
                if stretch.add(tombstones):
                    self.broke_off = bool(reply.object()["info"]["more_records"])
                    break
        except RequestError as refusal:
            # Page numbers reach 2,000 rows at the most (bigin-api.md 11.14).
            if not pages:
                raise
            log.debug("%s/deleted: page refused (%s)", self._source.module, refusal.code)
            self.cut_off = True
        return pages

    def _pages(self, since: datetime | None) -> Iterator[tuple[Reply, list[Tombstone]]]:
        for reply, tombstones in self._source.records.deleted_pages(self._source.module, since):
            self._source.count(1)
            yield reply, tombstones


class _Stretch:
    """Consecutive pages of the feed."""

    def __init__(self, cutoff: int | None) -> None:
        self._cutoff = cutoff
        self.rows: list[Tombstone] = []

    def add(self, tombstones: list[Tombstone]) -> bool:
        """Note a page; returns whether older ones are all that can follow."""
        self.rows += tombstones
        times = [_time(t) for t in tombstones]
        newest_first = len(set(times)) > 1 and times == sorted(times, reverse=True)
        return self._cutoff is not None and newest_first and times[-1] < self._cutoff

    @property
    def ascends(self) -> bool:
        """Whether the feed lists the oldest first."""
        times = [_time(t) for t in self.rows]
        return len(set(times)) > 1 and times == sorted(times)


def _time(tombstone: Tombstone) -> int:
    return instant(tombstone["deleted_time"]) or 0
