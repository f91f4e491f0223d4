"""A polite request to stop ends the command as Ctrl-C does: what was begun is put in order."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

#: SIGHUP is the closed terminal; Windows has neither of the two in full.
_POLITE = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def as_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `SystemExit` with 128+n, so that ``finally`` blocks run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in _POLITE}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def wait_for_stop() -> int:
    """Block until SIGINT, SIGTERM or SIGHUP comes; returns its number.

    SIGINT is caught explicitly: a shell starts background jobs with it ignored.
    """
    stopped = threading.Event()
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        stopped.set()

    for number in (signal.SIGINT, *_POLITE):
        signal.signal(number, note)
    # A wait without an end cannot be interrupted on Windows.
    while not stopped.wait(1.0):
        pass
    return received[0]
