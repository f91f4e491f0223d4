"""Read ahead: several extractions send their requests while another's pages are consumed.

One thread for each extraction; the transport's gate and pace hold for all of them together. Pages
wait undecoded, and packed once there are several; all that wait together stay below a number of
bytes, as they came, but the extraction that is being consumed may always hold one page, or nothing
would ever move.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from bigin_client.errors import CancelledError
from bigin_client.extract.found import Found

MEGABYTE: Final = 1_048_576
#: Bytes that wait as they came; what comes beyond them is packed.
PLAIN: Final = 2 * MEGABYTE


class _Waiting(NamedTuple):
    """A page that waits, with its size as it came."""

    found: Found
    size: int
    packed: bool


class ReadAhead:
    """The common bound of several extractions that read ahead.

    Args:
        max_bytes: What may wait, over all of them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._waiting = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._consumed: Lane | None = None

    def lane(self, work: Callable[[], Iterator[Found]], after: Callable[[], None]) -> Lane:
        """Begin to read in a thread of its own.

        Args:
            work: What to read.
            after: Called in the same thread once `work` has ended well.
        """
        lane = Lane(self)
        thread = threading.Thread(
            target=lane.fill, args=(work, after), name="bigin-read-ahead", daemon=True
        )
        thread.start()
        return lane

    def stop(self) -> None:
        """Let all threads end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def put(self, lane: Lane, found: Found) -> None:
        """Wait until there is room, then let a page wait.

        Raises:
            CancelledError: `stop` was called.
        """
        size = found.size
        packed = self._waiting + size > PLAIN
        if packed:
            found.pack()
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or self._waiting + size <= self._max
                    or (lane is self._consumed and not lane.pages)
                )
            )
            if self._stopped:
                raise CancelledError("Stopped on request")
            lane.pages.append(_Waiting(found, size, packed))
            self._waiting += size
            self._changed.notify_all()

    def end(self, lane: Lane, error: BaseException | None) -> None:
        """Note that a lane has read everything, or why not."""
        with self._changed:
            lane.error, lane.ended = error, True
            self._changed.notify_all()

    def next(self, lane: Lane) -> Found | None:
        """Return a lane's next page, None at its end; waits for it."""
        with self._changed:
            self._consumed = lane
            self._changed.notify_all()
            # In short waits, so that a signal is heard.
            while not self._changed.wait_for(lambda: lane.pages or lane.ended, timeout=0.5):
                pass
            if not lane.pages:
                return None
            found, size, packed = lane.pages.popleft()
            self._waiting -= size
            self._changed.notify_all()
        if packed:
            found.unpack()
        return found

    def wait_end(self, lane: Lane) -> None:
        """Wait until a lane's thread has done all of its work."""
        with self._changed:
            while not self._changed.wait_for(lambda: lane.finished, timeout=0.5):
                pass

    def finish(self, lane: Lane) -> None:
        """Note that a lane's thread has ended."""
        with self._changed:
            lane.finished = True
            self._changed.notify_all()


class Lane:
    """The pages of one extraction that wait."""

    def __init__(self, ahead: ReadAhead) -> None:
        self._ahead = ahead
        self.pages: deque[_Waiting] = deque()
        self.ended = False
        self.finished = False
        self.error: BaseException | None = None

    def fill(self, work: Callable[[], Iterator[Found]], after: Callable[[], Any]) -> None:
        """Read everything; runs in the lane's thread."""
        error: BaseException | None = None
        try:
            for found in work():
                self._ahead.put(self, found)
        except BaseException as failure:  # noqa: BLE001 - raised again where it is consumed
            error = failure
        self._ahead.end(self, error)
        try:
            if error is None:
                after()
        finally:
            self._ahead.finish(self)

    def __iter__(self) -> Iterator[Found]:
        """Yield the pages in order.

        Raises:
            BaseException: What ended the reading, after the pages before it.
        """
        while (found := self._ahead.next(self)) is not None:
            yield found
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Wait until the work after the last page is done too."""
        self._ahead.wait_end(self)
