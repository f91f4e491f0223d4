"""Seek: Modified_Time ascending, every request a fresh question from the last time seen.

No depth limit, no token that expires, resumable at every page; a record that is edited or
deleted meanwhile cannot hide another. A long read is split among several walkers (`ranges`);
what makes each of them trustworthy stands in `walker`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.checks import MAX_WALKS, too_fast
from bigin_client.extract.found import Found
from bigin_client.extract.ledger import Ledger
from bigin_client.extract.ranges import WORTH, Ranges
from bigin_client.extract.rows import Row, number
from bigin_client.extract.source import Source
from bigin_client.extract.tally import newest_row
from bigin_client.extract.walker import Walker

log = logging.getLogger(__name__)

#: Pages that one walker reads before others may help, and again after twice as many: in these the
#: header is proved, and how dense the records are in time is seen.
PAGES_ALONE: Final = 6


class Seek:
    """The walk upwards.

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
        self._ledger = Ledger(full=start is None, expected=expected)
        #: The walker of the newest range.
        self._last = Walker(source, self._ledger, start, known)

    @property
    def pages(self) -> int:
        """How many fresh questions were asked."""
        return self._ledger.pages

    @property
    def sort_proved(self) -> bool:
        """Whether the service was seen to sort by Modified_Time."""
        return self._ledger.sort_proved

    def run(self) -> Iterator[Found]:
        """Yield pages, each walker's in ascending order; see `found.Strategy`."""
        first = self._last
        steps = first.advance()
        look_at = PAGES_ALONE
        newest = max(self._ledger.expected.values(), default=None)
        for found in steps:
            yield found
            if first.pages <= look_at or not self._source.crew.has_room:
                continue  # nobody is free to help
            look_at = first.pages * 2
            if newest is None:
                row = newest_row(self._source)
                newest = (row.time if row else None) or 0
            ranges = Ranges(self._source, self._ledger, first, steps, newest)
            if ranges.expected_pages(first) >= WORTH:
                yield from ranges.run()
                self._last = ranges.last
                break
        if self._last is not first:
            # The end that the last walker saw may be older than another's last page.
            yield from self._last.advance()
        self._check_expected()

    def _check_expected(self) -> None:
        for record_id, time in self._ledger.expected.items():
            if self._last.unchanged(Row(record_id, time)):
                raise BrokenAssumptionError("a record of the newest page did not turn up")

    # -- afterwards ------------------------------------------------------------------------

    def catch_up(self) -> Iterator[Found]:
        """Hand over what has changed since the end."""
        yield from self._last.advance()

    def settle(self, deleted: Callable[[], set[str] | None]) -> Iterator[Found]:
        """Walk a second again in which an edit or a deletion may have hidden a row.

        Args:
            deleted: Asks the deleted feed for the ids deleted since the read began; None:
                there is no feed that can be read.

        Raises:
            PagingError: It happened again each time.
        """
        ledger = self._ledger
        for walk in range(MAX_WALKS + 1):
            if not ledger.ties or not self._source.feed_tells_all:
                return
            known = deleted()
            gone = {number(i) for i in known or ()}
            doubtful = [
                t
                for t in ledger.ties
                if known is None or t.holds(gone) or t.holds(ledger.edited_after(t))
            ]
            if not doubtful:
                return
            if walk == MAX_WALKS:
                break
            ledger.take_ties()
            for tie in doubtful:
                yield from Walker(self._source, ledger).again(tie)
            # What was edited meanwhile shows at the end.
            yield from self._last.advance()
        raise too_fast(self._source.module)

    def safe(self, reached: int | None) -> int | None:
        """Return how far the read is safe; see `Ledger.safe`."""
        return self._ledger.safe(reached)

    def alive(self, gone: Iterable[str]) -> int:
        """Return how many of the records handed over are not among those deleted since."""
        return self._ledger.alive(gone)

    def knows(self, row: Row) -> bool:
        """Whether this state of a record was handed over, as far as that is remembered."""
        return self._last.knows(row)

    def has_seen(self, record: int) -> bool:
        """Whether a record was handed over in any state."""
        return self._ledger.has_seen(record)
