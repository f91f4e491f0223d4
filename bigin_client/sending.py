"""One request on its way: what it is, what its tries have shown, what they cost."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import tenacity

from bigin_client.credits import OF_REFUSAL
from bigin_client.errors import ServiceError
from bigin_client.reply import Reply
from bigin_client.retry import Action, Fault
from bigin_client.transfers import Download, Upload

log = logging.getLogger(__name__)

#: What a path may hold: API names and ids. A "?", a ".." or an empty part would ask for something
#: else than meant.
PATH: Final = re.compile(r"/?(?!\.)[\w$.:-]+(/(?!\.)[\w$.:-]+)*", re.ASCII)
#: The table's answers that mean: send it once more.
AGAIN: Final = frozenset({Action.RETRY, Action.RETRY_FEW})


@dataclass(frozen=True)
class Request:
    """What is sent, and what may be done when it fails."""

    method: str
    url: str
    label: str
    idempotent: bool
    params: Mapping[str, str | int] | None = field(default=None, repr=False)
    content: bytes | Upload | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    row_errors: bool = False
    keep_refusals: bool = False
    cost: int = 0
    module: str | None = None
    #: Takes the bytes of a file; the reply is then not expected to be JSON.
    download: Download | None = field(default=None, repr=False)
    #: The reply is decoded here, where a broken one can still be asked for again.
    decode: bool = False

    @property
    def to_bigin(self) -> bool:
        """It is for Bigin, not for the gateway itself."""
        return self.cost > 0


@dataclass
class Sending:
    """A request on its way, and what its tries have shown."""

    request: Request
    tries: int = 0
    #: A try got no answer: it may have been processed.
    unclear: bool = False


@dataclass(frozen=True)
class Try:
    """How one try ended, and what the table says of it."""

    reply: Reply | None
    fault: Fault | None
    action: Action


def charge(request: Request, reply: Reply) -> tuple[int, int]:
    """Return what a reply says that its request cost, and what it may have cost at most.

    Refused calls are free by the documents' default (bigin-api.md 11.16); what never reached
    Bigin certainly is.
    """
    if reply.status < 400:  # noqa: PLR2004 - HTTP
        return request.cost, request.cost
    if request.row_errors and reply.row_results is not None:
        return request.cost, request.cost  # processed, only the rows were refused
    if reply.status >= 500:  # noqa: PLR2004 - HTTP
        return 0, request.cost  # perhaps done all the same: its reply lost, or it broke off later
    if reply.code is not None:
        return 0, min(OF_REFUSAL, request.cost)
    return 0, 0


def is_broken(request: Request, reply: Reply) -> bool:
    """Whether a success came without the JSON that it should hold."""
    if request.download or reply.status >= 300 or reply.is_empty:  # noqa: PLR2004 - HTTP
        return False
    # The gateway answers some deletions with nothing at all (bigin-api.md 11.10).
    if request.method == "DELETE" and not reply.body and not request.to_bigin:
        return False
    if request.decode:
        try:
            reply.json()
        except ServiceError:
            return True
        return False
    return not reply.is_json


def result_of(state: tenacity.RetryCallState) -> Try:
    """Return how the last try ended."""
    if state.outcome is None:
        msg = "a retry is decided only after a try"
        raise RuntimeError(msg)
    last: Try = state.outcome.result()
    return last


def say_retry(label: str, state: tenacity.RetryCallState) -> None:
    """Tell that a request is sent again, and why."""
    reply = result_of(state).reply
    said = f"HTTP {reply.status}" if reply is not None else "no reply"
    log.info("%s: %s; trying again in %.1f s", label, said, state.upcoming_sleep)
