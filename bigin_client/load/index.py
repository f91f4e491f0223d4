"""What the account holds, as far as a load needs to know it: on disk, in a few bytes a record.

A record is kept as its id, the digest of its match key, when it was changed, and a fingerprint
of each compared field: 100,000 records of 40 fields take some 40 MB of a temporary file and
next to no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from bigin_client import field_types
from bigin_client.load.compare import EMPTY, acceptable, canonical, fingerprint, holds, keeps_whole
from bigin_client.load.keys import MatchKey, digest
from bigin_client.metadata import Field
from bigin_client.paging import MAX_FIELDS
from bigin_client.records import MODIFIED
from bigin_client.types import Record

_SIZE: Final = len(EMPTY)
#: Variables of one SQL statement; every SQLite since 2008 takes 999.
_VARIABLES: Final = 900
#: What is held of a record.
_HELD: Final = "prints, whole, body, modified"
#: Writes that are noted together.
_MANY: Final = 1_000
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
#: Id, match key, fingerprints and whole values, or instead of these what was written; when.
_Line: TypeAlias = tuple[str, bytes | None, bytes, bytes | None, bytes | None, str | None]


@dataclass
class Known:
    """One record of the account, as the index has it.

    Attributes:
        id: Its id.
        fingerprints: Field → fingerprint of its value.
        whole: Field → value, for those compared in part.
        modified: When it was changed last, None when that is not known.
    """

    id: str
    fingerprints: dict[str, bytes]
    whole: dict[str, Any] = field(default_factory=dict)
    modified: str | None = None


class Index:
    """The records of one module that a stream may match.

    Args:
        key: The stream's match key; None in insert mode, which matches nothing.
        fields: Fields to compare.
        has_times: The module's records tell when they were changed.

    Attributes:
        asked: Fields to read of each record.
    """

    def __init__(
        self, key: MatchKey | None, fields: Sequence[Field], *, has_times: bool = False
    ) -> None:
        self.key = key
        self.fields = {f.api_name: f for f in fields}
        self._names = sorted(self.fields)
        # A 51st field would double the cost of each read.
        times = [MODIFIED] if has_times and len(self._names) != MAX_FIELDS else []
        self.asked = [*dict.fromkeys([*self._names, *times])]
        self._types = {
            n: field_types.of(f.api_name, f.data_type, f.json_type, f.return_type)
            for n, f in self.fields.items()
        }
        self._compared = [(n, self._types[n], self.fields[n]) for n in self._names]
        self._whole = [n for n in self._names if keeps_whole(self._types[n], self.fields[n])]
        self.records = 0
        #: Rows of the table that are not in it yet, by id: many at once are cheaper.
        self._fresh: dict[str, _Line] = {}
        # "": a temporary file that SQLite deletes; small ones never leave memory.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -8000;
            CREATE TABLE record
                (id TEXT PRIMARY KEY, key BLOB, prints BLOB, whole BLOB, taken INTEGER, body BLOB,
                modified TEXT)
                WITHOUT ROWID;
            CREATE INDEX record_key ON record (key);
            CREATE TABLE claimed (key BLOB PRIMARY KEY, row_key BLOB) WITHOUT ROWID;
            BEGIN;
            """
        )  # one transaction for life: nobody else sees the file, and nothing outlives the run

    def close(self) -> None:
        """Delete the file."""
        self._db.close()

    # -- records of the account ------------------------------------------------------------

    def add(self, records: Iterable[Record]) -> None:
        """Take in records as read (in our form, with ``id``); newer versions replace older."""
        rows = [
            (
                r["id"],
                self.key.digest(r) if self.key else None,
                self._prints(r),
                self._whole_of(r),
                r.get(MODIFIED),
            )
            for r in records
        ]
        self._flush()
        self._db.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, 0, NULL, ?) ON CONFLICT (id) DO UPDATE SET"
            " key = excluded.key, prints = excluded.prints, whole = excluded.whole, body = NULL,"
            " modified = excluded.modified",
            rows,
        )
        self.records += len(rows)

    def remove(self, record_id: str) -> None:
        """Forget a record that is gone."""
        self._fresh.pop(record_id, None)
        self._db.execute("DELETE FROM record WHERE id = ?", (record_id,))

    def find(self, keys: Iterable[bytes]) -> dict[bytes, list[Known]]:
        """Return the records of each key; keys without any are left out."""
        self._flush()
        found: dict[bytes, list[Known]] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _VARIABLES):
            part = wanted[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            sql = f"SELECT key, id, {_HELD} FROM record WHERE key IN ({marks}) ORDER BY id"  # noqa: S608 - only question marks
            for key, record_id, *rest in self._db.execute(sql, part):
                found.setdefault(key, []).append(self._known(record_id, *rest))
        return found

    def get(self, record_id: str) -> Known | None:
        """Return one record by id."""
        if (fresh := self._fresh.get(record_id)) is not None:
            return self._known(record_id, *fresh[2:])
        row = self._db.execute(
            f"SELECT {_HELD} FROM record WHERE id = ?",  # noqa: S608 - only names of columns
            (record_id,),
        ).fetchone()
        return None if row is None else self._known(record_id, *row)

    def is_taken(self, record_id: str) -> bool:
        """Whether a row is known to have written this record.

        To be in the index is not enough: what an insert made whose reply was lost may have been
        read since.
        """
        if record_id in self._fresh:
            return True
        found = self._db.execute("SELECT taken FROM record WHERE id = ?", (record_id,)).fetchone()
        return found is not None and bool(found[0])

    def note_write(
        self,
        record_id: str,
        values: Mapping[str, Any],
        key: bytes | None,
        *,
        is_new: bool = False,
        modified: str | None = None,
    ) -> None:
        """Remember what was written, so that later rows are compared with it.

        Args:
            record_id: The record.
            values: Field → value on the wire.
            key: The record's match key after the write.
            is_new: The record was made by this write: nothing is known of it.
            modified: When, as the service says.
        """
        if is_new:
            # Few of them are ever compared again: what for is worked out then.
            body = _encoder.encode(values)
            self._fresh[record_id] = (record_id, key, b"", None, body, modified)
        else:
            known = self.get(record_id) or Known(record_id, dict.fromkeys(self._names, EMPTY))
            self._change(known, values)
            prints = b"".join([known.fingerprints[n] for n in self._names])
            whole = _encoder.encode(known.whole) if known.whole else None
            self._fresh[record_id] = (record_id, key, prints, whole, None, modified)
        if len(self._fresh) >= _MANY:
            self._flush()

    def _change(self, known: Known, values: Mapping[str, Any]) -> None:
        """Let a known record hold other values."""
        for name, value in values.items():
            if name in self.fields:
                known.fingerprints[name] = self._print(name, value)
                if name in self._whole:
                    known.whole[name] = value

    def _flush(self) -> None:
        if self._fresh:
            self._db.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, 1, ?, ?)", self._fresh.values()
            )
            self._fresh.clear()

    def changes(self, known: Known, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a body that the record does not hold yet."""
        return {name: value for name, value in body.items() if not self._holds(known, name, value)}

    def record_holds(self, record: Record, body: Mapping[str, Any]) -> bool:
        """Whether a record as read holds all that a body says."""
        return all(
            name in self.fields
            and holds(self._types[name], self.fields[name], value, record.get(name))
            for name, value in body.items()
        )

    def is_empty(self, known: Known, name: str) -> bool:
        """Whether a compared field of a record is empty."""
        return known.fingerprints.get(name, EMPTY) == EMPTY

    def _holds(self, known: Known, name: str, value: Any) -> bool:
        if name not in self.fields:
            return False
        kind, about = self._types[name], self.fields[name]
        if name in self._whole:
            return holds(kind, about, value, known.whole.get(name))
        return known.fingerprints[name] in acceptable(kind, about, value)

    def _print(self, name: str, value: Any) -> bytes:
        return fingerprint(canonical(self._types[name], self.fields[name], value))

    def _prints(self, record: Record) -> bytes:
        get = record.get
        return b"".join(
            [
                EMPTY if (value := get(n)) is None else fingerprint(canonical(kind, field, value))
                for n, kind, field in self._compared
            ]
        )

    def _whole_of(self, record: Record) -> bytes | None:
        if not self._whole:
            return None
        return _encoder.encode({n: record.get(n) for n in self._whole})

    def _known(
        self,
        record_id: str,
        prints: bytes,
        whole: bytes | None,
        body: bytes | None,
        modified: str | None,
    ) -> Known:
        if body is not None:
            known = Known(record_id, dict.fromkeys(self._names, EMPTY), modified=modified)
            self._change(known, _decoder.decode(body))
            return known
        return Known(
            record_id,
            {n: prints[i * _SIZE : (i + 1) * _SIZE] for i, n in enumerate(self._names)},
            _decoder.decode(whole) if whole else {},
            modified,
        )

    # -- keys of the input -----------------------------------------------------------------

    def claim(self, key: bytes, row_key: str | None) -> bool:
        """Take a match key for a row; False when another row of the input has it.

        A row with the same row key may take it again: it is a newer version of that row.
        """
        mine = digest(row_key) if row_key is not None else None
        taken = self._db.execute("SELECT row_key FROM claimed WHERE key = ?", (key,)).fetchone()
        if taken is None:
            self._db.execute("INSERT INTO claimed VALUES (?, ?)", (key, mine))
            return True
        return mine is not None and taken[0] == mine

    def claim_all(self, rows: Sequence[tuple[bytes, str | None]]) -> list[bool]:
        """Take the match keys of rows in their order; see `claim`."""
        taken: dict[bytes, bytes | None] = {}
        keys = list(dict.fromkeys(key for key, _ in rows))
        for start in range(0, len(keys), _VARIABLES):
            part = keys[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            sql = f"SELECT key, row_key FROM claimed WHERE key IN ({marks})"  # noqa: S608 - only question marks
            taken.update(self._db.execute(sql, part))
        new, answers = [], []
        for key, row_key in rows:
            mine = digest(row_key) if row_key is not None else None
            if key not in taken:
                taken[key] = mine
                new.append((key, mine))
                answers.append(True)
            else:
                answers.append(mine is not None and taken[key] == mine)
        self._db.executemany("INSERT INTO claimed VALUES (?, ?)", new)
        return answers

    def is_claimed(self, key: bytes) -> bool:
        """Whether a row of the input has this match key."""
        found = self._db.execute("SELECT 1 FROM claimed WHERE key = ?", (key,))
        return found.fetchone() is not None

    def copy_claims(self, other: Index) -> None:
        """Take over the claims of an index that this one replaces."""
        self._db.executemany(
            "INSERT INTO claimed VALUES (?, ?)",
            other._db.execute("SELECT key, row_key FROM claimed"),
        )
