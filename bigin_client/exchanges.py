"""One exchange with the gateway: its turn, its headers, what it cost, the server's clock."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from bigin_client import timestamps
from bigin_client.__about__ import __version__
from bigin_client.concurrency import Gate
from bigin_client.credits import CreditMeter
from bigin_client.errors import CancelledError, SettingsError
from bigin_client.rate_limit import Pacer, Store, open_store
from bigin_client.reply import Reply
from bigin_client.retry import Fault
from bigin_client.sending import Request, charge
from bigin_client.settings import Settings
from bigin_client.wire import ExchangeError, Wire


class Exchanges:
    """Sends requests once each, paced and counted, at most so many at a time.

    Args:
        settings: Key, gateway, limits.
        front_end: Who is asking, for the User-Agent: ``client``, ``tap-bigin``, …
        sleep: Waits so many seconds; None: a wait that `cancel` interrupts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        front_end: str = "client",
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.settings = settings
        self.credits = CreditMeter(settings.max_credits, settings.min_credits_left)
        self.requests_sent = 0
        #: Replies 429.
        self.requests_limited = 0
        #: How far the server's clock is ahead of ours; None until a reply told.
        self._clock_offset: timedelta | None = None
        self.connection_id: str | None = settings.connection_id
        #: Finds the connection when none is given; see `bigin_client.connections`.
        self.resolve_connection: Callable[[], str] | None = None
        self._user_agent = f"bigin-connectors/{__version__} ({front_end})"
        self._sleep = sleep or self._interruptible_sleep
        self._cancelled = threading.Event()
        self._gate = Gate(settings.max_concurrency, self._cancelled)
        self._pacer = Pacer(
            settings.requests_per_second,
            open_store(
                "memory" if settings.requests_per_second == 0 else settings.rate_limit_store,
                base_url=settings.base_url,
                api_key=settings.api_key,
            ),
            longest_pause=settings.max_wait,
            sleep=self._sleep,
        )
        self._wire = Wire(settings)
        self._lock = threading.Lock()
        self._pin_lock = threading.Lock()
        self._reached = False

    def __repr__(self) -> str:
        return f"Transport({self.settings.base_url!r}, connection_id={self.connection_id!r})"

    # -- the server's clock ------------------------------------------------------------------

    def server_now(self) -> datetime | None:
        """Return the present instant by the server's clock, to about a second.

        None when no reply has carried a ``Date`` header: the two clocks may then differ by
        anything.
        """
        return None if self._clock_offset is None else timestamps.now() + self._clock_offset

    def _note_clock(self, reply: Reply) -> None:
        if reply.date is not None:
            self._clock_offset = reply.date - reply.asked_at

    @property
    def rate_store(self) -> Store:
        """Where the pace is kept; other things that loads share may be kept there too."""
        return self._pacer.store

    @property
    def is_paced_out(self) -> bool:
        """Whether the pace is used up: more threads would send no more requests."""
        return self._pacer.is_used_up

    # -- life ------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Let waiting and future requests end with `CancelledError`.

        A read that is under way is cut off. A write is not: it ends with its reply, so that its
        outcome is known (`ServiceError.processed` if it has none).
        """
        self._cancelled.set()
        self._gate.wake()
        self._wire.cut_reads()

    def close(self) -> None:
        """Close all connections; a request after that opens new ones."""
        self._wire.close()
        self._pacer.close()

    def pause(self, seconds: float) -> None:
        """Wait; `cancel` ends the wait with `CancelledError`."""
        self._sleep(seconds)

    # -- one exchange ----------------------------------------------------------------------

    def _exchange(self, request: Request) -> tuple[Reply | None, Fault | None]:
        """Send once; return the reply, or how it failed. Keeps the credit meter right."""
        self.credits.reserve(request.cost, write=request.row_errors)
        spent = at_most = 0
        headers: Mapping[str, str] = {}
        try:
            with self._turn():
                spent = at_most = request.cost
                reply = self._wire.send(
                    request.method,
                    request.url,
                    params=request.params,
                    headers=self._headers(request),
                    content=request.content,
                    download=request.download,
                )
            headers = reply.headers
            spent, at_most = charge(request, reply)
        except SettingsError:
            spent = at_most = 0
            raise
        except ExchangeError as error:
            if error.fault is Fault.NOT_SENT:
                spent = at_most = 0
            if request.method == "GET":
                self._check_cancelled()  # which may be what cut it off
            return None, error.fault
        finally:
            self.credits.settle(
                request.cost,
                spent=spent,
                at_most=at_most,
                headers=headers,
                write=request.row_errors,
            )
        self._reached = True
        self._note_clock(reply)
        if reply.status == 429:  # noqa: PLR2004 - HTTP
            with self._lock:
                self.requests_limited += 1
            self._pacer.slow_down(reply.retry_after or 0.0)
        return reply, None

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            **request.headers,
            "Authorization": f"Bearer {self.settings.api_key}",
            "User-Agent": self._user_agent,
            "Accept": "*/*" if request.download else "application/json",
        }
        if isinstance(request.content, bytes):
            headers.setdefault("Content-Type", "application/json")
        return headers

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold one of the `max_concurrency` places, at a moment that the pace allows."""
        with self._gate:
            self._check_cancelled()
            self._pacer.wait()
            with self._lock:
                self.requests_sent += 1
            yield

    def _interruptible_sleep(self, seconds: float) -> None:
        self._cancelled.wait(seconds)
        self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            msg = "Stopped on request"
            raise CancelledError(msg)
