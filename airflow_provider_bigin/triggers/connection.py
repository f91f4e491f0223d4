"""Wait for a person to authorise a connection."""

from __future__ import annotations

from airflow_provider_bigin.triggers.base import BiginPollTrigger
from airflow_provider_bigin.waiting import ConnectionLook


class MatonConnectionTrigger(BiginPollTrigger):
    """Wait until the connection ``awaited_id`` is ACTIVE; its event holds ``connection_id``.

    See `BiginPollTrigger` for the other parameters.
    """

    look_type = ConnectionLook
