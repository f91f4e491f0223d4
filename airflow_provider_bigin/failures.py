"""What a failed task raises, and whether Airflow tries again.

On Airflow 3.3 and later `BIGIN_RETRY_POLICY` decides; before, errors that no retry mends also
become an ``AirflowFailException``, which has the same effect.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from airflow.providers.common.compat.sdk import AirflowFailException

from bigin_client import errors
from bigin_client.errors import BiginError

#: No retry mends these: a person has to.
PERMANENT: Final[tuple[type[BiginError], ...]] = (
    errors.SettingsError,
    errors.AuthenticationError,
    errors.ConnectionUnavailableError,
    errors.ScopeError,
    errors.NotFoundError,
    errors.RequestError,
    errors.RejectedRecordsError,
    errors.WindowError,
)


def _retry_policy() -> Any:
    """Return the policy, None before Airflow 3.3."""
    try:
        from airflow.providers.common.compat.sdk import (
            ExceptionRetryPolicy,
            RetryAction,
            RetryRule,
        )
    except ImportError:
        return None
    return ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=list(PERMANENT),
                action=RetryAction.FAIL,
                reason="no retry mends this; see the message",
            ),
            RetryRule(
                exception=errors.RateLimitedError,
                action=RetryAction.RETRY,
                retry_delay=timedelta(minutes=1),
                reason="too many requests",
            ),
            RetryRule(
                exception=errors.CreditsExhaustedError,
                action=RetryAction.RETRY,
                retry_delay=timedelta(hours=1),
                reason="API credits come back over 24 hours",
            ),
        ]
    )


#: Default of all operators and sensors here; what it does not name follows the task's own
#: ``retries`` and ``retry_delay``. It cannot go beyond ``retries``. None before Airflow 3.3.
BIGIN_RETRY_POLICY: Final = _retry_policy()


def as_task_failure(error: BiginError) -> BiginError:
    """Return the error to raise: one that is not retried where retrying cannot help."""
    # Its checkpoint makes a retry harmless, but it would only find the same refusals again,
    # whatever policy the task has.
    final = isinstance(error, errors.RejectedRecordsError)
    if not final and (BIGIN_RETRY_POLICY is not None or not isinstance(error, PERMANENT)):
        return error
    kind = type(error)
    failing = type(kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__})
    failure: BiginError = failing.__new__(failing, *error.args)
    failure.__dict__.update(error.__dict__)
    failure.__cause__ = error.__cause__
    return failure.with_traceback(error.__traceback__)
