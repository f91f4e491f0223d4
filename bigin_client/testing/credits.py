"""API credits in a rolling 24 hours (bigin-api.md section 5, 9.60)."""

from __future__ import annotations

from collections import deque
from typing import Final

from bigin_client.testing.clock import Clock

DAY: Final = 86_400


def budget(edition: str, licences: int) -> int:
    """Credits a day: Free 5,000; paid 50,000 + 250 per licence, at most 100,000."""
    return 5_000 if edition == "free" else min(100_000, 50_000 + 250 * licences)


def write_cost(rows: int) -> int:
    """Credits of an insert, update or upsert: one per 10 records, at most 10."""
    return min(10, max(1, -(-rows // 10)))


class Credits:
    """Counts what calls cost, by the simulator's clock."""

    def __init__(self, clock: Clock, edition: str, licences: int) -> None:
        self._clock = clock
        self.limit = budget(edition, licences)
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0

    def _roll(self) -> None:
        past = self._clock.timestamp() - DAY
        while self._spent and self._spent[0][0] <= past:
            self._used -= self._spent.popleft()[1]

    @property
    def used(self) -> int:
        """Spent in the last 24 hours."""
        self._roll()
        return self._used

    @property
    def left(self) -> int:
        """Not yet spent."""
        return max(0, self.limit - self.used)

    def spend(self, cost: int) -> None:
        """Book a call."""
        if cost:
            self._spent.append((self._clock.timestamp(), cost))
            self._used += cost

    def use(self, amount: int) -> None:
        """Book credits that another application spent (for tests)."""
        self.spend(amount)
