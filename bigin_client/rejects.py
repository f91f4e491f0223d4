"""Refused rows, and the files that keep rows: rejects, plan, outcomes, before-images.

Each file is JSON lines. They hold rows or keys on purpose, so only their owner may read them
(mode 0600), and nothing of them goes into a log.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

import fsspec
import msgspec

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.field_writes import is_utf8

RejectOutcome: TypeAlias = Literal["rejected", "unknown"]

_OWNER_ONLY: Final = 0o600


def _plain(value: object) -> object:
    """Return what JSON can hold of a warehouse's value."""
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    return str(value)


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True)
class Reject:
    """A row that Bigin does not hold, or may not hold, as the input said.

    Attributes:
        stream: Name of the input.
        module: API name.
        mode: Load mode.
        row: The input row as read.
        key: Field → value of the match key or row key, as far as it is known.
        code: The service's code, or ours where the service has none.
        field: API name of the field at fault, None when it is the row as a whole.
        reason: In plain words, without values of the row.
        outcome: ``rejected`` (surely not written) or ``unknown`` (may have been written).
        id: The record concerned, if known: on a duplicate, the one that is there.
        attempt: How often the row was sent.
        at: When, UTC.
    """

    stream: str
    module: str
    mode: str
    row: Mapping[str, Any]
    key: Mapping[str, Any] | None
    code: str
    field: str | None
    reason: str
    outcome: RejectOutcome = "rejected"
    id: str | None = None
    attempt: int = 0
    at: str = ""

    def __repr__(self) -> str:
        return f"Reject({self.module}, {self.code}, field={self.field})"

    def to_dict(self) -> dict[str, Any]:
        """Return the line of the rejects file."""
        return {
            "stream": self.stream,
            "module": self.module,
            "mode": self.mode,
            "row": dict(self.row),
            "key": None if self.key is None else dict(self.key),
            "code": self.code,
            "field": self.field,
            "reason": self.reason,
            "outcome": self.outcome,
            "id": self.id,
            "attempt": self.attempt,
            "at": self.at or timestamps.to_text(timestamps.now()),
        }


def is_local(path: str) -> bool:
    """Whether a path is on this machine's file system and not an fsspec URL."""
    return "://" not in path or path.startswith("file://")


class RowFile:
    """A file of JSON lines that is only ever added to.

    A local file is appended to. On object storage, which cannot append, `path` is a folder and
    each `sync` closes one part, so that what was synced is safe.

    Args:
        path: Local path or fsspec URL.
        fresh: Begin anew instead of appending; only for files that are no one's only copy. On
            object storage that is one object, there once the file is closed.

    Raises:
        SettingsError: The place cannot be written to.
    """

    def __init__(self, path: str, *, fresh: bool = False) -> None:
        self.path = path
        self.lines = 0
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._part = 0
        self._run = f"{timestamps.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._file: IO[bytes] | None = None
        self._is_local = is_local(path)
        if self._is_local:
            self._file = self._open(Path(path.removeprefix("file://")).expanduser(), fresh=fresh)
        elif fresh:
            self._file = fsspec.open(path, "wb").open()

    def _open(self, path: Path, *, fresh: bool) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, flags, _OWNER_ONLY)
            # An older file may have been made readable to all; Windows has no such modes.
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, _OWNER_ONLY)
            file = os.fdopen(descriptor, "wb" if fresh else "ab")
            if not fresh and file.tell() and not _ends_with_newline(path):
                file.write(b"\n")  # a line cut short by a crash must not swallow the next one
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be written: {error.strerror}", hint="Name another path."
            ) from None
        return file

    def write(self, line: Mapping[str, Any]) -> None:
        """Add one line; it is safe after the next `sync`."""
        data = to_json(line) + b"\n"
        with self._lock:
            self.lines += 1
            if self._file is not None:
                self._file.write(data)
            else:
                self._pending.append(data)

    def sync(self) -> None:
        """Make everything written so far safe: fsync, or close a part on object storage."""
        with self._lock:
            if self._file is not None:
                if self._is_local:
                    self._file.flush()
                    os.fsync(self._file.fileno())
            elif self._pending:
                self._part += 1
                part = f"{self.path.rstrip('/')}/{self._run}-{self._part:05d}.jsonl"
                with fsspec.open(part, "wb") as file:
                    file.write(b"".join(self._pending))
                self._pending.clear()

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        if self._file is not None:
            self._file.close()


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def to_json(value: object) -> bytes:
    """Return JSON of a row; times, decimals and bytes of warehouses included."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_escaped(value))


def from_json(data: bytes | str) -> Any:
    """Return what JSON text says; numbers with a fraction are exact.

    Texts cut within a character and NaN, which other writers of JSON let through, are read
    too: they are for the row's own check to judge.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        return json.loads(data, parse_float=Decimal)


def _escaped(value: object) -> object:
    """Return a value whose lone surrogates are escapes: UTF-8 has none, JSON can name them."""
    if isinstance(value, str):
        return value if is_utf8(value) else msgspec.Raw(json.dumps(value).encode())
    if isinstance(value, Mapping):
        return {
            k if not isinstance(k, str) or is_utf8(k) else ascii(k)[1:-1]: _escaped(v)
            for k, v in value.items()
        }
    return [_escaped(v) for v in value] if isinstance(value, (list, tuple)) else value
