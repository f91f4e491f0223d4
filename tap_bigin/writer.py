"""Writes Singer messages: msgspec, exact decimals, flushed when it matters.

A signal that arrives amid a message waits until the message is written: half a line would be
worse than none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage
from typing_extensions import override

from bigin_client import timestamps

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

#: Bytes that may wait; records are flushed at the end of each page too.
BUFFER_SIZE = 65_536


class _Record(msgspec.Struct, omit_defaults=True):
    """A RECORD message: what `RecordMessage.to_dict` gives, in that order."""

    type: str
    stream: str
    record: dict[str, Any]
    version: int | None = None
    time_extracted: datetime | None = None


class Writer(MsgSpecWriter):
    """Standard output, buffered."""

    def __init__(self) -> None:
        super().__init__()
        self._writing = False
        self._waiting = 0
        self._stop: int | None = None

    @override
    def write_message(self, message: Message) -> None:
        self._writing = True
        self._write(self.format_message(message), hold=isinstance(message, RecordMessage))

    def write_records(self, stream: str, records: Sequence[Record], version: int | None) -> None:
        """Write a RECORD message for each record; the lines are those of `write_message`."""
        if not records:
            return
        self._writing = True
        now = timestamps.now()
        lines = [_Record("RECORD", stream, r, version, now) for r in records]
        self._write(encoder.encode_lines(lines), hold=True)

    def _write(self, lines: bytes | bytearray, *, hold: bool) -> None:
        """Write whole lines; they may be held back while there are few."""
        out = sys.stdout.buffer
        rest = memoryview(lines)
        while rest:
            # With PYTHONUNBUFFERED this is the raw file: a signal cuts a long write short.
            rest = rest[out.write(rest) :]
        self._waiting += len(lines)
        if self._waiting >= BUFFER_SIZE or not hold:
            out.flush()
            self._waiting = 0
        self._writing = False
        if self._stop is not None:
            raise SystemExit(self._stop)

    def flush(self) -> None:
        """Hand over what waits."""
        self._writing = True
        sys.stdout.buffer.flush()
        self._waiting = 0
        self._writing = False
        if self._stop is not None:
            raise SystemExit(self._stop)

    def stop(self, code: int) -> None:
        """Leave with an exit code as soon as no message is being written.

        Raises:
            SystemExit: Now, or at the end of the message that is being written.
        """
        if self._writing:
            self._stop = code
            return
        raise SystemExit(code)

    def resume(self) -> None:
        """Allow the last messages of a run that is being stopped."""
        self._stop = None
