"""Who may help: threads that send requests for one client, never more than it may send at once.

All extractions of a client share one crew, so that the walkers of a big module begin when other
modules have ended, and threads do not pile up before the transport's gate.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from bigin_client.records import Records

T = TypeVar("T")

_crews: weakref.WeakKeyDictionary[Records, Crew] = weakref.WeakKeyDictionary()
_crews_lock = threading.Lock()


def crew_of(records: Records) -> Crew:
    """Return the crew of a client."""
    with _crews_lock:
        if records not in _crews:
            transport = records.transport
            _crews[records] = Crew(
                transport.settings.max_concurrency, lambda: transport.is_paced_out
            )
        return _crews[records]


class Crew:
    """Counts the threads that send requests.

    Args:
        places: How many may.
        is_paced_out: Whether more of them would only wait for their turn.
    """

    def __init__(self, places: int, is_paced_out: Callable[[], bool] = lambda: False) -> None:
        self._places = places
        self._is_paced_out = is_paced_out
        self._busy = 0
        self._lock = threading.Lock()
        self._helpers: ThreadPoolExecutor | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a thread that works whether there is a place or not."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            self.release()

    @property
    def has_room(self) -> bool:
        """Whether one more thread would send more requests."""
        return self._busy < self._places and not self._is_paced_out()

    def hire(self) -> bool:
        """Take a place, if there is one that would be of use."""
        with self._lock:
            taken = self.has_room
            self._busy += taken
            return taken

    def release(self) -> None:
        """Give a place back."""
        with self._lock:
            self._busy -= 1

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make some calls at the same time, as far as there are places; returns their results.

        Raises:
            BaseException: The first call's that failed, once none is under way any more.
        """
        hired = 0
        while hired < len(calls) - 1 and self.hire():
            hired += 1
        if not hired:
            return [call() for call in calls]
        with self._lock:
            if self._helpers is None:
                self._helpers = ThreadPoolExecutor(self._places, "bigin-field-groups")
        alone = len(calls) - hired
        futures = [self._helpers.submit(call) for call in calls[alone:]]
        try:
            results = [call() for call in calls[:alone]]
        finally:
            for future in futures:
                future.exception()  # waits
            for _ in futures:
                self.release()
        return results + [f.result() for f in futures]
