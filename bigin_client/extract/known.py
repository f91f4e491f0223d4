"""Whether every record of a module is known: ids seen, deletions, and the service's count.

Cheaper and stronger than another walk: if the module holds as many records as are known to be
alive, no one is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from bigin_client.errors import NotFoundError, RequestError, ScopeError, ServiceError
from bigin_client.extract.source import Source

#: Tries to find a moment in which the deleted feed and the count agree.
TRIES = 3


class Census:
    """Compares what was seen with what there is.

    Args:
        source: Whose records.
        deleted: Asks the deleted feed for the ids deleted since the read began; None: there is
            no feed that tells.
    """

    def __init__(self, source: Source, deleted: Callable[[], set[str] | None]) -> None:
        self._source = source
        self._deleted = deleted
        self._can_count = source.feed_tells_all and not source.cvid and not source.pipeline_id

    def all_known(self, seen: Collection[str]) -> bool:
        """Whether `seen`, less what was deleted, is as many records as the module holds."""
        if not self._can_count:
            return False
        before = self._deleted()
        for _ in range(TRIES):
            count = self._count()
            after = self._deleted()
            if before is None or after is None or count is None:
                return False
            if before == after:
                return count == len(seen) - sum(1 for i in after if i in seen)
            before = after
        return False

    def _count(self) -> int | None:
        try:
            count = self._source.records.count(self._source.module)
        except (ScopeError, NotFoundError, RequestError, ServiceError):
            self._can_count = False
            return None
        self._source.count(1)
        return count
