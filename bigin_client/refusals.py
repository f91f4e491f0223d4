"""Turn a refusal into the error that tells the caller what to do.

Sources: bigin-api.md section 6, maton.md A5.
"""

from __future__ import annotations

from typing import Any, Final

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
_OUT_OF_REACH: Final = frozenset(
    {"NO_PERMISSION", "FEATURE_NOT_ENABLED", "FEATURE_NOT_SUPPORTED", "NOT_SUPPORTED"}
)
_DEAD_GRANT: Final = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})


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


def from_reply(reply: Reply, label: str, module: str | None, connection: str | None) -> BiginError:
    """Return the error for a reply of status 400 or more.

    Args:
        reply: The refusal.
        label: Method and path, for the message.
        module: Module that was asked for.
        connection: The pinned connection's id.
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
        return ServiceError(
            f"{label}: the service failed",
            hint="Run again later; what was done so far is kept.",
            **facts,
        )
    if code is None:
        return _from_gateway(status, label, connection, facts)
    return _from_bigin(code, status, label, module, facts)


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


def _from_gateway(
    status: int, label: str, connection: str | None, facts: dict[str, Any]
) -> BiginError:
    about_connections = "/connections" in label
    if status in {401, 403}:
        return AuthenticationError(
            f"{label}: the gateway does not accept the Maton API key",
            hint="Check MATON_API_KEY (or the setting api_key).",
            **facts,
        )
    if about_connections and status == 404:  # noqa: PLR2004 - HTTP
        return NotFoundError(
            f"{label}: no such connection",
            hint="List the connections with: bigin connections list",
            **facts,
        )
    if not about_connections and status in {400, 404, 412}:
        return ConnectionUnavailableError(
            f"{label}: the gateway has no usable connection {connection or ''}".rstrip(),
            hint="Check connection_id (bigin connections list) and base_url.",
            **facts,
        )
    return RequestError(f"{label}: the gateway refused the request", **facts)


def _from_bigin(
    code: str, status: int, label: str, module: str | None, facts: dict[str, Any]
) -> BiginError:
    if code == "OAUTH_SCOPE_MISMATCH":
        scope = f"ZohoBigin.modules.{module.lower()}" if module else None
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
    if code == "INVALID_MODULE" or (code == "INVALID_URL_PATTERN" and status == 404):  # noqa: PLR2004 - HTTP
        return NotFoundError(
            f"{label}: Bigin knows no such module or path",
            hint="Module names are API names with their case; see: bigin modules.",
            **facts,
        )
    names = ", ".join(f"{k} {v}" for k, v in facts["details"].items())
    return RequestError(
        f"{label}: Bigin refused the request" + (f" [{names}]" if names else ""), **facts
    )
