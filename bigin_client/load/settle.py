"""Find out what became of inserts whose reply was lost.

The gateway may still apply such a write for a while, so we wait first. Then the records created
since the request began are listed (a list shows writes at once; the search index lags). A row
whose record is among them was written. A row without one was not, but only if no record is
left that might be its own; else nobody can tell, and it is never sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bigin_client.journal import StreamJournal
from bigin_client.load.account import CREATED_BY, Account
from bigin_client.load.index import Index
from bigin_client.load.keys import MatchKey
from bigin_client.load.writer import Item
from bigin_client.transport import Transport
from bigin_client.types import Record

log = logging.getLogger(__name__)

#: The server's clock is known to about a second, and times are cut to whole seconds.
_MARGIN: Final = timedelta(seconds=120)


@dataclass
class Unclear:
    """Inserts that may have been applied.

    Attributes:
        items: The rows.
        since: When the request began, by the server's clock; None: not known.
        lost_at: When its reply was given up, by the local monotonic clock.
    """

    items: list[Item]
    since: datetime | None
    lost_at: float


@dataclass
class Settled:
    """What was found.

    Attributes:
        written: Item and the record that it became.
        not_written: Surely not written; may be sent again.
        unknown: Nobody can tell.
    """

    written: list[tuple[Item, Record]] = field(default_factory=list)
    not_written: list[Item] = field(default_factory=list)
    unknown: list[Item] = field(default_factory=list)


class Settler:
    """Settles the unclear inserts of one stream.

    Args:
        transport: Waits, and knows the server's clock.
        account: Where to look.
        module: API name.
        wait_seconds: How long the gateway may still apply a write.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        transport: Transport,
        account: Account,
        module: str,
        wait_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._account = account
        self._module = module
        self._wait_seconds = wait_seconds
        self._clock = clock
        self.pending: list[Unclear] = []

    def add(self, items: Sequence[Item], since: datetime | None) -> None:
        """Put inserts aside whose reply was lost."""
        if items:
            self.pending.append(Unclear(list(items), since, self._clock()))

    @property
    def is_due(self) -> bool:
        """Whether there is something to look for that need not be waited for any more."""
        return bool(self.pending) and self._rest(self.pending) <= 0

    def _rest(self, pending: Sequence[Unclear]) -> float:
        return max(u.lost_at for u in pending) + self._wait_seconds - self._clock()

    def settle(self, index: Index, journal: StreamJournal | None = None) -> Settled:
        """Wait, look, and say what became of everything put aside.

        Args:
            index: The stream's match key, and which records are known to be other rows'.
            journal: Likewise for rows of earlier runs.
        """
        pending, self.pending = self.pending, []
        if not pending:
            return Settled()
        items = [i for u in pending for i in u.items]
        rest = self._rest(pending)
        if rest > 0:
            log.warning(
                "%s: the fate of %d inserts is unclear; looking for them in %.0f s",
                self._module,
                len(items),
                rest,
            )
            self._transport.pause(rest)
        since = (
            None
            if any(u.since is None for u in pending)
            else min(u.since for u in pending if u.since is not None) - _MARGIN
        )
        found, free = self._look(items, since, index, journal)
        settled = (
            by_content(items, free, index)
            if index.key is None
            else by_key(items, found, free, index.key)
        )
        log.info(
            "%s: of %d unclear inserts, %d were applied, %d were not, %d cannot be told",
            self._module,
            len(items),
            len(settled.written),
            len(settled.not_written),
            len(settled.unknown),
        )
        return settled

    def _look(
        self,
        items: Sequence[Item],
        since: datetime | None,
        index: Index,
        journal: StreamJournal | None,
    ) -> tuple[list[Record], list[Record]]:
        """Return the records made since that have a row's key, and those that are no one's yet.

        Of the others, which may be all that a long load has made, none is kept.
        """
        wanted = {i.row.key for i in items}
        found: dict[str, Record] = {}
        free: dict[str, Record] = {}
        for record in self._account.created_since(self._module, since, sorted(index.fields)):
            record_id = record["id"]
            digest = index.key.digest(record) if index.key is not None else None
            if digest is not None and digest in wanted:
                found[record_id] = record
            # With a key, only a record that has lost its own may be any row's.
            if (
                digest is None
                and not index.is_taken(record_id)
                and not (journal is not None and journal.knows_record(record_id))
                and _may_be_ours(record, self._account.current_user())
            ):
                free[record_id] = record
        return list(found.values()), list(free.values())


def by_key(
    items: Sequence[Item],
    found: Sequence[Record],
    free: Sequence[Record],
    key: MatchKey,
) -> Settled:
    """Pair unclear rows with the records created meanwhile, by match key.

    Whoever made the record with a row's key, the row must not be sent again. A free record with
    a blank key could be any row's (the service cut its key off): then rows without a record are
    unknown.
    """
    settled = Settled()
    by_digest: dict[bytes, list[Record]] = {}
    for record in found:
        digest = key.digest(record)
        if digest is not None:
            by_digest.setdefault(digest, []).append(record)
    nameless = any(key.digest(r) is None for r in free)
    for item in items:
        matches = by_digest.get(item.row.key or b"", [])
        if len(matches) == 1:
            settled.written.append((item, matches[0]))
        elif matches or nameless:
            settled.unknown.append(item)
        else:
            settled.not_written.append(item)
    return settled


def by_content(items: Sequence[Item], free: Sequence[Record], index: Index) -> Settled:
    """Pair unclear rows with the records created meanwhile, by equal content.

    Of identical rows as many were written as there are records. While a record of ours is left
    over that no row explains (the service or a workflow changed it), a row without a record may
    be that one: it is unknown.
    """
    settled = Settled()
    free = list(free)
    unpaired = []
    # Rows that say most choose first: they leave the others' records alone.
    for item in sorted(items, key=lambda i: -len(i.body)):
        match = next((r for r in free if index.record_holds(r, item.body)), None)
        if match is None:
            unpaired.append(item)
        else:
            free.remove(match)
            settled.written.append((item, match))
    (settled.unknown if free else settled.not_written).extend(unpaired)
    return settled


def _may_be_ours(record: Record, user: str | None) -> bool:
    creator = record.get(CREATED_BY)
    known = creator.get("id") if isinstance(creator, dict) else None
    return user is None or known is None or known == user
