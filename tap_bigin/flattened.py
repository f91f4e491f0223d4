"""Make flattened records fit their flattened schema, which the SDK does not see to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

log = logging.getLogger("tap-bigin")

SEPARATOR: Final = "__"


class Fit:
    """Fits the records of one stream.

    The SDK leaves the key of an object that is null, which the schema no longer has: a target
    that checks records would stop there. Its columns become null instead, so that a lookup that
    was cleared is cleared in the warehouse.

    Args:
        stream: For the log.
        columns: Of the flattened schema.
        separator: Between the names of an object and its properties.
    """

    def __init__(self, stream: str, columns: Collection[str], separator: str | None) -> None:
        self._stream = stream
        self._columns = frozenset(columns)
        self._separator = separator or SEPARATOR
        self._said: set[str] = set()
        self._parts = cache(self._find_parts)

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with columns of the schema only; what has none is named once."""
        fitting: dict[str, Any] = {}
        for name, value in record.items():
            if name in self._columns:
                fitting[name] = value
            elif value is None:
                fitting.update(dict.fromkeys(self._parts(name)))
            elif name not in self._said:
                self._said.add(name)
                log.warning("%s: %s has no column in the schema: left out", self._stream, name)
        return fitting

    def _find_parts(self, name: str) -> tuple[str, ...]:
        return tuple(c for c in self._columns if c.startswith(name + self._separator))
