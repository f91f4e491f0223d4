"""The load engine's journal, mirrored into a checkpoint: a retry may run on another worker.

The engine writes inserts down in a SQLite file before it sends them. That file stays on the
worker. What is open at the moment goes into the checkpoint too, before it is sent: row keys,
times, ids; no contents. A later try finds it there, wherever it runs, and the engine settles it
first.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from airflow_provider_bigin.state.stores import Store
from bigin_client import timestamps
from bigin_client.journal import Journal, JournalError, StreamJournal, default_path, digest

log = logging.getLogger(__name__)

#: Row key's digest → what an insert of that row sends.
Bodies = Callable[[set[bytes]], Mapping[bytes, dict[str, Any]]]

#: State, record id, local time, server time; the stream, where it is not the load's own.
_Open = tuple[str, str | None, str | None, str | None, str | None]

_INTENT: Final = "intent"
_CREATED: Final = "created"
_UNKNOWN: Final = "unknown"


class MirroredJournal(Journal):
    """A journal whose open entries are also in a store.

    Args:
        connection_id: The account.
        module: API name.
        store: Where the mirror is.
        key: Its key there.
        bodies: Finds out again what rows would send; the mirror holds no contents. A row that
            it does not find again stays unknown for ever.
        sealing: Keep the inserted rows of the whole load in the mirror, for an input whose
            rows a later try cannot skip by their place.
        path: The file; None: the engine's own place, or a temporary folder where that cannot
            be used.
        max_wait: Seconds to wait for another load that holds the file.
    """

    def __init__(
        self,
        connection_id: str,
        module: str,
        *,
        store: Store,
        key: str,
        bodies: Bodies,
        sealing: bool,
        path: str | None = None,
        max_wait: float,
    ) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        file = Path(path).expanduser() if path else default_path(connection_id, module)
        try:
            super().__init__(file, connection_id, max_wait=max_wait)
        except JournalError as error:
            if path:
                raise
            log.warning("%s Only this run's tries know of each other's inserts.", error)
            self._folder = tempfile.TemporaryDirectory(prefix="bigin-journal-")
            super().__init__(
                Path(self._folder.name, "journal.sqlite"), connection_id, max_wait=max_wait
            )
        self._store = store
        self._key = key
        self._bodies = bodies
        self._sealing = sealing
        self._book: _Book | None = None
        self._mirrors: dict[tuple[str, str], _Mirror] = {}
        self._restored: set[bytes] = set()

    @override
    def of(self, module: str, stream: str) -> StreamJournal:
        scope = (self._connection, module, stream)
        if self._book is None:
            self._book = _Book(self._store, self._key)
            mirror = self._mirrors[(module, stream)] = _Mirror(
                self._book, self._db, scope, branch=None
            )
            self._restored = mirror.restore(self._bodies)
        elif (module, stream) not in self._mirrors:
            # Records that the rows' lookups need. They are found by their match key.
            mirror = self._mirrors[(module, stream)] = _Mirror(
                self._book, self._db, scope, branch=stream
            )
            mirror.restore(lambda keys: {k: {} for k in keys})
        return self._mirrors[(module, stream)]

    def stretch_is_saved(self) -> None:
        """All rows so far have their outcome, and the checkpoint, if it can, has passed them."""
        if self._book is not None:
            self._book.seal() if self._sealing else self._book.clear()

    def load_is_done(self) -> None:
        """No later try will come."""
        if self._book is not None:
            self._book.clear()

    def was_inserted_before(self, row_key: str) -> bool:
        """Whether an earlier try of this task inserted a row; true once per row."""
        key = digest(row_key)
        found = key in self._restored
        self._restored.discard(key)
        return found

    @override
    def close(self) -> None:
        super().close()
        if self._folder is not None:
            self._folder.cleanup()


class _Book:
    """What the store holds of a load's open rows: its own, and those that lookups insert."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        #: Row key's digest, in hex → what is known of it.
        self._open: dict[str, _Open] = {}
        self._sealed = 0
        self._is_stored = False
        #: As an earlier try left it.
        self.left: dict[str, _Open] = {}
        for part in self._parts():
            self.left.update({k: _entry_of(v) for k, v in part.get("rows", {}).items()})
        self._open = {k: v for k, v in self.left.items() if v[0] != _CREATED}

    def find(self, row_key: bytes) -> _Open | None:
        """Return what is known of an open row."""
        return self._open.get(row_key.hex())

    def put(self, entries: Mapping[bytes, _Open]) -> None:
        """Write rows down."""
        self._open.update({k.hex(): v for k, v in entries.items()})
        self._save()

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget rows."""
        if [self._open.pop(k.hex(), None) for k in keys if k.hex() in self._open]:
            self._save()

    def seal(self) -> None:
        """Write the open rows down for good, and begin a new part."""
        if self._open:
            self._save(f"{self._key}/{self._sealed}")
            self._sealed += 1
            self._open = {}
            self._delete()

    def clear(self) -> None:
        """Forget everything; the file keeps what later runs must know."""
        # From the end: what is left of it after a crash is still read from the beginning.
        for number in reversed(range(self._sealed)):
            self._store.delete(f"{self._key}/{number}")
        self._sealed = 0
        self._open = {}
        self._delete()

    def _parts(self) -> Iterator[dict[str, Any]]:
        while (part := self._store.get(f"{self._key}/{self._sealed}")) is not None:
            self._sealed += 1
            yield part
        last = self._store.get(self._key) or {}
        self._is_stored = bool(last)
        yield last

    def _delete(self) -> None:
        if self._is_stored:
            self._is_stored = False
            self._store.delete(self._key)

    def _save(self, key: str | None = None) -> None:
        self._is_stored |= key is None
        self._store.set(key or self._key, {"rows": {k: list(v) for k, v in self._open.items()}})


class _Mirror(StreamJournal):
    """One stream's journal; each change of an open entry goes to the book first."""

    def __init__(
        self, book: _Book, db: Any, scope: tuple[str, str, str], *, branch: str | None
    ) -> None:
        super().__init__(db, scope)
        self._book = book
        self._branch = branch

    def restore(self, bodies: Bodies) -> set[bytes]:
        """Take over what an earlier try left, wherever it ran; returns the rows' keys."""
        left = {bytes.fromhex(k): v for k, v in self._book.left.items() if v[4] == self._branch}
        known = self.find(left)
        missing = {k: v for k, v in left.items() if k not in known}
        super().created((k, v[1]) for k, v in missing.items() if v[0] == _CREATED)
        unclear = {k: v for k, v in missing.items() if v[0] != _CREATED}
        contents = bodies(set(unclear)) if unclear else {}
        for server_time, keys in _by_time(unclear).items():
            super().intend(((k, contents.get(k, {})) for k in keys), server_time)
        super().unknown(k for k, v in unclear.items() if v[0] == _UNKNOWN or k not in contents)
        return set(left)

    @override
    def intend(
        self, rows: Iterable[tuple[bytes, dict[str, Any]]], server_time: datetime | None
    ) -> None:
        listed = list(rows)
        sent_at = timestamps.now().isoformat()
        server = timestamps.to_text(server_time) if server_time else None
        entry = (_INTENT, None, sent_at, server, self._branch)
        self._book.put(dict.fromkeys((k for k, _body in listed), entry))
        super().intend(listed, server_time)

    @override
    def created(self, rows: Iterable[tuple[bytes, str | None]]) -> None:
        listed = list(rows)
        super().created(listed)
        self._book.put({k: (_CREATED, record, None, None, self._branch) for k, record in listed})

    @override
    def unknown(self, row_keys: Iterable[bytes]) -> None:
        listed = list(row_keys)
        super().unknown(listed)
        found = {}
        for key in listed:
            _, record_id, sent_at, server, _ = self._book.find(key) or (None,) * 5
            found[key] = (_UNKNOWN, record_id, sent_at, server, self._branch)
        self._book.put(found)

    @override
    def forget(self, row_keys: Iterable[bytes]) -> None:
        listed = list(row_keys)
        super().forget(listed)
        self._book.drop(listed)


def _entry_of(value: Iterable[Any]) -> _Open:
    """Return an entry as read; checkpoints of before have no stream in it."""
    state, record_id, sent_at, server, stream = (*value, None, None)[:5]
    return (state, record_id, sent_at, server, stream)


def _by_time(entries: Mapping[bytes, _Open]) -> dict[datetime | None, list[bytes]]:
    """Group rows by the server's time at which they were sent."""
    grouped: dict[datetime | None, list[bytes]] = {}
    for row_key, (_state, _record_id, _sent_at, server, _stream) in entries.items():
        grouped.setdefault(timestamps.parse(server) if server else None, []).append(row_key)
    return grouped
