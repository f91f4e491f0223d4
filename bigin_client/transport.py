"""The one door to the wire: key, connection, pace, retries, errors.

Nothing else in the package imports requests.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Final
from urllib.parse import urlsplit

import requests
import requests.adapters
import tenacity
import urllib3.exceptions
from requests_toolbelt import MultipartEncoder
from typing_extensions import override

from bigin_client import refusals, timestamps
from bigin_client.__about__ import __version__
from bigin_client.credits import CreditMeter
from bigin_client.errors import (
    BiginError,
    CancelledError,
    ConnectionUnavailableError,
    NotFoundError,
    ServiceError,
    SettingsError,
)
from bigin_client.rate_limit import Pacer, open_store
from bigin_client.reply import Reply, encode
from bigin_client.retry import FEW_TRIES, Action, Fault, Outcome, decide
from bigin_client.settings import Settings

log = logging.getLogger(__name__)

#: Prefix of every Bigin path at the gateway (maton.md A2).
GATEWAY_APP: Final = "/zoho-bigin"
BIGIN_PATH: Final = "/bigin/v2/"
#: Waits between tries, in seconds, where the service asks for none.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 60.0
#: Bytes of a download that are in memory at a time.
CHUNK: Final = 65_536


@dataclass(frozen=True)
class _Request:
    """What is sent, and what may be done when it fails."""

    method: str
    url: str
    label: str
    idempotent: bool
    params: Mapping[str, str | int] | None = None
    content: bytes | MultipartEncoder | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    row_errors: bool = False
    keep_refusals: bool = False
    cost: int = 0
    module: str | None = None
    #: The reply is a file: its body is neither read here nor expected to be JSON.
    is_file: bool = False
    #: The body is a stream, which cannot be sent a second time.
    once: bool = False


@dataclass(frozen=True)
class _Try:
    """How one try ended, and what the table says of it."""

    reply: Reply | None
    fault: Fault | None
    action: Action


class Transport:
    """Sends requests, paced and retried, and turns refusals into typed errors.

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
        #: How far the server's clock is ahead of ours; None until a reply told.
        self._clock_offset: timedelta | None = None
        self.connection_id: str | None = settings.connection_id
        #: Finds the connection when none is given; see `bigin_client.connections`.
        self.resolve_connection: Callable[[], str] | None = None
        self._user_agent = f"bigin-connectors/{__version__} ({front_end})"
        self._sleep = sleep or self._interruptible_sleep
        self._cancelled = threading.Event()
        self._gate = threading.BoundedSemaphore(settings.max_concurrency)
        self._pacer = Pacer(
            settings.requests_per_second,
            open_store(
                "memory" if settings.requests_per_second == 0 else settings.rate_limit_store,
                base_url=settings.base_url,
                api_key=settings.api_key,
            ),
            sleep=self._sleep,
        )
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self._pin_lock = threading.Lock()
        self._reached = False
        _hide_queries(urlsplit(settings.base_url).hostname or "")

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

    # -- life ------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Let waiting and future requests end with `CancelledError`."""
        self._cancelled.set()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()
        self._local = threading.local()

    def pause(self, seconds: float) -> None:
        """Wait; `cancel` ends the wait with `CancelledError`."""
        self._sleep(seconds)

    # -- requests --------------------------------------------------------------------------

    def bigin(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        row_errors: bool = False,
        keep_refusals: bool = False,
        cost: int = 1,
        module: str | None = None,
    ) -> Reply:
        """Send one request to Bigin, through the pinned connection.

        Args:
            method: HTTP method.
            path: Below ``bigin/v2/``, for example ``Contacts``; or from the host's root, as
                ``/bigin/bulk/v2/read``.
            params: Query parameters.
            body: What to send as JSON.
            headers: Extra headers.
            idempotent: May be sent twice. None: true for GET.
            row_errors: A refusal whose body has ``data[]`` is returned, not raised: it holds
                one result per row.
            keep_refusals: A refusal that no retry will mend is returned, not raised: the
                question is what the service says to it.
            cost: Credits (bigin-api.md section 5).
            module: For error messages.

        Raises:
            BiginError: See `bigin_client.errors`; `ServiceError.processed` says whether an
                insert may have taken place all the same.
        """
        return self._send(
            _Request(
                method=method,
                url=self._url(path),
                label=f"{method} {path}",
                params=params,
                content=None if body is None else encode(body),
                headers={**(headers or {}), **self._pinned_header()},
                idempotent=method == "GET" if idempotent is None else idempotent,
                row_errors=row_errors,
                keep_refusals=keep_refusals,
                cost=cost,
                module=module,
            )
        )

    def upload(self, path: str, file: IO[bytes], name: str, *, module: str | None = None) -> Reply:
        """Send a file as multipart/form-data, from a stream; never sent twice.

        Args:
            path: As in `bigin`.
            file: Open for reading in binary; read as it is sent, not into memory.
            name: File name that the service shows.
            module: For error messages.
        """
        encoder = MultipartEncoder({"file": (name, file, "application/octet-stream")})
        return self._send(
            _Request(
                method="POST",
                url=self._url(path),
                label=f"POST {path}",
                content=encoder,
                headers={**self._pinned_header(), "Content-Type": encoder.content_type},
                idempotent=False,
                row_errors=True,
                cost=1,
                module=module,
                once=True,
            )
        )

    def download(self, path: str, target: IO[bytes], *, module: str | None = None) -> int:
        """Write a file's bytes to a stream; returns how many.

        Raises:
            ServiceError: The file broke off; what was written by then is no whole file.
        """
        request = _Request(
            method="GET",
            url=self._url(path),
            label=f"GET {path}",
            headers=self._pinned_header(),
            idempotent=True,
            cost=1,
            module=module,
            is_file=True,
        )
        reply = self._send(request)
        if reply.is_empty:
            raise NotFoundError(f"GET {path}: there is no such file", status=reply.status)
        written = 0
        try:
            for chunk in reply.chunks():
                target.write(chunk)
                written += len(chunk)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
            raise ServiceError(
                f"GET {path}: the file broke off after {written} bytes", hint="Run again."
            ) from None
        return written

    def _url(self, path: str) -> str:
        below = path if path.startswith("/bigin/") else BIGIN_PATH + path
        return self.settings.base_url + GATEWAY_APP + below

    def _pinned_header(self) -> dict[str, str]:
        return {"Maton-Connection": self._pinned()}

    def gateway(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> Reply:
        """Send one request to the gateway itself, for example ``GET /connections``."""
        return self._send(
            _Request(
                method=method,
                url=self.settings.base_url + path,
                label=f"{method} {path}",
                params=params,
                content=None if body is None else encode(body),
                idempotent=method in {"GET", "DELETE"},
            )
        )

    def _pinned(self) -> str:
        if self.connection_id is None:
            if self.resolve_connection is None:
                msg = "No connection is pinned"
                raise ConnectionUnavailableError(msg)
            with self._pin_lock:  # one thread looks, the others wait for what it finds
                if self.connection_id is None:
                    self.connection_id = self.resolve_connection()
        return self.connection_id

    def _send(self, request: _Request) -> Reply:
        last: _Try = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda t: t.action in {Action.RETRY, Action.RETRY_FEW}),
            wait=_delay,
            stop=tenacity.stop_after_attempt(1) if request.once else self._must_stop,
            sleep=self._sleep,
            before_sleep=lambda state: _say_retry(request.label, state),
            retry_error_callback=_result,
        )(self._try, request)
        if last.action is Action.RETURN and last.reply is not None:
            return last.reply
        raise self._error(request, last)

    def _must_stop(self, state: tenacity.RetryCallState) -> bool:
        last, tries = _result(state), state.attempt_number
        if tries >= FEW_TRIES and (last.action is Action.RETRY_FEW or not self._reached):
            return True
        # A wait that the service asked for is kept in full or not begun.
        waited = state.seconds_since_start or 0.0
        too_long = waited + state.upcoming_sleep > self.settings.max_wait
        return too_long or refusals.is_out_of_credits(last.reply)

    # -- one try ---------------------------------------------------------------------------

    def _try(self, request: _Request) -> _Try:
        reply, fault = self._exchange(request)
        if reply is not None and _is_broken(request, reply):
            # Cut short, or a page of some proxy: as good as no reply.
            fault = Fault.UNCLEAR
        if fault is None and reply is not None:
            if request.row_errors and reply.row_results is not None:
                return _Try(reply, None, Action.RETURN)
            refused = reply.status >= 400  # noqa: PLR2004 - HTTP
            outcome = Outcome(
                status=reply.status,
                code=reply.code if refused else None,
                gateway_shape=refused and reply.is_gateway_shape,
            )
        else:
            outcome = Outcome(fault=fault)
        action = decide(outcome, idempotent=request.idempotent)
        if fault is None and request.keep_refusals and action is Action.RAISE:
            action = Action.RETURN
        return _Try(reply, fault, action)

    def _exchange(self, request: _Request) -> tuple[Reply | None, Fault | None]:
        """Send once; return the reply, or how it failed. Keeps the credit meter right."""
        self.credits.reserve(request.cost)
        reached_bigin = False
        try:
            with self._turn():
                asked_at = timestamps.now()
                response = self._session().request(
                    request.method,
                    request.url,
                    params=dict(request.params) if request.params else None,
                    data=request.content,
                    headers=self._headers(request),
                    timeout=self.settings.request_timeout,
                    allow_redirects=False,
                    stream=request.is_file,
                )
                reply = _reply(response, asked_at, is_file=request.is_file)
            reached_bigin = reply.status < 400 or reply.code is not None  # noqa: PLR2004 - HTTP
        except requests.exceptions.SSLError:
            msg = f"No trusted TLS connection to {urlsplit(request.url).hostname}"
            raise SettingsError(
                msg, hint="Set ca_bundle to your proxy's certificate, or mend the host's."
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            never = _never_opened(error)
            reached_bigin = not never
            return None, Fault.NOT_SENT if never else Fault.UNCLEAR
        finally:
            if not reached_bigin:
                self.credits.give_back(request.cost)
        self._reached = True
        self.credits.note(reply.headers)
        self._note_clock(reply)
        if reply.status == 429:  # noqa: PLR2004 - HTTP
            self._pacer.slow_down(reply.retry_after or 0.0)
        return reply, None

    def _headers(self, request: _Request) -> dict[str, str]:
        headers = {
            **request.headers,
            "Authorization": f"Bearer {self.settings.api_key}",
            "User-Agent": self._user_agent,
            "Accept": "application/json",
        }
        if request.content is not None:
            headers.setdefault("Content-Type", "application/json")
        return headers

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold one of the `max_concurrency` places, at a moment that the pace allows."""
        while not self._gate.acquire(timeout=0.5):
            self._check_cancelled()
        try:
            self._check_cancelled()
            self._pacer.wait()
            with self._lock:
                self.requests_sent += 1
            yield
        finally:
            self._gate.release()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.verify = self.settings.ca_bundle or self.settings.verify_tls
            # A .netrc entry for the host would replace our Authorization header.
            session.auth = _KeepHeaders()
            adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=2)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    # -- failure ---------------------------------------------------------------------------

    def _error(self, request: _Request, last: _Try) -> BiginError:
        label, reply = request.label, last.reply
        host = urlsplit(self.settings.base_url).hostname
        if last.fault is Fault.NOT_SENT:
            return ServiceError(
                f"{label}: {host} cannot be reached",
                processed=False,
                hint="Check the network, the proxy and the setting base_url.",
            )
        if reply is None or last.fault is Fault.UNCLEAR:
            return ServiceError(
                f"{label}: no usable reply from {host}",
                status=reply.status if reply else None,
                request_id=reply.request_id if reply else None,
                hint="The service or the network is in trouble; run again later.",
            )
        if last.action is Action.RETRY_FEW and reply.code is None:
            return ConnectionUnavailableError(
                f"{label}: the gateway answers HTTP 500 again and again; connection "
                f"{self.connection_id} is {self._connection_status()}. Most often its grant has "
                "expired",
                status=reply.status,
                request_id=reply.request_id,
                origin="gateway",
                hint=refusals.REAUTHORISE,
            )
        return refusals.from_reply(reply, label, request.module, self.connection_id)

    def _connection_status(self) -> str:
        """Return what the gateway says of the pinned connection, for an error message."""
        reply, _ = self._exchange(
            _Request(
                method="GET",
                url=f"{self.settings.base_url}/connections/{self.connection_id}",
                label="GET /connections",
                idempotent=True,
            )
        )
        body = reply.object() if reply else {}
        info = body.get("connection", body)
        status = info.get("status") if isinstance(info, dict) else None
        return status if isinstance(status, str) and status.isalpha() else "not known"

    def _interruptible_sleep(self, seconds: float) -> None:
        self._cancelled.wait(seconds)
        self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            msg = "Stopped on request"
            raise CancelledError(msg)


def _reply(response: requests.Response, asked_at: datetime, *, is_file: bool) -> Reply:
    if is_file and response.status_code < 300:  # noqa: PLR2004 - HTTP
        return Reply(
            response.status_code,
            response.headers,
            b"",
            asked_at,
            chunks=lambda: response.iter_content(CHUNK),
        )
    return Reply(response.status_code, response.headers, response.content, asked_at)


def _is_broken(request: _Request, reply: Reply) -> bool:
    """Whether a success came without the JSON that it should hold."""
    if request.is_file or reply.status >= 300 or reply.is_empty:  # noqa: PLR2004 - HTTP
        return False
    # The gateway answers some deletions with nothing at all (bigin-api.md 11.10).
    gateway_deletion = request.method == "DELETE" and not reply.body and request.cost == 0
    return not gateway_deletion and not reply.is_json


def _result(state: tenacity.RetryCallState) -> _Try:
    if state.outcome is None:
        msg = "a retry is decided only after a try"
        raise RuntimeError(msg)
    last: _Try = state.outcome.result()
    return last


def _delay(state: tenacity.RetryCallState) -> float:
    """Return what the service asked for, else an exponential wait with full jitter."""
    reply = _result(state).reply
    asked = reply.retry_after if reply else None
    if asked is not None:
        return asked
    longest = min(LONGEST_DELAY, FIRST_DELAY * float(2**state.attempt_number))
    return random.uniform(longest / 4, longest)  # noqa: S311 - jitter, not a secret


def _say_retry(label: str, state: tenacity.RetryCallState) -> None:
    reply = _result(state).reply
    said = f"HTTP {reply.status}" if reply is not None else "no reply"
    log.info("%s: %s; trying again in %.1f s", label, said, state.upcoming_sleep)


def _never_opened(error: Exception) -> bool:
    """Whether the connection was never opened, so that nothing can have been processed."""
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


class _KeepHeaders(requests.auth.AuthBase):
    """Leaves the headers as they are; its presence keeps requests from reading .netrc."""

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _QueryFilter(logging.Filter):
    """Cuts the query from urllib3's debug lines: criteria and e-mail searches hold data."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and self.host in record.args:
            record.args = tuple(
                a.partition("?")[0] if isinstance(a, str) and a.startswith("/") else a
                for a in record.args
            )
        return True


def _hide_queries(host: str) -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(f, _QueryFilter) and f.host == host for f in logger.filters):
        logger.addFilter(_QueryFilter(host))
