"""What the walkers of one seek know together, and what they have handed over.

Ids are kept as numbers in arrays: a million of them take 4 MB, see `rows.Ids`.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bigin_client.extract.rows import Ids, Row, number

#: Shares in which ids are counted, so that the set of them stays small.
_SHARES: Final = 16


@dataclass
class Tie:
    """A second whose records filled more than a page, and the rows read in its chain.

    An imported account has most of its records in such seconds.
    """

    time: int | None
    ids: array[int] = field(default_factory=lambda: array("Q"))
    #: Two walks have shown the same; otherwise `Seek.settle` has to look at it first.
    agreed: bool = False

    def holds(self, ids: Iterable[int]) -> bool:
        """Whether any of the ids was read in this second."""
        wanted = set(ids)
        return bool(wanted) and any(i in wanted for i in self.ids)


class Ledger:
    """The common knowledge of a seek. Safe to use from several threads.

    Args:
        full: Everything is read, not only what is new.
        expected: Rows that must turn up, id → Modified_Time.
    """

    def __init__(self, *, full: bool, expected: Mapping[str, int] | None = None) -> None:
        self.full = full
        #: Held while a walker's reach changes; see `ranges`.
        self.lock = threading.RLock()
        #: The header was seen to include its own second.
        self.at_bound = False
        #: The service was seen to sort by Modified_Time.
        self.sort_proved = False
        #: When the read began, less the slack between two clocks; None: not known.
        self.began: int | None = None
        #: Fresh questions so far.
        self.pages = 0
        self.ties: list[Tie] = []
        self.expected = dict(expected or {})
        #: Rows that were edited since the read began; since when is not known: all.
        self._recent: dict[str, int] = {}
        #: Ids of the rows from before the read began, and of those since.
        self._old = Ids()
        self._late: set[int] = set()
        self._all: set[int] | None = None

    def add(self, rows: Iterable[Row]) -> None:
        """Note rows that are handed over."""
        with self.lock:
            self._all = None
            for row in rows:
                expected = self.expected.get(row.id)
                if expected is not None and row.time is not None and row.time >= expected:
                    del self.expected[row.id]
                if row.time is not None and (self.began is None or row.time >= self.began):
                    self._recent[row.id] = row.time
                    self._late.add(number(row.id))
                else:
                    self._old.add(number(row.id))

    def edited_after(self, tie: Tie) -> list[int]:
        """Return the records that were seen with a later time than a tie's."""
        return [number(i) for i, t in self._recent.items() if tie.time is None or t > tie.time]

    def safe(self, reached: int | None) -> int | None:
        """Return how far a read is safe that has reached an instant.

        Not past a second whose chain may have hidden a row: who is stopped before the second look
        has to begin there again.
        """
        for tie in list(self.ties):
            if not tie.agreed and reached is not None:
                reached = None if tie.time is None else min(reached, tie.time)
        return reached

    def take_ties(self) -> None:
        """Begin a second look: what shows from here on is new."""
        self.ties, self._recent = [], {}

    def alive(self, gone: Iterable[str]) -> int:
        """Return how many of the records handed over are not among those deleted since."""
        ended = {number(i) for i in gone}
        # Each once: what was shown twice would be counted twice, and hide a gap.
        alive = 0
        for share in range(_SHARES):
            ids = {i for i in self._old if i % _SHARES == share}
            ids.update(i for i in self._late if i % _SHARES == share)
            alive += len(ids - ended)
        return alive

    def has_seen(self, record: int) -> bool:
        """Whether a record was handed over in any state."""
        if self._all is None:
            self._all = self._late.union(self._old)
        return record in self._all
