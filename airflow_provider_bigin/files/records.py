"""Rows that a task was given as they are, a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bigin_client.errors import SettingsError


class Given:
    """Records from a task's arguments.

    Args:
        records: Field → value; a single one, or a list.
        most: How many may come this way.
        name: Names the task instance, for inserts: none of its rows is inserted twice.

    Raises:
        SettingsError: Too many, or not records.
    """

    def __init__(self, records: Any, most: int, name: str) -> None:
        given = [records] if isinstance(records, Mapping) else records
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise SettingsError("records must be an object, or a list of objects")
        if not all(isinstance(r, Mapping) for r in given):
            raise SettingsError("records must be a list of objects: field → value")
        if len(given) > most:
            raise SettingsError(
                f"{len(given)} records are too many for a task's arguments (max_xcom_records is "
                f"{most})",
                hint="Write them to a file and use BiginLoadFromFileOperator.",
            )
        self._records: Sequence[Mapping[str, Any]] = given
        self._name = name

    @property
    def fingerprint(self) -> Any:
        """How many there are; a task's arguments are the same in all its tries."""
        return [self._name, len(self._records)]

    def count(self) -> int:
        """Return how many there are."""
        return len(self._records)

    def rows(self, skip: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield ``(position, row)`` from 1, without the first `skip`."""
        for position, record in enumerate(self._records, start=1):
            if position > skip:
                yield position, record

    def row_key(self, position: int) -> str:
        """Return what names a row: task, run, map index and place."""
        return f"{self._name}:{position}"
