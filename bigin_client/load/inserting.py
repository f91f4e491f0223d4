"""Insert mode: no match key, so the journal is what keeps a row from being inserted twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.journal import Entry, StreamJournal
from bigin_client.load.index import Index
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal, Row
from bigin_client.load.settle import Settler, Unclear
from bigin_client.load.writer import Item

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

log = logging.getLogger(__name__)

ALREADY_INSERTED: Final = "ALREADY_INSERTED"
UNKNOWN: Final = "OUTCOME_UNKNOWN"


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


def settle_leftovers(loader: Loader, journal: StreamJournal, settler: Settler) -> None:
    """Find out what became of rows that a run which was killed had sent."""
    entries = journal.open_intents()
    if not entries:
        return
    log.warning("%s: an earlier run left %d rows unsettled", loader.stream, len(entries))
    names = sorted({n for e in entries for n in e.body or {}})
    index = Index(None, [f for f in map(loader.find_field, names) if f is not None])
    settler.pending.append(_unclear(entries))
    settled = settler.settle(index, journal)
    journal.created((i.row.key or b"", record["id"]) for i, record in settled.written)
    journal.forget(i.row.key or b"" for i in settled.not_written)
    journal.unknown(i.row.key or b"" for i in settled.unknown)
    index.close()


def wait_for_leftovers(loader: Loader, journal: StreamJournal, settle_seconds: float) -> None:
    """Wait until what a killed run had sent was applied or never will be.

    For streams with a match key that is enough: the read that follows finds the records.
    """
    entries = journal.open_intents()
    if not entries:
        return
    rest = _unclear(entries).lost_at + settle_seconds - time.monotonic()
    if rest > 0:
        log.warning(
            "%s: an earlier run was killed while it wrote; waiting %.0f s for its last rows",
            loader.stream,
            rest,
        )
        loader.run.transport.pause(rest)
    journal.forget(e.row_key for e in entries)


def _unclear(entries: Sequence[Entry]) -> Unclear:
    now = timestamps.now()
    sent = max((e.sent_at for e in entries if e.sent_at is not None), default=now)
    known = [e.server_time for e in entries]
    items = [Item(Row(0, {}, key=e.row_key), "insert", e.body or {}) for e in entries]
    # A clock that was set back must not make the wait endless.
    age = max(0.0, (now - sent).total_seconds())
    since = None if None in known else min(t for t in known if t is not None)
    return Unclear(items, since, time.monotonic() - age)
