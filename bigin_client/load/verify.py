"""Read back what was written, and say where the account holds something else."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bigin_client.load.binding import ID
from bigin_client.paging import PAGE_SIZE

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

log = logging.getLogger(__name__)

#: Records read back together: many, because batches under way stand before them in the list.
_TOGETHER: Final = 10_000


class Verifier:
    """Checks one stream's writes.

    Args:
        loader: The stream.

    Attributes:
        records: Records read back.
        differences: Field → records that hold something else (a workflow changed it, the
            service cut it).
        credits_predicted: Credits that a dry run leaves out.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._written: dict[str, Mapping[str, Any]] = {}
        self.records = 0
        self.credits_predicted = 0
        self.differences: Counter[str] = Counter()

    def note(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Remember what was written; a later write to the same record adds to it."""
        self._written[record_id] = {**self._written.get(record_id, {}), **body}
        if len(self._written) >= _TOGETHER:
            self.check()

    def forget(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Expect no more what was written over since; an empty body means a deletion."""
        written = self._written.pop(record_id, {})
        rest = {name: value for name, value in written.items() if name not in body}
        if body and rest:
            self._written[record_id] = rest

    def check(self) -> None:
        """Read back everything noted so far (1 credit for each 200 records)."""
        written, self._written = self._written, {}
        if not written:
            return
        if self._loader.run.options.dry_run:
            self.credits_predicted += -(-len(written) // PAGE_SIZE)
            return
        loader, index = self._loader, self._loader.holdings.index
        module = loader.module.api_name
        account, fields = loader.run.account, sorted(index.fields)
        found = {r[ID]: r for r in account.just_written(module, list(written), fields)}
        self.records += len(written)
        for record_id, body in written.items():
            record = found.get(record_id)
            if record is None:
                self.differences[ID] += 1
                log.warning("%s: record %s was written and is gone", loader.stream, record_id)
                continue
            other = [n for n, v in body.items() if not index.record_holds(record, {n: v})]
            if other:
                self.differences.update(other)
                log.warning(
                    "%s: record %s holds something else in %s",
                    loader.stream,
                    record_id,
                    ", ".join(other),
                )
