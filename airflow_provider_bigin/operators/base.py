"""What all Bigin operators share: the connection, the hook, how they fail and stop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context

from airflow_provider_bigin.failures import BIGIN_RETRY_POLICY, as_task_failure
from airflow_provider_bigin.hooks.bigin import BiginHook
from airflow_provider_bigin.links import BIGIN_URL, URL_KEY, BiginModuleLink
from bigin_client.errors import BiginError


class BiginOperator(BaseOperator):
    """Base of the Bigin operators; a subclass implements `perform`.

    :param bigin_conn_id: Airflow connection of type ``bigin``.
    :param connection_id: Maton connection; overrides the Airflow connection's extra field.
    :param requests_per_second: Pace of the task; overrides likewise. The account's 10 requests
        a second are shared by all tasks, so divide them by the slots of the pool.
    :param retry_policy: Airflow 3.3 and later; default: `BIGIN_RETRY_POLICY`.
    """

    template_fields: Sequence[str] = ("bigin_conn_id", "connection_id")
    #: Empty for tasks about no module: Airflow logs an error where no address was pushed.
    operator_extra_links: tuple[BiginModuleLink, ...] = (BiginModuleLink(),)
    ui_color = "#dff2e1"

    def __init__(
        self,
        *,
        bigin_conn_id: str = BiginHook.default_conn_name,
        connection_id: str | None = None,
        requests_per_second: float | None = None,
        retry_policy: Any = BIGIN_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        if BIGIN_RETRY_POLICY is not None:
            # A mapped task hands over None where its author gave nothing.
            kwargs["retry_policy"] = retry_policy or BIGIN_RETRY_POLICY
        super().__init__(**kwargs)
        self.bigin_conn_id = bigin_conn_id
        self.connection_id = connection_id
        self.requests_per_second = requests_per_second

    @cached_property
    def hook(self) -> BiginHook:
        """The hook; not made before the task runs."""
        return BiginHook(
            self.bigin_conn_id,
            connection_id=self.connection_id,
            requests_per_second=self.requests_per_second,
        )

    def execute(self, context: Context) -> Any:
        """Do the work; errors say whether a retry can help."""
        try:
            return self.perform(context)
        except BiginError as error:
            failure = as_task_failure(error)
            if failure is error:
                raise
            raise failure from error.__cause__
        finally:
            self._push_link(context)
            self.hook.count_requests(getattr(self, "module", None))
            self.hook.close()

    def _push_link(self, context: Context) -> None:
        """Push what `BiginModuleLink` opens."""
        module = getattr(self, "module", None)
        if module:
            url = None
            with suppress(BiginError):
                url = self.hook.module_url(module)
            context["ti"].xcom_push(key=URL_KEY, value=url or BIGIN_URL)

    @abstractmethod
    def perform(self, context: Context) -> Any:
        """Do the work and return what goes into XCom."""

    def on_kill(self) -> None:
        """Let running requests end, so that the task stops between two of them."""
        self.hook.cancel()


def run_id_of(context: Context) -> str:
    """Return the run's id; a context without one is that of a unit test."""
    run_id = context.get("run_id")
    if run_id is None:
        run_id = getattr(context.get("ti"), "run_id", "")
    return str(run_id)


def map_index_of(context: Context) -> int:
    """Return the index of a mapped task instance, -1 for one that is not mapped."""
    index = getattr(context.get("ti"), "map_index", -1)
    return index if isinstance(index, int) else -1


def is_last_try(context: Context) -> bool:
    """Whether the task has no try left after this one; in doubt it has none."""
    ti = context.get("ti")
    tries, most = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    return not (isinstance(tries, int) and isinstance(most, int)) or tries > most
