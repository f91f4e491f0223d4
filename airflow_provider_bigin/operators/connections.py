"""The Maton account's connections: list, check, create, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_bigin.hooks.bigin import MATON_APP
from airflow_provider_bigin.operators.base import BiginOperator
from bigin_client.errors import NotFoundError, SettingsError


class _MatonOperator(BiginOperator):
    """Base of these: they are about no module that could be opened."""

    operator_extra_links = ()


class MatonListConnectionsOperator(_MatonOperator):
    """Return the connections of the Maton account, for ``.expand(connection_id=…)`` and the like.

    :param app: The gateway's word for the service; None: all.
    :param status: ``ACTIVE``, ``PENDING`` or ``FAILED``; None: all.
    :param ids_only: Return the ids alone, for ``.expand``.
    """

    template_fields: Sequence[str] = (*BiginOperator.template_fields, "app", "status")

    def __init__(
        self,
        *,
        app: str | None = MATON_APP,
        status: str | None = None,
        ids_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.status = status
        self.ids_only = ids_only

    def perform(self, context: Context) -> list[dict[str, Any]] | list[str]:  # noqa: ARG002 - Airflow's signature
        """Return ``[{"id", "status", "app"}]``, without ``url``."""
        found = self.hook.maton_list_connections(app=self.app, status=self.status)
        if self.ids_only:
            return [c["connection_id"] for c in found]
        return [
            {"id": c["connection_id"], "status": c.get("status"), "app": c.get("app")}
            for c in found
        ]


class MatonConnectionCheckOperator(_MatonOperator):
    """Fail unless key, connection and account work; says which of them does not.

    ``connection_id`` is the connection to check; None: the one of the Airflow connection.

    Returns who and where, in words.
    """

    def perform(self, context: Context) -> str:  # noqa: ARG002 - Airflow's signature
        """Check, and return the account in words."""
        from airflow_provider_bigin.hooks.checks import check_connection

        message = check_connection(self.hook.get_conn())
        self.log.info("%s", message)
        return message


class MatonCreateConnectionOperator(_MatonOperator):
    """Create a connection; a person has to open its ``url`` and authorise it.

    Returns the new id. `MatonConnectionActiveSensor` waits until it is ACTIVE.

    :param app: The gateway's word for the service.
    :param return_url: Push ``url`` as XCom ``url``. It lets anyone who sees it authorise, so it
        is masked in logs; give it to nobody but the account's owner.
    """

    template_fields: Sequence[str] = (*BiginOperator.template_fields, "app")

    def __init__(self, *, app: str = MATON_APP, return_url: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.return_url = return_url

    def perform(self, context: Context) -> str:
        """Create it, and return its id."""
        created = self.hook.maton_create_connection(app=self.app, return_url=self.return_url)
        if self.return_url:
            context["ti"].xcom_push(key="url", value=created.get("url"))
        connection_id: str = created["connection_id"]
        self.log.info("Connection %s is %s", connection_id, created.get("status"))
        return connection_id


class MatonDeleteConnectionOperator(_MatonOperator):
    """Delete a connection; one that is gone already is no failure.

    :param connection_id: The connection to delete; required, and never found by itself.
    """

    def __init__(self, *, connection_id: str, **kwargs: Any) -> None:
        super().__init__(connection_id=connection_id, **kwargs)

    def perform(self, context: Context) -> str:  # noqa: ARG002 - Airflow's signature
        """Delete it, and return its id."""
        if not self.connection_id:
            raise SettingsError("connection_id is empty: nothing was deleted")
        try:
            self.hook.maton_delete_connection(self.connection_id)
        except NotFoundError:
            self.log.info("Connection %s is gone already", self.connection_id)
        return self.connection_id
