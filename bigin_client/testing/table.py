"""Records of one module, with the orders and indexes that make the service fast.

A `Record` is never changed: a write puts a new one in its place. A snapshot token may therefore
keep references, and the search index may go on showing an old state.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

Pair = tuple[Any, str]
#: Writes that wait for the search index before the old ones are worked in.
_UNSEEN = 20_000


class Record:
    """One state of one record.

    ``values`` holds the stored form: a lookup as the target's id, a user as his id, a date-time
    as whole seconds since 1970, decimals as Decimal; an absent key is an empty field.
    """

    __slots__ = (
        "activity", "cells", "created", "created_by", "id", "layout", "modified", "modified_by",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        values: dict[str, Any],
        created: int,
        modified: int,
        created_by: str,
        modified_by: str,
        activity: int | None = None,
    ) -> None:
        self.id = id
        self.values = values
        self.created = created
        self.modified = modified
        self.created_by = created_by
        self.modified_by = modified_by
        self.activity = activity
        # What `testing.cells` keeps with a record: JSON, and whose it is.
        self.cells: tuple[bytes, ...] = ()
        self.layout: object | None = None

    def changed(
        self,
        values: dict[str, Any] | None = None,
        *,
        modified: int | None = None,
        modified_by: str | None = None,
        activity: int | None = None,
    ) -> Record:
        """The next state of this record."""
        return Record(
            self.id,
            self.values if values is None else values,
            self.created,
            self.modified if modified is None else modified,
            self.created_by,
            self.modified_by if modified_by is None else modified_by,
            self.activity if activity is None else activity,
        )


@dataclass(slots=True)
class Deleted:
    """A deletion: the last state, when, by whom, and how for good.

    ``listed`` is False for what the deleted feed keeps silent about (switch cascade_in_feed).
    """

    record: Record
    at: int
    by: str
    permanent: bool
    listed: bool = True


class Ordering:
    """(key, id) pairs in ascending order; ids are 19 digits, so text order is number order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs: list[Pair] = sorted(pairs)

    def add(self, key: Any, id: str) -> None:
        """Put a pair in; appending is the usual case."""
        pair = (key, id)
        if not self.pairs or self.pairs[-1] < pair:
            self.pairs.append(pair)
        else:
            insort(self.pairs, pair)

    def discard(self, key: Any, id: str) -> None:
        """Take a pair out."""
        position = bisect_left(self.pairs, (key, id))
        if position < len(self.pairs) and self.pairs[position] == (key, id):
            del self.pairs[position]

    def after(self, key: Any, *, inclusive: bool) -> int:
        """Position of the first pair whose key is above ``key`` (or at it)."""
        if inclusive:
            return bisect_left(self.pairs, (key, ""))
        return bisect_right(self.pairs, (key, "\x7f"))


def _zero(record: Record) -> int:
    return 0


#: How the three sort fields that are always allowed order records (bigin-api.md 3.1).
_KEYS: dict[str, Callable[[Record], int]] = {
    "id": _zero,
    "Created_Time": attrgetter("created"),
    "Modified_Time": attrgetter("modified"),
}


class Table:
    """Live and deleted records of one module."""

    def __init__(self) -> None:
        self.live: dict[str, Record] = {}
        self.gone: dict[str, Deleted] = {}
        #: Moves with every change; what was computed from an older version is stale.
        self.version = 0
        self._orderings: dict[str, Ordering] = {}
        self._indexes: dict[str, dict[str, set[str]]] = {}
        self._search: dict[str, Record] | None = None
        self._unseen: deque[tuple[float, str, Record | None]] = deque()

    def load(self, records: Iterable[Record]) -> None:
        """Take over generated records, before any index exists."""
        self.live.update((record.id, record) for record in records)
        self.version += 1

    def put(self, record: Record, at: float) -> None:
        """Insert a record, or replace its former state; ``at`` is when, for the search index."""
        if self._search is None:
            self._search = dict(self.live)
        former = self.live.get(record.id)
        if former is not None:
            self._unindex(former)
        self.live[record.id] = record
        self._index(record)
        self._unseen.append((at, record.id, record))
        if len(self._unseen) > _UNSEEN:
            self.searchable(at - 3_600)
        self.version += 1

    def remove(self, id: str, at: float) -> Record | None:
        """Take a live record out and return it."""
        if self._search is None:
            self._search = dict(self.live)
        former = self.live.pop(id, None)
        if former is not None:
            self._unindex(former)
            self._unseen.append((at, id, None))
            self.version += 1
        return former

    def ordering(self, field: str) -> Ordering:
        """The order by id, Created_Time or Modified_Time; built at its first use."""
        found = self._orderings.get(field)
        if found is None:
            found = Ordering(zip(map(_KEYS[field], self.live.values()), self.live, strict=True))
            self._orderings[field] = found
        return found

    def find(self, field: str, value: Any) -> list[str]:
        """Ids of live records with this value, case ignored, the oldest first."""
        index = self._indexes.get(field)
        if index is None:
            index = {}
            for record in self.live.values():
                held = fold(record.values.get(field))
                if held is not None:
                    index.setdefault(held, set()).add(record.id)
            self._indexes[field] = index
        wanted = fold(value)
        return sorted(index.get(wanted, ())) if wanted is not None else []

    def searchable(self, seen_until: float) -> dict[str, Record]:
        """What the search index shows: every write up to ``seen_until``."""
        if self._search is None:
            return self.live
        while self._unseen and self._unseen[0][0] <= seen_until:
            _, id, record = self._unseen.popleft()
            if record is None:
                self._search.pop(id, None)
            else:
                self._search[id] = record
        return self._search

    def forget_index(self, field: str) -> None:
        """Drop the index of a field that was removed."""
        self._indexes.pop(field, None)

    def _index(self, record: Record) -> None:
        for field, ordering in self._orderings.items():
            ordering.add(_KEYS[field](record), record.id)
        for field, index in self._indexes.items():
            held = fold(record.values.get(field))
            if held is not None:
                index.setdefault(held, set()).add(record.id)

    def _unindex(self, record: Record) -> None:
        for field, ordering in self._orderings.items():
            ordering.discard(_KEYS[field](record), record.id)
        for field, index in self._indexes.items():
            held = fold(record.values.get(field))
            if held is not None and held in index:
                index[held].discard(record.id)
                if not index[held]:
                    del index[held]


def fold(value: Any) -> str | None:
    """A value as uniqueness compares it: without case ([rec]: casesensitive "0")."""
    if value is None or value == "":
        return None
    return value.casefold() if isinstance(value, str) else str(value)
