"""Wait for records."""

from __future__ import annotations

from airflow_provider_bigin.triggers.base import BiginPollTrigger
from airflow_provider_bigin.waiting import RecordLook


class BiginRecordTrigger(BiginPollTrigger):
    """Wait until records match; its event holds ``ids`` and ``count``.

    Takes ``module``, ``criteria`` or ``record_id``, ``min_count`` and ``max_xcom_records`` like
    `BiginRecordSensor`; see `BiginPollTrigger` for the other parameters.
    """

    look_type = RecordLook
