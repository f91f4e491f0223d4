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
    from bigin_client.load.lookups import Parents


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

    def prepare(self, items: Sequence[Item]) -> None:
        """Read together what `clash` needs to know of each."""
        before = self._account.credits_read
        for name in self._unique:
            self._holders(name).find(
                {name: i.body[name]} for i in items if self._may_clash(i, name)
            )
        self.credits += self._account.credits_read - before

    def clash(self, item: Item) -> Refusal | None:
        """Return how the service would refuse an item for a unique value, None if it would not."""
        for name in self._unique:
            if not self._may_clash(item, name):
                continue
            value = {name: item.body[name]}
            holders = self._holders(name)
            ids = holders.find([value]).get(holders.digest(value) or b"", [])
            others = sorted(set(ids) - {item.record_id, item.expected_id})
            if others:
                reason = f"the service refuses the row: record {others[0]} has this value"
                return Refusal(DUPLICATE, reason, name, others[0])
        return None

    def _holders(self, name: str) -> Parents:
        return self._loader.run.relations.parents(self._module, (name,), shared=False)

    def _may_clash(self, item: Item, name: str) -> bool:
        key = self._loader.holdings.index.key
        finds = item.kind == "upsert" and key is not None and name in key.fields
        return item.body.get(name) is not None and not finds
