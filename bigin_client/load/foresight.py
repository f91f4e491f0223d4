"""What a dry run looks up because a real run would hear it from the service.

Which records a blind upsert would update, and which values of unique fields other records have.
What that costs is no part of the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bigin_client.load.index import Index
from bigin_client.load.reading import Reading
from bigin_client.load.rows import Refusal, Row
from bigin_client.load.writer import DUPLICATE, Item

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader


class Foresight:
    """Looks ahead for one stream of a dry run.

    Args:
        loader: The stream.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._account = loader.run.account
        self._module = loader.module.api_name
        self._reading: Reading | None = None
        self._unique = [f.api_name for f in loader.fields if f.unique]
        #: Credits spent.
        self.credits = 0

    def read(self, rows: Sequence[Row], index: Index) -> None:
        """Make the index know the records of rows that a blind upsert would find."""
        before = self._account.credits_read
        if self._reading is None:
            self._reading = Reading(self._account, self._module, index, "always")
        self._reading.read(rows)
        self.credits += self._account.credits_read - before

    def clashes(self, items: Sequence[Item]) -> list[tuple[Item, Refusal]]:
        """Return the items that the service would refuse for a unique value, and how."""
        before = self._account.credits_read
        index = self._loader.index
        key = index.key.fields if index.key is not None and index.key.unique else ()
        found = []
        for name in self._unique:
            holders = self._loader.run.parents(self._module, (name,))
            given = [
                (i, {name: i.body[name]})
                for i in items
                if i.body.get(name) is not None and not (i.kind == "upsert" and name in key)
            ]
            ids = holders.find(value for _, value in given)
            for item, value in given:
                others = set(ids.get(holders.digest(value) or b"", [])) - {item.record_id}
                if others:
                    reason = f"the service refuses the row: record {min(others)} has this value"
                    found.append((item, Refusal(DUPLICATE, reason, name, min(others))))
        self.credits += self._account.credits_read - before
        return list({id(i): (i, r) for i, r in reversed(found)}.values())
