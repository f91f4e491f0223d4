"""Errors, sorted by what the caller can do about them.

::

    BiginError
    ├── SettingsError (ValueError)      fix the setting named in the message
    ├── AuthenticationError             the Maton key is missing, wrong or expired
    ├── ConnectionUnavailableError      no, several, pending, failed or expired connection
    ├── ScopeError                      this module is out of reach: leave it out
    ├── NotFoundError (LookupError)     no such module, record or path
    ├── RequestError                    the service refused a request of ours
    ├── RateLimitedError                too many requests, and waiting longer was not allowed
    ├── CreditsExhaustedError           the account's, or this run's, credits are used up
    ├── ServiceError                    transport fault or 5xx: try again later
    ├── PagingError                     a read could not be proved complete
    ├── RejectedRecordsError            more rows were refused than allowed
    ├── WindowError                     an extract window that would miss changes
    └── CancelledError                  the caller asked to stop

A row that the service refuses is a value (`bigin_client.rejects.Reject`), not an exception.
Messages name codes, modules, ids and counts; never a key, a connection's URL or the contents
of a record.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, TypeAlias

Origin: TypeAlias = Literal["gateway", "Bigin"]


class BiginError(Exception):
    """Base of all errors of this package.

    Attributes:
        status: HTTP status, None when no reply came.
        code: Bigin's code (``OAUTH_SCOPE_MISMATCH``), None when the gateway answered.
        details: The names in Bigin's ``details`` that hold no record contents, for example
            ``{"param_name": "fields"}``.
        request_id: The gateway's ``X-Request-Id``, to quote to its support.
        origin: Who answered: ``"gateway"`` (Maton) or ``"Bigin"``; None when nobody did.
        hint: What to do next, in plain words.
        maybe_repeated: An earlier try of the request got no answer: it may have been processed.
        report: What a load had done before it was stopped (`bigin_client.load.LoadReport`).
    """

    #: Exit code of the console scripts (design.md section 13).
    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        request_id: str | None = None,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details = details or {}
        self.request_id = request_id
        self.origin = origin
        self.hint = hint
        self.maybe_repeated = False
        self.report: Any = None

    def __str__(self) -> str:
        facts = [
            text
            for text in (
                f"HTTP {self.status}" if self.status else None,
                self.code,
                f"request {self.request_id}" if self.request_id else None,
                f"answered by {self.origin}" if self.origin else None,
            )
            if text
        ]
        said = self.message + (f" ({', '.join(facts)})" if facts else "")
        return f"{said}. {self.hint}" if self.hint else said


class SettingsError(BiginError, ValueError):
    """A setting or an argument is missing or wrong; nothing was sent."""

    exit_code = 2


class AuthenticationError(BiginError):
    """The gateway does not accept the Maton key."""

    exit_code = 3


class ConnectionUnavailableError(BiginError):
    """No usable connection: none, several, pending, failed or expired."""

    exit_code = 3


class ScopeError(BiginError):
    """The connection may not do this on this module.

    Attributes:
        module: API name of the module, or the area (``"coql"``) that is out of reach.
        scope: The OAuth scope that would be needed, as far as it is known.
    """

    exit_code = 6

    def __init__(
        self, message: str, *, module: str | None = None, scope: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.module = module
        self.scope = scope


class NotFoundError(BiginError, LookupError):
    """There is no such module, record or path."""

    exit_code = 6

    # KeyError's and LookupError's own __str__ must not hide ours.
    __str__ = BiginError.__str__


class RequestError(BiginError):
    """The service refused a request as such (a 4xx that no retry will mend)."""

    exit_code = 6


class RateLimitedError(BiginError):
    """Too many requests, and the wait that was asked for is longer than ``max_wait`` allows.

    Attributes:
        retry_after: Seconds the service asked to wait, None when it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class CreditsExhaustedError(BiginError):
    """API credits gave out: the account's, or the limit that the settings put on this run."""


class ServiceError(BiginError):
    """Transport fault or 5xx.

    Attributes:
        processed: False when the request surely was not processed; True when it may have
            been. A write with True must be settled, never sent again blindly.
    """

    def __init__(self, message: str, *, processed: bool = True, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.processed = processed


class PagingError(BiginError):
    """A read ended in a way that does not prove that everything was read."""

    exit_code = 6


class RejectedRecordsError(BiginError):
    """More rows were refused than ``max_rejects`` allows; everything else was written.

    Attributes:
        summary: The load's report entry (counts, codes, paths; no record contents).
    """

    exit_code = 5

    def __init__(self, message: str, *, summary: dict[str, Any], **facts: Any) -> None:
        super().__init__(message, **facts)
        self.summary = summary


class WindowError(BiginError, ValueError):
    """An extract window is empty or leaves a gap, so changes would be missed."""

    exit_code = 2


class CancelledError(BiginError):
    """The work was stopped from outside before it was complete."""


#: Failures that the next module would meet too: they end a run over several modules.
ENDS_A_RUN: Final = (
    AuthenticationError,
    CancelledError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    RateLimitedError,
    SettingsError,
)
