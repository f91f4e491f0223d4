"""One line for each stream that is being read, every 30 seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tap_bigin.base import BiginStream

#: Seconds between two lines of a stream.
EVERY: Final = 30.0


@dataclass
class _Reading:
    stream: BiginStream
    began: float
    rows: int = 0


@dataclass
class Progress:
    """Tells how far the streams are, also while a reply is long in coming.

    Args:
        log: Where it is told.
        left: Returns how many credits may still be spent; None: nobody has said.
        every: Seconds between two lines.
    """

    log: logging.Logger
    left: Callable[[], int | None]
    every: float = EVERY
    _running: dict[str, _Reading] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self, stream: BiginStream) -> None:
        """Note that a stream is being written."""
        with self._lock:
            self._running[stream.name] = _Reading(stream, time.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._tell, name="bigin-progress", daemon=True
                )
                self._thread.start()

    def count(self, stream: str, rows: int) -> None:
        """Note rows of a stream."""
        with self._lock:
            self._running[stream].rows += rows

    def end(self, stream: str) -> None:
        """Note that a stream has ended."""
        with self._lock:
            self._running.pop(stream, None)

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped.set()

    def _tell(self) -> None:
        while not self._stopped.wait(self.every):
            with self._lock:
                running = list(self._running.values())
            left = self.left()
            for reading in running:
                seconds = time.monotonic() - reading.began
                self.log.info(
                    "%s: %d rows so far, %.0f a second, %d requests, %s credits left",
                    reading.stream.name,
                    reading.rows,
                    reading.rows / max(seconds, 0.001),
                    reading.stream.requests,
                    "unknown" if left is None else left,
                )
