"""Copies between accounts: which record each row of the other account became."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigin_client.load.run import LoadRun


class Sources:
    """Old id → new id, per module; kept in the journal, so that later runs know them too.

    Args:
        run: Has the journals. A dry run keeps its imagined ids to itself.
    """

    def __init__(self, run: LoadRun) -> None:
        self._run = run
        self._new: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def put(self, module: str, source_id: str, record_id: str) -> None:
        """Note a pair; it is safe after the next `flush`."""
        self._new[module][source_id] = record_id

    def find(self, modules: Iterable[str], source_id: str) -> str | None:
        """Return the new id of an old one, a record's of one of the modules."""
        for module in modules:
            found = self._new[module].get(source_id)
            if found is None:
                journal = self._run.claims.journal(module, required=True)
                found = journal.find_source(module, source_id) if journal is not None else None
            if found is not None:
                return found
        return None

    def flush(self) -> None:
        """Write new pairs into the journals."""
        if self._run.options.dry_run:
            return
        for module, pairs in self._new.items():
            journal = self._run.claims.journal(module, required=True) if pairs else None
            if journal is not None:
                journal.remember_sources(module, pairs.items())
                pairs.clear()
