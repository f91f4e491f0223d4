"""Wait for a person to authorise a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_bigin.triggers.base import BiginPollTrigger

if TYPE_CHECKING:
    from airflow_provider_bigin.waiting import Look


class MatonConnectionTrigger(BiginPollTrigger):
    """Wait until a connection is ACTIVE; its event holds ``connection_id``.

    :param awaited_id: The connection.

    See `BiginPollTrigger` for the other parameters.
    """

    def __init__(self, *, awaited_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.awaited_id = awaited_id

    def wanted(self) -> dict[str, Any]:
        """Return the arguments that say what to look for."""
        return {"awaited_id": self.awaited_id}

    def look(self) -> Look:
        """Return what to look for."""
        from airflow_provider_bigin.waiting import ConnectionLook

        return ConnectionLook(self.awaited_id)
