"""What all sensors here share: pokes that put up with passing trouble, and deferral."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    Context,
    PokeReturnValue,
    conf,
)

from airflow_provider_bigin.failures import BIGIN_RETRY_POLICY, as_task_failure
from airflow_provider_bigin.hooks.bigin import BiginHook
from airflow_provider_bigin.triggers.base import SUCCESS, TIMEOUT, TRANSIENT, from_event
from bigin_client.errors import BiginError

if TYPE_CHECKING:
    from airflow_provider_bigin.triggers.base import BiginPollTrigger
    from bigin_client import BiginClient

#: Seconds by which Airflow's own end of a deferral lies behind the trigger's.
_GRACE: Final = 60


class BiginSensor(BaseSensorOperator):
    """Base of the sensors.

    :param bigin_conn_id: Airflow connection of type ``bigin``.
    :param connection_id: Maton connection; overrides the Airflow connection's extra field.
    :param requests_per_second: Pace; overrides likewise.
    :param deferrable: Wait in the triggerer, without a worker's slot.
    :param max_consecutive_failures: Passing troubles in a row (5xx, cut lines, 429) that count
        as "not yet". Other errors fail the sensor at once.
    """

    template_fields: Sequence[str] = ("bigin_conn_id", "connection_id")
    #: What waits when the sensor is deferred, and looks for the same when it is not.
    trigger_type: ClassVar[type[BiginPollTrigger]]
    #: Arguments that say what to look for; the trigger has them too.
    look_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        bigin_conn_id: str = BiginHook.default_conn_name,
        connection_id: str | None = None,
        requests_per_second: float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_consecutive_failures: int = 10,
        retry_policy: Any = BIGIN_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        if BIGIN_RETRY_POLICY is not None:
            kwargs["retry_policy"] = retry_policy or BIGIN_RETRY_POLICY
        super().__init__(**kwargs)
        self.bigin_conn_id = bigin_conn_id
        self.connection_id = connection_id
        self.requests_per_second = requests_per_second
        self.deferrable = deferrable
        self.max_consecutive_failures = max_consecutive_failures
        self._failures = 0

    def wanted(self) -> dict[str, Any]:
        """Return what to look for, as the trigger takes it; the arguments are rendered by now."""
        return {n: getattr(self, n) for n in self.look_names}

    def trigger(self, **kwargs: Any) -> BiginPollTrigger:
        """Return the trigger that waits for it."""
        return self.trigger_type(**self.wanted(), **kwargs)

    @abstractmethod
    def result(self, found: dict[str, Any]) -> Any:
        """Return what goes into XCom."""

    @cached_property
    def _client(self) -> BiginClient:
        hook = BiginHook(
            self.bigin_conn_id,
            connection_id=self.connection_id,
            requests_per_second=self.requests_per_second,
        )
        # The next poke is the retry.
        return hook.new_client(max_wait=0)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        try:
            found = self.trigger().look().once(self._client)
        except TRANSIENT as error:
            self._note_failure(context, error)
            return False
        except BiginError as error:
            failure = as_task_failure(error)
            if failure is error:
                raise
            raise failure from error.__cause__
        self._forget_failures(context)
        if found is None:
            return False
        return PokeReturnValue(is_done=True, xcom_value=self.result(found))

    def execute(self, context: Context) -> Any:  # noqa: RET503 - defer() raises
        """Wait; deferred only if the first look finds nothing."""
        if not self.deferrable:
            return super().execute(context)
        try:
            looked = self.poke(context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException("never_fail is set: the look failed") from error
            if not self.silent_fail:
                raise
            self.log.exception("The look failed")
            looked = False
        if isinstance(looked, PokeReturnValue):
            return looked.xcom_value
        patient = self.silent_fail
        self.defer(
            trigger=self.trigger(
                bigin_conn_id=self.bigin_conn_id,
                connection_id=self.connection_id,
                requests_per_second=self.requests_per_second,
                poll_interval=self.poke_interval,
                deadline=time.time() + self.timeout,
                max_consecutive_failures=None if patient else self.max_consecutive_failures,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + _GRACE),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ARG002 - Airflow's signature
        """Turn the trigger's event into what a poke would have given."""
        if event["status"] == SUCCESS:
            return self.result(event)
        if event["status"] == TIMEOUT:
            message = f"not there after {self.timeout:g} s"
            if self.soft_fail:
                raise AirflowSkipException(f"soft_fail is set: {message}")
            raise AirflowSensorTimeout(message)
        error = from_event(event)
        if self.never_fail:
            raise AirflowSkipException("never_fail is set: the trigger failed") from error
        raise as_task_failure(error)

    # -- failures in a row -----------------------------------------------------------------

    def _note_failure(self, context: Context, error: BiginError) -> None:
        """Count a passing trouble; too many in a row are no passing trouble."""
        count = self._failures_so_far(context) + 1
        self._keep_failures(context, count)
        if count > self.max_consecutive_failures:
            raise as_task_failure(error)
        self.log.warning("Look %d in a row failed: %s", count, error)

    def _forget_failures(self, context: Context) -> None:
        if self._failures_so_far(context):
            self._keep_failures(context, 0)

    # Between reschedules the process ends; Airflow's store (3.3 and later) remembers.
    def _failures_so_far(self, context: Context) -> int:
        store = context.get("task_state_store") if self.reschedule else None
        kept = store.get("failed_looks") if store is not None else self._failures
        return kept if isinstance(kept, int) else 0

    def _keep_failures(self, context: Context, count: int) -> None:
        self._failures = count
        store = context.get("task_state_store") if self.reschedule else None
        if store is not None:
            store.set("failed_looks", count)
