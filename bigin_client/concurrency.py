"""Places for simultaneous requests, and looks in intervals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class Gate:
    """So many places, in the order of arrival; a stop wakes everybody who waits for one.

    Without that order whoever leaves is back before the one who waits has woken: of several modules
    that are read at once some would come last, alone.

    Args:
        places: How many may be inside at a time.
        stopped: Once set, nobody waits any more: who enters must look at it before acting.
    """

    def __init__(self, places: int, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._changed = threading.Condition()
        self._arrived = 0
        #: Who arrived before this number is in, or was.
        self._let_in = places

    def __enter__(self) -> None:
        with self._changed:
            number = self._arrived
            self._arrived += 1
            try:
                self._changed.wait_for(lambda: number < self._let_in or self._stopped.is_set())
            except BaseException:  # a signal, amid the wait
                self._leave()
                raise

    def __exit__(self, *_error: object) -> None:
        with self._changed:
            self._leave()

    def _leave(self) -> None:
        self._let_in += 1
        self._changed.notify_all()

    def wake(self) -> None:
        """Let everybody who waits see the stop."""
        with self._changed:
            self._changed.notify_all()


def looks(
    timeout: float,
    interval: float,
    *,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Iterator[None]:
    """Yield at once, and then after each interval, as long as the next one ends in time.

    Args:
        timeout: Seconds, from the first look on.
        interval: Seconds between two looks.
        clock: Monotonic seconds.
        pause: Waits so many seconds.
    """
    deadline = clock() + timeout
    yield
    while clock() + interval <= deadline:
        pause(interval)
        yield
