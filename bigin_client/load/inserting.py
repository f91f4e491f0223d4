"""Insert mode: no match key, so the journal is what keeps a row from being inserted twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.journal import Entry, StreamJournal
from bigin_client.load.binding import ID
from bigin_client.load.index import Index
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal, Row
from bigin_client.load.settle import Settled, Unclear
from bigin_client.load.writer import Item

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

log = logging.getLogger(__name__)

ALREADY_INSERTED: Final = "ALREADY_INSERTED"
UNKNOWN: Final = "OUTCOME_UNKNOWN"
_LOOK_YOURSELF: Final = (
    "an earlier run sent this row, and the journal does not know it: look in Bigin, and if it is "
    'not there, set its outcome in the rejects file to "rejected"'
)


def check(stream: str, row_key: Sequence[str] | None, *, allow_duplicates: bool) -> None:
    """Refuse insert mode without a way to tell rows apart.

    Raises:
        SettingsError: What to set.
    """
    if not row_key and not allow_duplicates:
        raise SettingsError(
            f"{stream}: insert mode needs a row key, or a rerun would insert every row again",
            hint='Set row_key: ["<column>"] (a Singer stream\'s key properties are the default), '
            "or allow_duplicates: true.",
        )


def admit(
    loader: Loader, rows: Sequence[Row], journal: StreamJournal | None, index: Index
) -> list[Row]:
    """Return the rows that no run has inserted yet; the others end here."""
    known = journal.find(r.key for r in rows if r.key) if journal is not None else {}
    if journal is not None:
        _look_again(loader, rows, journal, known)
    admitted = []
    for row in rows:
        entry = known.get(row.key or b"")
        if entry is not None and entry.state == "created":
            loader.finish_row(
                row,
                Outcome.SKIPPED,
                record_id=entry.record_id,
                code=ALREADY_INSERTED,
                reason="an earlier run inserted this row",
            )
        elif entry is not None:
            reason = "an earlier run sent this row, and nobody can tell whether it was written"
            loader.refuse(row, Refusal(UNKNOWN, reason, unknown=True))
        elif row.was_unknown and row.key not in loader.unknowns.not_written:
            loader.refuse(row, Refusal(UNKNOWN, _LOOK_YOURSELF, unknown=True))
        elif row.key is not None and not index.claim(row.key, None):
            loader.finish_row(
                row,
                Outcome.SKIPPED,
                code=ALREADY_INSERTED,
                reason="an earlier row of the input has the same row key",
            )
        else:
            admitted.append(row)
    return admitted


def settle_leftovers(loader: Loader, journal: StreamJournal) -> None:
    """Find out what became of rows that a run which was killed had sent."""
    entries = journal.open_intents()
    if entries:
        log.warning("%s: an earlier run left %d rows unsettled", loader.stream, len(entries))
        _settle(loader, journal, entries)


def _look_again(
    loader: Loader, rows: Sequence[Row], journal: StreamJournal, known: dict[bytes, Entry]
) -> None:
    """Find out about rows that come again because their fate was unknown."""
    again = [known[r.key] for r in rows if r.was_unknown and r.key in known]
    # Without its contents nothing tells a row's record from others.
    entries = {e.row_key: e for e in again if e.state != "created" and e.body}
    if not entries:
        return
    settled = _settle(loader, journal, list(entries.values()))
    for item, record in settled.written:
        key = item.row.key or b""
        known[key] = Entry(key, "created", record[ID])
    for item in settled.not_written:
        known.pop(item.row.key or b"")


def _settle(loader: Loader, journal: StreamJournal, entries: Sequence[Entry]) -> Settled:
    names = sorted({n for e in entries for n in e.body or {}})
    index = Index(None, [f for f in map(loader.find_field, names) if f is not None])
    settler = loader.new_settler()
    settler.pending.append(unclear(entries))
    settled = settler.settle(index, journal)
    index.close()
    loader.unknowns.not_written.update(i.row.key or b"" for i in settled.not_written)
    if not loader.run.options.dry_run:
        journal.created((i.row.key or b"", record[ID]) for i, record in settled.written)
        journal.forget(i.row.key or b"" for i in settled.not_written)
        journal.unknown(i.row.key or b"" for i in settled.unknown)
    return settled


def wait_for_leftovers(loader: Loader, journal: StreamJournal, settle_seconds: float) -> None:
    """Wait until what a killed run had sent was applied or never will be.

    For streams with a match key that is enough: the read that follows finds the records.
    """
    entries = journal.open_intents()
    if not entries:
        return
    rest = unclear(entries).lost_at + settle_seconds - time.monotonic()
    if rest > 0:
        log.warning(
            "%s: an earlier run was killed while it wrote; waiting %.0f s for its last rows",
            loader.stream,
            rest,
        )
        loader.run.transport.pause(rest)
    journal.forget(e.row_key for e in entries)


def unclear(entries: Sequence[Entry]) -> Unclear:
    """Return what an earlier run wrote down of inserts, as something to be settled."""
    now = timestamps.now()
    sent = max((e.sent_at for e in entries if e.sent_at is not None), default=now)
    known = [e.server_time for e in entries]
    items = [Item(Row(0, {}, key=e.row_key), "insert", e.body or {}) for e in entries]
    # A clock that was set back must not make the wait endless.
    age = max(0.0, (now - sent).total_seconds())
    since = None if None in known else min(t for t in known if t is not None)
    return Unclear(items, since, time.monotonic() - age)
