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
#: Appears only once more than half of the credits are used.
REMAINING_HEADER: Final = "X-API-CREDITS-REMAINING"


def of_write(records: int) -> int:
    """Return the credits that a write of so many records costs: 1 for each 10 begun."""
    return max(1, -(-records // RECORDS_PER_CREDIT))


class CreditMeter:
    """Counts credits and refuses a request that would pass a limit.

    Args:
        max_credits: The most that this run may spend; None: no limit.
        min_left: What the account must keep; None: no limit. Known only when the service
            tells how many are left.
    """

    def __init__(self, max_credits: int | None = None, min_left: int | None = None) -> None:
        self._max = max_credits
        self._min_left = min_left
        self._lock = threading.Lock()
        self.used = 0
        self.left: int | None = None

    def reserve(self, cost: int) -> None:
        """Count `cost` before a request is sent.

        Raises:
            CreditsExhaustedError: The limit would be passed; nothing was sent.
        """
        with self._lock:
            if self._max is not None and self.used + cost > self._max:
                msg = f"max_credits {self._max} reached: {self.used} used, {cost} more needed"
                raise CreditsExhaustedError(
                    msg, hint="What was done so far is kept; raise max_credits to go on."
                )
            if self._min_left is not None and self.left is not None:
                if self.left - cost < self._min_left:
                    msg = f"The account has {self.left} API credits left, the limit is to keep"
                    msg += f" {self._min_left}"
                    raise CreditsExhaustedError(
                        msg, hint="Credits come back over 24 hours; run again later."
                    )
                self.left -= cost
            self.used += cost

    def give_back(self, cost: int) -> None:
        """Take back a reservation whose request never reached Bigin."""
        with self._lock:
            self.used -= cost
            if self._min_left is not None and self.left is not None:
                self.left += cost

    def note(self, headers: Mapping[str, str]) -> None:
        """Correct the account's remainder by what a reply says."""
        text = headers.get(REMAINING_HEADER)
        if text is None:
            return
        try:
            left = int(text)
        except ValueError:
            return
        with self._lock:
            self.left = left
