"""By COQL: ids in their order, each question from the last id seen; the records by their ids.

Where page tokens end, after 100,000 rows of a chain (bigin-api.md section 5), and If-Modified-Since
cannot help: it is not heeded, or one second holds more than that. COQL gives 200 rows a call
([bigin-doc]) and not every column, so it names the ids only. A record's id never changes, so
neither an edit nor a deletion hides another record.

COQL may lag behind writes as the search index does (bigin-api.md 11.15): what changed in the last
seconds before the read is left to the next one (`LAG`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Final

from bigin_client import coql
from bigin_client.errors import NotFoundError, RequestError, ScopeError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.found import Found
from bigin_client.extract.rows import Row, number, read_page
from bigin_client.extract.source import Source
from bigin_client.queries import Queries
from bigin_client.records import MAX_IDS, MODIFIED

#: Seconds that the search index may be behind (bigin-api.md 7.1: 10 to 20), with room.
LAG: Final = 120


class Keyset:
    """The walk by COQL.

    Args:
        source: What to read; not a custom view.
        cutoff: Older records are left out (seconds since 1970); None: everything.
    """

    name = "by COQL"

    def __init__(self, source: Source, cutoff: int | None) -> None:
        self._source = source
        self._cutoff = cutoff

    def run(self) -> Iterator[Found]:
        """Yield pages in the order of ids; nothing is safe before the end."""
        size = min(MAX_IDS, self._source.page_size)
        for ids in ids_by_keyset(self._source, self._cutoff):
            for start in range(0, len(ids), size):
                yield from self._whole(ids[start : start + size])

    def _whole(self, ids: Sequence[str]) -> Iterator[Found]:
        """Read records by their ids ([crm°]: so it is checked that these came, and no others)."""
        source = self._source
        queries = [source.query(group, ids=tuple(ids)) for group in source.groups]
        first = source.fetch(queries[0])
        rows: list[Row] = []
        if not first.is_empty:
            rows = read_page(first, source.module).rows
            if not {r.id for r in rows} <= set(ids):
                raise BrokenAssumptionError("a list cannot be asked for ids")
            parts = [None if p.is_empty else p for p in map(source.fetch, queries[1:])]
            yield Found(rows=rows, page=first, parts=list(parts))
        if not source.pipeline_id:  # else they lie in another Team Pipeline
            missing = sorted(set(ids) - {r.id for r in rows})
            loose = [r for r in map(source.get, missing) if r is not None]
            if loose:
                yield Found(loose=loose)


def ids_by_keyset(source: Source, cutoff: int | None = None) -> Iterator[list[str]]:
    """Yield the ids of a module in their order, up to 200 at a time.

    Args:
        source: Whose.
        cutoff: Only what was modified since (seconds since 1970).

    Raises:
        BrokenAssumptionError: COQL cannot be used, or does not do as asked.
    """
    queries = Queries(source.records.transport)
    last, quoted = "0", True
    while True:
        query = coql.select(MODIFIED if source.modified else "Created_Time").source(source.module)
        beyond: str | int = last if quoted else int(last)
        query = query.where(coql.column("id").greater_than(beyond)).order_by("id")
        if cutoff is not None:
            since = datetime.fromtimestamp(cutoff, timezone.utc)
            query = query.where(coql.column(MODIFIED).greater_equal(since))
        source.count(1)
        try:
            rows = next(queries.query(query), [])
        except (ScopeError, NotFoundError) as refusal:
            raise BrokenAssumptionError(f"COQL cannot be used: {refusal.message}") from None
        except RequestError as refusal:
            if quoted and last == "0":
                quoted = False  # an id may have to be a number
                continue
            raise BrokenAssumptionError(f"COQL refuses the question: {refusal.message}") from None
        ids = [str(r["id"]) for r in rows]
        if not ids:
            return
        numbers = [number(last), *map(number, ids)]
        if any(a >= b for a, b in itertools.pairwise(numbers)):
            raise BrokenAssumptionError("COQL does not give ids in their order")
        yield ids
        last = ids[-1]
