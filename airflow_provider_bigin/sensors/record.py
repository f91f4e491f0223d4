"""Wait for records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_bigin.sensors.base import BiginSensor
from airflow_provider_bigin.triggers.record import BiginRecordTrigger


class BiginRecordSensor(BiginSensor):
    """Wait until records match criteria, or until a record exists; returns the ids.

    The search's index lags 10 to 20 seconds behind writes, and its ``equals`` is loose on text.

    :param module: API name or alias.
    :param criteria: ``(Field:operator:value)``, joined by ``and`` / ``or``; or
    :param record_id: one record.
    :param min_count: How many must match.
    :param max_xcom_records: Most ids to return.

    See `BiginSensor` for the other parameters.
    """

    trigger_type = BiginRecordTrigger
    look_names = ("module", "criteria", "record_id", "min_count", "max_xcom_records")
    template_fields: Sequence[str] = (
        *BiginSensor.template_fields,
        "module",
        "criteria",
        "record_id",
    )

    def __init__(
        self,
        *,
        module: str,
        criteria: str | None = None,
        record_id: str | None = None,
        min_count: int = 1,
        max_xcom_records: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.criteria = criteria
        self.record_id = record_id
        self.min_count = min_count
        self.max_xcom_records = max_xcom_records

    def result(self, found: dict[str, Any]) -> list[str]:
        """Return the ids."""
        ids: list[str] = found["ids"]
        return ids
