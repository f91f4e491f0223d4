"""What a load has begun and what became of it, kept across runs and crashes.

An insert may not be sent twice, so it is written down before it is sent, and its outcome when
the reply is there. A run that was killed leaves intents behind: the next one finds out what
became of them before it sends anything.

The file is SQLite in WAL mode, synced with every change, mode 0600: it holds row keys, and the
bodies of rows whose fate is not known yet.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
import platformdirs
from filelock import FileLock, Timeout
from typing_extensions import Self

from bigin_client import timestamps
from bigin_client.errors import BiginError, ServiceError

EntryState: TypeAlias = Literal["intent", "created", "unknown"]

#: File systems on which locks and syncs cannot be relied on.
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs"}
    | {"fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"}
)
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS entry (
        connection TEXT NOT NULL,
        module TEXT NOT NULL,
        stream TEXT NOT NULL,
        row_key BLOB NOT NULL,
        state TEXT NOT NULL,
        record_id TEXT,
        sent_at TEXT,
        server_time TEXT,
        body BLOB,
        PRIMARY KEY (connection, module, stream, row_key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS source (
        connection TEXT NOT NULL,
        module TEXT NOT NULL,
        source_id TEXT NOT NULL,
        record_id TEXT NOT NULL,
        PRIMARY KEY (connection, module, source_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS open_entry ON entry (state) WHERE state = 'intent';
    CREATE INDEX IF NOT EXISTS record ON entry (record_id) WHERE record_id IS NOT NULL;
"""


class JournalError(BiginError):
    """The journal cannot be kept where it should be; nothing was sent."""

    exit_code = 2


@dataclass(frozen=True)
class Entry:
    """One row that the journal knows.

    Attributes:
        row_key: 16 bytes that stand for the row's key.
        state: ``intent`` (sent, outcome not known), ``created``, or ``unknown`` (nobody can
            tell whether it was written).
        record_id: The record that it became.
        sent_at: When it was sent, by the local clock.
        server_time: Likewise by the server's clock, None when that was not known.
        body: What was sent, while the outcome is not known.
    """

    row_key: bytes
    state: EntryState
    record_id: str | None = None
    sent_at: datetime | None = None
    server_time: datetime | None = None
    body: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Entry({self.state}, {self.record_id})"


def digest(row_key: str) -> bytes:
    """Return the form in which a row key is kept."""
    return hashlib.blake2b(row_key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def default_path(connection_id: str, module: str) -> Path:
    """Return where the journal of a module is kept unless the user says otherwise."""
    folder = platformdirs.user_state_path("bigin-connectors", appauthor=False)
    return folder / f"{connection_id}-{module}.sqlite"


class Journal:
    """The journal of one account's loads; one run at a time.

    Args:
        path: The file; made with its folder when it is not there.
        connection_id: The account.
        max_wait: Seconds to wait for another run that holds the file.

    Raises:
        JournalError: The place cannot be written to, or is on a network file system.
        ServiceError: Another run holds it.
    """

    def __init__(self, path: Path, connection_id: str, *, max_wait: float) -> None:
        self.path = path
        self._connection = connection_id
        self._lock = FileLock(str(path) + ".lock", timeout=max_wait)
        kind = _file_system(path)
        if kind in _NETWORK:
            raise JournalError(
                f"The journal {path} would be on a network file system ({kind})",
                hint="Set journal_path to a file on a local disk.",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise ServiceError(
                f"Another load uses the journal {path}",
                processed=False,
                hint="Two loads into one module at a time could double records: run again later.",
            ) from None
        except OSError as error:
            raise _unusable(path, error.strerror) from None
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            # FULL: in WAL mode each commit is one sync of the log.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            self._lock.release()
            raise _unusable(path, str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let other runs have it."""
        self._db.close()
        self._lock.release()

    def remember_sources(self, module: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Keep which records the rows of another account became: old id → new id."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)",
            ((self._connection, module, old, new) for old, new in pairs),
        )
        self._db.execute("COMMIT")

    def find_source(self, module: str, source_id: str) -> str | None:
        """Return the record that a row of another account became."""
        found = self._db.execute(
            "SELECT record_id FROM source WHERE connection = ? AND module = ? AND source_id = ?",
            (self._connection, module, source_id),
        ).fetchone()
        return None if found is None else str(found[0])

    def of(self, module: str, stream: str) -> StreamJournal:
        """Return the part of the journal that is one stream's."""
        return StreamJournal(self._db, (self._connection, module, stream))


class StreamJournal:
    """One stream's part of the journal; made by `Journal.of`."""

    def __init__(self, db: sqlite3.Connection, scope: tuple[str, str, str]) -> None:
        self._db = db
        self._scope = scope

    def find(self, row_keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """Return what is known of rows; rows never seen are left out."""
        found = {}
        for row_key in row_keys:
            row = self._db.execute(f"{_SELECT} AND row_key = ?", (*self._scope, row_key)).fetchone()
            if row is not None:
                found[row_key] = _entry(row)
        return found

    def knows_record(self, record_id: str) -> bool:
        """Whether a record is known to be some row's, of any stream."""
        found = self._db.execute("SELECT 1 FROM entry WHERE record_id = ?", (record_id,))
        return found.fetchone() is not None

    def open_intents(self) -> list[Entry]:
        """Return the rows whose outcome an earlier run did not live to see."""
        rows = self._db.execute(f"{_SELECT} AND state = 'intent' ORDER BY sent_at", self._scope)
        return [_entry(r) for r in rows]

    def unknown_rows(self) -> list[Entry]:
        """Return the rows of which nobody could tell whether they were written."""
        rows = self._db.execute(f"{_SELECT} AND state = 'unknown'", self._scope)
        return [_entry(r) for r in rows]

    def intend(
        self, rows: Iterable[tuple[bytes, dict[str, Any]]], server_time: datetime | None
    ) -> None:
        """Write down rows that are about to be sent, and sync."""
        # With its fraction: cut to whole seconds, the next run would wait too little.
        sent_at = timestamps.now().isoformat()
        server = timestamps.to_text(server_time) if server_time else None
        self._many(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, 'intent', NULL, ?, ?, ?)",
            ((*self._scope, key, sent_at, server, _encoder.encode(body)) for key, body in rows),
        )

    def created(self, rows: Iterable[tuple[bytes, str | None]]) -> None:
        """Write down which records rows became, and sync."""
        self._many(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, 'created', ?, NULL, NULL, NULL)",
            ((*self._scope, key, record_id) for key, record_id in rows),
        )

    def unknown(self, row_keys: Iterable[bytes]) -> None:
        """Write down that nobody can tell what became of rows, and sync."""
        self._many(
            "UPDATE entry SET state = 'unknown' WHERE connection = ? AND module = ? "
            "AND stream = ? AND row_key = ?",
            ((*self._scope, key) for key in row_keys),
        )

    def forget(self, row_keys: Iterable[bytes]) -> None:
        """Drop rows that were surely not written, or need not be remembered.

        Without a sync of its own: after a power failure they are intents again, and looked for.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            self._many(
                "DELETE FROM entry"
                " WHERE connection = ? AND module = ? AND stream = ? AND row_key = ?",
                ((*self._scope, key) for key in row_keys),
            )
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    def _many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(sql, rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


_SELECT: Final = (
    "SELECT row_key, state, record_id, sent_at, server_time, body FROM entry "
    "WHERE connection = ? AND module = ? AND stream = ?"
)


def _entry(row: tuple[Any, ...]) -> Entry:
    row_key, state, record_id, sent_at, server_time, body = row
    return Entry(
        row_key,
        state,
        record_id,
        timestamps.parse(sent_at) if sent_at else None,
        timestamps.parse(server_time) if server_time else None,
        _decoder.decode(body) if body else None,
    )


def _unusable(path: Path, why: str | None) -> JournalError:
    return JournalError(
        f"The journal {path} cannot be used: {why or 'unknown reason'}",
        hint="Set journal_path to a file on a local disk that can be written to.",
    )


def _file_system(path: Path) -> str:
    """Return the kind of file system of a path, ``""`` when the system does not say."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    resolved = str(path.expanduser().absolute())
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields = left.split()
        point = fields[4] if len(fields) > 4 else ""  # noqa: PLR2004 - see proc(5)
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0] if right else ""
    return kind
