"""Requests and replies as plain values, between the HTTP server and the service's rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from bigin_client.testing.refusals import Refusal

#: Content type of every JSON reply. Source: [rec], bigin-api.md section 5.
JSON_TYPE: Final = "application/json;charset=UTF-8"

# Decimals stay exact on both ways: 1234567.89 must not become a float in between.
_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """JSON bytes; Decimals as numbers."""
    return _encoder.encode(value)


def encode_lines(values: Iterable[Any]) -> bytes:
    """JSON bytes of each value, as `encode` writes it, each ended by a line break."""
    return _encoder.encode_lines(values)


def decode(data: bytes) -> Any:
    """Python values of JSON bytes; numbers with a fraction as Decimal."""
    return _decoder.decode(data)


@dataclass(slots=True)
class Request:
    """One HTTP request as it came in.

    Attributes:
        method: Upper case.
        path: Path without the query, as sent.
        query: Decoded parameters; of a repeated one the last value.
        headers: Names in lower case.
        body: Raw body.
        route: Path behind ``/zoho-bigin/bigin/v2/`` (or the whole path elsewhere), decoded.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    route: str = ""
    connection_id: str | None = None

    @classmethod
    def from_target(cls, method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
        """Build a request from the request line's target."""
        path, _, query = target.partition("?")
        path = unquote(path)
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        return cls(method, path, pairs, headers, body, path.strip("/"))

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            Refusal: The body is no JSON (INVALID_DATA, assumed: no document says).
        """
        try:
            return _decoder.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refusal("INVALID_DATA", {}, "the request body is not valid JSON") from None

    def rows(self) -> list[Any] | None:
        """``data`` of the body, or None when there is none."""
        try:
            body = _decoder.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        data = body.get("data") if isinstance(body, dict) else None
        return data if isinstance(data, list) else None


@dataclass(slots=True)
class Delivery:
    """How a reply reaches the client, when not simply whole and at once.

    Attributes:
        cut: Close the connection without a byte.
        truncate: Send only this share (0 to 1) of the announced body, then close.
        delay: Seconds to wait before the first byte.
        pause: Seconds to wait in the middle of the body.
    """

    cut: bool = False
    truncate: float | None = None
    delay: float = 0.0
    pause: float = 0.0


@dataclass(slots=True)
class Response:
    """One reply. ``rows`` and ``code`` are for the request log only."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    rows: int = 0
    delivery: Delivery | None = None

    @classmethod
    def json(cls, status: int, value: Any, *, rows: int = 0, code: str | None = None) -> Response:
        """A reply with a JSON body."""
        return cls(status, _encoder.encode(value), rows=rows, code=code)

    @classmethod
    def empty(cls, status: int = 204) -> Response:
        """204 or 304: no body (bigin-api.md section 9, statement 6)."""
        return cls(status)
