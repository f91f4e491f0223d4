"""Turn a refusal into the error that tells the caller what to do.

Sources: bigin-api.md section 6, maton.md A5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bigin_client import scopes
from bigin_client.credits import REMAINING_HEADER
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ScopeError,
    ServiceError,
)
from bigin_client.reply import Reply, safe_details

REAUTHORISE: Final = (
    "Create a new connection (bigin connections create), open its link in a browser to "
    "authorise it, then use the new connection_id."
)
#: Status of a connection id that `GET /connections/{id}` answers with 404.
UNKNOWN: Final = "not known to the gateway"

_OUT_OF_REACH: Final = frozenset(
    {"NO_PERMISSION", "FEATURE_NOT_ENABLED", "FEATURE_NOT_SUPPORTED", "NOT_SUPPORTED"}
)
_DEAD_GRANT: Final = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})
_NO_SUCH_THING: Final = frozenset({"INVALID_MODULE", "INVALID_URL_PATTERN"})
#: Statuses that the gateway also gives when it has no usable connection (maton.md A5, 11.9).
_CONNECTION_STATUSES: Final = frozenset({400, 404, 412, 500})

#: Bigin's code → what to do (bigin-api.md section 6).
_HINTS: Final = {
    "REQUIRED_PARAM_MISSING": "A parameter is missing: this is a fault of the program.",
    "EXPECTED_PARAM_MISSING": "Give one of criteria, email, phone or word.",
    "INVALID_REQUEST_METHOD": "The account's Bigin does not offer this.",
    "INVALID_REQUEST": "Check the arguments; a wrong Authorization scheme gives the same answer.",
    "INVALID_QUERY": "Check the criteria or the query: field names, operators, quotes.",
    "SYNTAX_ERROR": "Check the query: field names, operators, quotes.",
    "LIMIT_EXCEEDED": "Ask for less at a time: 50 fields, 100 records, 10,000 COQL rows.",
    "DISCRETE_PAGINATION_LIMIT_EXCEEDED": "Page numbers end at 2,000 records: use page tokens, "
    "or narrow the request.",
    "PAGINATION_LIMIT_EXCEEDED": "Page tokens end at 100,000 records: read by Modified_Time "
    "(client.extract does).",
    "EXPIRED_VALUE": "Page tokens live 24 hours: start again.",
    "TOKEN_BOUND_DATA_MISMATCH": "A page token goes with the parameters that it came from: "
    "start again.",
    "AMBIGUITY_DURING_PROCESSING": "Two parameters exclude each other: cvid goes without "
    "sort_by, a page token without a page.",
    "INVALID_DATA": "The service does not take a value; the names in brackets say which.",
}
#: Status → what to do, where no code says more.
_STATUS_HINTS: Final = {
    407: "The proxy wants a user and a password: put them into HTTPS_PROXY.",
    413: "Send fewer or smaller records, or a smaller file.",
    415: "The service does not take this kind of content.",
}


@dataclass(frozen=True)
class Connection:
    """What is known of the pinned connection when a request failed.

    Attributes:
        status: As the gateway says: ACTIVE, PENDING, FAILED; None when it does not.
        believed_dead: The gateway answered HTTP 500 again and again: an expired grant.
    """

    id: str
    status: str | None
    believed_dead: bool = False


def is_out_of_credits(reply: Reply | None) -> bool:
    """Whether a 429 says that waiting a little will not help: the day's credits are gone.

    No code of its own is known for it (bigin-api.md section 6), so a plain
    TOO_MANY_REQUESTS counts only beside a remainder of 0.
    """
    return (
        reply is not None
        and reply.status == 429  # noqa: PLR2004 - HTTP
        and reply.code is not None
        and ("CREDIT" in reply.code or reply.headers.get(REMAINING_HEADER) == "0")
    )


def may_be_the_connection(reply: Reply) -> bool:
    """Whether the gateway may mean the connection: its status is then worth a look."""
    return reply.code is None and reply.status in _CONNECTION_STATUSES


def from_reply(
    reply: Reply,
    label: str,
    *,
    module: str | None,
    connection: Connection | None = None,
    repeatable: bool = True,
) -> BiginError:
    """Return the error for a reply that is no success.

    Args:
        reply: The refusal.
        label: Method and path, for the message.
        module: Module that was asked for.
        connection: What is known of the connection, when `may_be_the_connection`.
        repeatable: The request may be sent twice. Another one that got a 5xx may have been
            processed, so it stays a `ServiceError`.
    """
    code, status = reply.code, reply.status
    facts: dict[str, Any] = {
        "status": status,
        "code": code,
        "details": safe_details(reply.object().get("details")),
        "request_id": reply.request_id,
        "origin": "Bigin" if code else "gateway",
    }
    if status == 429:  # noqa: PLR2004 - HTTP
        return _limit(reply, label, facts)
    if status == 408 or status >= 500:  # noqa: PLR2004 - HTTP
        return _failure(label, connection, repeatable, facts)
    if code is None:
        return _from_gateway(status, label, connection, facts)
    return _from_bigin(code, label, module, facts)


def _limit(reply: Reply, label: str, facts: dict[str, Any]) -> BiginError:
    if is_out_of_credits(reply):
        return CreditsExhaustedError(
            f"{label}: the account's API credits are used up",
            hint="They come back over 24 hours; run again later.",
            **facts,
        )
    return RateLimitedError(
        f"{label}: too many requests",
        retry_after=reply.retry_after,
        hint="Lower requests_per_second or max_concurrency, or raise max_wait; other programs "
        "may be using the same account. If it goes on for hours, the account's API credits "
        "are used up.",
        **facts,
    )


def _failure(
    label: str,
    connection: Connection | None,
    repeatable: bool,  # noqa: FBT001 - passed on
    facts: dict[str, Any],
) -> BiginError:
    not_active = connection is not None and connection.status not in {None, "ACTIVE"}
    if connection and repeatable and (not_active or connection.believed_dead):
        return ConnectionUnavailableError(
            f"{label}: the gateway answers HTTP {facts['status']} again and again; connection "
            f"{connection.id} is {connection.status or 'in an unknown state'}. Most often its "
            "grant has expired",
            hint=REAUTHORISE,
            **facts,
        )
    message, hint = f"{label}: the service failed", "Run again later; what was done so far is kept."
    if connection and not_active:
        message = f"{message}; connection {connection.id} is {connection.status}"
        hint = REAUTHORISE
    return ServiceError(message, hint=hint, **facts)


def _from_gateway(  # noqa: PLR0911 - a table, a row each
    status: int, label: str, connection: Connection | None, facts: dict[str, Any]
) -> BiginError:
    if status < 400:  # noqa: PLR2004 - HTTP
        return RequestError(
            f"{label}: the answer is a redirect, which is not followed",
            hint="Check base_url: it must be the gateway's own address.",
            **facts,
        )
    if status == 401:  # noqa: PLR2004 - HTTP
        return AuthenticationError(
            f"{label}: the gateway does not accept the Maton API key",
            hint="Check MATON_API_KEY (or the setting api_key).",
            **facts,
        )
    if status == 403:  # noqa: PLR2004 - HTTP
        return AuthenticationError(
            f"{label}: the gateway does not let this Maton API key do that",
            hint="Ask the owner of the Maton account, or use another key.",
            **facts,
        )
    if connection is None and status == 404:  # noqa: PLR2004 - HTTP
        return NotFoundError(
            f"{label}: no such connection",
            hint="List the connections with: bigin connections list",
            **facts,
        )
    if connection is not None and connection.status != "ACTIVE":
        state = f" ({connection.status})" if connection.status else ""
        return ConnectionUnavailableError(
            f"{label}: the gateway has no usable connection {connection.id}{state}",
            hint="Check connection_id (bigin connections list). " + REAUTHORISE,
            **facts,
        )
    if status == 404:  # noqa: PLR2004 - HTTP
        return NotFoundError(
            f"{label}: the gateway knows no such path",
            hint="Check base_url; the gateway may not offer this part of Bigin.",
            **facts,
        )
    return RequestError(
        f"{label}: the gateway refused the request", hint=_STATUS_HINTS.get(status), **facts
    )


def _from_bigin(code: str, label: str, module: str | None, facts: dict[str, Any]) -> BiginError:
    if code == "OAUTH_SCOPE_MISMATCH":
        scope = scopes.needed(label, module)
        return ScopeError(
            f"{label}: the connection has no scope for this",
            module=module,
            scope=scope,
            hint="The scopes are the gateway's: ask support@maton.ai for the operation"
            + (f" (scope {scope})." if scope else "."),
            **facts,
        )
    if code in _DEAD_GRANT:
        return ConnectionUnavailableError(
            f"{label}: Bigin does not accept the connection's grant",
            hint=REAUTHORISE + " An account outside the US data centre gives the same answer.",
            **facts,
        )
    if code in _OUT_OF_REACH:
        return ScopeError(
            f"{label}: not permitted, or not part of the account's edition",
            module=module,
            hint="Ask the Bigin administrator for the permission of the connection's user.",
            **facts,
        )
    if code in _NO_SUCH_THING:
        return NotFoundError(
            f"{label}: Bigin knows no such module or path",
            hint="Module names are API names with their case; see: bigin modules.",
            **facts,
        )
    names = ", ".join(f"{k} {v}" for k, v in facts["details"].items())
    return RequestError(
        f"{label}: Bigin refused the request" + (f" [{names}]" if names else ""),
        hint=_HINTS.get(code) or _STATUS_HINTS.get(facts["status"]),
        **facts,
    )
