"""The Maton gateway: keys, connections, its rate limit and its own error shapes (maton.md)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

import msgspec

from bigin_client.testing.clock import Clock
from bigin_client.testing.refusals import GatewayRefusal
from bigin_client.testing.switches import Switches
from bigin_client.testing.wire import Request, Response

APP: Final = "zoho-bigin"
STATUSES: Final = ("ACTIVE", "PENDING", "FAILED")


@dataclass
class Connection:
    """One connection of the gateway's account (maton.md A4)."""

    id: str
    app: str
    status: str
    created: float
    updated: float
    method: str = "OAUTH2"
    metadata: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """The connection's object. ``url`` holds a session token: secret-like."""
        return {
            "connection_id": self.id,
            "status": self.status,
            "creation_time": _iso(self.created),
            "last_updated_time": _iso(self.updated),
            "url": f"https://connect.maton.ai/?session_token=sim-session-{self.id[:8]}",
            "app": self.app,
            "method": self.method,
            "metadata": self.metadata,
        }


def _iso(epoch: float) -> str:
    moment = datetime.fromtimestamp(epoch, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class RateLimit:
    """A sliding second of real time, for the whole account of the gateway (9.60).

    Args:
        limit: Requests in any second; None switches it off.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: float | None = None) -> bool:
        """Let a request pass, or not. A refused one does not count (assumed)."""
        if self.limit is None:
            return True
        now = time.monotonic() if now is None else now
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return False
        self._taken.append(now)
        return True


class Gateway:
    """Checks what comes in and manages connections.

    Args:
        api_key: The accepted key.
        clock: The simulator's clock.
        switches: The simulator's switches.
        rate_limit: Requests a second, or None.
        new_id: Makes ids of connections.
    """

    def __init__(
        self,
        api_key: str,
        clock: Clock,
        switches: Switches,
        rate_limit: int | None,
        new_id: Callable[[], str],
    ) -> None:
        self.api_key = api_key
        self.connections: list[Connection] = []
        self.rate = RateLimit(rate_limit)
        self._clock = clock
        self._switches = switches
        self._new_id = new_id

    # --- connections --------------------------------------------------------------------------

    def add(self, status: str, app: str = APP) -> Connection:
        """Create a connection."""
        if status not in STATUSES:
            raise ValueError(f"a connection is one of {STATUSES}, not {status!r}")
        now = self._clock.timestamp()
        made = Connection(self._new_id(), app, status, now, now)
        self.connections.append(made)
        return made

    def find(self, id: str) -> Connection | None:
        """A connection by id."""
        return next((item for item in self.connections if item.id == id), None)

    def set_status(self, id: str, status: str) -> None:
        """Change a connection's status, as an authorisation or an expired grant does."""
        if status not in STATUSES:
            raise ValueError(f"a connection is one of {STATUSES}, not {status!r}")
        found = self.find(id)
        if found is None:
            raise KeyError(id)
        found.status = status
        found.updated = self._clock.timestamp()

    # --- requests -----------------------------------------------------------------------------

    def admit(self, request: Request) -> Connection | None:
        """Check key, rate and connection; the connection, or None for the gateway's own paths.

        Raises:
            GatewayRefusal: 401, 429, 404 or the connection's trouble.
        """
        self._key(request)
        app = request.route.split("/", 1)[0]
        own = app == "connections"
        if self._switches.gateway_order == "key, connection, rate":
            chosen = None if own else self._choose(request, app)
            self._pace()
            return chosen
        self._pace()
        return None if own else self._choose(request, app)

    def refusal(
        self, status: int, text: str, headers: dict[str, str] | None = None
    ) -> GatewayRefusal:
        """An error in the gateway's shape that the switch chooses (maton.md A5)."""
        return GatewayRefusal(status, error_body(self._switches.gateway_shape, text), headers)

    def _key(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not given:
            raise self.refusal(401, "Missing API key")
        if given != f"Bearer {self.api_key}":
            raise self.refusal(401, "Invalid API key")

    def _pace(self) -> None:
        if not self.rate.take():
            wait = self._switches.rate_limit_retry_after
            headers = {"Retry-After": str(wait)} if wait is not None else None
            raise self.refusal(429, "Rate limit exceeded", headers)

    def _choose(self, request: Request, app: str) -> Connection:
        if app != APP:
            raise self.refusal(404, "Not Found")
        named = request.headers.get("maton-connection")
        switches = self._switches
        if named is None:
            usable = [item for item in self.connections if item.app == app]
            active = [item for item in usable if item.status == "ACTIVE"]
            if not active:
                failed = next((item for item in usable if item.status == "FAILED"), None)
                if failed is None:
                    text = f"No active connection found for app {app}"
                    raise self.refusal(switches.no_connection_status, text)
                return self._checked(failed)
            if len(active) > 1 and switches.several_connections == "refused":
                raise self.refusal(400, f"Several active connections for app {app}")
            return active[0]
        found = self.find(named)
        if found is None or found.app != app:
            raise self.refusal(switches.unknown_connection_status, "Connection not found")
        return self._checked(found)

    def _checked(self, connection: Connection) -> Connection:
        if connection.status == "PENDING":
            status = self._switches.pending_connection_status
            raise self.refusal(status, "The connection is not active")
        if connection.status == "FAILED":
            # A FAILED connection's grant is gone: most 500s of the gateway are that (A5).
            raise self.refusal(self._switches.failed_connection_status, "Internal Server Error")
        return connection

    def serve(self, request: Request) -> tuple[Response, Connection | None]:
        """``/connections``: list, create, get, delete (maton.md A4); also the one created."""
        segments = request.route.split("/")
        if len(segments) == 1:
            if request.method == "GET":
                return self._list(request), None
            if request.method == "POST":
                return self._create(request)
        elif len(segments) == 2:
            found = self.find(segments[1])
            if found is None:
                raise self.refusal(404, "Connection not found")
            if request.method == "GET":
                return Response.json(200, {"connection": found.describe()}), None
            if request.method == "DELETE":
                self.connections.remove(found)
                if self._switches.connection_delete_status == 204:
                    return Response.empty(), None
                return Response.json(200, {}), None
        raise self.refusal(404 if len(segments) > 2 else 405, "Not Found")

    def _list(self, request: Request) -> Response:
        query = request.query
        chosen = [
            item
            for item in self.connections
            if query.get("app", item.app) == item.app
            and query.get("status", item.status) == item.status
            and query.get("method", item.method) == item.method
        ]
        limit = query.get("limit")
        if limit is not None:
            if not limit.isdigit():
                body = {"detail": [{"loc": ["query", "limit"], "msg": "not a valid integer"}]}
                raise GatewayRefusal(422, body)
            # limit=0 is taken at its word, and is no "unlimited" (A4).
            chosen = chosen[: int(limit)]
        return Response.json(200, {"connections": [item.describe() for item in chosen]})

    def _create(self, request: Request) -> tuple[Response, Connection]:
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            body = None
        app = body.get("app") if isinstance(body, dict) else None
        if not isinstance(app, str) or not app:
            detail = [{"loc": ["body", "app"], "msg": "field required"}]
            raise GatewayRefusal(422, {"detail": detail})
        made = self.add("PENDING", app)
        form = self._switches.connection_reply
        if form == "nested":
            reply: dict[str, Any] = {"connection": {"connection_id": made.id}}
        else:
            reply = {form: made.id}
        return Response.json(200, reply), made


def error_body(shape: str, text: str) -> dict[str, Any]:
    """One of the gateway's error shapes."""
    shapes: dict[str, dict[str, Any]] = {
        "message": {"message": text},
        "error.message": {"error": {"message": text}},
        "error": {"error": text},
        "detail": {"detail": text},
        "detail list": {"detail": [{"loc": ["header"], "msg": text}]},
    }
    return shapes[shape]
