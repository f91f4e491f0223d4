"""A reply of the gateway or of Bigin, and who of the two it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from bigin_client import timestamps
from bigin_client.errors import ServiceError

#: Names in Bigin's `details` that hold names, sizes or ids, never a record's contents.
_DETAILS: Final = frozenset(
    {
        "api_name",
        "expected_data_type",
        "id",
        "json_path",
        "limit",
        "maximum_length",
        "more_records",
        "param_name",
        "permissions",
        "resource_path_index",
    }
)

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Reply:
    """One reply.

    Attributes:
        status: HTTP status.
        headers: Reply headers, names without regard to case.
        body: The bytes of the body; decoded only when asked for.
        asked_at: When the request was sent, by the local clock, UTC.
        tries: How often the request was sent; above 1, an earlier one may have been processed.
        maybe_repeated: An earlier try got no answer, so it may have been processed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    asked_at: datetime
    tries: int = 1
    maybe_repeated: bool = False
    _json: Any = field(default=None, init=False, repr=False)

    def json(self) -> Any:
        """Return the decoded body; numbers with a fraction as exact `decimal.Decimal`.

        Raises:
            ServiceError: The body is no JSON.
        """
        if self._json is None:
            try:
                self._json = _decoder.decode(self.body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                msg = "The reply is not JSON"
                raise ServiceError(msg, status=self.status, request_id=self.request_id) from None
        return self._json

    def object(self) -> dict[str, Any]:
        """Return the body as an object; ``{}`` when it is empty or something else."""
        if not self.body:
            return {}
        try:
            body = self.json()
        except ServiceError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def is_empty(self) -> bool:
        """Whether the reply says that there is nothing: 204 or 304."""
        return self.status in {204, 304}

    @property
    def is_json(self) -> bool:
        """Whether the body is whole, valid JSON; nothing is built for the answer."""
        try:
            msgspec.json.decode(self.body, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return True

    @property
    def date(self) -> datetime | None:
        """The server's clock (header ``Date``), None when it did not say."""
        return timestamps.from_http_date(self.headers.get("Date"))

    @property
    def request_id(self) -> str | None:
        """The gateway's ``X-Request-Id``."""
        return self.headers.get("X-Request-Id")

    @property
    def code(self) -> str | None:
        """Bigin's code of a refusal, None when the reply is not Bigin's refusal.

        An upper-case code beside ``status: error`` marks Bigin's own shape (maton.md A5).
        """
        body = self.object()
        code = body.get("code")
        if isinstance(code, str) and code.isupper() and body.get("status") == "error":
            return code
        return None

    @property
    def is_gateway_shape(self) -> bool:
        """Whether the body is one of the gateway's own JSON shapes (maton.md A5)."""
        body = self.object()
        return self.code is None and any(k in body for k in ("message", "error", "detail"))

    @property
    def row_results(self) -> list[Any] | None:
        """``data[]`` of a write reply, None when there is none."""
        data = self.object().get("data")
        return data if isinstance(data, list) else None

    @property
    def retry_after(self) -> float | None:
        """Seconds that a refusal asks to wait, given as a number or as a date; None: not said."""
        text = (self.headers.get("Retry-After") or "").strip()
        if self.status < 400 or not text:  # noqa: PLR2004 - HTTP
            return None
        if text.isascii() and text.replace(".", "", 1).isdigit():
            return float(text)
        date = timestamps.from_http_date(text)
        if date is None:
            return None
        # The server's own clock, when it tells it, measures the server's date.
        return max(0.0, (date - (self.date or timestamps.now())).total_seconds())


def safe_details(details: object) -> dict[str, Any]:
    """Return the part of Bigin's ``details`` that may be shown: names, sizes, ids."""
    if not isinstance(details, dict):
        return {}
    shown = {k: v for k, v in details.items() if k in _DETAILS and not isinstance(v, dict)}
    duplicate = details.get("duplicate_record")
    if isinstance(duplicate, dict) and "id" in duplicate:
        shown["id"] = duplicate["id"]
    return shown


def encode(value: object) -> bytes:
    """Return JSON; a `decimal.Decimal` becomes a number with all its digits."""
    return _encoder.encode(value)
