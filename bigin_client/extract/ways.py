"""The ways to read a module, in their order: the next one reads when an assumption is false."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from bigin_client.errors import BiginError, PagingError, RequestError
from bigin_client.extract.balance import Balance
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.by_id import ById
from bigin_client.extract.changes import Summary
from bigin_client.extract.checks import CHAIN_ENDS
from bigin_client.extract.descend import Descend
from bigin_client.extract.found import Found, Strategy
from bigin_client.extract.keyset import LAG, Keyset
from bigin_client.extract.newest import NewestPage
from bigin_client.extract.seek import Seek
from bigin_client.extract.source import Source

log = logging.getLogger(__name__)


class Ways:
    """The strategies of one read.

    Args:
        source: What to read.
        cutoff: Older records are left out (seconds since 1970); None: everything.
        summary: Takes strategy, reason and what was proved.
        deleted: Asks the deleted feed for the ids deleted since the read began; None: there is
            no feed that can be read.
        warn: Takes a line for a person.
        field_names: Returns the names of the fields that the account has now; asked only when
            the service refuses a request.
    """

    def __init__(
        self,
        source: Source,
        cutoff: int | None,
        summary: Summary,
        *,
        deleted: Callable[[], set[str] | None],
        warn: Callable[[str], None],
        field_names: Callable[[], Iterable[str]] | None,
    ) -> None:
        self._source = source
        self._cutoff = cutoff
        self._summary = summary
        self._deleted = deleted
        self._warn = warn
        self._field_names = field_names
        self._failures: list[BiginError] = []
        #: Seconds that what is read may be behind the service.
        self.lag = 0
        #: The balance of a full read, if there was one.
        self.balance: Balance | None = None

    def run(self) -> Iterator[Found]:
        """Yield what the first strategy finds whose assumptions hold.

        Raises:
            PagingError: None holds; it names all reasons.
        """
        if self._source.cvid:
            log.info(
                "%s: the view is read whole each time; a record that leaves it is no deletion",
                self._source.module,
            )
        for strategy in self._strategies():
            reason = self._failures[-1].message if self._failures else None
            self._summary.strategy, self._summary.reason = strategy.name, reason
            if reason:
                log.warning(
                    "%s: read by the strategy %r, because %s",
                    self._source.module,
                    strategy.name,
                    reason,
                )
            try:
                with self._source.crew.at_work():
                    yield from strategy.run()
            except (BrokenAssumptionError, RequestError) as failure:
                self._failures.append(failure)
                continue
            return
        raise self._no_way()

    def _strategies(self) -> Iterator[Strategy]:
        """Yield the strategies in their order; `_failures` says what became of those before."""
        source, cutoff = self._source, self._cutoff
        if source.modified and not source.cvid:
            yield from self._by_time()
        if not self._past_the_chain:
            yield ById(source, cutoff, self._deleted)
        if self._past_the_chain and not source.cvid:
            self.lag = LAG
            yield Keyset(source, cutoff)

    def _by_time(self) -> Iterator[Strategy]:
        """Yield the strategies that rely on Modified_Time."""
        source, cutoff = self._source, self._cutoff
        newest: NewestPage | None = None
        if cutoff is not None:
            newest = NewestPage(source, cutoff, sort_proved=self._summary.sort_proved)
            if self._reaches_back(newest):
                yield newest
                return
        if not self._about_sort:
            expected, known = (newest.expected(), newest.known()) if newest else ({}, [])
            yield _Settled(self, Seek(source, cutoff, expected, known))
            if self._refused and self._drop_gone_fields():
                self._failures.clear()
                yield from self._by_time()
                return
        if not self._about_sort and not self._past_the_chain:
            yield Descend(source, cutoff, self._deleted)

    def _reaches_back(self, newest: NewestPage) -> bool:
        try:
            reaches = newest.ask()
        except RequestError as refusal:
            if self._drop_gone_fields():
                newest.begin()
                return self._reaches_back(newest)
            self._failures.append(refusal)
            reaches = False
        except BrokenAssumptionError as broken:
            self._failures.append(broken)
            reaches = False
        self._summary.sort_proved = newest.sort_proved
        return reaches

    # -- what became of them -----------------------------------------------------------------

    @property
    def _refused(self) -> bool:
        return isinstance(self._failures[-1], RequestError)

    @property
    def _about_sort(self) -> bool:
        """Whether the sort is known not to work; a refused question counts, for it named it."""
        return any(
            isinstance(f, RequestError) or getattr(f, "about_sort", False) for f in self._failures
        )

    @property
    def _past_the_chain(self) -> bool:
        """Whether page tokens have ended before the records did."""
        return any(f.code == CHAIN_ENDS for f in self._failures)

    def _no_way(self) -> BiginError:
        failures = self._failures
        if len(failures) == 1:
            return failures[0]
        reasons = "; ".join(dict.fromkeys(f.message for f in failures))
        return PagingError(
            f"{self._source.module} could not be read to its end: {reasons}",
            code=failures[-1].code,
            status=failures[-1].status,
            request_id=failures[-1].request_id,
            hint="Nothing was skipped silently; what was read so far is kept.",
        )

    # -- seek, with what follows it ------------------------------------------------------------

    def settled(self, seek: Seek) -> Iterator[Found]:
        """Yield what a seek finds, what its chains may have hidden, and what the count shows."""
        for found in seek.run():
            found.safe = seek.safe(found.safe)
            yield found
        self._summary.sort_proved = self._summary.sort_proved or seek.sort_proved
        yield from seek.settle(self._deleted)
        # A single page is one moment's truth; more than one is counted.
        if self._cutoff is None and not self._source.pipeline_id and seek.pages > 1:
            self.balance = Balance(seek, self._source, self._deleted, self._warn)
            yield from self.balance.run()

    # -- fields that are gone ----------------------------------------------------------------

    def _drop_gone_fields(self) -> bool:
        """Stop asking for fields that the account has no more; returns whether there are any."""
        if self._field_names is None:
            return False
        known = set(self._field_names())
        gone = [n for n in self._source.types if n not in known and n[0] != "$" and n != "id"]
        if gone:
            self.warn_gone(gone)
            self._source.drop_fields(gone)
        return bool(gone)

    def warn_gone(self, names: list[str]) -> None:
        """Name fields that the account has no more."""
        self._warn(
            f"the account no longer has the field{'s' * (len(names) > 1)} {', '.join(names)}; "
            "discover again"
        )


class _Settled:
    """Seek and what follows it, as one strategy."""

    name = Seek.name

    def __init__(self, ways: Ways, seek: Seek) -> None:
        self._ways = ways
        self._seek = seek

    def run(self) -> Iterator[Found]:
        """Yield what is found."""
        return self._ways.settled(self._seek)
