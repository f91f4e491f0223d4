"""The simulator's own door: ``/_simulator/...`` on the same port, for other processes.

No key is asked for, nothing is logged, no limit applies. Bodies and replies are JSON. Decimals
are JSON numbers.

=======  ==================================  ====================================================
method   path behind /_simulator/             what
=======  ==================================  ====================================================
GET      info                                api_key, connection_id, modules with counts, seed
GET      store/{Module}                      all live records in the read form
GET      store/{Module}/{id}                 one record, or 404
GET      store/{Module}/deleted              rows of the deleted feed
POST     store/{Module}                      body: a row (or ``{"row", "at"}``); → ``{"id"}``
PUT      store/{Module}/{id}                 body: changes (or ``{"changes", "at", "touch"}``)
DELETE   store/{Module}/{id}?permanent=true  delete
POST     store/{Module}/{id}/restore         take back from the recycle bin
POST     fields/{Module}                     body: arguments of `Field`; adds a field
DELETE   fields/{Module}/{name}              removes a field
POST     modules                             body: ``{"api_name", "fields": [...]}``
GET      requests?since=N                    log entries from the N-th on
DELETE   requests                            forgets them
GET      audit                               violations
GET      credits                             ``{"used", "left", "limit"}``
PUT      credits                             ``{"limit": n}`` or ``{"use": n}``
GET      clock                               ``{"now", "frozen"}``
PUT      clock                               ``{"advance": s, "set": iso, "freeze": bool}``
GET      switches                            every switch: value, default, others, reference
PUT      switches                            ``{name: value}``
GET      faults                              kinds and how often each fired
POST     faults                              ``{"kind", ...arguments of Fault}``
DELETE   faults                              takes them away
POST     late                                lets the requests of "late" faults take effect
GET/PUT  settings                            ``{"rate_limit", "time_zone"}``
GET      connections                         the gateway's connections
POST     connections                         ``{"status", "app", "sizes"}``; → ``{"id"}``
PUT      connections/{id}                    ``{"status"}``
GET      scopes                              granted words
PUT      scopes                              ``{"grant": [...], "revoke": [...]}``
=======  ==================================  ====================================================

Of several accounts, ``?connection=ID`` chooses one for ``store``, ``fields``, ``modules``,
``credits`` and ``scopes``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bigin_client.testing.switches import Switches
from bigin_client.testing.wire import Request, Response, decode

if TYPE_CHECKING:
    from bigin_client.testing.account import Account
    from bigin_client.testing.simulator import BiginSimulator

_Work = Callable[["Admin", Request, list[str]], Any]


class NotThere(Exception):
    """The path or what it names does not exist."""


class Admin:
    """Answers administrative requests.

    Args:
        simulator: Whose door it is.
    """

    def __init__(self, simulator: BiginSimulator) -> None:
        self._sim = simulator

    def answer(self, request: Request) -> Response:
        """The reply to a request behind ``/_simulator/``."""
        segments = request.route.split("/")[1:]
        area = segments[0] if segments else "info"
        work = _AREAS.get((request.method, area))
        try:
            with self._sim.lock:
                value = (work or _nowhere)(self, request, segments[1:])
        except (NotThere, KeyError) as error:
            return Response.json(404, {"error": f"not there: {error}"})
        except (TypeError, ValueError, AttributeError) as error:
            return Response.json(400, {"error": str(error)})
        return Response.json(200, value)

    def _account(self, request: Request) -> Account:
        return self._sim.account(request.query.get("connection"))

    @staticmethod
    def _body(request: Request) -> Any:
        return decode(request.body) if request.body else {}

    # --- areas --------------------------------------------------------------------------------

    def info(self, request: Request, rest: list[str]) -> Any:
        """What the simulator is."""
        store = self._account(request).store
        return {
            "api_key": self._sim.api_key,
            "connection_id": self._sim.connection_id,
            "seed": self._sim.seed,
            "modules": {name: store.count(name) for name in store.modules},
        }

    def read_store(self, request: Request, rest: list[str]) -> Any:
        """Records of a module."""
        store = self._account(request).store
        if not rest:
            return {name: store.count(name) for name in store.modules}
        if len(rest) == 1:
            return store.records(rest[0])
        if rest[1] == "deleted":
            return store.deleted(rest[0])
        found = store.get(rest[0], rest[1])
        if found is None:
            raise NotThere(rest[1])
        return found

    def post_store(self, request: Request, rest: list[str]) -> Any:
        """Insert, or restore."""
        store = self._account(request).store
        if len(rest) == 3 and rest[2] == "restore":
            store.restore(rest[0], rest[1])
            return {"id": rest[1]}
        body = self._body(request)
        row = body.get("row", body)
        return {"id": store.insert(rest[0], row, at=_moment(body.get("at")))}

    def put_store(self, request: Request, rest: list[str]) -> Any:
        """Update."""
        body = self._body(request)
        changes = body.get("changes", body)
        self._account(request).store.update(
            rest[0], rest[1], changes, at=_moment(body.get("at")), touch=body.get("touch", True)
        )
        return {"id": rest[1]}

    def delete_store(self, request: Request, rest: list[str]) -> Any:
        """Delete."""
        permanent = request.query.get("permanent") == "true"
        self._account(request).store.delete(rest[0], rest[1], permanent=permanent)
        return {"id": rest[1]}

    def add_field(self, request: Request, rest: list[str]) -> Any:
        """Add a field."""
        made = self._account(request).store.add_field(rest[0], self._body(request))
        return {"id": made.id, "api_name": made.api_name}

    def remove_field(self, request: Request, rest: list[str]) -> Any:
        """Remove a field."""
        self._account(request).store.remove_field(rest[0], rest[1])
        return {}

    def add_module(self, request: Request, rest: list[str]) -> Any:
        """Add a module."""
        body = self._body(request)
        fields = body.pop("fields", [])
        store = self._account(request).store
        made = store.add_module(**body)
        for field in fields:
            store.add_field(made.api_name, field)
        return {"id": made.id}

    def read_requests(self, request: Request, rest: list[str]) -> Any:
        """The log."""
        since = int(request.query.get("since", 0))
        return [entry.to_dict() for entry in self._sim.requests[since:]]

    def forget_requests(self, request: Request, rest: list[str]) -> Any:
        """Empty the log."""
        self._sim.clear_log()
        return {}

    def audit(self, request: Request, rest: list[str]) -> Any:
        """The violations."""
        return [violation.to_dict() for violation in self._sim.audit()]

    def read_credits(self, request: Request, rest: list[str]) -> Any:
        """Credits."""
        credits = self._account(request).credits
        return {"used": credits.used, "left": credits.left, "limit": credits.limit}

    def set_credits(self, request: Request, rest: list[str]) -> Any:
        """Change the budget, or use some of it up."""
        credits, body = self._account(request).credits, self._body(request)
        credits.limit = int(body.get("limit", credits.limit))
        credits.use(int(body.get("use", 0)))
        return self.read_credits(request, rest)

    def read_clock(self, request: Request, rest: list[str]) -> Any:
        """The clock."""
        clock = self._sim.clock
        return {"now": clock.now().isoformat(), "frozen": clock.frozen}

    def set_clock(self, request: Request, rest: list[str]) -> Any:
        """Advance, set, freeze, resume."""
        clock, body = self._sim.clock, self._body(request)
        moment = _moment(body.get("set"))
        if body.get("freeze") is True:
            clock.freeze()
        if moment is not None:
            clock.set(moment)
        if body.get("freeze") is False:
            clock.resume()
        clock.advance(float(body.get("advance", 0)))
        return self.read_clock(request, rest)

    def read_switches(self, request: Request, rest: list[str]) -> Any:
        """The switches."""
        described = Switches.describe()
        for name, entry in described.items():
            entry["value"] = getattr(self._sim.switches, name)
        return described

    def set_switches(self, request: Request, rest: list[str]) -> Any:
        """Set switches."""
        body = self._body(request)
        for name, value in body.items():
            setattr(self._sim.switches, name, value)
        return {name: getattr(self._sim.switches, name) for name in body}

    def read_faults(self, request: Request, rest: list[str]) -> Any:
        """The faults."""
        return [
            {"kind": fault.name, "fired": fault.fired, "times": fault.times, "seen": fault.seen}
            for fault in self._sim.faults
        ]

    def add_fault(self, request: Request, rest: list[str]) -> Any:
        """Add a fault."""
        self._sim.faults.add(**self._body(request))
        return self.read_faults(request, rest)

    def clear_faults(self, request: Request, rest: list[str]) -> Any:
        """Take the faults away."""
        self._sim.faults.clear()
        return {}

    def late(self, request: Request, rest: list[str]) -> Any:
        """Apply late requests."""
        self._sim.apply_late()
        return {}

    def settings(self, request: Request, rest: list[str]) -> Any:
        """Rate limit and time zone."""
        body = self._body(request)
        if "rate_limit" in body:
            self._sim.rate_limit = body["rate_limit"]
        if "time_zone" in body:
            self._sim.time_zone = body["time_zone"]
        return {"rate_limit": self._sim.rate_limit, "time_zone": self._sim.time_zone}

    def read_connections(self, request: Request, rest: list[str]) -> Any:
        """The connections."""
        return [item.describe() for item in self._sim.connections]

    def add_connection(self, request: Request, rest: list[str]) -> Any:
        """Add a connection."""
        return {"id": self._sim.add_connection(**self._body(request))}

    def set_connection(self, request: Request, rest: list[str]) -> Any:
        """Change a connection's status."""
        self._sim.set_connection_status(rest[0], self._body(request)["status"])
        return {}

    def read_scopes(self, request: Request, rest: list[str]) -> Any:
        """The scopes."""
        return sorted(self._account(request).scopes)

    def set_scopes(self, request: Request, rest: list[str]) -> Any:
        """Grant and revoke."""
        scopes, body = self._account(request).scopes, self._body(request)
        for word in body.get("grant", ()):
            scopes.grant(word)
        for word in body.get("revoke", ()):
            scopes.revoke(word)
        return sorted(scopes)


def _moment(text: str | None) -> datetime | None:
    # Python 3.10 reads no "Z".
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def _nowhere(admin: Admin, request: Request, rest: list[str]) -> Any:
    raise NotThere(f"{request.method} {request.route}")


_AREAS: dict[tuple[str, str], _Work] = {
    ("GET", "info"): Admin.info,
    ("GET", "store"): Admin.read_store,
    ("POST", "store"): Admin.post_store,
    ("PUT", "store"): Admin.put_store,
    ("DELETE", "store"): Admin.delete_store,
    ("POST", "fields"): Admin.add_field,
    ("DELETE", "fields"): Admin.remove_field,
    ("POST", "modules"): Admin.add_module,
    ("GET", "requests"): Admin.read_requests,
    ("DELETE", "requests"): Admin.forget_requests,
    ("GET", "audit"): Admin.audit,
    ("GET", "credits"): Admin.read_credits,
    ("PUT", "credits"): Admin.set_credits,
    ("GET", "clock"): Admin.read_clock,
    ("PUT", "clock"): Admin.set_clock,
    ("GET", "switches"): Admin.read_switches,
    ("PUT", "switches"): Admin.set_switches,
    ("GET", "faults"): Admin.read_faults,
    ("POST", "faults"): Admin.add_fault,
    ("DELETE", "faults"): Admin.clear_faults,
    ("POST", "late"): Admin.late,
    ("GET", "settings"): Admin.settings,
    ("PUT", "settings"): Admin.settings,
    ("GET", "connections"): Admin.read_connections,
    ("POST", "connections"): Admin.add_connection,
    ("PUT", "connections"): Admin.set_connection,
    ("GET", "scopes"): Admin.read_scopes,
    ("PUT", "scopes"): Admin.set_scopes,
}
