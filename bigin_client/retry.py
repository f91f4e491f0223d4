"""What to do with the outcome of a request: a table, no action.

Sources: bigin-api.md section 6, maton.md A5 and the design's section 4.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Fault(enum.Enum):
    """How a request ended that got no usable reply."""

    #: The connection was never opened: surely not processed.
    NOT_SENT = "not sent"
    #: Time-out, cut connection or unreadable reply: may have been processed.
    UNCLEAR = "unclear"


class Action(enum.Enum):
    """What the transport does next."""

    RETURN = "return"
    RETRY = "retry"
    #: Retry a few times; the same answer again is an expired grant.
    RETRY_FEW = "retry few"
    RAISE = "raise"


@dataclass(frozen=True)
class Outcome:
    """How one try ended: a fault, or a status with Bigin's code (None: the gateway's)."""

    fault: Fault | None = None
    status: int | None = None
    code: str | None = None
    #: The body is JSON in one of the gateway's own shapes.
    gateway_shape: bool = False

    @property
    def may_have_been_processed(self) -> bool:
        """Whether a write may have taken place although no usable answer came.

        Bigin's own INTERNAL_ERROR does not say how far it got (bigin-api.md section 6).
        """
        lost = self.fault is None and self.status in _TRANSIENT
        return self.fault is Fault.UNCLEAR or lost


#: Any method: the request was refused before it was processed.
_REFUSED_UNPROCESSED: Final = frozenset({429})
#: Only what may be sent twice.
_TRANSIENT: Final = frozenset({408, 500, 502, 503, 504})
#: 401 codes that say that the gateway's grant is dead, unless a refresh mends it.
_TOKEN_CODES: Final = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})

#: Tries before an answer of the kind `Action.RETRY_FEW` is believed.
FEW_TRIES: Final = 4


def decide(outcome: Outcome, *, idempotent: bool) -> Action:  # noqa: PLR0911 - a table, a row each
    """Return what to do.

    Args:
        outcome: How the try ended.
        idempotent: The request may be sent twice with the effect of once: reads, updates and
            deletions by id, upserts on a unique field. Inserts are not.
    """
    if outcome.fault is Fault.NOT_SENT:
        return Action.RETRY
    if outcome.fault is Fault.UNCLEAR:
        return Action.RETRY if idempotent else Action.RAISE
    status = outcome.status or 0
    if status < 300 or status == 304:  # noqa: PLR2004 - HTTP
        return Action.RETURN
    if status in _REFUSED_UNPROCESSED:
        return Action.RETRY
    if status == 401 and outcome.code in _TOKEN_CODES:  # noqa: PLR2004 - HTTP
        return Action.RETRY_FEW
    if status in _TRANSIENT:
        if not idempotent:
            return Action.RAISE
        if status == 500 and outcome.gateway_shape:  # noqa: PLR2004 - HTTP
            return Action.RETRY_FEW
        return Action.RETRY
    return Action.RAISE
