"""Wait for a change in a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_bigin.sensors.base import BiginSensor
from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger


class BiginRecordsChangedSensor(BiginSensor):
    """Wait until a record of a module has changed; returns the newest Modified_Time.

    Every look costs one API credit. A deletion is no change of a record.

    :param module: API name or alias.
    :param since: ISO time, templated: only later changes count. None: any record will do.

    See `BiginSensor` for the other parameters.
    """

    trigger_type = BiginRecordsChangedTrigger
    look_names = ("module", "since")
    template_fields: Sequence[str] = (*BiginSensor.template_fields, "module", "since")

    def __init__(self, *, module: str, since: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.since = since

    def wanted(self) -> dict[str, Any]:
        """Return what to look for: one change is enough."""
        return {**super().wanted(), "once": True}

    def result(self, found: dict[str, Any]) -> str:
        """Return the newest time."""
        latest: str = found["latest"]
        return latest
