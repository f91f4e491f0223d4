"""Trouble on schedule: what goes wrong, for which requests, how often.

``sim.faults.add("status", status=429, retry_after=2, match={"method": "GET"}, times=1, after=3)``

=====================  =========================================================================
kind                   what happens
=====================  =========================================================================
status                 an error reply before anything is done: ``status``, ``code``, ``shape``
                       ("gateway", "service", "html", "broken json", "text", "empty"),
                       ``retry_after`` (seconds or an HTTP date)
status_after           the same, but the request took effect
html                   502 with an HTML page; ``broken_json`` 500, JSON by its type only
cut, cut_after         the connection closes without a reply, before or after the request took
                       effect
late                   the connection is held ``seconds`` and cut; the request takes effect
                       ``delay`` seconds after it came, or with ``sim.apply_late()``
truncate               ``share`` of the reply's body, then the connection closes
stall, stall_body      ``seconds`` of silence before the request is done, or amid the body
slow                   ``seconds`` of silence after the request took effect
duplicate_page         the page before comes once more
missing_token          ``more_records`` without a token; ``repeat_token`` the token just used
hide_rows              rows at ``rows`` are missing from a page
token_expired          EXPIRED_VALUE for a request with a token; ``token_mismatch`` likewise
revoke                 the scope ``scope`` is taken away from now on
fail_connection        the connection is FAILED from now on
row_error              the row(s) at ``rows`` are refused with ``code`` (INTERNAL_ERROR)
batch_refused          400 for the whole request while it holds a row that ``when`` or
                       ``values`` describes
trim                   text is stored without blanks at its ends
default, override      the service puts ``values`` into rows that have none, or into all
workflow               ``delay`` seconds after a write a workflow sets ``values``
extra_fields           ``settings/fields`` shows ``values["fields"]`` in addition
missing_fields         ``settings/fields`` leaves out ``values["names"]``
=====================  =========================================================================

``match`` limits a fault to requests by ``method``, ``operation``, ``module``, ``path`` (behind
``bigin/v2/``: equal, or a leading part, or a pattern with ``*``), ``connection`` and ``query``
(values, or True for "is there").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from bigin_client.testing.effects import Effects
from bigin_client.testing.gateway import error_body
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.routing import API, Route
from bigin_client.testing.wire import Request, Response

KINDS: Final = frozenset(
    (
        "status status_after html broken_json cut cut_after late truncate stall stall_body slow "
        "duplicate_page missing_token repeat_token hide_rows token_expired token_mismatch revoke "
        "fail_connection row_error batch_refused trim default override workflow extra_fields "
        "missing_fields"
    ).split()
)
_MATCHES: Final = frozenset({"method", "operation", "module", "path", "connection", "query"})
_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Fault:
    """One kind of trouble; see the module's table.

    Attributes:
        match: Which requests; all when empty.
        times: How often, or None for ever.
        after: Matching requests that pass before.
        when: For batch_refused a test of a row; otherwise a test of the request.
        fired: How often it happened.
        name: The kind as it was asked for; "html" and its like are statuses underneath.
    """

    kind: str
    match: Mapping[str, Any] = field(default_factory=dict)
    times: int | None = 1
    after: int = 0
    status: int = 0
    code: str | None = None
    shape: str | None = None
    retry_after: int | str | None = None
    message: str = "simulated fault"
    seconds: float = 0.0
    delay: float = 0.0
    share: float = 0.5
    scope: str = ""
    rows: tuple[int, ...] = (0,)
    values: Mapping[str, Any] = field(default_factory=dict)
    when: Callable[[Any], bool] | None = None
    fired: int = 0
    seen: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.kind
        if self.kind not in KINDS:
            raise ValueError(f"no fault of kind {self.kind!r}; there are {sorted(KINDS)}")
        unknown = self.match.keys() - _MATCHES
        if unknown:
            raise ValueError(f"match knows {sorted(_MATCHES)}, not {sorted(unknown)}")
        if self.kind == "html":
            self.kind, self.shape, self.status = "status", "html", self.status or 502
        elif self.kind == "broken_json":
            self.kind, self.shape, self.status = "status", "broken json", self.status or 500
        elif self.kind in ("token_expired", "token_mismatch"):
            expired = self.kind == "token_expired"
            self.code = "EXPIRED_VALUE" if expired else "TOKEN_BOUND_DATA_MISMATCH"
            self.match = {**self.match, "query": {"page_token": True}}
            self.kind, self.status = "status", self.status or 400
        self.rows = tuple(self.rows)

    def concerns(self, request: Request, route: Route | None, connection: str | None) -> bool:
        """Whether the fault is meant for a request."""
        match = self.match
        if "method" in match and match["method"] != request.method:
            return False
        operation = route.operation if route else ""
        module = route.module if route else ""
        if "operation" in match and match["operation"] != operation:
            return False
        if "module" in match and match["module"] != (module or request.query.get("module", "")):
            return False
        if "connection" in match and match["connection"] != connection:
            return False
        if "path" in match and not _path_fits(match["path"], request.route):
            return False
        for name, value in match.get("query", {}).items():
            if value is True and name not in request.query:
                return False
            if value is not True and request.query.get(name) != str(value):
                return False
        if self.when is not None and self.kind != "batch_refused":
            return self.when(request)
        return True

    def reply(self) -> Response:
        """The reply of a "status" fault."""
        status = self.status or 503
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        shape = self.shape or ("service" if self.code else "gateway")
        if shape == "html":
            return Response(status, _HTML, "text/html", headers)
        if shape == "broken json":
            return Response(status, b'{"data": [{"id": "57257', headers=headers)
        if shape == "text":
            return Response(status, self.message.encode(), "text/plain", headers)
        if shape == "empty":
            return Response(status, headers=headers)
        if shape == "service":
            code = self.code or "INTERNAL_ERROR"
            body = Refusal(code, dict(self.values), self.message).body()
        else:
            body = error_body("message", self.message)
        response = Response.json(status, body, code=self.code)
        response.headers = headers
        return response


def _path_fits(pattern: str, route: str) -> bool:
    path = route[len(API) + 1 :] if route.startswith(API + "/") else route
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(path, pattern)
    pattern = pattern.strip("/")
    return path == pattern or path.startswith(pattern + "/")


class Faults:
    """The faults of a simulator, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._late: list[tuple[float, Callable[[], None]]] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, kind: str | Fault, **arguments: Any) -> Fault:
        """Add a fault, by its kind and arguments or as a `Fault`."""
        fault = kind if isinstance(kind, Fault) else Fault(kind, **arguments)
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Take a fault away."""
        self._faults.remove(fault)

    def clear(self) -> None:
        """Take all faults away; late requests stay pending."""
        self._faults.clear()

    def take(self, request: Request, route: Route | None, connection: str | None) -> list[Fault]:
        """The faults that happen to this request; they count as fired."""
        found = []
        for fault in self._faults:
            if fault.times is not None and fault.fired >= fault.times:
                continue
            if not fault.concerns(request, route, connection):
                continue
            if fault.kind == "batch_refused" and not _holds_row(fault, request):
                continue
            fault.seen += 1
            if fault.seen > fault.after:
                fault.fired += 1
                found.append(fault)
        return found

    # --- late requests ------------------------------------------------------------------------

    def postpone(self, due: float, work: Callable[[], None]) -> None:
        """Remember work for later."""
        self._late.append((due, work))

    def due(self, now: float | None) -> list[Callable[[], None]]:
        """Take out the work that is due; with None, all of it."""
        ready = [item for item in self._late if now is None or item[0] <= now]
        self._late = [item for item in self._late if item not in ready]
        return [work for _, work in ready]


def _row_fits(fault: Fault, row: Any) -> bool:
    if fault.when is not None:
        return bool(fault.when(row))
    if not fault.values or not isinstance(row, dict):
        return bool(not fault.values)
    return all(row.get(name) == value for name, value in fault.values.items())


def _holds_row(fault: Fault, request: Request) -> bool:
    rows = request.rows()
    return rows is not None and any(_row_fits(fault, row) for row in rows)


def effects_of(faults: list[Fault]) -> Effects:
    """What the faults change inside the service."""
    effects = Effects()
    for fault in faults:
        if fault.kind == "trim":
            effects.trim = True
        elif fault.kind == "default":
            effects.defaults.update(fault.values)
        elif fault.kind == "override":
            effects.overrides.update(fault.values)
        elif fault.kind == "row_error":
            for row in fault.rows:
                effects.row_errors[row] = fault.code or "INTERNAL_ERROR"
        elif fault.kind == "batch_refused":
            effects.refuse_batch = _spoilt(fault)
        elif fault.kind == "missing_token":
            effects.drop_next_token = True
        elif fault.kind == "repeat_token":
            effects.repeat_token = True
        elif fault.kind == "duplicate_page":
            effects.repeat_page = True
        elif fault.kind == "hide_rows":
            effects.hide_rows = fault.rows
        elif fault.kind == "extra_fields":
            effects.extra_fields = list(fault.values["fields"])
        elif fault.kind == "missing_fields":
            effects.missing_fields = tuple(fault.values["names"])
    return effects


def _spoilt(fault: Fault) -> Callable[[Any], bool]:
    return lambda row: _row_fits(fault, row)
