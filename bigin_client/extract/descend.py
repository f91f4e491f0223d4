"""Descend: Modified_Time descending by page tokens, without If-Modified-Since.

The second way to read, for a service that sorts but does not heed the header. A token may be an
offset: then a deletion meanwhile hides an unread row, so the chain is walked again until no
deletion fell into it. An edited row jumps to the front; the front is asked for again at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bigin_client.errors import RequestError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.chain import Chain
from bigin_client.extract.checks import (
    MAX_WALKS,
    SORT_NOT_APPLIED,
    STALE_TOKEN,
    check_order,
    proves_sort,
    too_fast,
)
from bigin_client.extract.found import Found, take
from bigin_client.extract.known import Census
from bigin_client.extract.newest import since, sorts
from bigin_client.extract.rows import Page, Row
from bigin_client.extract.source import Source
from bigin_client.records import MODIFIED


class Descend:
    """The descending walk.

    Args:
        source: What to read.
        cutoff: Older rows are left out (seconds since 1970); None: everything.
        deleted: Asks the deleted feed for the ids deleted since the read began; None: there
            is no feed that can be read.
    """

    name = "descend"

    def __init__(
        self, source: Source, cutoff: int | None, deleted: Callable[[], set[str] | None]
    ) -> None:
        self._source = source
        self._cutoff = cutoff
        self._seen: dict[str, int | None] = {}
        self._sorted = False
        self._census = Census(source, deleted)

    def run(self) -> Iterator[Found]:
        """Yield pages, newest first; nothing is safe before the end."""
        before: set[str] | None = None
        for _ in range(MAX_WALKS + 1):
            walk = _Walk()
            try:
                yield from self._walk(walk, self._cutoff)
                if walk.pages <= 1 and not walk.went_empty:
                    return
                yield from self._front(walk.newest)
            except RequestError as refusal:
                if refusal.code not in STALE_TOKEN:
                    raise
                continue
            if self._cutoff is None and self._census.all_known(self._seen):
                return
            if before is not None and before <= walk.ids:
                return
            before = walk.ids
        raise too_fast(self._source.module)

    def _walk(self, walk: _Walk, floor: int | None) -> Iterator[Found]:
        chain = Chain(self._source, sort_by=MODIFIED, sort_order="desc")
        while (page := chain.next()) is not None:
            check_order(page, "desc")
            self._sorted = self._sorted or proves_sort(page)
            walk.note(since(page.rows, floor))
            yield take(chain, page, self._fresh(since(page.rows, floor)))
            oldest = page.last_time
            if floor is not None and oldest is not None and oldest < floor:
                self._make_sure(page)
                break
            if not page.more:
                break
        walk.pages = chain.number
        walk.went_empty = chain.went_empty

    def _make_sure(self, page: Page) -> None:
        """Leave older rows out only if they really are what follows."""
        if page.more and not self._sorted and not sorts(self._source, page):
            raise BrokenAssumptionError(SORT_NOT_APPLIED, about_sort=True)
        self._sorted = True

    def _front(self, newest: int | None) -> Iterator[Found]:
        """Read what came to the front while the chain was walked, until nothing new shows."""
        for _ in range(MAX_WALKS + 1):
            if newest is None:
                return
            walk = _Walk()
            changed = False
            for found in self._walk(walk, newest):
                changed = changed or bool(found.rows)
                yield found
            if walk.pages <= 1 or not changed:
                return
            newest = walk.newest
        raise too_fast(self._source.module)

    def _fresh(self, rows: list[Row]) -> list[Row]:
        fresh = [r for r in rows if r.id not in self._seen or self._seen[r.id] != r.time]
        self._seen.update((r.id, r.time) for r in fresh)
        return fresh


class _Walk:
    """What one walk showed."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.newest: int | None = None
        self.pages = 0
        self.went_empty = False

    def note(self, rows: list[Row]) -> None:
        self.ids.update(r.id for r in rows)
        for row in rows:
            if row.time is not None and (self.newest is None or row.time > self.newest):
                self.newest = row.time
