"""Bring planned rows into the account: batches, their order, and what is sent again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bigin_client.batches import MAX_RECORDS
from bigin_client.credits import of_write
from bigin_client.journal import StreamJournal
from bigin_client.lease import Lease
from bigin_client.load.imagined import ImaginedAccount
from bigin_client.load.replies import OUTCOMES, Replies
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Row
from bigin_client.load.settle import Settler
from bigin_client.load.writer import Item, Writer

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

#: Seconds; doubled with each try.
_PAUSE: Final = 0.25


class Delivery:
    """Sends one stream's items in batches, and settles each of them.

    Args:
        loader: Told of each outcome.
        writer: Sends batches.
        settler: Finds out about lost replies.
        journal: Where inserts are written down before they are sent; None: nowhere.
        lease: Keeps other loads out; None in a dry run, which sends nothing and takes what is
            planned for what became of it.
    """

    def __init__(
        self,
        loader: Loader,
        writer: Writer,
        settler: Settler,
        journal: StreamJournal | None,
        lease: Lease | None,
    ) -> None:
        self._loader = loader
        self._writer = writer
        self._settler = settler
        self._journal = journal
        self._lease = lease
        self._replies = Replies(loader, settler, journal)
        #: Planned and not sent yet, by kind; less than a batch each.
        self._waiting: dict[str, list[Item]] = {}

    @property
    def credits_predicted(self) -> int:
        """Credits that the batches so far, and those waiting, were expected to cost."""
        rest = sum(1 if k == "delete" else of_write(len(i)) for k, i in self._waiting.items() if i)
        return self._writer.credits_predicted + rest

    def enqueue(self, item: Item) -> None:
        """Take an item; a full batch is sent at once."""
        waiting = self._waiting.setdefault(item.kind, [])
        waiting.append(item)
        if len(waiting) == MAX_RECORDS:
            self._waiting[item.kind] = []
            self._submit(waiting)

    def take_waiting(self, key: bytes) -> Row | None:
        """Take back the row with this key if it was not sent yet."""
        for items in self._waiting.values():
            for position, item in enumerate(items):
                if item.row.key == key:
                    return items.pop(position).row
        return None

    def is_busy(self, keys: Iterable[bytes | None]) -> bool:
        """Whether one of the keys is in a batch whose outcome is not known yet."""
        busy = self._replies.busy
        return bool(busy) and not busy.isdisjoint(k for k in keys if k)

    def collect(self) -> None:
        """Read the replies that have come; waits when too many batches are in flight."""
        for reply in self._writer.collect():
            self._replies.handle(reply)

    def settle_busy(self) -> None:
        """Find out about everything that was sent."""
        while (
            self._writer.in_flight
            or self._settler.pending
            or self._replies.next
            or self._replies.alone
        ):
            for reply in self._writer.collect(everything=True):
                self._replies.handle(reply)
            if self._loader.has_stopped:
                return
            self._replies.settle_unclear()
            following, self._replies.next = self._replies.next, []
            for kind in dict.fromkeys(i.kind for i in following):
                items = [i for i in following if i.kind == kind]
                for start in range(0, len(items), MAX_RECORDS):
                    self._submit(items[start : start + MAX_RECORDS], read_again=False)
            alone, self._replies.alone = self._replies.alone, []
            if alone:
                self._loader.run.transport.pause(_PAUSE * 2 ** max(i.row.attempts for i in alone))
            for item in alone:
                self._submit([item], read_again=False)

    def settle_due(self) -> None:
        """Find out about lost replies once that costs no wait: later more is to be read."""
        if self._settler.is_due:
            self.settle_busy()

    def finish(self) -> None:
        """Send what waits, and find out about everything."""
        while True:
            for kind in list(self._waiting):
                items = self._waiting.pop(kind)
                if items:
                    self._submit(items)
            self.settle_busy()
            if self._loader.has_stopped or not any(self._waiting.values()):
                return

    def give_up(self) -> None:
        """After a failure: what was sent is read, the rest is left."""
        for reply in self._writer.collect(everything=True):
            self._replies.handle(reply)
        for unclear in self._settler.pending:
            for item in unclear.items:
                # Its intent stays in the journal: the next run looks.
                self._replies.unknown(
                    item, "the reply was lost, and the load stopped before looking", for_good=False
                )
        self._settler.pending = []
        for item in [i for items in self._waiting.values() for i in items]:
            self._loader.leave(item.row)
        self._waiting.clear()
        for item in self._replies.next:
            self._loader.leave(item.row)
        for item in self._replies.alone:
            self._replies.unknown(item, "the service failed on the row, and the load stopped")
        self._replies.next, self._replies.alone = [], []

    # -- sending -----------------------------------------------------------------------------

    def _submit(self, items: list[Item], *, read_again: bool = True) -> None:
        known = items[0].record_id is not None
        if known and read_again and not self._loader.has_stopped:
            items = self._read_again(items)
            if not items:
                return
        if (imagined := self._loader.run.imagined) is not None:
            self._writer.predict(items[0].kind, len(items))
            self._imagine(items, imagined)
            return
        if self._loader.has_stopped:
            for item in items:
                self._loader.leave(item.row)
            return
        if self._lease is not None:
            self._lease.check()
        self._replies.busy.update(i.row.key for i in items if i.row.key)
        if self._journal is not None and items[0].kind == "insert":
            self._journal.intend(
                ((i.row.key, i.body) for i in items if i.row.key),
                self._loader.run.transport.server_now(),
            )
        self._writer.submit(items[0].kind, items, self._loader.run.lost_updates.guard(items))
        self.collect()

    def _read_again(self, items: list[Item]) -> list[Item]:
        """Look at records once more before they are written over; returns what is still to do."""
        loader = self._loader
        if not loader.holdings.is_old:
            return items
        loader.holdings.read_again(items)
        still = []
        for item in items:
            decision = loader.holdings.decide(item.row)
            if not isinstance(decision, Item):
                self._replies.end(item)
                loader.end_row(item.row, decision)
            elif decision.kind == item.kind:
                still.append(decision)
            else:
                self._replies.plan_next(decision)
        return still

    def _imagine(self, items: list[Item], account: ImaginedAccount) -> None:
        """Take what is planned for what became of it."""
        loader = self._loader
        if loader.foresight is not None:
            loader.foresight.prepare(items)
        for item in items:
            refusal = None if loader.foresight is None else loader.foresight.clash(item)
            if refusal is not None:
                loader.refuse(item.row, refusal)
                continue
            known = item.record_id or item.expected_id
            body = None if item.kind == "delete" else item.body
            record_id = account.imagine(loader.module.api_name, known, body)
            self._replies.note(item, record_id, is_new=known is None)
            outcome = Outcome.UPDATED if item.expected_id else OUTCOMES[item.kind]
            loader.finish_row(item.row, outcome, record_id=known, changes=item.body)
