"""One walker: Modified_Time ascending, every request a fresh question from the last time seen.

The header If-Modified-Since is not confirmed for Bigin (bigin-api.md section 10, question 1), so
it is proved at every step: the last row of the page before must show again, and nothing older
than asked may come.

Many records in one second fill whole pages; then the page tokens are followed until the second
ends. Such a chain is the one place where an edit or a deletion may hide a row (a token may be an
offset, bigin-api.md 7.10), so it is noted in the ledger, and `Seek.settle` looks at it again.

A walker ends where the walker above it has read (`ranges`), or at the end of the module.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Generator, Iterator, Sequence

from bigin_client.errors import RequestError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.chain import Chain
from bigin_client.extract.checks import (
    CLOCK_SLACK,
    MAX_WALKS,
    SORT_NOT_APPLIED,
    STALE_TOKEN,
    check_order,
    proves_sort,
    time_of,
    too_fast,
)
from bigin_client.extract.found import Found, take
from bigin_client.extract.ledger import Ledger, Tie
from bigin_client.extract.rows import Page, Row, number
from bigin_client.extract.source import Source
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED


class Walker:
    """A walk over a range of Modified_Time, upwards.

    Args:
        source: What to read.
        ledger: What all walkers of the read know.
        start: First second to read (seconds since 1970); None: from the oldest record on.
        known: Rows that exist, to prove the header with if the range is empty.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        start: int | None = None,
        known: Sequence[Row] = (),
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._known = known
        self._start = start
        self._proved = start is None
        #: Whether this one began above another, at `start`.
        self._upper = False
        #: The second from which the next question goes on.
        self.floor: int | None = start
        #: Modified_Time of the first row read.
        self.first: int | None = None
        #: Fresh questions so far.
        self.pages = 0
        self.above: Walker | None = None
        #: Rows by which the walker below notices that it has come to where this one has read.
        self._marks: dict[str, int] = {}
        #: The walker above has been met.
        self._met = False
        #: Rows handed over, as far as they may show again.
        self._seen: dict[str, int | None] = {}
        self._last_row: Row | None = None
        #: The rows of the page before.
        self._before: list[Row] = []

    @property
    def seconds(self) -> int:
        """How much of the time it has walked over."""
        return max(0, (self.floor or 0) - (self.first or self.floor or 0))

    # -- the walk --------------------------------------------------------------------------

    def advance(self) -> Iterator[Found]:
        """Go on from the present place until a fresh question shows the end, or `above`."""
        more = True
        while more:
            header = self._header(self.floor)
            chain = self._ask(header)
            more = yield from self._step(chain, self._next(chain, header))

    def open(self) -> tuple[Chain, Page | None]:
        """Ask for the first page above `start`, as a walker above another."""
        self._upper = self._proved = True
        header = self._header(self.floor)
        chain = self._ask(header)
        return chain, self._next(chain, header)

    def advance_from(self, chain: Chain, page: Page) -> Iterator[Found]:
        """Go on with the page that `open` returned."""
        if (yield from self._step(chain, page)):
            yield from self.advance()

    def _next(self, chain: Chain, header: int | None) -> Page | None:
        page = chain.next()
        self.pages += 1
        self._ledger.pages += 1
        self._look(chain, page, header)
        return page

    def _step(self, chain: Chain, page: Page | None) -> Generator[Found, None, bool]:
        """Hand over a fresh page; returns whether there may be more."""
        if page is None:
            self._confirm(self._last_row, [])
            return False
        latest, floor = page.last_time, self.floor
        if page.more and latest is not None and floor is not None and latest < floor:
            return True  # only the second before, shown because the header includes its own
        if not (page.more and page.times <= 1):
            self._confirm(self._last_row, page.rows)
        with self._ledger.lock:
            rows = self._below(page.rows)
            if latest is not None:
                self.floor = latest
            self._mark(rows)
        if page.more and page.times <= 1 and not self._met:
            # Neither can the next question begin later, nor does the page prove the sort.
            return (yield from self._over_tie(chain, page))
        reached = next((r.time for r in reversed(rows) if r.time is not None), None)
        yield take(chain, page, self._fresh(rows), safe=reached)
        if latest is not None:
            self._last_row = next(r for r in reversed(page.rows) if r.time is not None)
            self._before = page.rows
            self._forget(latest)
        return page.more and not self._met

    def _look(self, chain: Chain, page: Page | None, header: int | None) -> None:
        """Check a fresh page, and learn from it."""
        self._check(page, header)
        first = chain.first_reply
        if self._ledger.began is None and first is not None and first.date is not None:
            self._ledger.began = int(first.date.timestamp()) - CLOCK_SLACK
        if page is None:
            if not self._proved:
                self._prove(self._known)
            return
        if header is not None and any(r.time == header for r in page.rows):
            self._ledger.at_bound = True
        self._ledger.sort_proved = self._ledger.sort_proved or proves_sort(page)
        if not self._proved:
            self._prove(page.rows)
            self._proved = True

    def _header(self, floor: int | None) -> int | None:
        if floor is None:
            return None
        return floor if self._ledger.at_bound else floor - 1

    def _ask(self, header: int | None) -> Chain:
        return Chain(self._source, sort_by=MODIFIED, sort_order="asc", since=header)

    def _check(self, page: Page | None, header: int | None) -> None:
        if page is None:
            return
        check_order(page, "asc")
        oldest = min((r.time for r in page.rows if r.time is not None), default=None)
        if header is not None and oldest is not None and oldest < header:
            raise BrokenAssumptionError(
                "rows older than asked came: If-Modified-Since is ignored or misread"
            )

    # -- between two walkers -----------------------------------------------------------------

    def own_above(self, below: Walker, page: Page) -> list[Row]:
        """Return the rows of the first page that neither `below` nor the one above it has read.

        The ledger is locked.
        """
        start = self._start or 0
        rows = [r for r in page.rows if r.time is not None and r.time >= start]
        above = below.above
        if above is None:
            return rows
        ours = itertools.takewhile(lambda r: not above.has_read(r), rows)
        return list(ours)

    def begin_above(self, below: Walker, rows: list[Row]) -> None:
        """Take the upper part of another's range, from these rows on; the ledger is locked."""
        self.above, below.above = below.above, self
        self._mark(rows)

    def has_read(self, row: Row) -> bool:
        """Whether this walker is known to have read a row in this very state."""
        return row.time is not None and self._marks.get(row.id) == row.time

    def _below(self, rows: list[Row]) -> list[Row]:
        """Return the rows before the first one that the walker above has read."""
        if self._upper and self._start is not None:
            start = self._start
            rows = [r for r in rows if r.time is None or r.time >= start]
        above = self.above
        if above is None:
            return rows
        for position, row in enumerate(rows):
            if above.has_read(row):
                self._met = True
                return rows[:position]
        return rows

    def _mark(self, rows: list[Row]) -> None:
        """Leave marks: every row of the first page, then the last one of each."""
        timed = [r for r in rows if r.time is not None and r.time >= (self._start or 0)]
        if timed:
            self.first = timed[0].time if self.first is None else self.first
            chosen = timed[-1:] if self._marks else timed
            self._marks.update((r.id, r.time) for r in chosen if r.time is not None)

    # -- proofs ----------------------------------------------------------------------------

    def _confirm(self, row: Row | None, shown: list[Row]) -> None:
        """Make sure that the last row of the page before showed again.

        One that moved or vanished proves nothing, so another row of that page has to.
        """
        if row is None or row in shown:
            return
        if all(r.id != row.id for r in shown):
            self._refute(row)
        self._prove(self._before[::-1])

    def _refute(self, row: Row) -> None:
        if self.unchanged(row):
            raise BrokenAssumptionError(
                "a record that was there did not show again: If-Modified-Since is misread"
            )

    def unchanged(self, row: Row) -> bool:
        """Whether a record still has the Modified_Time that it showed; asks for it by id."""
        record = self._source.get(row.id, [MODIFIED])
        return record is not None and time_of(record) == row.time

    def _prove(self, rows: Sequence[Row]) -> None:
        """Make sure that the header means what it says, before anything relies on it.

        A question from just before the first row must show that row.
        """
        for row in rows:
            if row.time is None:
                continue
            header = self._header(row.time)
            page = self._ask(header).next()
            self._check(page, header)
            if page is not None and row in page.rows:
                return
            if page is not None and page.more and page.last_time == row.time:
                return  # its second fills more than the page
            self._refute(row)

    # -- what was seen ---------------------------------------------------------------------

    def _fresh(self, rows: list[Row]) -> list[Row]:
        """Return the rows that were not handed over yet, and note all of them."""
        seen = self._seen
        fresh = [r for r in rows if r.id not in seen or seen[r.id] != r.time]
        seen.update(fresh)
        self._ledger.add(fresh)
        return fresh

    def knows(self, row: Row) -> bool:
        """Whether this state of a record was handed over, as far as that is remembered."""
        return row.time is None or self._seen.get(row.id) == row.time

    def _forget(self, floor: int) -> None:
        self._seen = {i: t for i, t in self._seen.items() if t is None or t >= floor - 1}

    # -- many rows in one second -----------------------------------------------------------

    def _over_tie(self, chain: Chain, page: Page) -> Generator[Found, None, bool]:
        """Read the second that fills the page; returns whether there may be more."""
        latest = page.last_time
        floor = latest if latest is not None else self.floor
        beyond: Row | None = None
        rows: list[Row] = []
        ties = len(self._ledger.ties)
        tie: Tie | None = None
        for found, row in self._tie(chain, page, floor):
            beyond = beyond or row
            rows = found.rows or rows
            yield found
        if self._met:
            return False
        tie = next((t for t in self._ledger.ties[ties:] if t.time == floor), None)
        last = self._last_row
        if last is not None and not (
            last.time == floor and tie is not None and tie.holds([number(last.id)])
        ):
            self._confirm(last, [])
        self._last_row, self._before = beyond, [*self._before, *rows][-PAGE_SIZE:]
        with self._ledger.lock:
            self.floor = floor + 1 if floor is not None else beyond and beyond.time
        # Rows without a time, and nothing else.
        return self.floor is not None

    def again(self, tie: Tie) -> Iterator[Found]:
        """Walk a second once more."""
        self._seen.update((str(i), tie.time) for i in tie.ids)
        header = self._header(tie.time)
        chain = self._ask(header)
        page = chain.next()
        self._check(page, header)
        if page is not None:
            for found, _row in self._tie(chain, page, tie.time):
                yield found

    def _tie(
        self, chain: Chain, page: Page | None, time: int | None
    ) -> Iterator[tuple[Found, Row | None]]:
        """Follow the tokens until the second `time` ends.

        Yields:
            What was found, and the first row after that second once it showed.
        """
        before: set[str] | None = None
        for _ in range(MAX_WALKS + 1):
            ids: set[str] = set()
            whole = True
            try:
                while page is not None:
                    if any(_before(r, time) and r.time != chain.since for r in page.rows):
                        raise BrokenAssumptionError(SORT_NOT_APPLIED, about_sort=True)
                    # Later rows are left to the fresh question that follows: before it, nothing
                    # keeps the walker above from reading them too.
                    within = [r for r in page.rows if not _after(r, time)]
                    with self._ledger.lock:
                        rows = self._below(within)
                        self._mark(rows)
                    beyond = next((r for r in page.rows if _after(r, time)), None)
                    ids.update(r.id for r in within)
                    yield take(chain, page, self._fresh(rows)), beyond
                    if self._met and beyond is None:
                        return  # the walker above reads this second whole
                    if beyond is not None or not page.more:
                        break
                    page = chain.next()
                    self._check(page, chain.since)
                whole = not chain.went_empty
            except RequestError as refusal:
                if refusal.code not in STALE_TOKEN:
                    raise
                whole = False
            # Without a deleted feed nothing would tell of a deletion inside the chain, and what
            # is deleted and restored meanwhile leaves no trace; a full read is counted at the end.
            trusted = self._source.feed_tells_all and self._ledger.full
            if (whole and trusted) or (before is not None and before <= ids):
                agreed = before is not None and before <= ids
                self._ledger.ties.append(Tie(time, array("Q", map(number, ids)), agreed))
                return
            before = ids
            chain = self._ask(self._header(time))
            page = chain.next()
            self._check(page, self._header(time))
        raise too_fast(self._source.module)


def _after(row: Row, time: int | None) -> bool:
    return row.time is not None and (time is None or row.time > time)


def _before(row: Row, time: int | None) -> bool:
    return row.time is not None and time is not None and row.time < time
