"""Wait for a change in a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_bigin.sensors.base import BiginSensor
from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger

if TYPE_CHECKING:
    from airflow_provider_bigin.waiting import Look


class BiginRecordsChangedSensor(BiginSensor):
    """Wait until a record of a module has changed; returns the newest Modified_Time.

    Every look costs one API credit. A deletion is no change of a record.

    :param module: API name or alias.
    :param since: ISO time, templated: only later changes count. None: any record will do.

    See `BiginSensor` for the other parameters.
    """

    template_fields: Sequence[str] = (*BiginSensor.template_fields, "module", "since")

    def __init__(self, *, module: str, since: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.since = since

    def look(self) -> Look:
        """Return what to look for."""
        return self.trigger().look()

    def trigger(self, **kwargs: Any) -> BiginRecordsChangedTrigger:
        """Return the trigger that looks for the same."""
        return BiginRecordsChangedTrigger(module=self.module, since=self.since, once=True, **kwargs)

    def result(self, found: dict[str, Any]) -> str:
        """Return the newest time."""
        latest: str = found["latest"]
        return latest
