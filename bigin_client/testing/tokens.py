"""Page tokens: opaque to clients, and three different things inside (9.19 to 9.26, 11.1).

keyset
    The token remembers the last row; the next page starts behind it in the present order.
offset
    The token remembers how many rows went before; a deletion hides an unread row.
snapshot
    The first page takes the chain's rows down; later changes do not show.

A token is its own content, signed: the simulator keeps nothing but snapshots.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from typing import Any, Final

import msgspec

from bigin_client.testing.table import Record

#: Snapshots kept at a time; the oldest goes first.
_KEPT: Final = 40


class TokenState(msgspec.Struct, array_like=True):
    """What a token carries.

    Attributes:
        path: Route it was given out for.
        params: The parameters of the chain's first request, as sent.
        page: Number of the page it leads to.
        per_page: Rows a page.
        expires: When it ends, in seconds since 1970.
        nature: keyset, offset or snapshot at the time.
        key: Sort key and id of the row before (keyset).
        offset: Rows before (offset, snapshot).
        snapshot: Number of the snapshot.
        back: The page before ``key`` instead of behind it (previous_page_token).
    """

    path: str
    params: dict[str, str]
    page: int
    per_page: int
    expires: float
    nature: str
    key: tuple[Any, str] | None = None
    offset: int = 0
    snapshot: int = 0
    back: bool = False


class Tokens:
    """Signs and reads tokens, and keeps snapshots."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._snapshots: OrderedDict[int, list[Record]] = OrderedDict()
        self._number = 0

    def _sign(self, data: bytes) -> bytes:
        return hmac.new(self._secret, data, hashlib.blake2s).digest()[:9]

    def write(self, state: TokenState) -> str:
        """The token's text."""
        data = msgspec.json.encode(state)
        return base64.urlsafe_b64encode(self._sign(data) + data).decode().rstrip("=")

    def read(self, text: str) -> TokenState | None:
        """The token's content, or None when it is none of ours."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        signature, data = raw[:9], raw[9:]
        if not hmac.compare_digest(signature, self._sign(data)):
            return None
        return msgspec.json.decode(data, type=TokenState)

    def keep(self, records: list[Record]) -> int:
        """Remember a snapshot; returns its number."""
        self._number += 1
        self._snapshots[self._number] = records
        while len(self._snapshots) > _KEPT:
            self._snapshots.popitem(last=False)
        return self._number

    def snapshot(self, number: int) -> list[Record] | None:
        """A snapshot's records."""
        return self._snapshots.get(number)
