"""What a walk needs to know of a page: ids, Modified_Times, more, token. Nothing else is decoded.

A page of 200 records of 40 fields takes three times its size when decoded, so pages travel as
bytes and are decoded when they are emitted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from bigin_client import timestamps
from bigin_client.errors import PagingError
from bigin_client.records import MODIFIED
from bigin_client.reply import Reply

#: Digits of a record id (bigin-api.md 1.4, [rec]).
ID_DIGITS: Final = 19
HALF: Final = 1 << 32


class Row(NamedTuple):
    """One record of a page: its id and its Modified_Time in seconds since 1970, UTC."""

    id: str
    #: None: the service gave no (readable) Modified_Time.
    time: int | None


class _Record(msgspec.Struct):
    id: str | int
    modified: Any = msgspec.field(name=MODIFIED, default=None)


class _Info(msgspec.Struct):
    more_records: bool
    next_page_token: Any = None
    sort_by: Any = None
    sort_order: Any = None


class _Body(msgspec.Struct):
    data: list[_Record]
    info: _Info


_decoder = msgspec.json.Decoder(_Body)


@lru_cache(maxsize=4096)
def instant(text: str) -> int | None:
    """Return the seconds since 1970 of a time in any offset, None if it is none."""
    try:
        return int(timestamps.parse(text).timestamp())
    except ValueError:
        return None


def number(record_id: str) -> int:
    """Return an id as a number; one that is none (not known to happen) as a hash of it."""
    if record_id.isdecimal() and len(record_id) <= ID_DIGITS:
        return int(record_id)
    return hash(record_id) & (1 << 63) - 1


class Ids:
    """Ids of records as numbers, in no order; one that is added twice is there twice.

    Four bytes each: those of an account differ in their lower half, the upper ones are few.
    """

    def __init__(self) -> None:
        self._halves: dict[int, array[int]] = {}

    def add(self, record: int) -> None:
        """Add one."""
        upper, lower = divmod(record, HALF)
        if upper not in self._halves:
            self._halves[upper] = array("I")
        self._halves[upper].append(lower)

    def __iter__(self) -> Iterator[int]:
        """Yield them."""
        for upper, lower in self._halves.items():
            yield from map((upper * HALF).__add__, lower)


def to_text(seconds: int) -> str:
    """Return the UTC form of `instant`'s value."""
    return timestamps.from_seconds(seconds)


@dataclass(frozen=True)
class Page:
    """One page of the first field group.

    Attributes:
        reply: The undecoded page.
        rows: Its records, in the order sent.
        more: The service says that there are more.
        token: Where they are.
        sort: ``(sort_by, sort_order)`` as the service echoes it.
    """

    reply: Reply = field(repr=False)
    rows: list[Row]
    more: bool
    token: str | None
    sort: tuple[Any, Any]

    @property
    def last_time(self) -> int | None:
        """The Modified_Time of the last row that has one."""
        return next((r.time for r in reversed(self.rows) if r.time is not None), None)

    @property
    def times(self) -> int:
        """How many different Modified_Times the page shows."""
        return len({r.time for r in self.rows if r.time is not None})


def read_page(reply: Reply, module: str) -> Page:
    """Return what a walk needs to know of a list reply.

    Raises:
        PagingError: The body has another shape; guessing where records lie would invent some.
    """
    try:
        body = _decoder.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        msg = f"{module}: the list reply has no data[] of records with ids and info.more_records"
        raise PagingError(msg, request_id=reply.request_id) from None
    rows = [
        Row(str(r.id), instant(r.modified) if isinstance(r.modified, str) else None)
        for r in body.data
    ]
    token = body.info.next_page_token
    return Page(
        reply=reply,
        rows=rows,
        more=body.info.more_records,
        token=token if isinstance(token, str) and token else None,
        sort=(body.info.sort_by, body.info.sort_order),
    )
