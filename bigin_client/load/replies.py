"""Read what became of batches: an outcome for each row, or what is done about it next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bigin_client import timestamps
from bigin_client.batches import RowResult
from bigin_client.errors import BiginError
from bigin_client.field_writes import INVALID_DATA
from bigin_client.journal import StreamJournal
from bigin_client.load.binding import ID
from bigin_client.load.planner import Ended
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal
from bigin_client.load.settle import Settler
from bigin_client.load.writer import DUPLICATE, TRANSIENT, BatchReply, Fate, Item, Sent

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

#: Times that a row is sent before its fate is called unknown.
MAX_ATTEMPTS: Final = 4
#: What a write that went well means for its row.
OUTCOMES: Final = {
    "insert": Outcome.CREATED,
    "upsert": Outcome.CREATED,
    "update": Outcome.UPDATED,
    "delete": Outcome.DELETED,
}


class Replies:
    """Takes the replies to one stream's batches.

    Args:
        loader: Told of each outcome.
        settler: Finds out about lost replies.
        journal: Where inserts are written down before they are sent; None: nowhere.

    Attributes:
        next: To be sent in batches: planned anew, or surely not written the first time.
        alone: To be sent again one by one, because the service stumbled over them.
        busy: Match keys of rows that were sent and have no outcome yet.
    """

    def __init__(self, loader: Loader, settler: Settler, journal: StreamJournal | None) -> None:
        self._loader = loader
        self._settler = settler
        self._journal = journal
        #: Row key → record (None: not written, or needs no remembering), for the journal.
        self._to_note: dict[bytes, str | None] = {}
        self.next: list[Item] = []
        self.alone: list[Item] = []
        self.busy: set[bytes] = set()

    def handle(self, reply: BatchReply) -> None:
        """Give the rows of a batch their outcomes, or a next step."""
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
            self.end(item)
            self._loader.refuse(item.row, sent.refusal)
        elif sent.fate is Fate.NOT_SENT:
            self.end(item)
            self._loader.leave(item.row)
        elif sent.fate is Fate.ANSWERED and sent.result is not None and not sent.result.ok:
            self._refused(item, sent.result, unclear)
        elif sent.result is not None and (record_id := sent.result.id or item.record_id):
            self._written(item, sent.result, record_id)
        elif item.kind == "insert":
            unclear.append(item)
        elif is_last:
            self.unknown(item, "the service gave no answer, and the load stopped")
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
                self.end(item)
                self._tell(item, decision.id)
                loader.finish_row(
                    item.row, Outcome.UPDATED, record_id=decision.id, changes=item.body
                )
            else:
                self.end(item)
                self._replan(item)

    def _once_more(self, item: Item) -> None:
        """Send an item again as it is; that it was sent with a wrong date does not count."""
        item.row.attempts -= 1
        self.plan_next(item)

    def _written(self, item: Item, result: RowResult, record_id: str) -> None:
        self.end(item)
        outcome = OUTCOMES[item.kind]
        if item.kind == "upsert" and result.action == "update" and not self._is_new(result):
            outcome = Outcome.UPDATED  # another writer was faster
        self.note(
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
        self.end(item)
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
            self.plan_next(decision)
        else:
            self._loader.end_row(item.row, decision)

    def _again(self, item: Item) -> None:
        """Send an item once more, alone; it may be sent twice."""
        if item.row.attempts >= MAX_ATTEMPTS:
            self.unknown(item, f"the service failed on the row {MAX_ATTEMPTS} times")
        else:
            self.alone.append(item)

    # -- lost replies ------------------------------------------------------------------------

    def settle_unclear(self) -> None:
        """Find out what became of inserts whose reply was lost."""
        if not self._settler.pending:
            return
        settled = self._settler.settle(self._loader.holdings.index, self._journal)
        for item, record in settled.written:
            self.end(item)
            self._tell(item, record[ID])
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
                self.plan_next(decision)
            else:
                self._loader.finish_row(
                    item.row, Outcome.CREATED, record_id=record[ID], changes=item.body
                )
        for item in settled.not_written:
            if item.row.attempts >= MAX_ATTEMPTS:
                self.end(item)
                self._loader.refuse(
                    item.row,
                    Refusal("NO_ANSWER", f"not applied after {MAX_ATTEMPTS} tries"),
                )
            else:
                self.plan_next(item)
        for item in settled.unknown:
            self.unknown(item, "the reply was lost, and a record made meanwhile may be its own")
        self._write_journal()

    def unknown(self, item: Item, reason: str, *, for_good: bool = True) -> None:
        """End a row of which nobody can tell whether it was written.

        Args:
            item: The row.
            reason: For people.
            for_good: Not even the next run can tell.
        """
        self.end(item)
        if item.row.key and item.kind == "insert":
            self._to_note.pop(item.row.key, None)
            if for_good:
                self._loader.unknowns.add(item.row.key)
        self._loader.refuse(
            item.row, Refusal("OUTCOME_UNKNOWN", reason, id=item.record_id, unknown=True)
        )

    # -- books -------------------------------------------------------------------------------

    def plan_next(self, item: Item) -> None:
        """Let an item be sent with the next batches."""
        self.next.append(item)
        if item.row.key:
            self.busy.add(item.row.key)

    def end(self, item: Item) -> None:
        """Note that nothing more of an item is under way."""
        if item.row.key:
            self.busy.discard(item.row.key)
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

    def note(
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
        self._tell(item, record_id)

    def _tell(self, item: Item, record_id: str) -> None:
        """Let other streams, lookups and the verification know of a write."""
        self._loader.tell_siblings(record_id, item.body)
        verifier = self._loader.verifier
        if verifier is not None and item.kind == "delete":
            verifier.forget(record_id, {})
        elif verifier is not None:
            verifier.note(record_id, item.body)
