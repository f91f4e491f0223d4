"""Fields that records have but lists do not show.

Whether a list shows a subform's rows is not known (bigin-api.md section 10, question 6): it may
leave the key out, or show null. A null in a warehouse would say that there are none, so such a
field is read with each record by its id (3.2), at a request each. That is much, so it is done only
once a single record was seen to show what its list did not.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from bigin_client.errors import NotFoundError, RequestError, ScopeError, ServiceError
from bigin_client.extract.checks import time_of
from bigin_client.extract.source import Source
from bigin_client.records import MODIFIED
from bigin_client.types import Record

log = logging.getLogger(__name__)

#: Records that are asked by id before a field that no list shows is given up.
TRIES: Final = 3


class Withheld:
    """Completes the rows of lists.

    Args:
        source: What is read.
        field_names: Returns the names of the fields that the account has now; None: not known.
        warn: Takes a line for a person.
        warn_gone: Takes the names of fields that the account has no more.
        again: Whether an earlier read may have handed over null for such a field.
    """

    def __init__(
        self,
        source: Source,
        *,
        field_names: Callable[[], Iterable[str]] | None,
        warn: Callable[[str], None],
        warn_gone: Callable[[list[str]], None],
        again: bool,
    ) -> None:
        self._source = source
        self._field_names = field_names
        self._warn = warn
        self._warn_gone = warn_gone
        self._again = again
        #: Read record by record.
        self._names: list[str] = []
        #: Shown nowhere: no value is handed over, so that targets may keep the one they have.
        self.unknown: set[str] = set()
        #: A list has shown a value, so its null means null.
        self._shown: set[str] = set()
        self._pages = 0
        self._look_at = 1
        #: Records that were handed over with a null that is not believed yet.
        self._doubted: array[int] = array("Q")
        #: Those of them that have to be read again, because the null was none.
        self.mistaken: Sequence[int] = ()

    def complete(self, rows: Sequence[Record]) -> Sequence[Record]:
        """Return whole records; one that vanished meanwhile is left out.

        `unknown` and `mistaken` may change.
        """
        if not rows:
            return rows
        self._find_missing(rows)
        self._doubt_nulls(rows)
        if not self._names:
            return rows
        calls = [partial(self._read, row) for row in rows]
        return [r for r in self._source.crew.together(calls) if r is not None]

    def _read(self, row: Record) -> Record | None:
        names = [*self._names, MODIFIED] if self._source.modified else self._names
        part = self._source.get(str(row["id"]), names)
        if part is None:
            return None
        if self._source.modified and time_of(part) != time_of(row):
            return self._source.get(str(row["id"]))  # changed in between: half a record
        return {**row, **{n: part[n] for n in self._names if n in part}}

    # -- the key is left out -----------------------------------------------------------------

    def _find_missing(self, rows: Sequence[Record]) -> None:
        known = {"id", *self._names, *self.unknown}
        absent = [n for n in self._source.types if n not in rows[0] and n not in known]
        # A parent's module is sent only where a record has one.
        missing = [n for n in absent if n[0] != "$" and not any(n in r for r in rows)]
        if not missing:
            return
        has = self._fields_now()
        gone = [] if has is None else [n for n in missing if n not in has]
        if gone:
            self._warn_gone(sorted(gone))
        asked = [n for n in missing if n not in gone]
        found = self._probe(rows, asked) if asked else {}
        kept = [n for n in asked if n in found]
        nowhere = [n for n in asked if n not in found]
        if kept:
            self._read_singly(kept, "leave out")
        if nowhere:
            self._warn(
                f"neither lists nor single records show {', '.join(sorted(nowhere))}: left out of "
                "the records"
            )
        self.unknown.update(gone, nowhere)

    def _fields_now(self) -> set[str] | None:
        if self._field_names is None:
            return None
        try:
            return set(self._field_names())
        except (ScopeError, NotFoundError, RequestError, ServiceError) as error:
            log.debug("%s: its fields cannot be listed (%s)", self._source.module, error.code)
            return None

    # -- null instead of a value ---------------------------------------------------------------

    def _doubt_nulls(self, rows: Sequence[Record]) -> None:
        doubtful = [
            name
            for name, kind in self._source.types.items()
            if kind.kind == "array"
            and name not in self._shown
            and name not in self._names
            and name not in self.unknown
        ]
        for name in doubtful:
            if any(r.get(name) is not None for r in rows):
                self._shown.add(name)
        doubtful = [n for n in doubtful if n not in self._shown]
        if not doubtful:
            self._doubted = array("Q")
            return
        self._pages += 1
        if self._pages >= self._look_at:
            # Ever more seldom: an account without line items never shows any.
            self._look_at = self._pages * 2
            found = self._probe(rows, doubtful, 1)
            hidden = [n for n in doubtful if found.get(n)]
            if hidden:
                self._read_singly(hidden, "show null for")
                self.mistaken, self._doubted = self._doubted, array("Q")
                return
        self._doubted.extend(int(i) for r in rows if (i := str(r["id"])).isdecimal())

    # -- both --------------------------------------------------------------------------------

    def _probe(self, rows: Sequence[Record], names: list[str], tries: int = TRIES) -> Record:
        """Return how a record that exists shows these fields by itself."""
        for row in rows[-tries:]:
            if (found := self._source.get(str(row["id"]), names)) is not None:
                return found
        return {}

    def _read_singly(self, names: list[str], what: str) -> None:
        self._names += names
        earlier = "; what earlier runs read may lack it: read the module in full once"
        self._warn(
            f"lists {what} {', '.join(sorted(names))}, which single records show: read record by "
            f"record, at a credit each (deselect it to save them){earlier * self._again}"
        )
