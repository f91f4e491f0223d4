"""What a load asks of its input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from bigin_client.files.reading import Line


class RowSource(Protocol):
    """Where the rows come from."""

    @property
    def fingerprint(self) -> Any:
        """What tells this input from another, JSON-ready; None: it cannot be told."""
        ...

    def rows(self, skip: int = 0) -> Iterator[tuple[int, Line]]:
        """Yield ``(position, row)`` from 1, without the first `skip`."""
        ...

    def row_key(self, position: int) -> str | None:
        """Return what names the row at a position, for inserts; None: only its columns can."""
        ...

    def count(self) -> int | None:
        """Return how many rows there must be, known otherwise than by reading them.

        None: only the rows themselves tell, so that nobody would notice if some were missing.
        """
        ...
