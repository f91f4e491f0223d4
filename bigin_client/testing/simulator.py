"""`BiginSimulator`: a Maton gateway and the Bigin accounts behind it, on loopback."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from typing_extensions import Self

from bigin_client.testing.account import Account
from bigin_client.testing.admin import Admin
from bigin_client.testing.audit import Limits, Violation
from bigin_client.testing.audit import audit as run_audit
from bigin_client.testing.clock import Clock, OrgZone
from bigin_client.testing.exchange import Exchange, Hook
from bigin_client.testing.faults import Faults
from bigin_client.testing.gateway import Connection, Gateway
from bigin_client.testing.request_log import LogEntry
from bigin_client.testing.scopes import Scopes
from bigin_client.testing.server import Server
from bigin_client.testing.store import Store
from bigin_client.testing.switches import Switches
from bigin_client.testing.tokens import Tokens


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
        #: Set while the simulator stops, so that stalled requests end.
        self.stopping = threading.Event()
        self.clock = Clock(now)
        self.switches = Switches(**switches)
        self.faults = Faults()
        #: Every request so far, oldest first; `clear_log` empties it.
        self.requests: list[LogEntry] = []
        rng = random.Random(f"gateway/{seed}")
        self.api_key = f"sim-key-{rng.getrandbits(80):020x}"
        self._rng = rng
        self.gateway = Gateway(self.api_key, self.clock, self.switches, rate_limit, self._new_id)
        self._zone = OrgZone(time_zone)
        self._field_counts = dict(field_counts or {})
        self._edition = edition
        self._accounts: dict[str, Account] = {}
        self._exchange = Exchange(self, Tokens(self.api_key))
        #: What answers ``/_simulator/...``.
        self.admin = Admin(self)
        self._port = port
        self._server: Server | None = None
        first = self.gateway.add("ACTIVE")
        self.connection_id = first.id
        self._accounts[first.id] = self._account(sizes)

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> BiginSimulator:
        """Listen; returns itself."""
        if self._server is None:
            self.stopping.clear()
            self._server = Server(
                self._exchange.handle,
                self.clock.timestamp,
                lambda: self.switches.gzip,
                self._port,
                dated=lambda: self.switches.date_header,
            )
            self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening, close all connections. The store can still be looked at."""
        self.stopping.set()
        for timer in self._exchange.timers:
            timer.cancel()
        self._exchange.timers.clear()
        if self._server is not None:
            self._server.stop()
            self._port = self._server.port
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if kind is None and self.errors:
            raise self.errors[0]

    @property
    def errors(self) -> list[Exception]:
        """Faults of the simulator itself or of a hook; leaving the context raises the first."""
        return self._exchange.errors

    @property
    def base_url(self) -> str:
        """Where the gateway listens."""
        port = self._server.port if self._server is not None else self._port
        return f"http://127.0.0.1:{port}"

    # --- accounts and connections -------------------------------------------------------------

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

    def known_account(self, connection_id: str) -> Account | None:
        """The account behind a connection, if there is one yet."""
        return self._accounts.get(connection_id)

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

    # --- hooks and log ------------------------------------------------------------------------

    def before_request(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(request, sim)`` before each request; returns the way to stop it."""
        return _subscribe(self._exchange.before, hook)

    def after_request(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(request, sim)`` after each request, before its reply is sent."""
        return _subscribe(self._exchange.after, hook)

    def audit(self, rules: Sequence[str] | None = None) -> list[Violation]:
        """What a good client must not do and this one did; see `audit.RULES`."""
        with self.lock:
            limits = Limits(self.rate_limit, self.account().concurrency)
            return run_audit(list(self.requests), limits, rules)

    def apply_late(self) -> None:
        """Let the requests of "late" faults take effect now."""
        with self.lock:
            for work in self.faults.due(None):
                work()

    def clear_log(self) -> None:
        """Forget the requests so far."""
        with self.lock:
            self.requests.clear()


def _subscribe(hooks: list[Hook], hook: Hook) -> Callable[[], None]:
    hooks.append(hook)

    def unsubscribe() -> None:
        if hook in hooks:
            hooks.remove(hook)

    return unsubscribe
