"""Wait for records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_bigin.triggers.base import BiginPollTrigger

if TYPE_CHECKING:
    from airflow_provider_bigin.waiting import Look


class BiginRecordTrigger(BiginPollTrigger):
    """Wait until records match; its event holds ``ids`` and ``count``.

    :param module: API name or alias.
    :param criteria: Search criteria; or
    :param record_id: one record.
    :param min_count: How many there must be.
    :param max_ids: How many ids the event may hold.

    See `BiginPollTrigger` for the other parameters.
    """

    def __init__(
        self,
        *,
        module: str,
        criteria: str | None = None,
        record_id: str | None = None,
        min_count: int = 1,
        max_ids: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.criteria = criteria
        self.record_id = record_id
        self.min_count = min_count
        self.max_ids = max_ids

    def wanted(self) -> dict[str, Any]:
        """Return the arguments that say what to look for."""
        return {
            "module": self.module,
            "criteria": self.criteria,
            "record_id": self.record_id,
            "min_count": self.min_count,
            "max_ids": self.max_ids,
        }

    def look(self) -> Look:
        """Return what to look for."""
        from airflow_provider_bigin.waiting import RecordLook

        return RecordLook(self.module, self.criteria, self.record_id, self.min_count, self.max_ids)
