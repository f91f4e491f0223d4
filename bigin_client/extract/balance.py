"""After a full read: does the service count as many records as were handed over?

Two credits for a full read; what nobody would ever notice otherwise is found here. A count that
does not agree is taken again: count and deletions belong together only if nothing changes between
them, so it then stands between two looks at the newest record and at the deleted feed that show the
same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.by_id import ids_of
from bigin_client.extract.found import Found
from bigin_client.extract.rows import Row, number
from bigin_client.extract.seek import Seek
from bigin_client.extract.source import Source
from bigin_client.extract.tally import count, newest_row

log = logging.getLogger(__name__)

#: Tries to find a quiet moment; an account that never rests is not counted.
TRIES: Final = 3
#: Seconds before a count that differs is believed: it may come from an index, which lags 10 to
#: 20 s behind writes (bigin-api.md 7.1).
LAG: Final = 20.0


class Balance:
    """Compares a finished seek with the service's count.

    Args:
        seek: The walk, at its end.
        source: What it read.
        deleted: Asks the deleted feed for the ids deleted since the read began; None: there is
            no feed that can be read.
        warn: Takes a line for a person.
    """

    def __init__(
        self,
        seek: Seek,
        source: Source,
        deleted: Callable[[], set[str] | None],
        warn: Callable[[str], None],
    ) -> None:
        self._seek = seek
        self._source = source
        self._deleted = deleted
        self._warn = warn
        #: The count that agreed, and the deletions at that moment.
        self.agreed: tuple[int, frozenset[str]] | None = None

    def run(self) -> Iterator[Found]:
        """Yield the records that were missed, if there are any."""
        # Both a record that was missed and one that came since would make the count larger, so
        # one that agrees, less the deletions seen after it, needs no moment of rest.
        counted = count(self._source)
        if counted is None:
            return
        gone = self._gone()
        if counted == self._seek.alive(gone):
            self.agreed = (counted, gone)
            return
        yield from self._at_rest()

    def _at_rest(self) -> Iterator[Found]:
        """Look for a moment in which nothing changes, and count in it."""
        unknown: Row | None = None
        waited = False
        tries = TRIES
        while tries > 0:
            tries -= 1
            yield from self._seek.catch_up()
            before = self._moment()
            counted = count(self._source)
            if counted is None:
                return
            if before != self._moment():
                continue
            newest, gone = before
            if newest is not None and not self._seek.knows(newest):
                if newest == unknown:
                    raise BrokenAssumptionError("the newest record does not turn up in the walk")
                unknown = newest
                continue
            missing = counted - self._seek.alive(gone)
            self.agreed = (counted, gone) if not missing else None
            if missing < 0 and not self._source.feed_tells_all:
                return  # deleted meanwhile, and no feed tells how many
            if missing and not waited:
                log.info("%s: the count differs; asking again in %d s", self._source.module, LAG)
                self._source.records.transport.pause(LAG)
                waited, tries = True, TRIES
                continue
            if missing > 0:
                yield from self._look_into(missing)
            elif missing < 0:
                self._warn(f"the service counts {-missing} records fewer than were read")
            return
        log.info("%s: changes too fast to be counted", self._source.module)

    def _look_into(self, missing: int) -> Iterator[Found]:
        """Read all ids, and the records whose ids were never seen."""
        try:
            ids = ids_of(self._source)
        except BrokenAssumptionError as broken:
            self._warn(
                f"the service counts {missing} records more than were read, and their ids cannot "
                f"be listed: {broken.message}"
            )
            return
        unseen = sorted(i for i in ids if not self._seek.has_seen(number(i)))
        loose = [r for r in map(self._source.get, unseen) if r is not None]
        if loose:
            log.warning(
                "%s: %d records had not shown in the walk and were read by id",
                self._source.module,
                len(loose),
            )
            yield Found(loose=loose)
        if len(loose) < missing:
            self._warn(f"the service counts {missing - len(loose)} records more than it lists")

    def _moment(self) -> tuple[Row | None, frozenset[str]]:
        return newest_row(self._source), self._gone()

    def _gone(self) -> frozenset[str]:
        return frozenset((self._deleted() if self._source.has_feed else None) or ())
