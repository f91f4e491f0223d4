"""Places for simultaneous requests, and looks in intervals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class Gate:
    """So many places; a stop wakes everybody who waits for one.

    Args:
        places: How many may be inside at a time.
        stopped: Once set, nobody waits any more: who enters must look at it before acting.
    """

    def __init__(self, places: int, stopped: threading.Event) -> None:
        self._free = places
        self._stopped = stopped
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or self._stopped.is_set())
            self._free -= 1  # below 0 only after a stop

    def __exit__(self, *_error: object) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify()

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
