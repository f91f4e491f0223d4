"""Seek: Modified_Time ascending, every request a fresh question from the last time seen.

No depth limit, no token that expires, resumable at every page; a record that is edited or
deleted meanwhile cannot hide another. The header If-Modified-Since is not confirmed for Bigin
(bigin-api.md section 10, question 1), so it is proved at every step: the last row of the page
before must show again, and nothing older than asked may come.

Many records in one second fill whole pages; then the page tokens are followed until the second
ends. Such a chain is the one place where an edit or a deletion may hide a row (a token may be an
offset, bigin-api.md 7.10), so `Seek.settle` walks a second again in which that could have
happened.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bigin_client.errors import PagingError, RequestError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.chain import Chain
from bigin_client.extract.found import Found, take
from bigin_client.extract.rows import Page, Row, instant, number
from bigin_client.extract.source import Source
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED

SORT_NOT_APPLIED: Final = "the sort by Modified_Time is not applied"
#: How often one second is walked again before the read is given up.
MAX_WALKS: Final = 3
#: Seconds by which the Date header may differ from the clock behind Modified_Time.
CLOCK_SLACK: Final = 60
#: Refusals of a token that a fresh question mends (bigin-api.md section 6).
STALE_TOKEN: Final = frozenset({"EXPIRED_VALUE", "TOKEN_BOUND_DATA_MISMATCH"})


@dataclass
class Tie:
    """A second whose records filled more than a page, and the rows read in its chain.

    Ids are kept as numbers: an imported account has most of its records in such seconds.
    """

    time: int | None
    ids: array[int] = field(default_factory=lambda: array("Q"))

    def holds(self, ids: Iterable[int]) -> bool:
        """Whether any of the ids was read in this second."""
        wanted = set(ids)
        return bool(wanted) and any(i in wanted for i in self.ids)


class Seek:
    """The seek walker.

    Args:
        source: What to read.
        start: First second to read (seconds since 1970); None: everything.
        expected: Rows that must turn up: those of the newest page that lie in the range.
        known: Rows that exist, to prove the header with if the range is empty.
    """

    name = "seek"

    def __init__(
        self,
        source: Source,
        start: int | None = None,
        expected: dict[str, int] | None = None,
        known: Sequence[Row] = (),
    ) -> None:
        self._source = source
        self._start = start
        self._expected = dict(expected or {})
        self._known = known
        #: Rows handed over, as far as they may show again.
        self._seen: dict[str, int | None] = {}
        #: The header was seen to include its own second.
        self._at_bound = False
        self._ties: list[Tie] = []
        #: The service was seen to sort by Modified_Time.
        self.sort_proved = False
        #: Fresh questions so far.
        self.pages = 0
        #: Rows that were edited since the read began; None: since when is not known.
        self._recent: dict[str, int] = {}
        #: Ids of the rows from before the read began, and of those since.
        self._old: array[int] = array("Q")
        self._late: set[int] = set()
        self._all: set[int] | None = None
        self._walked_again = False
        #: The rows of the page before.
        self._before: list[Row] = []
        self._began: int | None = None

    # -- the walk --------------------------------------------------------------------------

    def run(self) -> Iterator[Found]:
        """Yield pages in ascending order; see `found.Strategy`."""
        self._floor: int | None = self._start
        self._last_row: Row | None = None
        self._proved = self._start is None
        yield from self._advance()
        self._check_expected()

    def _advance(self) -> Iterator[Found]:
        """Go on from the present place until a fresh question shows the end."""
        more = True
        while more:
            header = self._header(self._floor)
            chain = self._ask(header)
            page = chain.next()
            self.pages += 1
            self._look(chain, page, header)
            if page is None:
                self._confirm(self._last_row, [])
                return
            latest, floor = page.last_time, self._floor
            if page.more and latest is not None and floor is not None and latest < floor:
                continue  # only the second before, shown because the header includes its own
            if page.more and page.times <= 1:
                # Neither can the next question begin later, nor does the page prove the sort.
                self._floor = latest if latest is not None else floor
                more = yield from self._over_tie(chain, page)
                continue
            self._confirm(self._last_row, page.rows)
            yield take(chain, page, self._fresh(page.rows), safe=latest)
            if latest is not None:
                self._floor = latest
                self._last_row = next(r for r in reversed(page.rows) if r.time is not None)
                self._before = page.rows
                self._forget(latest)
            more = page.more

    def _look(self, chain: Chain, page: Page | None, header: int | None) -> None:
        """Check a fresh page, and learn from it."""
        self._check(page, header)
        first = chain.first_reply
        if self._began is None and first is not None and first.date is not None:
            self._began = int(first.date.timestamp()) - CLOCK_SLACK
        if page is None:
            if not self._proved:
                self._prove(self._known)
            return
        if header is not None and any(r.time == header for r in page.rows):
            self._at_bound = True
        self.sort_proved = self.sort_proved or proves_sort(page)
        if not self._proved:
            self._prove(page.rows)
            self._proved = True

    def _over_tie(self, chain: Chain, page: Page) -> Generator[Found, None, bool]:
        """Read the second `_floor`, which fills the page; returns whether there may be more."""
        floor, beyond = self._floor, None
        rows: list[Row] = []
        for found, row in self._tie(chain, page, floor):
            beyond = beyond or row
            rows = found.rows or rows
            yield found
        last = self._last_row
        if last is not None and not (
            last.time == floor and self._ties[-1].holds([number(last.id)])
        ):
            self._confirm(last, [])
        self._last_row, self._before = beyond, [*self._before, *rows][-PAGE_SIZE:]
        self._floor = floor + 1 if floor is not None else beyond and beyond.time
        # Rows without a time, and nothing else.
        return self._floor is not None

    def _header(self, floor: int | None) -> int | None:
        if floor is None:
            return None
        return floor if self._at_bound else floor - 1

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
        if self._unchanged(row):
            raise BrokenAssumptionError(
                "a record that was there did not show again: If-Modified-Since is misread"
            )

    def _unchanged(self, row: Row) -> bool:
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

    def _check_expected(self) -> None:
        for record_id, time in self._expected.items():
            if self._unchanged(Row(record_id, time)):
                raise BrokenAssumptionError("a record of the newest page did not turn up")

    # -- what was seen ---------------------------------------------------------------------

    def _fresh(self, rows: list[Row]) -> list[Row]:
        """Return the rows that were not handed over yet, and note all of them."""
        fresh = []
        for row in rows:
            if row.id in self._seen and self._seen[row.id] == row.time:
                continue
            fresh.append(row)
            self._seen[row.id] = row.time
            expected = self._expected.get(row.id)
            if expected is not None and row.time is not None and row.time >= expected:
                del self._expected[row.id]
            if row.time is not None and (self._began is None or row.time >= self._began):
                self._recent[row.id] = row.time
                self._late.add(number(row.id))
            else:
                self._old.append(number(row.id))
        return fresh

    def alive(self, gone: Iterable[str]) -> int:
        """Return how many of the records handed over are not among those deleted since."""
        deleted = {number(i) for i in gone}
        if self._walked_again:
            # What follows a second was shown again with it: counted twice, it would hide a gap.
            self._old = array("Q", set(self._old))
            self._walked_again = False
        twice = sum(1 for i in self._old if i in self._late)
        ended = {i for i in self._old if i in deleted} | (self._late & deleted)
        return len(self._old) + len(self._late) - twice - len(ended)

    def knows(self, row: Row) -> bool:
        """Whether this state of a record was handed over, as far as that is remembered."""
        return row.time is None or self._seen.get(row.id) == row.time

    def has_seen(self, record: int) -> bool:
        """Whether a record was handed over in any state."""
        if self._all is None:
            self._all = self._late.union(self._old)
        return record in self._all

    def catch_up(self) -> Iterator[Found]:
        """Hand over what has changed since the end."""
        self._all = None
        yield from self._advance()

    def _forget(self, floor: int | None) -> None:
        if floor is not None:
            self._seen = {i: t for i, t in self._seen.items() if t is None or t >= floor - 1}

    # -- many rows in one second -----------------------------------------------------------

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
                    beyond = next((r for r in page.rows if _after(r, time)), None)
                    ids.update(r.id for r in page.rows if not _after(r, time))
                    yield take(chain, page, self._fresh(page.rows)), beyond
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
            trusted = self._source.feed_tells_all and self._start is None
            if (whole and trusted) or (before is not None and before <= ids):
                self._ties.append(Tie(time, array("Q", map(number, ids))))
                return
            before = ids
            chain = self._ask(self._header(time))
            page = chain.next()
            self._check(page, self._header(time))
        raise too_fast(self._source.module)

    def settle(self, deleted: Callable[[], set[str] | None]) -> Iterator[Found]:
        """Walk a second again in which an edit or a deletion may have hidden a row.

        Args:
            deleted: Asks the deleted feed for the ids deleted since the read began; None:
                there is no feed that can be read.

        Raises:
            PagingError: It happened again each time.
        """
        for walk in range(MAX_WALKS + 1):
            if not self._ties or not self._source.feed_tells_all:
                return
            known = deleted()
            gone = {number(i) for i in known or ()}
            doubtful = [
                t
                for t in self._ties
                if known is None or t.holds(gone) or t.holds(self._edited_after(t))
            ]
            if not doubtful:
                return
            if walk == MAX_WALKS:
                break
            self._walked_again = True
            self._ties, self._recent = [], {}
            for tie in doubtful:
                self._seen.update((str(i), tie.time) for i in tie.ids)
                header = self._header(tie.time)
                chain = self._ask(header)
                page = chain.next()
                self._check(page, header)
                if page is not None:
                    for found, _row in self._tie(chain, page, tie.time):
                        yield found
            # What was edited meanwhile shows at the end.
            yield from self._advance()
        raise too_fast(self._source.module)

    def _edited_after(self, tie: Tie) -> list[int]:
        return [number(i) for i, t in self._recent.items() if tie.time is None or t > tie.time]


def _after(row: Row, time: int | None) -> bool:
    return row.time is not None and (time is None or row.time > time)


def _before(row: Row, time: int | None) -> bool:
    return row.time is not None and time is not None and row.time < time


def too_fast(module: str) -> PagingError:
    """Return the error of a read that was begun several times and never proved complete."""
    return PagingError(
        f"{module}: records change faster than they can be read",
        hint="Run again; what was read so far is kept.",
    )


def time_of(record: dict[str, object]) -> int | None:
    """Return a raw record's Modified_Time in seconds since 1970."""
    value = record.get(MODIFIED)
    return instant(value) if isinstance(value, str) else None


def check_order(page: Page, order: str) -> None:
    """Make sure that the service sorted by Modified_Time as it was asked to.

    Raises:
        BrokenAssumptionError: It does not echo the sort, or the times are not in order.
    """
    if page.sort != (MODIFIED, order):
        raise BrokenAssumptionError("the sort by Modified_Time is not echoed", about_sort=True)
    times = [r.time for r in page.rows if r.time is not None]
    pairs = itertools.pairwise(times)
    if any((a > b) if order == "asc" else (a < b) for a, b in pairs):
        raise BrokenAssumptionError(SORT_NOT_APPLIED, about_sort=True)


def proves_sort(page: Page) -> bool:
    """Whether a page in order can only be so because the service sorted it.

    Unsorted pages come by id, descending (bigin-api.md 3.1); where records are never edited,
    that is the order of Modified_Time too.
    """
    ids = [number(r.id) for r in page.rows]
    return page.times > 1 and not all(a > b for a, b in itertools.pairwise(ids))
