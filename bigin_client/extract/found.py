"""What a strategy hands over: rows to emit, still undecoded, and how far the read is safe."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

from bigin_client.extract.chain import Chain
from bigin_client.extract.rows import Page, Row
from bigin_client.extract.source import Source
from bigin_client.extract.withheld import Withheld
from bigin_client.records import MODIFIED, reader_of
from bigin_client.reply import Reply
from bigin_client.types import Record

#: What a `Row` takes: the tuple, its id and its time.
ROW_BYTES: Final = 170


@dataclass
class Found:
    """Some rows of one page that are to be emitted.

    Attributes:
        rows: Which ones, in the order of emission.
        page: The page of the first field group that holds them.
        parts: The same page in the other field groups.
        loose: Records that were read whole by id; emitted after `rows`.
        safe: Every change before this instant (seconds since 1970) has been handed over; None:
            not known yet.
    """

    rows: list[Row] = field(default_factory=list)
    page: Reply | None = field(default=None, repr=False)
    parts: list[Reply | None] = field(default_factory=list, repr=False)
    loose: list[Record] = field(default_factory=list, repr=False)
    safe: int | None = None

    @property
    def size(self) -> int:
        """Bytes that wait in it, unless it is packed."""
        replies = [self.page, *self.parts]
        bodies = sum(len(r.body) for r in replies if r is not None)
        return bodies + ROW_BYTES * len(self.rows) + 1_000 * len(self.loose)

    def pack(self) -> None:
        """Let the pages take less memory while they wait: about an eighth of it."""
        self._each_body(partial(zlib.compress, level=1))

    def unpack(self) -> None:
        """Undo `pack`."""
        self._each_body(zlib.decompress)

    def _each_body(self, change: Callable[[bytes], bytes]) -> None:
        def changed(reply: Reply | None) -> Reply | None:
            # A copy: the walk may look at its reply again.
            return None if reply is None else replace(reply, body=change(reply.body))

        self.page = changed(self.page)
        self.parts = [changed(p) for p in self.parts]


class Strategy(Protocol):
    """A way to read a module's changes. Broken assumptions end it with `BrokenAssumptionError`."""

    #: For people: how it reads.
    name: str

    def run(self) -> Iterator[Found]:
        """Yield what is found; every change is handed over when it ends."""
        ...


def take(chain: Chain, page: Page, rows: list[Row], safe: int | None = None) -> Found:
    """Return rows of the chain's present page; other groups are asked only if there are any."""
    if not rows:
        return Found(safe=safe)
    return Found(rows=rows, page=page.reply, parts=chain.parts(), safe=safe)


class Assembler:
    """Turns what was found into whole records of our form.

    Args:
        source: The extraction's source.
        withheld: Completes them with what lists do not show.
    """

    def __init__(self, source: Source, withheld: Withheld) -> None:
        self._source = source
        self._withheld = withheld
        self._made_for = (0, 0, 0)
        self._read: Callable[[Record], Record] = dict
        #: Ids of records that were gone when they were read whole; they may be restored.
        self.dropped: set[str] = set()

    def records(self, found: Found) -> list[Record]:
        """Return the records, in order; one that vanished meanwhile is left out."""
        rows: Sequence[Record] = []
        if found.page is not None and found.rows:
            rows = self._withheld.complete(self._whole(found, found.page))
            if len(rows) < len(found.rows):
                self.dropped |= {r.id for r in found.rows} - {str(r["id"]) for r in rows}
        read = self._reader()
        return [read(raw) for raw in rows] + [read(raw) for raw in found.loose]

    def _whole(self, found: Found, page: Reply) -> list[Record]:
        by_id = {str(r["id"]): r for r in page.object()["data"]}
        rows = [by_id[r.id] for r in found.rows]
        if len(self._source.groups) == 1:
            return rows
        parts = [p.object()["data"] if p is not None else [] for p in found.parts]
        return list(
            self._source.records.complete(
                self._source.module,
                self._source.names,
                rows,
                parts,
                anchor=MODIFIED if self._source.modified else None,
                get=self._source.get,
            )
        )

    def _reader(self) -> Callable[[Record], Record]:
        types, unknown = self._source.types, self._withheld.unknown
        state = (id(types), len(types), len(unknown))
        if state != self._made_for:
            self._made_for = state
            self._read = reader_of({n: t for n, t in types.items() if n not in unknown})
        return self._read
