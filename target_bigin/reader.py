"""Read Singer messages: quickly, without ever quoting a line, and noticing when input rests."""

from __future__ import annotations

import io
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import IO, Any, Final

from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from bigin_client.errors import SettingsError
from bigin_client.rejects import from_json

_REQUIRED: Final = {
    "RECORD": ("stream", "record"),
    "SCHEMA": ("stream", "schema"),
    "STATE": ("value",),
    "ACTIVATE_VERSION": ("stream", "version"),
    "BATCH": ("stream", "encoding", "manifest"),
}
_CHUNK: Final = 1 << 16
#: Chunks read ahead of the load.
_AHEAD: Final = 64
#: Seconds without input after which what was read is written and its state told.
IDLE_SECONDS: Final = 2.0


class MessageReader(GenericSingerReader[bytes]):
    """Decodes lines with msgspec; numbers with a fraction are exact decimals.

    Attributes:
        on_idle: Called when no input has come for `IDLE_SECONDS`.
        waiting: Entered while waiting for input.
    """

    on_idle: Callable[[], None] | None = None
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines(file_input or self.default_input), 1):
            if not line.strip():
                continue
            message = self._decode(line, number)
            kind = message["type"]
            callback = callbacks.get(kind)
            if callback is None:
                raise SettingsError(f"Line {number} of the input is of a type unknown to Singer")
            missing = [k for k in _REQUIRED.get(kind, ()) if k not in message]
            if missing:
                raise SettingsError(
                    f"Line {number} of the input ({kind}) lacks {', '.join(missing)}"
                )
            callback(message)
            counts[kind] += 1
        return counts

    @override
    def deserialize_json(self, line: bytes | str) -> dict[str, Any]:
        found: dict[str, Any] = from_json(line)
        return found

    @staticmethod
    @override
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        missing = sorted(requires - set(line_dict))
        if missing:
            raise SettingsError(f"A message of the input lacks {', '.join(missing)}")

    def _decode(self, line: bytes | str, number: int) -> dict[str, Any]:
        message: Any = None
        with suppress(ValueError):
            message = from_json(line)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise SettingsError(
                f"Line {number} of the input is no Singer message",
                hint="Is the tap's standard output mixed with other text?",
            )
        return message

    def _lines(self, source: IO[bytes]) -> Iterator[bytes | str]:
        if not isinstance(source, io.BufferedReader):
            yield from source  # a file or a text in memory never rests
            return
        chunks: queue.Queue[bytes] = queue.Queue(_AHEAD)
        thread = threading.Thread(target=_read, args=(source, chunks), daemon=True)
        thread.start()
        yield from _split(self._chunks(chunks))

    def _chunks(self, chunks: queue.Queue[bytes]) -> Iterator[bytes]:
        while True:
            chunk = None
            with self.waiting(), suppress(queue.Empty):
                chunk = chunks.get(timeout=IDLE_SECONDS)
            if chunk == b"":
                return
            if chunk is not None:
                yield chunk
            elif self.on_idle is not None:
                self.on_idle()


def _read(source: io.BufferedReader, chunks: queue.Queue[bytes]) -> None:
    """Read what there is, as soon as it is there; an empty chunk is the end."""
    with suppress(OSError, ValueError):  # closed under our hands while the process ends
        while chunk := source.read1(_CHUNK):
            chunks.put(chunk)
    chunks.put(b"")


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
