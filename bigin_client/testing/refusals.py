"""How the service and the gateway say no.

Two shapes of the service (bigin-api.md section 6): a whole request refused, and one row refused
inside ``data[]``. The gateway's own shapes (maton.md A5) carry no upper-case ``code``.
"""

from __future__ import annotations

from typing import Any, Final

#: Texts of the family ([crm-doc], partly [crm°]): never to be relied on by a client.
MESSAGES: Final[dict[str, str]] = {
    "REQUIRED_PARAM_MISSING": "One of the expected parameter is missing",
    "EXPECTED_PARAM_MISSING": "One of the expected parameter is missing",
    "INVALID_MODULE": "the module name given seems to be invalid",
    "INVALID_URL_PATTERN": "Please check if the URL trying to access is a correct one",
    "INVALID_REQUEST_METHOD": "The http request method type is not a valid one",
    "INVALID_REQUEST": "unable to process your request. please verify whether you have entered"
    " proper method name, parameter and parameter values.",
    "INVALID_QUERY": "invalid query formed",
    "SYNTAX_ERROR": "error occurred while parsing the query",
    "LIMIT_EXCEEDED": "the given limit is exceeded",
    "DISCRETE_PAGINATION_LIMIT_EXCEEDED": "records above the limit cannot be fetched by page",
    "PAGINATION_LIMIT_EXCEEDED": "records above the limit cannot be fetched by page_token",
    "EXPIRED_VALUE": "the page_token given is expired",
    "TOKEN_BOUND_DATA_MISMATCH": "the parameters differ from those the page_token is bound to",
    "AMBIGUITY_DURING_PROCESSING": "the given parameters cannot be used together",
    "INVALID_DATA": "invalid data",
    "MANDATORY_NOT_FOUND": "required field not found",
    "DUPLICATE_DATA": "duplicate data",
    "DEPENDENT_FIELD_MISSING": "dependent field missing",
    "DEPENDENT_MISMATCH": "the value does not belong to the controlling field's value",
    "NOT_ALLOWED": "the field may not be written",
    "OAUTH_SCOPE_MISMATCH": "invalid oauth scope to access this URL",
    "NO_PERMISSION": "permission denied",
    "TOO_MANY_REQUESTS": "too many requests fired in the allowed time",
    "INTERNAL_ERROR": "Internal Server Error",
    "RECORD_LOCKED": "the record is locked",
    "NOT_MODIFIED_CONFLICT": "the record was modified since the given time",
    "FEATURE_NOT_SUPPORTED": "the feature is not supported",
}

#: HTTP status of a refused request; 400 where not listed.
_STATUS: Final[dict[str, int]] = {
    "INVALID_URL_PATTERN": 404,
    "OAUTH_SCOPE_MISMATCH": 401,
    "NO_PERMISSION": 403,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_ERROR": 500,
}


class Refusal(Exception):
    """The service refuses the whole request.

    Args:
        code: Upper-case code of bigin-api.md section 6.
        details: What the reply says about the cause.
        message: Text; that of `MESSAGES` when omitted.
        status: HTTP status; the code's usual one when omitted.
        headers: Extra response headers.
    """

    def __init__(
        self,
        code: str,
        details: dict[str, Any] | None = None,
        message: str | None = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.details = details or {}
        self.message = message or MESSAGES.get(code, code.replace("_", " ").lower())
        self.status = status or _STATUS.get(code, 400)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The reply's object, also that of a refused row."""
        return {
            "code": self.code,
            "details": self.details,
            "message": self.message,
            "status": "error",
        }


class RowRefusal(Refusal):
    """One row of a write is refused; the others go on (bigin-api.md 3.3)."""


class GatewayRefusal(Exception):
    """The gateway itself answers, in one of its own shapes (maton.md A5)."""

    def __init__(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(str(status))
        self.status = status
        self.body = body
        self.headers = headers or {}
