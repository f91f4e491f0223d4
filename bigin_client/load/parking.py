"""Rows that wait for their parents, on disk: there may be many."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from bigin_client import timestamps
from bigin_client.load.rows import Row
from bigin_client.rejects import to_json

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


class Parking:
    """Waiting rows of one stream, in input order."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -2000;
            CREATE TABLE parked (number INTEGER PRIMARY KEY, key BLOB, tag INTEGER, row BLOB);
            CREATE INDEX parked_key ON parked (key);
            BEGIN;
            """
        )
        #: Tags stay in memory: they are the caller's own objects, and few for many rows.
        self._tags: list[Any] = []
        self._tag_numbers: dict[int, int] = {}
        self.count = 0

    def close(self) -> None:
        """Delete the file."""
        self._db.close()

    def add(self, row: Row) -> None:
        """Put a row aside."""
        number = self._tag_numbers.get(id(row.tag))
        if number is None:
            number = self._tag_numbers[id(row.tag)] = len(self._tags)
            self._tags.append(row.tag)
        changed = row.unless_changed_since
        data = to_json(
            [
                row.source,
                row.body,
                row.natural_keys,
                row.record_id,
                row.shown_key,
                row.row_key,
                row.is_deletion,
                changed.isoformat() if changed is not None else None,
            ]
        )
        self._db.execute(
            "INSERT INTO parked VALUES (?, ?, ?, ?)", (row.number, row.key, number, data)
        )
        self.count += 1

    def take(self, key: bytes) -> Row | None:
        """Take out the row with a match key."""
        found = self._db.execute(
            "SELECT number, key, tag, row FROM parked WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        self._remove(found[0])
        return self._row(found)

    def take_all(self, at_a_time: int) -> Iterator[list[Row]]:
        """Take out all rows, so many at a time; rows put aside meanwhile are left."""
        last = self._db.execute("SELECT max(number) FROM parked").fetchone()[0]
        after = 0
        while last is not None:
            found = self._db.execute(
                "SELECT number, key, tag, row FROM parked WHERE number > ? AND number <= ? "
                "ORDER BY number LIMIT ?",
                (after, last, at_a_time),
            ).fetchall()
            if not found:
                return
            after = found[-1][0]
            for line in found:
                self._remove(line[0])
            yield [self._row(line) for line in found]

    def _remove(self, number: int) -> None:
        self._db.execute("DELETE FROM parked WHERE number = ?", (number,))
        self.count -= 1

    def _row(self, found: tuple[Any, ...]) -> Row:
        number, key, tag, data = found
        source, body, natural_keys, record_id, shown_key, row_key, is_deletion, changed = (
            _decoder.decode(data)
        )
        return Row(
            number,
            source,
            self._tags[tag],
            body=body,
            record_id=record_id,
            key=key,
            shown_key=shown_key,
            row_key=row_key,
            natural_keys=natural_keys,
            is_deletion=is_deletion,
            unless_changed_since=timestamps.parse(changed) if changed else None,
        )
