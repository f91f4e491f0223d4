"""Airflow's metrics of a task: what it asked for, read and refused.

``bigin.requests``, ``bigin.rate_limited`` (replies 429), ``bigin.rows_read``,
``bigin.rows_rejected``; tag ``module``. They go where ``[metrics]`` in airflow.cfg says, nowhere
by default.
"""

from __future__ import annotations


def count(module: str | None, **counts: int) -> None:
    """Add to counters; those that stay as they are are not sent.

    Args:
        module: API name or alias; None: the task is about no module.
        counts: By name without ``bigin.``.
    """
    from airflow.providers.common.compat.sdk import Stats

    tags = {} if module is None else {"module": module}
    for name, number in counts.items():
        if number:
            Stats.incr(f"bigin.{name}", number, tags=tags)
