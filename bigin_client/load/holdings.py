"""What the account holds of the records that a stream's rows may match, read as needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bigin_client.errors import SettingsError
from bigin_client.load.binding import ID, Binding
from bigin_client.load.index import Index
from bigin_client.load.keys import MatchKey
from bigin_client.load.options import Compare
from bigin_client.load.planner import Ended, Planner
from bigin_client.load.reading import Reading
from bigin_client.load.rows import Refusal, Row, Shaper
from bigin_client.load.writer import Item
from bigin_client.metadata import Field
from bigin_client.records import MODIFIED
from bigin_client.types import Record

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

#: Seconds after which what was read of a record is read again before it is written over.
FRESH_SECONDS: Final = 60.0


class Holdings:
    """The records of one module, as far as one stream needs to know them.

    Args:
        loader: The stream.
        binding: Which column goes into which field.
        fields: The module's fields.

    Attributes:
        key: The match key; None in insert mode, and until it is chosen.
        is_blind: Nothing was read for the rows at hand: the service's own upsert decides.
    """

    def __init__(self, loader: Loader, binding: Binding, fields: Mapping[str, Field]) -> None:
        self._loader = loader
        self._run = loader.run
        self._module = loader.module.api_name
        self._binding = binding
        self._fields = fields
        self.key: MatchKey | None = None
        self.is_blind = False
        self._index: Index | None = None
        self._planner: Planner | None = None
        self._reading: Reading | None = None
        self._read_at = 0.0
        self._stale: set[str] = set()

    def close(self) -> None:
        """Delete the temporary file."""
        if self._index is not None:
            self._index.close()

    @property
    def is_open(self) -> bool:
        """Whether there is an index: rows have come."""
        return self._index is not None

    @property
    def index(self) -> Index:
        """The records that the rows may match."""
        assert self._index is not None  # noqa: S101 - nothing is planned before it is read
        return self._index

    @property
    def planner(self) -> Planner:
        """Decides against the index."""
        assert self._planner is not None  # noqa: S101 - nothing is planned before it is read
        return self._planner

    def open(self, shaper: Shaper, finish: Callable[[], None]) -> None:
        """Make an index for the fields to compare, a new one when there are more.

        Args:
            shaper: Of the rows to come.
            finish: Called before an index is replaced: sends and settles what waits.
        """
        fields = self._compared()
        old = self._index
        if old is not None and set(old.fields) >= {f.api_name for f in fields}:
            self._refresh(old)
            return
        # New columns: what was read before does not tell whether they hold the same.
        finish()
        inserts = self._loader.inserts
        index = Index(self.key, fields, has_times=MODIFIED in self._fields and not inserts)
        if old is not None:
            index.copy_claims(old)
            old.close()
        self._index = index
        self._stale.clear()
        self._planner = Planner(shaper, index, self.key, self._loader.options, self._module)
        if not inserts:
            self._reading = Reading(self._run.account, self._module, index, self._compare)

    def read(self, rows: Sequence[Row]) -> None:
        """Make sure that the index knows the records that these rows may match."""
        if self._reading is None:
            return
        if not self._reading.complete:
            self._read_at = time.monotonic()
        # What is to be deleted must be found first.
        may_be_blind = not any(r.is_deletion for r in rows)
        self.is_blind = not self._reading.read(rows, may_be_blind=may_be_blind)
        if self.is_blind and self._loader.foresight is not None:
            self._loader.foresight.read(rows, self.index)

    def decide(self, row: Row) -> Item | Refusal | Ended:
        """Plan one row again, against what the index holds now."""
        found = self.index.find([row.key or b""]).get(row.key or b"", [])
        return self.planner.decide(row, found)

    def check_open(self) -> None:
        """Make sure that there is an index.

        Raises:
            SettingsError: No row came.
        """
        if self._index is None:
            raise SettingsError(f"{self._loader.stream}: an empty input mirrors nothing")

    def key_of(self, record: Record) -> bytes | None:
        """Return the match key of a record, None in insert mode."""
        return None if self.key is None else self.key.digest(record)

    def read_record(self, record_id: str) -> Record | None:
        """Read one record as the index wants it; None when it does not exist."""
        return self._run.account.get(self._module, record_id, self.index.asked)

    @property
    def is_old(self) -> bool:
        """Whether records must be read again before they are written over."""
        return (
            self._run.files.keeps_before
            or bool(self._loader.options.protect)
            or time.monotonic() - self._read_at > FRESH_SECONDS
        )

    def read_again(self, items: Sequence[Item]) -> None:
        """Read records once more just before they are written, and keep what they held.

        Of those to be deleted everything is kept: there is nowhere else to get it from.
        """
        ids = [i.record_id for i in items if i.record_id]
        names = set(self.index.asked)
        if self._run.files.keeps_before and items[0].kind == "delete":
            names |= self._fields.keys()
        records = self._run.account.by_ids(self._module, ids, sorted(names))
        for gone in set(ids) - {r[ID] for r in records}:
            self.index.remove(gone)
        self.index.add(records)
        self._run.files.keep_before(self._loader, records)

    def note_foreign_write(self, record_id: str, *, is_deleted: bool) -> None:
        """Remember that another stream wrote a record: what was read of it is old."""
        if is_deleted:
            self.index.remove(record_id)
        else:
            self._stale.add(record_id)

    def _refresh(self, index: Index) -> None:
        """Read again what other streams wrote."""
        stale, self._stale = sorted(self._stale), set()
        for record_id in stale:
            index.remove(record_id)
        if stale:
            index.add(self._run.account.by_ids(self._module, stale, index.asked))

    def _compared(self) -> list[Field]:
        keys = self.key.fields if self.key is not None else ()
        names = {*self._binding.field_names(), *(n for n in keys if n != ID)}
        found = (self._binding.find(n) for n in sorted(names))
        return [f for f in found if f is not None]

    @property
    def _compare(self) -> Compare:
        """How to read; only a plain upsert may be left to the service."""
        options = self._loader.options
        needs_values = bool(options.protect) or options.mode != "upsert"
        return "always" if needs_values else options.compare
