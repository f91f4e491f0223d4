"""One extraction: the strategies in their order, bookmarks, deletions, summary."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bigin_client.errors import BiginError, NotFoundError, PagingError, RequestError, ScopeError
from bigin_client.extract import bookmarks
from bigin_client.extract.ahead import Lane, ReadAhead
from bigin_client.extract.bookmarks import Bookmark
from bigin_client.extract.changes import ChangePage, Summary
from bigin_client.extract.checks import CLOCK_SLACK, time_of
from bigin_client.extract.deletions import RETENTION_DAYS, DeletedFeed, Emitted
from bigin_client.extract.found import Assembler, Found
from bigin_client.extract.rows import Row, read_page
from bigin_client.extract.source import Source
from bigin_client.extract.tally import Tally
from bigin_client.extract.ways import Ways
from bigin_client.extract.withheld import Withheld
from bigin_client.paging import PAGE_SIZE
from bigin_client.types import Record, Tombstone

log = logging.getLogger(__name__)


class Extraction:
    """The changes of one module since a bookmark; iterate over it once.

    Args:
        source: What to read.
        since: Bookmark of the read before; None: everything.
        deleted_since: The deleted feed's bookmark; None: all that the feed still lists.
        deletes: Read the deleted feed after the records.
        lookback_seconds: Subtracted from both bookmarks.
        sort_proved: An earlier read has seen that the service sorts (`Summary.sort_proved`).
        listed: The deletions that the read before this one saw (`Summary.listed`): one that is
            listed no more was restored, and its record comes again even if its Modified_Time
            did not move (bigin-api.md 3.4: not known).
        tally: What the read before this one counted (`Summary.tally`).
        field_names: Returns the names of the fields that the account has now; asked only when
            the service refuses a request.

    Raises:
        SettingsError: A bookmark is no date and time.
    """

    def __init__(
        self,
        source: Source,
        *,
        since: str | None = None,
        deleted_since: str | None = None,
        deletes: bool = True,
        lookback_seconds: float = 300,
        sort_proved: bool = False,
        listed: Mapping[str, str] | None = None,
        tally: Mapping[str, Any] | None = None,
        field_names: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.source = source
        self._deletes = deletes
        self._listed = dict(listed or {})
        #: Deleted while the records were read; what the feed lists no more at the end came back.
        self._gone: set[str] = set()
        start = bookmarks.parse(since, f"The bookmark of {source.module}")
        self._deleted_start = bookmarks.parse(
            deleted_since, f"The deletions' bookmark of {source.module}"
        )
        lookback = int(lookback_seconds)
        self._cutoff = None if start is None else start - lookback
        self._deleted_cutoff = (
            None if self._deleted_start is None else self._deleted_start - lookback
        )
        self._bookmark = Bookmark(start)
        self._began_with_bookmark = start is not None
        self._emitted = Emitted(self._deleted_cutoff) if deletes else None
        self._began_at = time.monotonic()
        self._lane: Lane | None = None
        self._fed: _Feed | None = None
        whole = deletes and source.has_feed and not source.cvid and not source.pipeline_id
        # Who keeps no tally is not charged a count in each read.
        kept = tally is not None or start is None
        self._tally = Tally(source, tally, start) if whole and kept and source.modified else None
        # What is known stays known when the read ends early.
        self.summary = Summary(source.module, sort_proved=sort_proved, listed=dict(self._listed))
        self._ways = Ways(
            source,
            self._cutoff,
            self.summary,
            deleted=self.deleted_meanwhile,
            warn=self.warn,
            field_names=field_names,
        )
        self._withheld = Withheld(
            source,
            field_names=field_names,
            warn=self.warn,
            warn_gone=self._ways.warn_gone,
            again=start is not None,
        )
        self._assembler = Assembler(source, self._withheld)

    @property
    def module(self) -> str:
        """API name of the module that is read."""
        return self.source.module

    def __iter__(self) -> Iterator[ChangePage]:
        """Yield pages of records, then of deletions."""
        yield from self.records()
        if self._deletes:
            try:
                yield from self.deletions()
            except (ScopeError, NotFoundError) as error:
                if self._deleted_start is not None:
                    raise
                self.warn(f"deletions cannot be read: {error}")
        self.summary.complete = True

    def read_ahead(self, ahead: ReadAhead) -> None:
        """Begin to send the requests now; the pages wait until they are asked for."""
        self._lane = ahead.lane(self._ways.run, self._feed_ahead)

    def _feed_ahead(self) -> None:
        if self._deletes and self.source.has_feed:
            self._fed = self._read_feed()

    # -- records ---------------------------------------------------------------------------

    def records(self) -> Iterator[ChangePage]:
        """Yield the pages of records; the last one may be empty and carry the bookmark.

        Raises:
            PagingError: The read could not be proved complete. What was yielded is good, and
                its bookmarks hold.
        """
        last: str | None = None
        try:
            for found in self._lane or self._ways.run():
                for page in self._pages(found):
                    last = page.bookmark
                    if page.records or page.bookmark:
                        yield page
            self._note_first()
            yield from self._restored()
            self._bookmark.finish(self._ways.lag)
            if self._tally is not None:
                self.summary.tally = self._tally.state(self._bookmark.text)
            if self._bookmark.text != last:
                yield self._page([])
        finally:
            self._count()

    def _restored(self) -> Iterator[ChangePage]:
        """Yield the records that were restored since the read before this one."""
        yield from self._read_whole(self._assembler.dropped)
        if not self._deletes or not self.source.has_feed:
            return
        if self._lane is not None:
            self._lane.wait()
        self._fed = self._fed or self._read_feed()
        if self._fed.error is not None:
            return  # told when the deletions are asked for
        feed = self._fed.feed
        ids = set(feed.vanished(self._listed)) if self._began_with_bookmark else set()
        before = self.summary.rows
        yield from self._read_whole(ids)
        restored = self.summary.rows - before
        yield from self._read_whole(self._gone - feed.listed.keys() - ids)
        if self._tally is not None:
            self._add_up(self._tally, feed, restored)
        self.summary.listed = feed.newest()

    def _add_up(self, tally: Tally, feed: DeletedFeed, restored: int) -> None:
        """Compare the service's count with what was read, where that is due."""
        began = self._bookmark.began
        if self._began_with_bookmark:
            tally.settle(feed, self._listed, restored, began, self.warn)
            return
        agreed = self._ways.balance.agreed if self._ways.balance else None
        # What was deleted after that count is in the feed now, and would be taken for known.
        counted, gone = agreed or (None, frozenset())
        new = {i for i, t in feed.listed.items() if began is None or t >= began - CLOCK_SLACK}
        tally.begin(counted if new == gone else None, began)

    def _read_whole(self, ids: Iterable[str]) -> Iterator[ChangePage]:
        """Yield those of the records that exist (again)."""
        loose = self._by_id(sorted(ids))
        if loose:
            log.info("%s: %d restored records", self.module, len(loose))
            yield self._emit(Found(loose=loose))

    def _by_id(self, ids: Sequence[str]) -> list[Record]:
        calls = [partial(self.source.get, i) for i in ids]
        return [r for r in self.source.crew.together(calls) if r is not None]

    def _pages(self, found: Found) -> Iterator[ChangePage]:
        """Yield what was found, and before it what was handed over with a null that was none."""
        self._note_first()
        records = self._assembler.records(found)
        mistaken, self._withheld.mistaken = self._withheld.mistaken, ()
        # First, so that no bookmark passes them.
        for start in range(0, len(mistaken), PAGE_SIZE):
            ids = [str(i) for i in mistaken[start : start + PAGE_SIZE]]
            yield self._emit(Found(loose=self._by_id(ids)))
        yield self._emit(found, records)

    def _emit(self, found: Found, records: list[Record] | None = None) -> ChangePage:
        self._note_first()
        if records is None:
            records = self._assembler.records(found)
        rows = found.rows + [Row(str(r["id"]), time_of(r)) for r in found.loose]
        for row in rows:
            if row.time is None and self.source.modified:
                self.summary.null_cursors += 1
            if self._emitted is not None:
                self._emitted.note(row.id, row.time)
        if self._tally is not None:
            self._tally.note(rows, records)
        self._bookmark.see(rows)
        self._bookmark.advance(found.safe)
        self.summary.rows += len(records)
        self._count()
        return self._page(records)

    def _page(self, records: list[Record]) -> ChangePage:
        return ChangePage(self.module, records, [], self._bookmark.text, None)

    def _note_first(self) -> None:
        reply = self.source.first_reply
        if reply is not None:
            rows = [] if reply.is_empty else read_page(reply, self.module).rows
            self._bookmark.first_reply(reply, rows)

    # -- deletions ---------------------------------------------------------------------------

    def deleted_meanwhile(self) -> set[str] | None:
        """Return the ids deleted since the read began; None: there is no feed to ask."""
        first = self.source.first_reply
        if first is None:
            return None
        moment = first.date or first.asked_at
        try:
            found = DeletedFeed(self.source).read(int(moment.timestamp()) - CLOCK_SLACK)
        except (ScopeError, NotFoundError, RequestError):
            self.source.has_feed = False
            return None
        self._gone |= (gone := {t["id"] for t in found})
        return gone

    def deletions(self) -> Iterator[ChangePage]:
        """Yield the deletions since their bookmark; to be asked for after `records`.

        Raises:
            ScopeError, NotFoundError: The connection may not read the feed, or there is none.
            PagingError: The feed cannot be followed to its end; what it showed was yielded.
        """
        if not self.source.has_feed:
            self.warn("there is no deleted feed: deletions show only when it is read in full")
            return
        if self.source.cvid or self.source.pipeline_id:
            self.warn("the deleted feed is not filtered by views")
        fed = self._fed or self._read_feed()
        if fed.error is not None:
            raise fed.error
        feed, tombstones = fed.feed, fed.tombstones
        if self._emitted is not None:
            restored = self._emitted.contradicted(tombstones)
            tombstones = [t for t in tombstones if t["id"] not in restored]
        bookmark = self._deleted_bookmark(feed, cut_off=feed.cut_off)
        self.summary.tombstones += len(tombstones)
        self._count()
        yield ChangePage(self.module, [], tombstones, self._bookmark.text, bookmark.text)
        self._check_retention()
        if feed.cut_off and self._deleted_start is not None:
            raise PagingError(
                f"{self.module}/deleted lists more deletions than its pages reach",
                hint="Some deletions are unknown: read the module in full (reset its state) "
                "and remove what it no longer holds.",
            )

    def _read_feed(self) -> _Feed:
        feed = DeletedFeed(self.source)
        try:
            return _Feed(feed, feed.read(self._deleted_cutoff))
        except BiginError as error:
            return _Feed(feed, [], error)

    def _deleted_bookmark(self, feed: DeletedFeed, *, cut_off: bool) -> Bookmark:
        bookmark = Bookmark(self._deleted_start)
        if cut_off and self._deleted_start is not None:
            return bookmark
        if feed.first_reply is not None:
            bookmark.first_reply(feed.first_reply, [])
        if bookmark.began is not None and self._bookmark.began is not None:
            # What was deleted while the records were read may have been emitted alive.
            bookmark.began = min(bookmark.began, self._bookmark.began)
        bookmark.finish()
        return bookmark

    def _check_retention(self) -> None:
        began = self._bookmark.began
        if began is None or self._deleted_start is None:
            return
        days = (began - self._deleted_start) // 86_400
        if days >= RETENTION_DAYS:
            self.warn(
                f"the last look at the deletions was {days} days ago, and the feed keeps them "
                f"about {RETENTION_DAYS}: read the module in full and remove what it no longer "
                "holds"
            )

    # -- summary -----------------------------------------------------------------------------

    def warn(self, text: str) -> None:
        """Note a line for a person, once."""
        line = f"{self.module}: {text}"
        if line not in self.summary.warnings:
            self.summary.warnings.append(line)
            log.warning("%s", line)

    def _count(self) -> None:
        self.summary.requests = self.source.requests
        self.summary.credits = self.source.credits
        self.summary.seconds = time.monotonic() - self._began_at


@dataclass
class _Feed:
    """The deleted feed as it was after the last page of records."""

    feed: DeletedFeed
    tombstones: list[Tombstone]
    error: BiginError | None = None
