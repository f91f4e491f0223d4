"""Writes Singer messages: msgspec, exact decimals, flushed when it matters.

A signal that arrives amid a message waits until the message is written: half a line would be
worse than none.
"""

from __future__ import annotations

import sys

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage
from typing_extensions import override

#: Bytes that may wait; records are flushed at the end of each page too.
BUFFER_SIZE = 65_536


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
        line = self.format_message(message)
        out = sys.stdout.buffer
        out.write(line)
        self._waiting += len(line)
        if self._waiting >= BUFFER_SIZE or not isinstance(message, RecordMessage):
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
