"""JSON of single fields, made once a record.

What a reply shows of a record is mostly a function of that record alone: its own values, and its
times in the org's zone. A `Layout` keeps the JSON of each such field with the record, as a *cell*
(``"Last_Name":"Lovelace"``), so that a page of any fields is put together from cells. What other
records or definitions decide (lookups, users, tags) is no cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter
from typing import Final, Literal, TypeAlias

from bigin_client.testing.clock import OrgZone
from bigin_client.testing.table import Record
from bigin_client.testing.wire import encode, encode_lines

#: What stands in a cell: a stored value as it is, as true or false, as a time; a record's time.
Kind: TypeAlias = Literal["value", "flag", "moment", "record time"]

#: Cells that a column keeps to share; beyond that the values are mostly unique.
_SHARED: Final = 4_000
#: Records whose cells are made at once: the JSON of their columns is in memory meanwhile.
_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a column of cells.

    Attributes:
        kind: How the value is shown.
        key: Key of the record's values, or attribute of the record ("record time").
    """

    kind: Kind
    key: str


class _Column:
    """The cells of one field; equal ones are one object."""

    __slots__ = ("_content", "_prefix", "_shared", "_texts")

    def __init__(self, name: str, content: Content, zone: OrgZone) -> None:
        self._content = content
        self._prefix = encode(name) + b":"
        self._shared: dict[bytes, bytes] = {}
        self._texts: Callable[[Iterable[int | None]], Iterable[str | None]] = zone.texts

    def cells(self, records: Sequence[Record]) -> list[bytes]:
        """A cell of each record."""
        kind, key = self._content.kind, self._content.key
        if kind == "record time":
            return self._times(map(attrgetter(key), records))
        values = map(dict.get, [record.values for record in records], repeat(key))
        if kind == "moment":
            return self._times(values)
        # JSON has no raw line break, so the lines come apart where the values do. Shared by
        # their JSON: 10 and 10.0 are equal, but not the same reply.
        lines = encode_lines(map(bool, values) if kind == "flag" else values).split(b"\n")
        lines.pop()
        known = self._shared
        return [known.get(line) or self._made(line) for line in lines]

    def _made(self, line: bytes) -> bytes:
        cell = self._prefix + line
        if len(self._shared) < _SHARED:
            self._shared[line] = cell
        return cell

    def _times(self, epochs: Iterable[int | None]) -> list[bytes]:
        # Hardly ever equal, so nothing is kept; digits and signs need no escapes.
        name, empty = self._prefix.decode(), self._prefix + b"null"
        return [
            empty if text is None else f'{name}"{text}"'.encode() for text in self._texts(epochs)
        ]


class Layout:
    """Which cells the records of a module have, in which order; ``id`` is the first.

    Args:
        contents: By field name.
        zone: The org's time zone.
    """

    def __init__(self, contents: Mapping[str, Content], zone: OrgZone) -> None:
        self.contents = dict(contents)
        self.zone = zone
        #: Position of a field's cell.
        self.places = {name: place for place, name in enumerate(contents, start=1)}
        self._columns = [_Column(name, content, zone) for name, content in contents.items()]

    def covers(self, contents: Mapping[str, Content], zone: OrgZone) -> bool:
        """Whether the layout has these cells."""
        return zone is self.zone and contents.items() <= self.contents.items()

    def cells(self, records: Sequence[Record]) -> list[tuple[bytes, ...]]:
        """The cells of each record, made where they are missing."""
        missing = [record for record in records if record.layout is not self]
        for start in range(0, len(missing), _AT_ONCE):
            chosen = missing[start : start + _AT_ONCE]
            columns = [column.cells(chosen) for column in self._columns]
            ids = [f'"id":"{record.id}"'.encode() for record in chosen]
            for record, cells in zip(chosen, zip(ids, *columns, strict=True), strict=True):
                record.cells, record.layout = cells, self
        return [record.cells for record in records]
