"""Wait for a person to authorise a connection."""

from __future__ import annotations

from typing import Any

from airflow_provider_bigin.sensors.base import BiginSensor
from airflow_provider_bigin.triggers.connection import MatonConnectionTrigger


class MatonConnectionActiveSensor(BiginSensor):
    """Wait until a connection of the Maton account is ACTIVE; returns its id.

    A connection that has FAILED fails the sensor at once.

    :param connection_id: The connection, for example the output of
        `MatonCreateConnectionOperator`.

    See `BiginSensor` for the other parameters.
    """

    trigger_type = MatonConnectionTrigger

    def __init__(self, *, connection_id: str, **kwargs: Any) -> None:
        super().__init__(connection_id=connection_id, **kwargs)

    def wanted(self) -> dict[str, Any]:
        """Return what to look for."""
        return {"awaited_id": str(self.connection_id)}

    def result(self, found: dict[str, Any]) -> str:
        """Return the id."""
        connection_id: str = found["connection_id"]
        return connection_id
