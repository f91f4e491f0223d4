"""Load the rows of one stream.

Rows are taken in chunks. Each chunk is bound, checked, matched against what the account holds,
and planned; the writes go out in batches while the next rows are read. Everything but the
requests happens on the caller's thread, and depends on the input and the account alone: a dry
run takes the same way and stops before the writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bigin_client import timestamps
from bigin_client.errors import BiginError
from bigin_client.journal import StreamJournal
from bigin_client.load import inserting, keys
from bigin_client.load.binding import Binding
from bigin_client.load.delivery import Delivery
from bigin_client.load.foresight import Foresight
from bigin_client.load.holdings import Holdings
from bigin_client.load.index import Index, Known
from bigin_client.load.lookups import Lookups
from bigin_client.load.mirror import Mirror
from bigin_client.load.options import LoadOptions
from bigin_client.load.parking import Parking
from bigin_client.load.planner import Ended, check_guards, check_strict
from bigin_client.load.results import Outcome, RowOutcome, StreamReport
from bigin_client.load.rows import Refusal, Row, Shaper, row_key_of
from bigin_client.load.settle import Settler
from bigin_client.load.unknowns import Unknowns
from bigin_client.load.verify import Verifier
from bigin_client.load.writer import Item, Writer
from bigin_client.metadata import Field, Module
from bigin_client.records import MODIFIED

if TYPE_CHECKING:
    from bigin_client.load.run import LoadRun

log = logging.getLogger(__name__)

#: Rows planned together.
CHUNK: Final = 1_000
_STREAM_FAILED: Final = 6
_IN_THE_ACCOUNT: Final = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED})


class Loader:
    """Loads one stream into one module; made by `LoadRun.stream`.

    Args:
        run: The run it belongs to.
        stream: Name of the input.
        module: Where the rows go.
        options: How.
        listed: Show the stream in the run's report.

    Attributes:
        report: The counts so far.
        failure: Why this stream cannot be loaded, None while it can.

    Raises:
        SettingsError: What is asked for would be unsafe, or names fields that do not exist.
    """

    def __init__(
        self,
        run: LoadRun,
        stream: str,
        module: Module,
        options: LoadOptions,
        *,
        listed: bool = True,
    ) -> None:
        check_guards(module.api_name, options)
        self.run = run
        self.stream = stream
        self.module = module
        self.options = options
        self.report = StreamReport(
            module.api_name, options.mode, run_workflows=options.run_workflows
        )
        self.failure: BiginError | None = None
        self._rows: list[Row] = []
        self._done: list[RowOutcome] = []
        #: Rows that are to be written and have no outcome yet, by number.
        self._queued: dict[int, Row] = {}
        #: Rows being worked on: after a failure, those without a place are left.
        self._in_hand: list[Row] = []
        self._fields = run.metadata.fields(module.api_name)
        self._binding = Binding(module.api_name, self._fields, options.fields)
        self._shaper: Shaper | None = None
        self.holdings = Holdings(self, self._binding, self._fields)
        self._delivery: Delivery | None = None
        self._journal: StreamJournal | None = None
        #: Rows of unknown fate that a match key names.
        self.unknowns = Unknowns(self)
        self._ended = False
        self._said_dropped: set[str] = set()
        #: Columns that name a row within the input; may change with a new SCHEMA.
        self.row_key = options.row_key
        self._lookups = Lookups(self, options)
        self._parking: Parking | None = None
        self.mirror = Mirror(self, options) if options.mode == "mirror" else None
        self.verifier = Verifier(self) if options.verify else None
        self.foresight = Foresight(self) if run.options.dry_run else None
        if listed:
            run.report.streams[stream] = self.report

    def __repr__(self) -> str:
        return f"Loader({self.stream!r} into {self.module.api_name})"

    # -- what callers use ----------------------------------------------------------------------

    def bind(self, columns: Iterable[str]) -> None:
        """Announce columns before the first row, as a SCHEMA message does.

        Raises:
            SettingsError: They cannot be bound safely; nothing was written.
        """
        self._binding.extend(columns)
        if self.options.strict:
            check_strict(self._binding.dropped, self.stream, self.module.api_name)

    def add(
        self,
        source: Mapping[str, Any],
        tag: object = None,
        *,
        row_key: str | None = None,
        unless_changed_since: datetime | None = None,
        was_unknown: bool = False,
    ) -> list[RowOutcome]:
        """Take one row.

        Args:
            source: Column → value.
            tag: Given back with the row's outcome.
            row_key: Names the row within the input, where no column does; None: the columns
                of the loader's `row_key` do.
            unless_changed_since: Skip the row if its record was changed after this.
            was_unknown: An earlier run sent the row, and could not tell whether it was written:
                find that out before it is sent again.

        Returns:
            The outcomes that became known meanwhile, of this and of earlier rows.
        """
        limit = self.options.limit_rows
        self.report.rows += 1
        named = row_key if row_key is not None else row_key_of(source, self.row_key)
        row = Row(self.report.rows, source, tag, row_key=named)
        row.unless_changed_since = unless_changed_since
        row.was_unknown = was_unknown
        if limit is not None and row.number > limit:
            self.leave(row, "ROW_LIMIT", "limit_rows was reached")
        elif self.has_stopped:
            self.leave(row)
        else:
            self.run.take_turn(self)
            self._rows.append(row)
            if len(self._rows) >= CHUNK:
                self._guarded(self._load_chunk)
                self._clean_up()
        return self._take()

    def insert_bodies(self, sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """Return what rows of insert mode send, None where that cannot be said; writes nothing.

        For rows that an earlier run sent, where what they sent was not kept.
        """
        self._binding.extend(dict.fromkeys(c for source in sources for c in source))
        shaper = Shaper(self._binding, self._fields, self.options, None, self._lookups)
        rows = [Row(number, source) for number, source in enumerate(sources)]
        refused = {row.number for row in rows if shaper.convert(row)}
        waiting = [r for r in rows if r.natural_keys and r.number not in refused]
        refused |= {
            row.number for row, _ in self._lookups.resolve(waiting, final=True, may_create=False)
        }
        return [None if r.number in refused else shaper.create_body(r) for r in rows]

    def refuse_unread(
        self, source: Mapping[str, Any], code: str, reason: str, tag: object = None
    ) -> list[RowOutcome]:
        """Take one row that the caller found unfit to be loaded at all."""
        self.report.rows += 1
        self.refuse(Row(self.report.rows, source, tag), Refusal(code, reason))
        return self._take()

    def settle(self) -> list[RowOutcome]:
        """Give every row taken so far an outcome, and return those that are new."""
        self.settle_quietly()
        return self._take()

    def settle_quietly(self) -> None:
        """Give every row an outcome, and keep the outcomes for the next call."""
        self._guarded(self._load_chunk)
        self._guarded(lambda: self._unpark(final=False))
        self._guarded(self._finish)
        self._guarded(self.run.sources.flush)
        self._clean_up()

    @property
    def fields(self) -> list[Field]:
        """The module's fields."""
        return list(self._fields.values())

    @property
    def waits_for(self) -> set[str]:
        """Modules whose records the rows refer to by something else than their ids."""
        return self._lookups.modules

    @property
    def unsettled(self) -> int:
        """Rows taken that have no outcome yet."""
        return self.report.rows - sum(self.report.outcomes.values())

    @property
    def credits_predicted(self) -> int:
        """Credits that this stream's writes were expected to cost, as far as they were planned."""
        found = self._delivery.credits_predicted if self._delivery is not None else 0
        found += self.mirror.credits_predicted if self.mirror is not None else 0
        return found + (self.verifier.credits_predicted if self.verifier is not None else 0)

    @property
    def has_stopped(self) -> bool:
        """Whether no more rows of this stream can be loaded."""
        return self.failure is not None or self.run.stopped is not None

    def fail(self, error: BiginError) -> None:
        """Load no more of this stream; the others go on."""
        if self.failure is None:
            self.failure = error
            self.report.failure = str(error)
            self.run.fail(error, self.stream)

    def end_input(self) -> None:
        """Load the rows that waited for their parents: no more will come."""
        self._guarded(lambda: self._unpark(final=True))
        self._guarded(self._finish)
        if self.verifier is not None:
            self._guarded(self.verifier.check)
            self.report.verified = (self.verifier.records, self.verifier.differences)
        if self.mirror is not None and not self._ended:
            self._ended = True
            self._guarded(self.mirror.finish)
            self.report.mirror_deleted = self.mirror.deleted
        self._clean_up()

    def close(self) -> None:
        """Delete temporary files."""
        if self._parking is not None:
            self._parking.close()
        self.holdings.close()

    def _take(self) -> list[RowOutcome]:
        done, self._done = self._done, []
        return done

    # -- outcomes (also used by `Delivery`) ------------------------------------------------------

    def finish_row(
        self,
        row: Row,
        outcome: Outcome,
        *,
        record_id: str | None = None,
        code: str | None = None,
        field: str | None = None,
        reason: str | None = None,
        changes: Mapping[str, Any] | None = None,
        handled: bool = True,
    ) -> None:
        """Give a row its one outcome."""
        found = RowOutcome(
            row_number=row.number,
            outcome=outcome,
            key=row.shown_key,
            id=record_id,
            code=code,
            field=field,
            reason=reason,
            changes=changes or {},
            handled=handled,
            tag=row.tag,
        )
        if self.options.source_id is not None and outcome in _IN_THE_ACCOUNT:
            old = row.source.get(self.options.source_id)
            if old not in (None, ""):
                new = record_id or f"new record of row {row.number}"  # in a dry run only
                self.run.sources.put(self.module.api_name, str(old), new)
        row.is_placed = True
        self._queued.pop(row.number, None)
        self._done.append(found)
        self.run.record(self, row, found)

    def refuse(self, row: Row, refusal: Refusal) -> None:
        """End a row as rejected, or as unknown."""
        if self.mirror is not None:
            self.mirror.note_refused(row.key)
        self.finish_row(
            row,
            Outcome.UNKNOWN if refusal.unknown else Outcome.REJECTED,
            record_id=refusal.id,
            code=refusal.code,
            field=refusal.field,
            reason=refusal.reason,
        )

    def leave(self, row: Row, code: str = "NOT_LOADED", reason: str | None = None) -> None:
        """End a row whose turn never came; it must come again."""
        self.finish_row(
            row,
            Outcome.SKIPPED,
            code=code,
            reason=reason or "the load stopped before the row's turn",
            handled=False,
        )

    def interrupt(self, error: BiginError) -> None:
        """Stop the stream or the whole run, by what the error says."""
        if error.exit_code in {2, _STREAM_FAILED}:
            self.fail(error)
        else:
            self.run.stop(error)

    # -- chunks --------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        if self.has_stopped:
            return
        try:
            work()
        except BiginError as error:
            self.interrupt(error)

    def _clean_up(self) -> None:
        """After a failure, no row stays without an outcome."""
        if not self.has_stopped:
            return
        if self._delivery is not None:
            self._delivery.give_up()
        for row in list(self._queued.values()):
            if row.attempts:
                reason = "it was sent, and the load stopped before its outcome was known"
                self.refuse(row, Refusal("OUTCOME_UNKNOWN", reason, unknown=True))
            else:
                self.leave(row)
        for row in [*self._in_hand, *self._rows]:
            if not row.is_placed:
                self.leave(row)
        self._in_hand, self._rows = [], []
        if self._parking is not None:
            for parked in self._parking.take_all(CHUNK):
                for row in parked:
                    self.leave(row)

    def _load_chunk(self) -> None:
        if not self._rows:
            return
        self._prepare()
        assert self._shaper is not None  # noqa: S101 - set by _prepare
        ready = self._resolve(self._shape(self._shaper), final=False)
        self.report.nulls_ignored = self._shaper.nulls_ignored
        self._load_ready(ready)

    def _load_ready(self, ready: list[Row]) -> None:
        if ready:
            self._open_holdings()
            self.holdings.read(ready)
            self._plan(ready)

    def _open_holdings(self) -> None:
        assert self._shaper is not None  # noqa: S101 - set by _prepare
        self.holdings.open(self._shaper, self._finish)

    def _finish(self) -> None:
        if self._delivery is not None:
            self._delivery.finish()

    def _prepare(self) -> None:
        """Bind new columns; decide the match key once; refuse what is not safe."""
        columns: dict[str, None] = {}
        for row in self._rows:
            if not columns.keys() >= row.source.keys():
                columns.update(dict.fromkeys(row.source))
        grown = self._binding.extend(columns)
        dropped = self._binding.dropped
        if self.options.strict:
            check_strict(dropped, self.stream, self.module.api_name)
        if self._delivery is None:
            if self.inserts:
                inserting.check(
                    self.stream, self.row_key, allow_duplicates=self.options.allow_duplicates
                )
            else:
                self.holdings.key = self._choose_key()
            self._delivery = self._new_delivery(self.holdings.key)
        if grown or self._shaper is None:
            counted = self._shaper.nulls_ignored if self._shaper else 0
            self._shaper = Shaper(
                self._binding, self._fields, self.options, self.holdings.key, self._lookups
            )
            self._shaper.nulls_ignored = counted
        for column in sorted(set(dropped) - self._said_dropped):
            log.warning("%s: column %s is left out: %s", self.stream, column, dropped[column])
        self._said_dropped.update(dropped)
        self.report.columns_dropped = dropped

    @property
    def inserts(self) -> bool:
        """Whether rows are inserted without a match key."""
        return self.options.mode == "insert"

    def _choose_key(self) -> keys.MatchKey:
        column = self._binding.id_column
        if column is not None and column == self.options.source_id:
            # These are the other account's ids.
            column = self._binding.id_column = None
        ids = (r.source.get(column) for r in self._rows) if column else ()
        present = (i for i in ids if i not in (None, ""))
        chosen = keys.choose(self._binding, self.options.match_on, present, self.stream)
        log.info("%s: a row's record is found by %s", self.stream, ", ".join(chosen))
        return keys.MatchKey(chosen, self._fields)

    def _new_delivery(self, key: keys.MatchKey | None) -> Delivery:
        run = self.run
        lease = run.claims.lease(self.module.api_name)
        if (self.inserts and self.row_key) or (key is not None and not key.unique):
            # Inserts that may not be sent twice are written down before they are sent.
            journal = run.claims.journal(self.module.api_name, required=self.inserts)
            if journal is not None:
                self._journal = journal.of(self.module.api_name, self.stream)
        writer = Writer(
            run.transport,
            run.batches,
            run.pool,
            module=self.module.api_name,
            match_on=key.fields if key is not None and key.unique else None,
            run_workflows=self.options.run_workflows,
            max_in_flight=2 * run.settings.max_concurrency,
        )
        self.unknowns.open(self._journal)
        if self._journal is not None and not run.options.dry_run:
            if self.inserts:
                inserting.settle_leftovers(self, self._journal)
            else:
                inserting.wait_for_leftovers(self, self._journal, self.options.settle_seconds)
        return Delivery(self, writer, self.new_settler(), self._journal, lease)

    def new_settler(self) -> Settler:
        """Return what finds out about lost replies."""
        run, module = self.run, self.module.api_name
        return Settler(run.transport, run.account, module, self.options.settle_seconds)

    def _shape(self, shaper: Shaper) -> list[Row]:
        """Check the rows of the chunk; refused and ignored ones end here."""
        rows = self._in_hand = self._rows
        self._rows = []
        ready = []
        ignore = self.options.on_delete == "ignore" and self.options.mode != "delete"
        for row in rows:
            refusal = shaper.shape(row)
            if row.is_deletion and ignore:
                self.finish_row(
                    row,
                    Outcome.SKIPPED,
                    code="DELETION_IGNORED",
                    reason="its record was deleted at the source; on_delete is ignore",
                )
            elif refusal is not None:
                self.refuse(row, refusal)
            else:
                ready.append(row)
        return ready

    def _resolve(self, rows: list[Row], *, final: bool) -> list[Row]:
        """Put the ids of parents into rows; rows without a parent are refused."""
        waiting = [r for r in rows if r.natural_keys]
        if not waiting:
            return rows
        refused = self._lookups.resolve(waiting, final=final)
        for row, refusal in refused:
            self.refuse(row, refusal)
        gone = {row.number for row, _ in refused}
        assert self._shaper is not None  # noqa: S101 - rows were shaped
        ready = []
        for row in rows:
            if row.number in gone:
                continue
            late = self._shaper.find_key(row) if row.key is None else None
            if late is not None:
                self.refuse(row, late)
            else:
                ready.append(row)
        return ready

    def _park(self, rows: list[Row]) -> list[Row]:
        """Put rows aside whose parent may still come; returns the others."""
        ready = []
        for row in rows:
            if not row.natural_keys:
                ready.append(row)
                continue
            if self._parking is None:
                self._parking = Parking()
                log.info("%s: rows wait for records of other streams", self.stream)
            row.is_placed = True
            self._parking.add(row)
        return ready

    def _unpark(self, *, final: bool) -> None:
        if self._parking is None or not self._parking.count:
            return
        for rows in self._parking.take_all(CHUNK):
            self._in_hand = rows
            ready = self._resolve(rows, final=final)
            if ready and self.holdings.is_open:
                self._open_holdings()  # others may have written meanwhile
                self.holdings.read(ready)
                self._write(self._park(ready))

    def _plan(self, rows: list[Row]) -> None:
        delivery, index = self._delivery, self.holdings.index
        assert delivery is not None  # noqa: S101 - set by _prepare
        if delivery.is_busy(r.key for r in rows):
            # A row waits while its key is in a batch whose outcome is not known.
            delivery.settle_busy()
            if self.has_stopped:
                return
        if self.inserts:
            current = inserting.admit(self, rows, self._journal, index)
        else:
            current = self._supersede(rows, index, delivery)
        self._write(self._park(current))

    def _write(self, current: list[Row]) -> None:
        """Decide what rows do, and send full batches."""
        delivery, index, planner = self._delivery, self.holdings.index, self.holdings.planner
        assert delivery is not None  # noqa: S101 - set before rows get here
        found = {} if self.inserts else index.find(r.key for r in current if r.key)
        current = self.unknowns.settle(current, found)
        planned: dict[str, int] = {}
        for row in current:
            matches = found.get(row.key or b"", [])
            if len(matches) == 1 and self._was_changed(row, matches[0]):
                self.finish_row(
                    row,
                    Outcome.SKIPPED,
                    record_id=matches[0].id,
                    code="RECORD_CHANGED_SINCE",
                    reason="its record was changed after the row was refused",
                )
                continue
            # What was read for a dry run alone, a real run does not know.
            known = [m for m in matches if index.is_taken(m.id)] if self.foresight else matches
            blind = self.holdings.is_blind and not known
            decision = (
                planner.decide_blindly(row, matches[0].id if matches else None)
                if blind
                else planner.decide(row, matches)
            )
            if isinstance(decision, Item):
                planned[decision.kind] = planned.get(decision.kind, 0) + 1
                row.is_placed = True
                self._queued[row.number] = row
                delivery.enqueue(decision)
            else:
                self.end_row(row, decision)
        log.info(
            "%s: rows up to %d planned (%s); %d credits expected for this run so far",
            self.stream,
            self.report.rows,
            ", ".join(f"{n} to {kind}" for kind, n in planned.items()) or "nothing to write",
            self.run.credits_predicted,
        )
        delivery.collect()
        delivery.settle_due()

    def _was_changed(self, row: Row, known: Known) -> bool:
        if row.unless_changed_since is None:
            return False
        record = self.run.account.get(self.module.api_name, known.id, [MODIFIED])
        when = record.get(MODIFIED) if record is not None else None
        return isinstance(when, str) and timestamps.parse(when) > row.unless_changed_since

    def end_row(self, row: Row, decision: Refusal | Ended) -> None:
        """End a row that is not written."""
        if isinstance(decision, Refusal):
            self.refuse(row, decision)
        else:
            self.finish_row(
                row,
                decision.outcome,
                record_id=decision.id,
                code=decision.code,
                reason=decision.reason,
            )

    def _supersede(self, rows: list[Row], index: Index, delivery: Delivery) -> list[Row]:
        """Claim the rows' keys; of several versions of one row, only the last goes on."""
        last: dict[bytes, Row] = {}
        claimed = index.claim_all([(r.key or b"", r.row_key) for r in rows])
        for row, is_ours in zip(rows, claimed, strict=True):
            key = row.key or b""
            if not is_ours:
                reason = "an earlier row of the input has the same match key"
                field = next(iter(row.shown_key or ()), None)
                self.refuse(row, Refusal("DUPLICATE_KEY_IN_INPUT", reason, field))
                continue
            older = last.pop(key, None) or delivery.take_waiting(key) or self._take_parked(key)
            if older is not None:
                if not row.is_deletion and not older.is_deletion:
                    # What only the older version says would have been written too.
                    row.body = {**older.body, **row.body}
                    row.natural_keys = {**older.natural_keys, **row.natural_keys}
                self.finish_row(older, Outcome.SUPERSEDED)
            last[key] = row
        return sorted(last.values(), key=lambda r: r.number)

    def _take_parked(self, key: bytes) -> Row | None:
        return (
            self._parking.take(key) if self._parking is not None and self._parking.count else None
        )

    # -- other streams ---------------------------------------------------------------------------

    def find_field(self, name: str) -> Field | None:
        """Return a field of the module by API name."""
        return self._binding.find(name)

    def tell_siblings(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Let other streams know that a record was written, or, with an empty body, deleted."""
        self.run.relations.tell_children(self.module.api_name, record_id, body)
        for other in self.run.siblings(self):
            other.note_foreign_write(record_id, body)

    def note_foreign_write(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Remember that another stream wrote a record: what was read of it is old."""
        if not self.holdings.is_open:
            return
        self.holdings.note_foreign_write(record_id, is_deleted=not body)
        if self.verifier is not None:
            self.verifier.forget(record_id, body)
