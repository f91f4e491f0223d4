"""Bring planned rows into the account and read what became of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bigin_client import timestamps
from bigin_client.batches import MAX_RECORDS, RowResult
from bigin_client.credits import of_write
from bigin_client.errors import BiginError
from bigin_client.field_writes import INVALID_DATA
from bigin_client.journal import StreamJournal
from bigin_client.lease import Lease
from bigin_client.load.binding import ID
from bigin_client.load.imagined import ImaginedAccount
from bigin_client.load.planner import Ended
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal, Row
from bigin_client.load.settle import Settler
from bigin_client.load.writer import DUPLICATE, TRANSIENT, BatchReply, Fate, Item, Sent, Writer

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

log = logging.getLogger(__name__)

#: Times that a row is sent before its fate is called unknown.
MAX_ATTEMPTS: Final = 4
#: Seconds; doubled with each try.
_PAUSE: Final = 0.25
_OUTCOMES: Final = {
    "insert": Outcome.CREATED,
    "upsert": Outcome.CREATED,
    "update": Outcome.UPDATED,
    "delete": Outcome.DELETED,
}


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
        #: Row key → record (None: not written, or needs no remembering), for the journal.
        self._to_note: dict[bytes, str | None] = {}
        #: Planned and not sent yet, by kind; less than a batch each.
        self._waiting: dict[str, list[Item]] = {}
        #: Sent next, in batches: planned anew, or surely not written the first time.
        self._next: list[Item] = []
        #: Sent again one by one, because the service stumbled over them.
        self._alone: list[Item] = []
        self._busy: set[bytes] = set()

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
        return bool(self._busy) and not self._busy.isdisjoint(k for k in keys if k)

    def collect(self) -> None:
        """Read the replies that have come; waits when too many batches are in flight."""
        for reply in self._writer.collect():
            self._handle(reply)

    def settle_busy(self) -> None:
        """Find out about everything that was sent."""
        while self._writer.in_flight or self._settler.pending or self._next or self._alone:
            for reply in self._writer.collect(everything=True):
                self._handle(reply)
            if self._loader.has_stopped:
                return
            self._settle_unclear()
            following, self._next = self._next, []
            for kind in dict.fromkeys(i.kind for i in following):
                items = [i for i in following if i.kind == kind]
                for start in range(0, len(items), MAX_RECORDS):
                    self._submit(items[start : start + MAX_RECORDS], read_again=False)
            alone, self._alone = self._alone, []
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
            self._handle(reply)
        for unclear in self._settler.pending:
            for item in unclear.items:
                # Its intent stays in the journal: the next run looks.
                self._unknown(
                    item, "the reply was lost, and the load stopped before looking", for_good=False
                )
        self._settler.pending = []
        for item in [i for items in self._waiting.values() for i in items]:
            self._loader.leave(item.row)
        self._waiting.clear()
        for item in self._next:
            self._loader.leave(item.row)
        for item in self._alone:
            self._unknown(item, "the service failed on the row, and the load stopped")
        self._next, self._alone = [], []

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
        self._busy.update(i.row.key for i in items if i.row.key)
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
                self._end(item)
                loader.end_row(item.row, decision)
            elif decision.kind == item.kind:
                still.append(decision)
            else:
                self._plan_next(decision)
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
            self._note(item, record_id, is_new=known is None)
            outcome = Outcome.UPDATED if item.expected_id else _OUTCOMES[item.kind]
            loader.finish_row(item.row, outcome, record_id=known, changes=item.body)

    # -- replies -----------------------------------------------------------------------------

    def _handle(self, reply: BatchReply) -> None:
        is_probe = reply.guard is not None and reply.guard.is_probe
        if is_probe:
            self._loader.run.lost_updates.learn(reply.conflict)
        if reply.conflict is not None:
            self._conflict(reply.sent, reply.conflict, is_probe=is_probe)
            return
        unclear: list[Item] = []
        for sent in reply.sent:
            refused = sent.fate is Fate.REFUSED or (sent.result is not None and not sent.result.ok)
            if is_probe and refused:
                self._once_more(sent.item)  # perhaps for the date alone
            else:
                self._handle_row(sent, unclear, is_last=reply.failure is not None)
        self._settler.add(unclear, reply.started)
        self._write_journal()
        if reply.failure is not None:
            self._loader.interrupt(reply.failure)

    def _handle_row(self, sent: Sent, unclear: list[Item], *, is_last: bool) -> None:
        item = sent.item
        if sent.fate is Fate.REFUSED and sent.refusal is not None:
            self._end(item)
            self._loader.refuse(item.row, sent.refusal)
        elif sent.fate is Fate.NOT_SENT:
            self._end(item)
            self._loader.leave(item.row)
        elif sent.fate is Fate.ANSWERED and sent.result is not None and not sent.result.ok:
            self._refused(item, sent.result, unclear)
        elif sent.result is not None and (record_id := sent.result.id or item.record_id):
            self._written(item, sent.result, record_id)
        elif item.kind == "insert":
            unclear.append(item)
        elif is_last:
            self._unknown(item, "the service gave no answer, and the load stopped")
        else:
            self._again(item)

    def _conflict(self, sent: list[Sent], refusal: BiginError, *, is_probe: bool) -> None:
        """A record of the batch was changed since it was read: nothing of it was written.

        Unless an earlier try was, whose reply was lost: then the records hold it.
        """
        items = [s.item for s in sent]
        if is_probe:
            for item in items:
                self._once_more(item)
            return
        loader = self._loader
        loader.holdings.read_again(items)
        for item in items:
            decision = loader.holdings.decide(item.row)
            if refusal.maybe_repeated and isinstance(decision, Ended) and decision.id is not None:
                self._end(item)
                loader.finish_row(
                    item.row, Outcome.UPDATED, record_id=decision.id, changes=item.body
                )
            else:
                self._end(item)
                self._replan(item)

    def _once_more(self, item: Item) -> None:
        """Send an item again as it is; that it was sent with a wrong date does not count."""
        item.row.attempts -= 1
        self._plan_next(item)

    def _written(self, item: Item, result: RowResult, record_id: str) -> None:
        self._end(item)
        outcome = _OUTCOMES[item.kind]
        if item.kind == "upsert" and result.action == "update" and not self._is_new(result):
            outcome = Outcome.UPDATED  # another writer was faster
        self._note(
            item,
            record_id,
            is_new=outcome is Outcome.CREATED,
            modified=result.modified_time,
        )
        if item.row.key and self._loader.inserts:
            self._to_note[item.row.key] = record_id
        self._loader.finish_row(item.row, outcome, record_id=record_id, changes=item.body)

    def _is_new(self, result: RowResult) -> bool:
        """Whether an upsert's record was made by an earlier try whose reply was lost."""
        if result.tries == 1:
            return False
        try:
            created = timestamps.parse(result.created_time or "")
        except ValueError:
            return False
        return created >= self._loader.run.server_started_at

    def _refused(self, item: Item, result: RowResult, unclear: list[Item]) -> None:
        code = result.code or "UNKNOWN_ERROR"
        if code in TRANSIENT:
            if item.kind == "insert":
                unclear.append(item)
            else:
                self._again(item)
            return
        self._end(item)
        if code == INVALID_DATA and item.record_id and result.field in (None, ID):
            self._gone(item, result)
        elif code == DUPLICATE and item.kind in {"insert", "upsert"} and self._may_adopt(result):
            self._duplicate(item, result)
        else:
            self._refuse(item, result)

    def _may_adopt(self, result: RowResult) -> bool:
        return result.id is not None and not self._loader.inserts

    def _refuse(self, item: Item, result: RowResult) -> None:
        about = ", ".join(
            f"{k} {v}" for k, v in result.details.items() if k in {"maximum_length", "limit"}
        )
        if result.code == DUPLICATE:
            about = f"record {result.id} has this value" if result.id else ""
        self._loader.refuse(
            item.row,
            Refusal(
                result.code or "UNKNOWN_ERROR",
                "the service refused the row" + (f": {about}" if about else ""),
                result.field,
                result.id or item.record_id,
            ),
        )

    def _gone(self, item: Item, result: RowResult) -> None:
        """The service knows no such id: was the record deleted since it was read?"""
        loader, record_id = self._loader, item.record_id or ""
        if loader.holdings.read_record(record_id) is not None:
            self._refuse(item, result)
            return
        loader.holdings.index.remove(record_id)
        if item.kind == "delete":
            loader.finish_row(item.row, Outcome.DELETED, record_id=record_id)
        else:
            self._replan(item)

    def _duplicate(self, item: Item, result: RowResult) -> None:
        """The service has a record with a unique value of the row: is it the row's own?"""
        record = self._loader.holdings.read_record(result.id or "")
        if record is None or self._loader.holdings.key_of(record) != item.row.key:
            self._refuse(item, result)
            return
        self._loader.holdings.index.add([record])
        self._replan(item)

    def _replan(self, item: Item) -> None:
        """Decide once more, after the account turned out to be different."""
        if item.row.attempts >= MAX_ATTEMPTS:
            self._loader.refuse(
                item.row,
                Refusal(
                    "RECORD_KEEPS_CHANGING",
                    "another program changes the record all the time",
                    id=item.record_id,
                ),
            )
            return
        decision = self._loader.holdings.decide(item.row)
        if isinstance(decision, Item):
            self._plan_next(decision)
        else:
            self._loader.end_row(item.row, decision)

    def _again(self, item: Item) -> None:
        """Send an item once more, alone; it may be sent twice."""
        if item.row.attempts >= MAX_ATTEMPTS:
            self._unknown(item, f"the service failed on the row {MAX_ATTEMPTS} times")
        else:
            self._alone.append(item)

    # -- lost replies ------------------------------------------------------------------------

    def _settle_unclear(self) -> None:
        if not self._settler.pending:
            return
        settled = self._settler.settle(self._loader.holdings.index, self._journal)
        for item, record in settled.written:
            self._end(item)
            if self._loader.inserts:
                self._loader.holdings.index.note_write(record[ID], {}, None)
                if item.row.key:
                    self._to_note[item.row.key] = record[ID]
                self._loader.finish_row(
                    item.row, Outcome.CREATED, record_id=record[ID], changes=item.body
                )
                continue
            self._loader.holdings.index.add([record])
            decision = self._loader.holdings.decide(item.row)
            if isinstance(decision, Item):
                # Our record, but something changed it meanwhile: bring it to the row's values.
                self._plan_next(decision)
            else:
                self._loader.finish_row(
                    item.row, Outcome.CREATED, record_id=record[ID], changes=item.body
                )
        for item in settled.not_written:
            if item.row.attempts >= MAX_ATTEMPTS:
                self._end(item)
                self._loader.refuse(
                    item.row,
                    Refusal("NO_ANSWER", f"not applied after {MAX_ATTEMPTS} tries"),
                )
            else:
                self._plan_next(item)
        for item in settled.unknown:
            self._unknown(item, "the reply was lost, and a record made meanwhile may be its own")
        self._write_journal()

    def _unknown(self, item: Item, reason: str, *, for_good: bool = True) -> None:
        self._end(item)
        if item.row.key and item.kind == "insert":
            self._to_note.pop(item.row.key, None)
            if for_good:
                self._loader.unknowns.add(item.row.key)
        self._loader.refuse(
            item.row, Refusal("OUTCOME_UNKNOWN", reason, id=item.record_id, unknown=True)
        )

    # -- books -------------------------------------------------------------------------------

    def _plan_next(self, item: Item) -> None:
        self._next.append(item)
        if item.row.key:
            self._busy.add(item.row.key)

    def _end(self, item: Item) -> None:
        if item.row.key:
            self._busy.discard(item.row.key)
            if item.kind == "insert":
                self._to_note[item.row.key] = None

    def _write_journal(self) -> None:
        """Write the outcomes of inserts down; what is not written down is looked for next time."""
        noted, self._to_note = self._to_note, {}
        if self._journal is None or not noted:
            return
        created = [(key, record_id) for key, record_id in noted.items() if record_id]
        if created:
            self._journal.created(created)
        self._journal.forget(key for key, record_id in noted.items() if not record_id)

    def _note(
        self, item: Item, record_id: str, *, is_new: bool = True, modified: str | None = None
    ) -> None:
        """Remember what the account now holds, for later rows and other streams."""
        index = self._loader.holdings.index
        if item.kind == "delete":
            index.remove(record_id)
        elif self._loader.inserts:
            index.note_write(record_id, {}, None)  # only that the record is some row's
        else:
            index.note_write(
                record_id,
                item.body,
                item.row.key,
                is_new=item.record_id is None and is_new,
                modified=modified,
            )
        self._loader.tell_siblings(record_id, item.body)
        verifier = self._loader.verifier
        if verifier is not None and item.kind == "delete":
            verifier.forget(record_id, {})
        elif verifier is not None:
            verifier.note(record_id, item.body)
