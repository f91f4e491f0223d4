"""What the account would hold after the writes that a dry run plans.

A dry run reads the real account. What it would have written by then is laid over each read, so
that later rows, other streams and lookups see what they will see in the real run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from typing_extensions import override

from bigin_client import coql
from bigin_client.criteria import Criteria
from bigin_client.load.account import Account
from bigin_client.load.binding import ID
from bigin_client.records import MAX_IDS
from bigin_client.types import Record

#: No service's id: ids are digits.
_NEW: Final = "new "
_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_decoder: Final = msgspec.json.Decoder()


class ImaginedAccount(Account):
    """The account, as the rows planned so far would have changed it; kept on disk.

    Attributes:
        credits_spared: Credits that a real run spends on reading records that are only planned.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -2000;
            CREATE TABLE write (module TEXT, id TEXT, body BLOB, is_new INTEGER,
                PRIMARY KEY (module, id)) WITHOUT ROWID;
            BEGIN;
            """
        )
        self._created = 0
        self.credits_spared = 0

    def close(self) -> None:
        """Delete the temporary file."""
        self._db.close()

    # -- planned writes --------------------------------------------------------------------------

    def imagine(self, module: str, record_id: str | None, body: Mapping[str, Any] | None) -> str:
        """Take a planned write for done.

        Args:
            module: API name.
            record_id: The record; None: a new one.
            body: What is written; None: it is deleted.

        Returns:
            The record's id.
        """
        before: dict[str, Any] | None = {}
        is_new = record_id is None
        if record_id is None:
            self._created += 1
            record_id = f"{_NEW}{self._created}"
        else:
            found = self._find(module, record_id)
            before, is_new = found or (before, False)
        after = None if body is None else {**(before or {}), **body}
        self._db.execute(
            "INSERT OR REPLACE INTO write VALUES (?, ?, ?, ?)",
            (module, record_id, _encoder.encode(after), is_new),
        )
        return record_id

    def _find(self, module: str, record_id: str) -> tuple[dict[str, Any] | None, bool] | None:
        """Return what is to be written to a record (None: deleted), and whether it is new."""
        found = self._db.execute(
            "SELECT body, is_new FROM write WHERE module = ? AND id = ?", (module, record_id)
        ).fetchone()
        return None if found is None else (_decoder.decode(found[0]), bool(found[1]))

    def _new(self, module: str, names: Sequence[str]) -> Iterator[Record]:
        for record_id, body in self._db.execute(
            "SELECT id, body FROM write WHERE module = ? AND is_new", (module,)
        ).fetchall():
            values = _decoder.decode(body)
            if values is not None:
                yield _record(record_id, {}, values, names)

    def _over(self, module: str, records: Iterable[Record], names: Sequence[str]) -> list[Record]:
        changed = []
        for record in records:
            found = self._find(module, record[ID])
            if found is None:
                changed.append(record)
            elif found[0] is not None:
                changed.append(_record(record[ID], record, found[0], names))
        return changed

    # -- reads -------------------------------------------------------------------------------------

    @override
    def walk(self, module: str, fields: Sequence[str]) -> Iterator[list[Record]]:
        for page in super().walk(module, fields):
            yield self._over(module, page, fields)
        yield list(self._new(module, fields))

    @override
    def query(self, module: str, query: coql.Query, columns: Sequence[str]) -> list[Record]:
        return self._over(module, super().query(module, query, columns), columns)

    @override
    def search(self, module: str, condition: Criteria, columns: Sequence[str]) -> list[Record]:
        return self._over(module, super().search(module, condition, columns), columns)

    @override
    def modified_of_late(
        self, module: str, age: timedelta, fields: Sequence[str], *, most: int
    ) -> list[Record]:
        found = super().modified_of_late(module, age, fields, most=most)
        return [*self._over(module, found, fields), *self._new(module, fields)]

    @override
    def by_ids(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        real = [i for i in ids if not i.startswith(_NEW)]
        found = self._over(module, super().by_ids(module, real, fields), fields) if real else []
        self.credits_spared += -(-len(ids) // MAX_IDS) - -(-len(real) // MAX_IDS)
        for record_id in dict.fromkeys(i for i in ids if i.startswith(_NEW)):
            planned = self._find(module, record_id)
            if planned is not None and planned[0] is not None:
                found.append(_record(record_id, {}, planned[0], fields))
        return found

    @override
    def get(self, module: str, record_id: str, fields: Sequence[str]) -> Record | None:
        planned = self._find(module, record_id)
        if planned is not None and planned[0] is None:
            return None
        is_new = planned is not None and planned[1]
        self.credits_spared += is_new
        record = {} if is_new else super().get(module, record_id, fields)
        if planned is None or planned[0] is None or record is None:
            return record
        return _record(record_id, record, planned[0], fields)


def _record(
    record_id: str, before: Mapping[str, Any], body: Mapping[str, Any], names: Sequence[str]
) -> Record:
    """Return a record with what a body says of it; values on the wire compare as read ones."""
    changed = {n: body.get(n, before.get(n)) for n in {*names, *before} if n != ID}
    return {ID: record_id, **changed}
