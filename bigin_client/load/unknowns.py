"""Rows of unknown fate that come again: they are looked for before anything is sent.

An insert is `unknown` when its reply was lost and a record made meanwhile may be its own,
although it does not show the row's match key. To read by the key is then not enough: while such
a record is there, the row may not be sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bigin_client.journal import Entry, StreamJournal
from bigin_client.load import inserting
from bigin_client.load.index import Known
from bigin_client.load.rows import Refusal, Row

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader


class Unknowns:
    """Rows of one stream whose fate nobody could tell, in this run or in earlier ones.

    Args:
        loader: The stream.

    Attributes:
        not_written: Keys of which this run found out that they were not written.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._journal: StreamJournal | None = None
        self._entries: dict[bytes, Entry] = {}
        self.not_written: set[bytes] = set()

    def open(self, journal: StreamJournal | None) -> None:
        """Take over what earlier runs left; insert mode asks the journal row by row."""
        self._journal = journal
        if journal is not None and not self._loader.inserts:
            self._entries = {e.row_key: e for e in journal.unknown_rows()}

    def add(self, key: bytes) -> None:
        """Note that nobody can tell whether a row was written."""
        entry = None
        if self._journal is not None:
            self._journal.unknown([key])
            entry = self._journal.find([key]).get(key)
        if not self._loader.inserts:
            self._entries[key] = entry or Entry(key, "unknown")

    def settle(self, rows: Sequence[Row], found: dict[bytes, list[Known]]) -> list[Row]:
        """Return the rows that may be planned; those that still cannot be told end here.

        Args:
            rows: With their match keys.
            found: Key → records that have it; those that turn up are added.
        """
        doubtful = {r.key for r in rows if r.key in self._entries}
        if not doubtful:
            return list(rows)
        self._forget([k for k in doubtful if k in found])
        entries = [self._entries[k] for k in doubtful if k in self._entries]
        if not entries:
            return list(rows)
        loader = self._loader
        settler = loader.new_settler()
        settler.pending.append(inserting.unclear(entries))
        settled = settler.settle(loader.holdings.index, self._journal)
        loader.holdings.index.add([record for _, record in settled.written])
        found.update(loader.holdings.index.find(i.row.key or b"" for i, _ in settled.written))
        told = [i for i, _ in settled.written] + settled.not_written
        self._forget([i.row.key or b"" for i in told])
        rest = []
        for row in rows:
            if row.key in self._entries:
                reason = "its reply was lost, and a record made then may be its own"
                loader.refuse(row, Refusal(inserting.UNKNOWN, reason, unknown=True))
            else:
                rest.append(row)
        return rest

    def _forget(self, keys: list[bytes]) -> None:
        for key in keys:
            del self._entries[key]
        if self._journal is not None and not self._loader.run.options.dry_run:
            self._journal.forget(keys)
