"""`BiginSimulator`: a Maton gateway and the Bigin accounts behind it, on loopback."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from bigin_client.testing.account import Account
from bigin_client.testing.call import Call
from bigin_client.testing.clock import Clock, OrgZone
from bigin_client.testing.faults import Fault, Faults, effects_of
from bigin_client.testing.gateway import Connection, Gateway
from bigin_client.testing.refusals import GatewayRefusal, Refusal
from bigin_client.testing.request_log import LogEntry, kept_headers, request_digest, row_digests
from bigin_client.testing.routing import API, Route, classify
from bigin_client.testing.scopes import Scopes
from bigin_client.testing.server import Server
from bigin_client.testing.service import serve
from bigin_client.testing.store import Store
from bigin_client.testing.switches import Switches
from bigin_client.testing.tokens import Tokens
from bigin_client.testing.wire import Delivery, Request, Response, decode

#: Called between two requests, under the store's lock.
Hook = Callable[[Request, "BiginSimulator"], None]

#: Requests of these methods are remembered by their rows' digests.
_CREATES: Final = ("insert", "upsert", "insert_notes")
_ADMIN: Final = "_simulator"


class BiginSimulator:
    """A strict Bigin behind a Maton gateway, at ``http://127.0.0.1:PORT``.

    Args:
        seed: Of the generated data, ids and the key.
        sizes: Records per module, exactly; the small default when omitted.
        time_zone: The org's zone: its offset stands in every time that the API returns.
        rate_limit: Requests a second that the gateway lets through; None for no limit.
        port: 0 picks a free one.
        now: What the clock shows at the start; real time when omitted.
        field_counts: Fields per module: custom ones are added, or left out, to reach it.
        edition: "free" or a paid one ("premier"): credits and concurrency.
        switches: Values of `Switches` by name.

    A context manager; or `start` and `stop`.
    """

    def __init__(
        self,
        seed: int = 1,
        sizes: Mapping[str, int] | None = None,
        time_zone: str = "America/Los_Angeles",
        rate_limit: int | None = 10,
        *,
        port: int = 0,
        now: datetime | None = None,
        field_counts: Mapping[str, int] | None = None,
        edition: str = "premier",
        **switches: Any,
    ) -> None:
        self.seed = seed
        self.lock = threading.RLock()
        self.clock = Clock(now)
        self.switches = Switches(**switches)
        self.faults = Faults()
        #: Every request so far, oldest first; `clear_log` empties it.
        self.requests: list[LogEntry] = []
        rng = random.Random(f"gateway/{seed}")  # noqa: S311 - reproducible, protects nothing
        self.api_key = f"sim-key-{rng.getrandbits(80):020x}"
        self._rng = rng
        self.gateway = Gateway(self.api_key, self.clock, self.switches, rate_limit, self._new_id)
        self._zone = OrgZone(time_zone)
        self._field_counts = dict(field_counts or {})
        self._edition = edition
        self._tokens = Tokens(self.api_key)
        self._accounts: dict[str, Account] = {}
        self._before: list[Hook] = []
        self._after: list[Hook] = []
        self._timers: list[threading.Timer] = []
        self._port = port
        self._server: Server | None = None
        first = self.gateway.add("ACTIVE")
        self.connection_id = first.id
        self._accounts[first.id] = self._account(sizes)

    # --- life ------------------------------------------------------------------------------------------

    def start(self) -> BiginSimulator:
        """Listen; returns itself."""
        if self._server is None:
            self._server = Server(
                self._handle, self.clock.timestamp, lambda: self.switches.gzip, self._port
            )
            self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening, close all connections. The store can still be looked at."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._server is not None:
            self._server.stop()
            self._port = self._server.port
            self._server = None

    def __enter__(self) -> BiginSimulator:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where the gateway listens."""
        port = self._server.port if self._server is not None else self._port
        return f"http://127.0.0.1:{port}"

    # --- accounts and connections ----------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The first connection's store."""
        return self._accounts[self.connection_id].store

    @property
    def scopes(self) -> Scopes:
        """The first connection's scopes."""
        return self._accounts[self.connection_id].scopes

    @property
    def connections(self) -> list[Connection]:
        """The gateway's connections, oldest first."""
        return self.gateway.connections

    def account(self, connection_id: str | None = None) -> Account:
        """The account behind a connection; an empty one is made at the first use."""
        wanted = connection_id or self.connection_id
        with self.lock:
            if wanted not in self._accounts:
                if self.gateway.find(wanted) is None:
                    raise KeyError(wanted)
                self._accounts[wanted] = self._account({})
            return self._accounts[wanted]

    def add_connection(
        self,
        status: str = "ACTIVE",
        app: str = "zoho-bigin",
        sizes: Mapping[str, int] | None = None,
        account_of: str | None = None,
    ) -> str:
        """Add a connection; returns its id.

        Args:
            status: ACTIVE, PENDING or FAILED.
            app: The gateway's app.
            sizes: Records of its account; an empty account when omitted.
            account_of: Share the account of this connection instead.
        """
        with self.lock:
            made = self.gateway.add(status, app)
            if account_of is not None:
                self._accounts[made.id] = self.account(account_of)
            elif sizes is not None:
                self._accounts[made.id] = self._account(sizes)
            return made.id

    def set_connection_status(self, connection_id: str, status: str) -> None:
        """What an authorisation, or an expired grant, does to a connection."""
        with self.lock:
            self.gateway.set_status(connection_id, status)

    def revoke(self, word: str) -> None:
        """Take a scope away: "Tasks", "tasks.delete", "settings.fields", "securesearch"."""
        self.scopes.revoke(word)

    def grant(self, word: str) -> None:
        """Give a scope."""
        self.scopes.grant(word)

    @property
    def time_zone(self) -> str:
        """The org's time zone; may be set."""
        return self._zone.name

    @time_zone.setter
    def time_zone(self, name: str) -> None:
        with self.lock:
            self._zone = OrgZone(name)
            for account in self._accounts.values():
                account.store.zone = self._zone

    @property
    def rate_limit(self) -> int | None:
        """Requests a second that the gateway lets through; may be set."""
        return self.gateway.rate.limit

    @rate_limit.setter
    def rate_limit(self, limit: int | None) -> None:
        self.gateway.rate.limit = limit

    @property
    def credits_used(self) -> int:
        """Credits of the first account in the last 24 hours."""
        return self.account().credits.used

    @property
    def credits_left(self) -> int:
        """Credits of the first account that are left."""
        return self.account().credits.left

    def _account(self, sizes: Mapping[str, int] | None) -> Account:
        number = len(self._accounts)
        return Account(
            number, self.seed, sizes, self._field_counts, self.clock, self._zone, self.switches,
            self.lock, self._edition,
        )  # fmt: skip

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    # --- hooks and log ---------------------------------------------------------------------------------

    def before_request(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(request, sim)`` before each request; returns the way to stop it."""
        return _subscribe(self._before, hook)

    def after_request(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(request, sim)`` after each request, before its reply is sent."""
        return _subscribe(self._after, hook)

    def clear_log(self) -> None:
        """Forget the requests so far."""
        with self.lock:
            self.requests.clear()

    # --- one request -----------------------------------------------------------------------------------

    def _handle(self, request: Request) -> tuple[Response, Callable[[], None]]:
        began = time.monotonic()
        entry = LogEntry(self.clock.now(), began, request.method, request.route)
        if request.route.startswith(API + "/"):
            entry.path = request.route[len(API) + 1 :]
        entry.params = dict(request.query)
        entry.headers = kept_headers(request)
        route, refusal = self._classify(request)
        if route is not None:
            entry.operation, entry.module = route.operation, route.module
        account = self._running(request)
        if account is not None:
            entry.running = account.running
        with self.lock:
            self.requests.append(entry)
            for hook in list(self._before):
                hook(request, self)
            for work in self.faults.due(self.clock.timestamp()):
                work()
            named = request.headers.get("maton-connection")
            struck = self.faults.take(request, route, named)
            entry.faults = tuple(fault.kind for fault in struck)
        for fault in struck:
            if fault.kind == "stall" and fault.seconds:
                threading.Event().wait(fault.seconds)
        with self.lock:
            response = self._answer(request, route, refusal, struck, entry)
            entry.status, entry.rows = response.status, response.rows
            entry.code = response.code or entry.code
            entry.retry_after = response.headers.get("Retry-After")
            entry.seconds = time.monotonic() - began
            entry.delivered = response.delivery is None or not (
                response.delivery.cut or response.delivery.truncate is not None
            )
            if response.delivery is not None and response.delivery.cut:
                entry.status = 0
            for hook in list(self._after):
                hook(request, self)
        response.headers.setdefault("X-Request-Id", self._request_id(len(self.requests)))
        return response, lambda: self._finished(account)

    def _request_id(self, number: int) -> str:
        return f"sim-{self.seed}-{number}"

    def _classify(self, request: Request) -> tuple[Route | None, Refusal | None]:
        if request.route.split("/", 1)[0] == "connections":
            return Route("connections"), None
        try:
            found = classify(request.method, request.route, self.switches.wrong_method_status)
        except Refusal as refusal:
            return None, refusal
        return found, None

    def _running(self, request: Request) -> Account | None:
        """Count the call among those under way."""
        named = request.headers.get("maton-connection") or self.connection_id
        account = self._accounts.get(named)
        if account is not None:
            with self.lock:
                account.running += 1
        return account

    def _finished(self, account: Account | None) -> None:
        if account is not None:
            with self.lock:
                account.running -= 1

    def _answer(
        self,
        request: Request,
        route: Route | None,
        refusal: Refusal | None,
        struck: list[Fault],
        entry: LogEntry,
    ) -> Response:
        """The reply, with the faults that struck, under the lock."""
        for fault in struck:
            if fault.kind == "revoke":
                self.scopes.revoke(fault.scope or entry.module)
            elif fault.kind == "fail_connection":
                named = request.headers.get("maton-connection") or self.connection_id
                self.gateway.set_status(named, "FAILED")
        for fault in struck:
            if fault.kind == "status":
                return fault.reply()
            if fault.kind == "cut":
                return Response(0, delivery=Delivery(cut=True, delay=fault.seconds))
            if fault.kind == "late":
                self._postpone(request, route, refusal, struck, entry, fault.delay)
                return Response(0, delivery=Delivery(cut=True, delay=fault.seconds))
        response = self._served(request, route, refusal, struck, entry)
        for fault in struck:
            response = self._after_fault(fault, response, entry)
        return response

    def _after_fault(self, fault: Fault, response: Response, entry: LogEntry) -> Response:
        delivery = response.delivery or Delivery()
        if fault.kind == "status_after":
            return fault.reply()
        if fault.kind == "cut_after":
            delivery.cut, delivery.delay = True, fault.seconds
        elif fault.kind == "truncate":
            delivery.truncate = fault.share
        elif fault.kind == "slow":
            delivery.delay = fault.seconds
        elif fault.kind == "stall_body":
            delivery.pause = fault.seconds
        elif fault.kind == "workflow":
            self._workflow(fault, entry)
            return response
        else:
            return response
        response.delivery = delivery
        return response

    def _postpone(
        self,
        request: Request,
        route: Route | None,
        refusal: Refusal | None,
        struck: list[Fault],
        entry: LogEntry,
        delay: float,
    ) -> None:
        rest = [fault for fault in struck if fault.kind != "late"]

        def work() -> None:
            self._served(request, route, refusal, rest, entry)

        self.faults.postpone(self.clock.timestamp() + delay, work)
        timer = threading.Timer(delay, self._run_due)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _run_due(self) -> None:
        with self.lock:
            for work in self.faults.due(self.clock.timestamp()):
                work()

    def apply_late(self) -> None:
        """Let the requests of "late" faults take effect now."""
        with self.lock:
            for work in self.faults.due(None):
                work()

    def _workflow(self, fault: Fault, entry: LogEntry) -> None:
        """A workflow sets values after a write (bigin-api.md 7.12)."""
        store = self.account(entry.connection_id).store
        later = datetime.fromtimestamp(
            self.clock.timestamp() + fault.delay, tz=self.clock.now().tzinfo
        )
        for id in entry.created.values():
            if id in store.tables[entry.module].live:
                store.update(entry.module, id, fault.values, at=later)

    def _served(
        self,
        request: Request,
        route: Route | None,
        refusal: Refusal | None,
        struck: list[Fault],
        entry: LogEntry,
    ) -> Response:
        """Gateway, then service."""
        try:
            connection = self.gateway.admit(request)
            if connection is None:
                response, _ = self.gateway.serve(request)
                return response
        except GatewayRefusal as refused:
            response = Response.json(refused.status, refused.body)
            response.headers.update(refused.headers)
            return response
        entry.connection_id = connection.id
        account = self.account(connection.id)
        call = Call(request, account, self.switches, self._tokens, effects=effects_of(struck))
        entry.digest = request_digest(request)
        before = account.credits.used
        try:
            if refusal is not None or route is None:
                raise refusal or Refusal("INVALID_URL_PATTERN")
            response = serve(call, route)
        except Refusal as refused:
            response = Response.json(refused.status, refused.body(), code=refused.code)
            response.headers.update(refused.headers)
            if self.switches.refused_calls_cost:
                account.credits.spend(self.switches.refused_calls_cost)
        entry.credits = account.credits.used - before
        entry.module = call.module or entry.module
        entry.body_rows = call.body_rows
        if entry.operation in (*_CREATES, "update"):
            self._remember_rows(request, response, entry)
        self._credits_header(account, response)
        return response

    def _remember_rows(self, request: Request, response: Response, entry: LogEntry) -> None:
        rows = request.rows()
        if rows is None or not response.body or response.status >= 500:  # noqa: PLR2004
            return
        if entry.operation in _CREATES:
            entry.row_digests = row_digests(rows)
        body = decode(response.body)
        results = body.get("data") if isinstance(body, dict) else None
        for position, result in enumerate(results or ()):
            if result.get("status") != "success":
                continue
            if entry.operation == "update" or result.get("action") != "update":
                entry.created[position] = result["details"]["id"]

    def _credits_header(self, account: Account, response: Response) -> None:
        mode = self.switches.credits_header
        credits = account.credits
        if mode == "always" or (mode == "past half" and credits.used * 2 > credits.limit):
            response.headers["X-API-CREDITS-REMAINING"] = str(credits.left)


def _subscribe(hooks: list[Hook], hook: Hook) -> Callable[[], None]:
    hooks.append(hook)

    def unsubscribe() -> None:
        if hook in hooks:
            hooks.remove(hook)

    return unsubscribe
