"""One request from the wire to the reply: hooks, faults, gateway, service, log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from bigin_client.testing.account import Account
from bigin_client.testing.call import Call
from bigin_client.testing.faults import Fault, effects_of
from bigin_client.testing.refusals import GatewayRefusal, Refusal
from bigin_client.testing.request_log import LogEntry, kept_headers, request_digest, row_digests
from bigin_client.testing.routing import API, Route, classify, demanding
from bigin_client.testing.service import serve
from bigin_client.testing.tokens import Tokens
from bigin_client.testing.wire import Delivery, Request, Response, decode

if TYPE_CHECKING:
    from bigin_client.testing.simulator import BiginSimulator

#: Called between two requests, under the store's lock.
Hook: TypeAlias = "Callable[[Request, BiginSimulator], None]"

#: Operations whose rows are remembered by their digests.
_CREATES: Final = ("insert", "upsert", "insert_notes")
_ADMIN: Final = "_simulator"


class Exchange:
    """Answers the simulator's requests.

    Args:
        simulator: Whose.
        tokens: Its page tokens.
    """

    def __init__(self, simulator: BiginSimulator, tokens: Tokens) -> None:
        self._sim = simulator
        self._tokens = tokens
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        self.timers: list[threading.Timer] = []
        self.errors: list[Exception] = []

    def handle(self, request: Request) -> tuple[Response, Callable[[], None]]:
        """The reply to a request, and what to call once it has been sent.

        A fault of the simulator itself, or of a test's hook, is answered with 500 and raised
        again where the simulator is left.
        """
        if request.route.split("/", 1)[0] == _ADMIN:
            return self._sim.admin.answer(request), _nothing
        route, refusal = self._classify(request)
        heavy = route is not None and demanding(request, route)
        account, load = self._arrived(request, heavy=heavy)
        try:
            response = self._handled(request, route, refusal, load)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not go unseen
            self.errors.append(error)
            text = f"the simulator itself failed: {error!r}"
            response = Response.json(500, {"error": text})
        return response, lambda: self._finished(account, heavy=heavy)

    def _handled(
        self, request: Request, route: Route | None, refusal: Refusal | None, load: tuple[int, int]
    ) -> Response:
        began = time.monotonic()
        entry = LogEntry(self._sim.clock.now(), began, request.method, request.route)
        if request.route.startswith(API + "/"):
            entry.path = request.route[len(API) + 1 :]
        entry.params = dict(request.query)
        entry.headers = kept_headers(request)
        entry.digest = request_digest(request)
        if route is not None:
            entry.operation, entry.module = route.operation, route.module
        entry.running, entry.demanding = load
        with self._sim.lock:
            self._sim.requests.append(entry)
            for hook in list(self.before):
                hook(request, self._sim)
            for work in self._sim.faults.due(self._sim.clock.timestamp()):
                work()
            named = request.headers.get("maton-connection")
            struck = self._sim.faults.take(request, route, named)
            entry.faults = tuple(fault.name for fault in struck)
        for fault in struck:
            if fault.kind == "stall" and fault.seconds:
                self._sim.stopping.wait(fault.seconds)
        with self._sim.lock:
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
            for hook in list(self.after):
                hook(request, self._sim)
        response.headers.setdefault("X-Request-Id", self._request_id(len(self._sim.requests)))
        return response

    def _request_id(self, number: int) -> str:
        return f"sim-{self._sim.seed}-{number}"

    def _classify(self, request: Request) -> tuple[Route | None, Refusal | None]:
        if request.route.split("/", 1)[0] == "connections":
            return Route("connections"), None
        try:
            found = classify(request.method, request.route, self._sim.switches.wrong_method_status)
        except Refusal as refusal:
            return None, refusal
        return found, None

    def _arrived(self, request: Request, *, heavy: bool) -> tuple[Account | None, tuple[int, int]]:
        """Count a call among those under way.

        Returns:
            The account; how many calls there are with this one, and how many demanding ones if
            it is such a call.
        """
        named = request.headers.get("maton-connection") or self._sim.connection_id
        with self._sim.lock:
            account = self._sim.known_account(named)
            if account is None:
                return None, (0, 0)
            account.running += 1
            account.demanding += heavy
            return account, (account.running, account.demanding if heavy else 0)

    def _finished(self, account: Account | None, *, heavy: bool) -> None:
        if account is not None:
            with self._sim.lock:
                account.running -= 1
                account.demanding -= heavy

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
                self._sim.scopes.revoke(fault.scope or entry.module)
            elif fault.kind == "fail_connection":
                named = request.headers.get("maton-connection") or self._sim.connection_id
                self._sim.gateway.set_status(named, "FAILED")
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

        self._sim.faults.postpone(self._sim.clock.timestamp() + delay, work)
        timer = threading.Timer(delay, self._run_due)
        timer.daemon = True
        self.timers.append(timer)
        timer.start()

    def _run_due(self) -> None:
        with self._sim.lock:
            # A timer may be a little early by the other clock.
            for work in self._sim.faults.due(self._sim.clock.timestamp() + 0.1):
                work()

    def _workflow(self, fault: Fault, entry: LogEntry) -> None:
        """A workflow sets values after a write (bigin-api.md 7.12)."""
        store = self._sim.account(entry.connection_id).store
        later = datetime.fromtimestamp(
            self._sim.clock.timestamp() + fault.delay, tz=self._sim.clock.now().tzinfo
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
            connection = self._sim.gateway.admit(request)
            if connection is None:
                response, _ = self._sim.gateway.serve(request)
                return response
        except GatewayRefusal as refused:
            response = Response.json(refused.status, refused.body)
            response.headers.update(refused.headers)
            return response
        entry.connection_id = connection.id
        account = self._sim.account(connection.id)
        call = Call(request, account, self._sim.switches, self._tokens, effects=effects_of(struck))
        call.running, call.demanding = entry.running, entry.demanding
        before = account.credits.used
        try:
            if refusal is not None or route is None:
                raise refusal or Refusal("INVALID_URL_PATTERN")
            response = serve(call, route)
        except Refusal as refused:
            response = Response.json(refused.status, refused.body(), code=refused.code)
            response.headers.update(refused.headers)
            if self._sim.switches.refused_calls_cost:
                account.credits.spend(self._sim.switches.refused_calls_cost)
        entry.credits = account.credits.used - before
        entry.module = call.module or entry.module
        entry.body_rows = call.body_rows
        if entry.operation in (*_CREATES, "update"):
            self._remember_rows(request, response, entry)
        self._credits_header(account, response)
        return response

    def _remember_rows(self, request: Request, response: Response, entry: LogEntry) -> None:
        rows = request.rows()
        if rows is None or not response.body or response.status >= 500:
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
        mode = self._sim.switches.credits_header
        credits = account.credits
        if mode == "always" or (mode == "past half" and credits.used * 2 > credits.limit):
            response.headers["X-API-CREDITS-REMAINING"] = str(credits.left)


def _nothing() -> None:
    """Nothing to do after an administrative request."""
