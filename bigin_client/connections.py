"""The gateway's connections, each a link to one Bigin account (maton.md A4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

from bigin_client.concurrency import looks
from bigin_client.errors import (
    ConnectionUnavailableError,
    NotFoundError,
    ServiceError,
    SettingsError,
)
from bigin_client.refusals import REAUTHORISE
from bigin_client.transport import Transport
from bigin_client.types import ConnectionInfo

APP: Final = "zoho-bigin"
ACTIVE: Final = "ACTIVE"
FAILED: Final = "FAILED"
_IDS: Final = ("connection_id", "connection_Id", "id")


class Connections:
    """List, create, delete connections; find the one to use.

    Args:
        transport: Where to send the requests.
        clock: Monotonic seconds.
    """

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._clock = clock

    def list(self, *, app: str | None = APP, status: str | None = None) -> list[ConnectionInfo]:
        """Return the connections of the Maton account.

        Args:
            app: Only those of this app; None: of all.
            status: ``ACTIVE``, ``PENDING`` or ``FAILED``; None: all.

        Returns:
            ``[{"connection_id": …, "status": "ACTIVE", "app": "zoho-bigin", …}]``. The value
            of ``url`` lets anyone authorise: show it to nobody but the account's owner.
        """
        params = {k: v for k, v in (("app", app), ("status", status)) if v}
        body = self._transport.gateway("GET", "/connections", params=params).object()
        found = body.get("connections")
        if not isinstance(found, list):
            msg = "GET /connections: the reply holds no list of connections"
            raise ServiceError(msg)
        infos = [_info(c) for c in found if isinstance(c, dict)]
        # A filter that the gateway ignored must not let another app's connection through.
        return [
            c
            for c in infos
            if (not app or c.get("app", app) == app) and (not status or c.get("status") == status)
        ]

    def get(self, connection_id: str) -> ConnectionInfo:
        """Return one connection.

        Raises:
            NotFoundError: There is no such connection.
        """
        body = self._transport.gateway("GET", f"/connections/{connection_id}").object()
        return _info(body.get("connection", body))

    def create(self, *, app: str = APP, method: str | None = None) -> ConnectionInfo:
        """Create a connection; it is PENDING until a person has opened its ``url``.

        Returns:
            The new connection, with ``url``.
        """
        body: dict[str, Any] = {"app": app}
        if method:
            body["method"] = method
        reply = self._transport.gateway("POST", "/connections", body=body)
        created = _info(reply.object().get("connection", reply.object()))
        return created if created.get("url") else self.get(created["connection_id"])

    def delete(self, connection_id: str) -> None:
        """Delete a connection.

        Raises:
            NotFoundError: There is no such connection.
        """
        try:
            self._transport.gateway("DELETE", f"/connections/{connection_id}")
        except NotFoundError as error:
            # The second answer to a request whose first reply was lost means: done.
            if not error.maybe_repeated:
                raise

    def wait_until_active(
        self, connection_id: str, *, timeout: float = 600.0, poll_interval: float = 3.0
    ) -> ConnectionInfo:
        """Wait until a person has authorised the connection.

        Args:
            connection_id: The connection.
            timeout: Seconds.
            poll_interval: Seconds between two looks.

        Raises:
            ConnectionUnavailableError: It failed, or the time ran out.
        """
        status = None
        for _ in looks(timeout, poll_interval, clock=self._clock, pause=self._transport.pause):
            info = self.get(connection_id)
            status = info.get("status")
            if status == ACTIVE:
                return info
            if status == FAILED:
                msg = f"Connection {connection_id} is FAILED"
                raise ConnectionUnavailableError(msg, hint=REAUTHORISE)
        msg = f"Connection {connection_id} is still {status} after {timeout:g} s"
        raise ConnectionUnavailableError(msg, hint="Open its link in a browser and authorise it.")

    def resolve(self) -> str:
        """Return the id of the one ACTIVE zoho-bigin connection.

        Raises:
            ConnectionUnavailableError: There is none, or several.
            SettingsError: The environment names another one for another key.
        """
        known = self.list()
        active = [c for c in known if c.get("status") == ACTIVE]
        listed = "; ".join(_describe(c) for c in known)
        if not active:
            msg = "No ACTIVE zoho-bigin connection" + (f" (found: {listed})" if listed else "")
            raise ConnectionUnavailableError(msg, hint=REAUTHORISE)
        if len(active) > 1:
            msg = f"Several ACTIVE zoho-bigin connections: {listed}"
            raise ConnectionUnavailableError(
                msg,
                hint="Choose one: export BIGIN_CONNECTION_ID="
                f"{active[0]['connection_id']} (or set connection_id).",
            )
        found = active[0]["connection_id"]
        unused = self._transport.settings.unused_connection_id
        if unused and unused != found:
            msg = (
                f"BIGIN_CONNECTION_ID names {unused}, but the key that was given belongs to "
                f"connection {found}"
            )
            raise SettingsError(
                msg, hint=f"Set connection_id to {found}, or unset BIGIN_CONNECTION_ID."
            )
        return found


def _describe(info: ConnectionInfo) -> str:
    created = info.get("creation_time", "")[:10]
    return f"{info['connection_id']} {info.get('status', '?')}" + (
        f" since {created}" if created else ""
    )


def _info(raw: object) -> ConnectionInfo:
    """Return a connection with its id under one name; the gateway has three spellings."""
    if isinstance(raw, dict):
        for name in _IDS:
            value = raw.get(name)
            if isinstance(value, str) and value:
                rest = {k: v for k, v in raw.items() if k not in _IDS}
                return cast("ConnectionInfo", {"connection_id": value, **rest})
    msg = "The gateway's reply holds a connection without an id"
    raise ServiceError(msg)
