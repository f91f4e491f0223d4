"""Which STATE may be told: the latest before which every row is settled."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from bigin_client.load import RowOutcome


@dataclass
class Stretch:
    """The rows between two STATE messages.

    Attributes:
        outstanding: Rows without an outcome yet.
        blocked: Why no STATE may pass this stretch: ``"refused"`` or ``"not loaded"``.
        state: The STATE that ends it, None while it is open.
    """

    outstanding: int = 0
    blocked: str | None = None
    state: Any = None


class StateKeeper:
    """Keeps the order of rows and STATE messages.

    Attributes:
        held: Why STATE stopped for good, None while it goes on.
    """

    def __init__(self) -> None:
        self.held: str | None = None
        self._open = Stretch()
        self._closed: deque[Stretch] = deque()

    @property
    def is_waiting(self) -> bool:
        """Whether there is a STATE that has not been told and still may be."""
        return bool(self._closed) and self.held is None

    def row(self) -> Stretch:
        """Count a row in, and return the tag to load it with."""
        self._open.outstanding += 1
        return self._open

    def block(self, reason: str) -> None:
        """Let no STATE pass this place."""
        self._open.blocked = self._open.blocked or reason

    def settled(self, outcome: RowOutcome, *, rejects_are_safe: bool) -> None:
        """Count a row's outcome."""
        stretch: Stretch = outcome.tag
        stretch.outstanding -= 1
        if not outcome.handled:
            stretch.blocked = stretch.blocked or "not loaded"
        elif outcome.is_refusal and not rejects_are_safe:
            stretch.blocked = stretch.blocked or "refused"

    def state(self, value: Any) -> None:
        """Take a STATE message."""
        self._open.state = value
        self._closed.append(self._open)
        self._open = Stretch()

    def advance(self) -> Any:
        """Return the latest STATE that may be told now, None when there is no new one."""
        latest = None
        while self._closed and self.held is None:
            first = self._closed[0]
            if first.outstanding:
                break
            if first.blocked:
                self.held = first.blocked
                break
            latest = self._closed.popleft().state
        return latest
