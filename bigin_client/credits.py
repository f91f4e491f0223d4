"""API credits: what a request costs, what this run has spent, what the account has left."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from bigin_client.errors import CreditsExhaustedError

#: Cost of a list read through a custom view (bigin-api.md section 5, [bigin-doc]).
VIEW_READ: Final = 3
#: Records that one credit writes.
RECORDS_PER_CREDIT: Final = 10
#: What a call that Bigin refuses may cost: 0 or 1, nobody knows (bigin-api.md 11.16).
OF_REFUSAL: Final = 1
#: Appears only once more than half of the credits are used.
REMAINING_HEADER: Final = "X-API-CREDITS-REMAINING"


def of_write(records: int) -> int:
    """Return the credits that a write of so many records costs: 1 for each 10 begun."""
    return max(1, -(-records // RECORDS_PER_CREDIT))


class CreditMeter:
    """Counts credits and refuses a request that would pass a limit.

    Every request is reserved before it is sent and settled after it.

    Args:
        max_credits: The most that this run may spend; None: no limit.
        min_left: What the account must keep; None: no limit. Known only when the service
            tells how many are left.

    Attributes:
        used: Spent by this run, refused calls as free (bigin-api.md 11.16).
        used_by_writes: What of `used` went into writes of records.
        at_most: The same if refused and failed calls cost something: the limits go by it.
        left: What the account has left, as the service said last; None until it says.
    """

    def __init__(self, max_credits: int | None = None, min_left: int | None = None) -> None:
        self._max = max_credits
        self._min_left = min_left
        self._lock = threading.Lock()
        self._in_flight = 0
        self.used = 0
        self.used_by_writes = 0
        self.at_most = 0
        self.left: int | None = None

    def reserve(self, cost: int, *, write: bool = False) -> None:
        """Count `cost` before a request is sent, that of a write of records if it is one.

        Raises:
            CreditsExhaustedError: The limit would be passed; nothing was sent.
        """
        with self._lock:
            if self._max is not None and cost and self.at_most + cost > self._max:
                msg = f"max_credits {self._max} reached: {self.used} used, {cost} more needed"
                if self.at_most > self.used:
                    msg += f", {self.at_most - self.used} perhaps charged for failed calls"
                raise CreditsExhaustedError(
                    msg, hint="What was done so far is kept; raise max_credits to go on."
                )
            keep, left = self._min_left, self.left
            if cost and keep is not None and left is not None and left - cost < keep:
                msg = f"The account has {left} API credits left, the limit is to keep {keep}"
                raise CreditsExhaustedError(
                    msg, hint="Credits come back over 24 hours; run again later."
                )
            self._book(cost, cost)
            self.used_by_writes += cost if write else 0
            self._in_flight += cost

    def settle(
        self,
        cost: int,
        *,
        spent: int,
        at_most: int,
        headers: Mapping[str, str],
        write: bool = False,
    ) -> None:
        """Put what a request has cost in the place of its reservation.

        Args:
            cost: What was reserved.
            spent: Its cost, as far as the documents tell.
            at_most: Its cost in the worst case.
            headers: Of the reply: may tell what the account has left.
            write: As it was reserved.
        """
        with self._lock:
            self._in_flight -= cost
            self.used_by_writes += spent - cost if write else 0
            self._book(spent - cost, at_most - cost)
            text = headers.get(REMAINING_HEADER, "")
            if text.isascii() and text.isdigit():
                # Requests that are still under way may not be counted in it.
                self.left = max(0, int(text) - self._in_flight)

    def _book(self, spent: int, at_most: int) -> None:
        self.used += spent
        self.at_most += at_most
        if self.left is not None:
            self.left -= at_most
