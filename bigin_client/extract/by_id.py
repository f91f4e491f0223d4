"""By id: the whole list by page tokens, without sort and without header.

The last way to read: for modules without Modified_Time, for custom views (neither sort nor
header may be sent with one, bigin-api.md 9.28), and when the service does not sort. The order by
id does not change when a record is edited, but a deletion may hide a row, so ids are read a
second time, and until two passes agree.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from typing import TypeGuard

from bigin_client.errors import RequestError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.chain import Chain
from bigin_client.extract.checks import CHAIN_ENDS, MAX_WALKS, STALE_TOKEN, time_of, too_fast
from bigin_client.extract.found import Found, take
from bigin_client.extract.keyset import ids_by_keyset
from bigin_client.extract.known import Census
from bigin_client.extract.newest import since
from bigin_client.extract.source import Source
from bigin_client.types import Record


class ById:
    """The walk by id.

    Args:
        source: What to read.
        cutoff: Older rows are left out (seconds since 1970); None: everything.
        deleted: Asks the deleted feed for the ids deleted since the read began; None: there is
            no feed that can be read.
    """

    name = "by id"

    def __init__(
        self, source: Source, cutoff: int | None, deleted: Callable[[], set[str] | None]
    ) -> None:
        self._source = source
        self._cutoff = cutoff
        self._seen: set[str] = set()
        self._census = Census(source, deleted)

    def run(self) -> Iterator[Found]:
        """Yield pages; nothing is safe before the end."""
        before = yield from self._rows()
        if before is None:
            return
        for _ in range(MAX_WALKS + 1):
            if self._census.all_known(self._seen):
                return
            ids = ids_of(self._source)
            unseen = sorted(ids - self._seen)
            if unseen:
                yield Found(loose=[r for r in map(self._source.get, unseen) if self._wanted(r)])
            self._seen |= ids
            # A row hidden twice needs two deletions, and the first of them shows here.
            if before <= ids:
                return
            before = ids
        raise too_fast(self._source.module)

    def _rows(self) -> Generator[Found, None, set[str] | None]:
        """Hand over the rows; returns their ids, None when one page held them all."""
        for _ in range(MAX_WALKS):
            chain = Chain(self._source)
            ids: set[str] = set()
            try:
                while (page := chain.next()) is not None:
                    ids.update(r.id for r in page.rows)
                    rows = [r for r in page.rows if r.id not in self._seen]
                    self._seen.update(r.id for r in rows)
                    yield take(chain, page, since(rows, self._cutoff))
            except RequestError as refusal:
                if refusal.code not in STALE_TOKEN:
                    raise
                continue
            return ids if chain.number > 1 or chain.went_empty else None
        raise too_fast(self._source.module)

    def _wanted(self, record: Record | None) -> TypeGuard[Record]:
        if record is None:
            return False
        time = time_of(record)
        return self._cutoff is None or time is None or time >= self._cutoff


def ids_of(source: Source) -> set[str]:
    """Return the ids of a module in one pass, without the records."""
    narrow = source.narrow()
    for _ in range(MAX_WALKS):
        chain = Chain(narrow)
        ids: set[str] = set()
        try:
            while (page := chain.next()) is not None:
                ids.update(r.id for r in page.rows)
        except RequestError as refusal:
            if refusal.code not in STALE_TOKEN:
                raise
            continue
        except BrokenAssumptionError as broken:
            if broken.code != CHAIN_ENDS:
                raise
            return set(itertools.chain.from_iterable(ids_by_keyset(source)))
        return ids
    raise too_fast(source.module)
