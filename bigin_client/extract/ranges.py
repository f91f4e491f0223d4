"""Several walkers over one module, each over a range of Modified_Time, at the same time.

A walker that is free opens a range in the middle of the longest stretch that is still to be read,
with a fresh question from there. The boundary stands only once that question was answered: the
walker below goes on until it meets a row that the one above has really read, so nothing lies
between them, whatever the header means. Where the records are dense in time, stretches are split
again; where they are few, an answer that shows nothing new moves the end of the stretch down.

Pages come in the order of each walker. A page is safe up to where the lowest walker has handed
over that has not ended.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from bigin_client.extract.found import Found
from bigin_client.extract.ledger import Ledger
from bigin_client.extract.source import Source
from bigin_client.extract.walker import Walker

log = logging.getLogger(__name__)

#: Pages that must be expected in a stretch before it is worth a walker of its own: where two
#: walkers meet, about one page is read twice.
WORTH: Final = 4
#: Pages that wait for each walker at the most.
WAITING: Final = 2

#: A walker and what it is about to yield.
Job = tuple[Walker, Iterator[Found]]


class Ranges:
    """The rest of a seek, by several walkers.

    Args:
        source: What is read.
        ledger: What the walkers know together.
        first: The walker that has begun.
        steps: What it goes on to yield.
        newest: The newest Modified_Time: where the range ends.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        first: Walker,
        steps: Iterator[Found],
        newest: int,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._crew = source.crew
        #: From the oldest range to the newest.
        self.walkers = [first]
        self.first: Job = (first, steps)
        self._ends = {first: newest}
        self._safe: dict[Walker, int | None] = {first: None}
        self._over: set[Walker] = set()
        self._splitting: set[Walker] = set()
        # The ledger's lock, too: a reach, a boundary and what follows from them are one.
        self._changed = threading.Condition(ledger.lock)
        self._pages: deque[Found] = deque()
        self._threads = 0
        self._stopped = False
        self._error: BaseException | None = None

    @property
    def last(self) -> Walker:
        """The walker of the newest range."""
        return self.walkers[-1]

    # -- threads ---------------------------------------------------------------------------

    def run(self) -> Iterator[Found]:
        """Yield what the walkers find, until each has met the one above, or the end.

        Raises:
            BaseException: What ended one of them, after the pages before it.
        """
        self._start(self.first)
        try:
            while (found := self._next_page()) is not None:
                yield found
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
        if self._error is not None:
            raise self._error
        log.info("%s: read by %d walkers", self._source.module, len(self.walkers))

    def _start(self, job: Job | None) -> None:
        self._threads += 1
        threading.Thread(target=self._work, args=(job,), name="bigin-walker", daemon=True).start()

    def _next_page(self) -> Found | None:
        with self._changed:
            # In short waits, so that a signal is heard.
            while not self._changed.wait_for(lambda: self._pages or not self._threads, 0.5):
                pass
            if not self._pages:
                return None
            found = self._pages.popleft()
            self._changed.notify_all()
            return found

    def _work(self, job: Job | None) -> None:
        hired = job is None
        try:
            while not self._stopped and (job := job or self.split()) is not None:
                walker, steps = job
                for found in steps:
                    if not self._put(walker, found):
                        return
                self.end(walker)
                job = None
        except BaseException as error:  # noqa: BLE001 - raised again where it is consumed
            with self._changed:
                self._error = self._error or error
                self._stopped = True
        finally:
            if hired:
                self._crew.release()
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _put(self, walker: Walker, found: Found) -> bool:
        """Let a page wait for the consumer; returns whether the work goes on."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or len(self._pages) < WAITING * max(1, self._threads)
            )
            if self._stopped:
                return False
            self._pages.append(self.deliver(walker, found))
            self._changed.notify_all()
            if self._longest() is not None and self._crew.hire():
                self._start(None)
        return True

    # -- ranges ----------------------------------------------------------------------------

    def deliver(self, walker: Walker, found: Found) -> Found:
        """Return a page that is handed over next, with how far the read is safe then."""
        if found.safe is not None:
            self._safe[walker] = found.safe
        lowest = next((w for w in self.walkers if w not in self._over), None)
        found.safe = None if lowest is None else self._safe[lowest]
        return found

    def end(self, walker: Walker) -> None:
        """Note that a walker has handed over its range."""
        with self._changed:
            self._over.add(walker)
            self._changed.notify_all()

    def split(self) -> Job | None:
        """Open a range above the middle of the longest stretch; None: none is worth it."""
        while True:
            with self._changed:
                below = self._longest()
                if below is None or below.floor is None:
                    return None
                end = self._ends[below]
                middle = below.floor + (end - below.floor + 1) // 2
                self._splitting.add(below)
            try:
                job = self._open(below, middle, end)
            finally:
                with self._changed:
                    self._splitting.discard(below)
            if job is not None:
                return job

    def _open(self, below: Walker, middle: int, end: int) -> Job | None:
        walker = Walker(self._source, self._ledger, middle)
        chain, page = walker.open()
        with self._changed:
            own = [] if page is None else walker.own_above(below, page)
            if page is None or not own:
                self._ends[below] = middle  # nothing new from there on
                return None
            began = own[0].time
            if below in self._over or below.floor is None or began is None or below.floor >= began:
                return None  # it has come so far itself
            walker.begin_above(below, own)
            self.walkers.insert(self.walkers.index(below) + 1, walker)
            self._ends[walker], self._ends[below] = end, began
            self._safe[walker] = None
        return walker, walker.advance_from(chain, page)

    def _longest(self) -> Walker | None:
        """Return the walker with most pages before it, if it is worth to help it."""
        expected = {
            w: self.expected_pages(w)
            for w in self.walkers
            if w not in self._over and w not in self._splitting
        }
        best = max(expected, key=expected.__getitem__, default=None)
        return best if best is not None and expected[best] >= WORTH else None

    def expected_pages(self, walker: Walker) -> float:
        """Return how many pages a walker has before it, if they are as dense as those behind."""
        if walker.floor is None:
            return 0.0
        left = self._ends[walker] - walker.floor
        if left < 2:  # noqa: PLR2004 - no second between
            return 0.0
        pages, seconds = walker.pages, walker.seconds
        if pages < 2 or not seconds:  # noqa: PLR2004 - it has not moved yet
            pages = sum(w.pages for w in self.walkers)
            seconds = sum(w.seconds for w in self.walkers)
        return left * pages / max(1, seconds)
