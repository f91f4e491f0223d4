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
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import requests
import requests.adapters
import tenacity
import urllib3.exceptions

from bigin_client import timestamps
from bigin_client.__about__ import __version__
from bigin_client.credits import REMAINING_HEADER, CreditMeter
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    CancelledError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ScopeError,
    ServiceError,
    SettingsError,
)
from bigin_client.rate_limit import Pacer, open_store
from bigin_client.retry import FEW_TRIES, Action, Fault, Outcome, decide
from bigin_client.settings import Settings

log = logging.getLogger(__name__)

#: Prefix of every Bigin path at the gateway (maton.md A2).
BIGIN_PATH: Final = "/zoho-bigin/bigin/v2/"
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 60.0

REAUTHORISE: Final = (
    "Create a new connection (bigin connections create), open its link in a browser to "
    "authorise it, then use the new connection_id."
)

#: Names in Bigin's `details` that hold names, sizes or ids, never a record's contents.
_DETAILS: Final = frozenset(
    {
        "api_name",
        "expected_data_type",
        "id",
        "json_path",
        "limit",
        "maximum_length",
        "more_records",
        "param_name",
        "permissions",
        "resource_path_index",
    }
)
_CODES_OUT_OF_REACH: Final = frozenset(
    {"NO_PERMISSION", "FEATURE_NOT_ENABLED", "FEATURE_NOT_SUPPORTED", "NOT_SUPPORTED"}
)

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Reply:
    """One reply of the gateway or of Bigin.

    Attributes:
        status: HTTP status.
        headers: Reply headers, names without regard to case.
        body: The bytes of the body; decoded only when asked for.
        asked_at: When the request was sent, by the local clock, UTC.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    asked_at: datetime
    _json: Any = field(default=None, init=False, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - JSON is any
        """Return the decoded body; numbers with a fraction as exact `decimal.Decimal`.

        Raises:
            ServiceError: The body is no JSON.
        """
        if self._json is None:
            try:
                self._json = _decoder.decode(self.body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                msg = "The reply is not JSON"
                raise ServiceError(msg, status=self.status, request_id=self.request_id) from None
        return self._json

    def object(self) -> dict[str, Any]:
        """Return the body as an object; ``{}`` when it is empty or something else."""
        if not self.body:
            return {}
        try:
            body = self.json()
        except ServiceError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def is_empty(self) -> bool:
        """Whether the reply says that there is nothing: 204 or 304."""
        return self.status in {204, 304}

    @property
    def date(self) -> datetime | None:
        """The server's clock (header ``Date``), None when it did not say."""
        return timestamps.from_http_date(self.headers.get("Date"))

    @property
    def request_id(self) -> str | None:
        """The gateway's ``X-Request-Id``."""
        return self.headers.get("X-Request-Id")

    @property
    def code(self) -> str | None:
        """Bigin's code of a refusal, None when the reply is not Bigin's refusal.

        An upper-case code beside ``status: error`` marks Bigin's own shape (maton.md A5).
        """
        body = self.object()
        code = body.get("code")
        if isinstance(code, str) and code.isupper() and body.get("status") == "error":
            return code
        return None

    @property
    def is_gateway_shape(self) -> bool:
        """Whether the body is one of the gateway's own JSON shapes (maton.md A5)."""
        body = self.object()
        return self.code is None and any(k in body for k in ("message", "error", "detail"))

    @property
    def row_results(self) -> list[Any] | None:
        """``data[]`` of a write reply, None when there is none."""
        data = self.object().get("data")
        return data if isinstance(data, list) else None


def safe_details(details: object) -> dict[str, Any]:
    """Return the part of Bigin's ``details`` that may be shown: names, sizes, ids."""
    if not isinstance(details, dict):
        return {}
    shown = {k: v for k, v in details.items() if k in _DETAILS and not isinstance(v, dict)}
    duplicate = details.get("duplicate_record")
    if isinstance(duplicate, dict) and "id" in duplicate:
        shown["id"] = duplicate["id"]
    return shown


def encode(value: object) -> bytes:
    """Return JSON; a `decimal.Decimal` becomes a number with all its digits."""
    return _encoder.encode(value)


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
        #: Set once the connection is known; see `bigin_client.connections`.
        self.connection_id: str | None = settings.connection_id
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
        cost: int = 1,
        module: str | None = None,
    ) -> Reply:
        """Send one request to Bigin, through the pinned connection.

        Args:
            method: HTTP method.
            path: Below ``bigin/v2/``, for example ``Contacts``.
            params: Query parameters.
            body: What to send as JSON.
            headers: Extra headers.
            idempotent: May be sent twice. None: true for GET.
            row_errors: A refusal whose body has ``data[]`` is returned, not raised: it holds
                one result per row.
            cost: Credits (bigin-api.md section 5).
            module: For error messages.

        Raises:
            BiginError: See `bigin_client.errors`; `ServiceError.processed` says whether an
                insert may have taken place all the same.
        """
        return self._send(
            method,
            self.settings.base_url + BIGIN_PATH + path,
            params=params,
            content=None if body is None else encode(body),
            headers={**(headers or {}), "Maton-Connection": self._pinned()},
            idempotent=method == "GET" if idempotent is None else idempotent,
            row_errors=row_errors,
            cost=cost,
            module=module,
            label=f"{method} {path.split('?')[0]}",
        )

    def gateway(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        idempotent: bool | None = None,
    ) -> Reply:
        """Send one request to the gateway itself, for example ``GET /connections``."""
        return self._send(
            method,
            self.settings.base_url + path,
            params=params,
            content=None if body is None else encode(body),
            headers={},
            idempotent=method in {"GET", "DELETE"} if idempotent is None else idempotent,
            row_errors=False,
            cost=0,
            module=None,
            label=f"{method} {path.split('?')[0]}",
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

    def _send(  # noqa: PLR0913 - the one place where all of this meets
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None,
        content: bytes | None,
        headers: dict[str, str],
        idempotent: bool,
        row_errors: bool,
        cost: int,
        module: str | None,
        label: str,
    ) -> Reply:
        headers["Authorization"] = f"Bearer {self.settings.api_key}"
        headers["User-Agent"] = self._user_agent
        headers["Accept"] = "application/json"
        if content is not None:
            headers["Content-Type"] = "application/json"

        def attempt() -> _Try:
            reply, fault = self._try(method, url, params, content, headers, cost)
            if reply is not None and reply.status < 300 and not (reply.is_empty or _is_json(reply)):  # noqa: PLR2004
                # Cut short, or a page of some proxy: as good as no reply.
                fault = Fault.UNCLEAR
            if reply is not None and row_errors and reply.row_results is not None:
                return _Try(reply, fault, Action.RETURN)
            return _Try(reply, fault, decide(_outcome(reply, fault), idempotent=idempotent))

        last: _Try = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda t: t.action in {Action.RETRY, Action.RETRY_FEW}),
            wait=lambda state: self._delay(_result(state).reply, state.attempt_number),
            stop=self._must_stop,
            sleep=self._sleep,
            before_sleep=lambda state: _say_retry(label, state),
            retry_error_callback=_result,
        )(attempt)
        if last.action is Action.RETURN and last.reply is not None:
            return last.reply
        raise self._error(last, label=label, module=module)

    def _must_stop(self, state: tenacity.RetryCallState) -> bool:
        last, tries = _result(state), state.attempt_number
        if tries >= FEW_TRIES and (last.action is Action.RETRY_FEW or not self._reached):
            return True
        # A wait that the service asked for is kept in full or not begun.
        waited = state.seconds_since_start or 0.0
        return waited + state.upcoming_sleep > self.settings.max_wait or self._out_of_credits(
            last.reply
        )

    def _try(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        content: bytes | None,
        headers: Mapping[str, str],
        cost: int,
    ) -> tuple[Reply | None, Fault | None]:
        self.credits.reserve(cost)
        try:
            with self._turn():
                asked_at = timestamps.now()
                response = self._session().request(
                    method,
                    url,
                    params=dict(params) if params else None,
                    data=content,
                    headers=dict(headers),
                    timeout=self.settings.request_timeout,
                    allow_redirects=False,
                )
                reply = Reply(response.status_code, response.headers, response.content, asked_at)
        except requests.exceptions.SSLError:
            self.credits.give_back(cost)
            msg = f"No trusted TLS connection to {urlsplit(url).hostname}"
            raise SettingsError(
                msg, hint="Set ca_bundle to your proxy's certificate, or mend the host's."
            ) from None
        except requests.exceptions.ProxyError:
            self.credits.give_back(cost)
            return None, Fault.NOT_SENT
        except requests.exceptions.ConnectionError as error:
            if _never_opened(error):
                self.credits.give_back(cost)
                return None, Fault.NOT_SENT
            return None, Fault.UNCLEAR
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
            return None, Fault.UNCLEAR
        except BaseException:
            self.credits.give_back(cost)
            raise
        self._reached = True
        self.credits.note(reply.headers)
        if reply.status == 429:  # noqa: PLR2004 - HTTP
            self._pacer.slow_down(self._retry_after(reply) or 0.0)
            if reply.code is None:
                self.credits.give_back(cost)
        return reply, None

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

    # -- decisions -------------------------------------------------------------------------

    def _delay(self, reply: Reply | None, tries: int) -> float:
        asked = self._retry_after(reply)
        if asked is not None:
            return asked
        longest = min(LONGEST_DELAY, FIRST_DELAY * float(2**tries))
        return random.uniform(longest / 4, longest)  # noqa: S311 - jitter, not a secret

    @staticmethod
    def _retry_after(reply: Reply | None) -> float | None:
        """Return the seconds of a Retry-After header, as a number or as a date."""
        if reply is None or reply.status < 400:  # noqa: PLR2004 - HTTP
            return None
        text = (reply.headers.get("Retry-After") or "").strip()
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            date = timestamps.from_http_date(text)
            if date is None:
                return None
            # The server's own clock, when it tells it, measures the server's date.
            seconds = (date - (reply.date or timestamps.now())).total_seconds()
        return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - NaN

    def _out_of_credits(self, reply: Reply | None) -> bool:
        return (
            reply is not None
            and reply.status == 429  # noqa: PLR2004 - HTTP
            and reply.code is not None
            and ("CREDIT" in reply.code or reply.headers.get(REMAINING_HEADER) == "0")
        )

    # -- errors ----------------------------------------------------------------------------

    def _error(
        self,
        last: _Try,
        *,
        label: str,
        module: str | None,
    ) -> BiginError:
        reply = last.reply
        if reply is None or last.fault is Fault.UNCLEAR:
            return self._transport_error(last.fault, reply, label)
        code = reply.code
        body = reply.object()
        facts: dict[str, Any] = {
            "status": reply.status,
            "code": code,
            "details": safe_details(body.get("details")),
            "request_id": reply.request_id,
            "origin": "Bigin" if code else "gateway",
        }
        status = reply.status
        if status == 429:  # noqa: PLR2004 - HTTP
            return self._limit_error(reply, label, facts)
        if status == 408 or status >= 500:  # noqa: PLR2004 - HTTP
            return self._server_error(label, facts, last.action)
        if code is None:
            return self._gateway_error(label, facts)
        return _bigin_error(label, module, facts)

    def _transport_error(
        self, fault: Fault | None, reply: Reply | None, label: str
    ) -> ServiceError:
        host = urlsplit(self.settings.base_url).hostname
        if fault is Fault.NOT_SENT:
            return ServiceError(
                f"{label}: {host} cannot be reached",
                processed=False,
                hint="Check the network, the proxy and the setting base_url.",
            )
        return ServiceError(
            f"{label}: no usable reply from {host}",
            status=reply.status if reply else None,
            request_id=reply.request_id if reply else None,
            hint="The service or the network is in trouble; run again later.",
        )

    def _limit_error(self, reply: Reply, label: str, facts: dict[str, Any]) -> BiginError:
        if self._out_of_credits(reply):
            return CreditsExhaustedError(
                f"{label}: the account's API credits are used up",
                hint="They come back over 24 hours; run again later.",
                **facts,
            )
        return RateLimitedError(
            f"{label}: too many requests",
            retry_after=self._retry_after(reply),
            hint="Lower requests_per_second or max_concurrency, or raise max_wait; other"
            " programs may be using the same account. If it goes on for hours, the"
            " account's API credits are used up.",
            **facts,
        )

    def _server_error(
        self, label: str, facts: dict[str, Any], action: Action
    ) -> BiginError:
        if action is Action.RETRY_FEW:
            status = self._connection_status()
            return ConnectionUnavailableError(
                f"{label}: the gateway answers HTTP 500 again and again; connection "
                f"{self.connection_id} is {status}. Most often its grant has expired",
                hint=REAUTHORISE,
                **facts,
            )
        return ServiceError(
            f"{label}: the service failed",
            hint="Run again later; what was done so far is kept.",
            **facts,
        )

    def _connection_status(self) -> str:
        """Return what the gateway says of the pinned connection, for an error message."""
        if self.connection_id is None:
            return "not known"
        url = f"{self.settings.base_url}/connections/{self.connection_id}"
        headers = {
            "Authorization": f"Bearer {self.settings.api_key}",
            "User-Agent": self._user_agent,
        }
        reply, _ = self._try("GET", url, None, None, headers, 0)
        if reply is None:
            return "not known"
        body = reply.object()
        status = body.get("connection", body)
        status = status.get("status") if isinstance(status, dict) else None
        return status if isinstance(status, str) and status.isalpha() else "not known"

    def _gateway_error(self, label: str, facts: dict[str, Any]) -> BiginError:
        status = facts["status"]
        about_connections = "/connections" in label
        if status in {401, 403}:
            return AuthenticationError(
                f"{label}: the gateway does not accept the Maton API key",
                hint="Check MATON_API_KEY (or the setting api_key).",
                **facts,
            )
        if about_connections and status == 404:  # noqa: PLR2004 - HTTP
            return NotFoundError(
                f"{label}: no such connection",
                hint="List the connections with: bigin connections list",
                **facts,
            )
        if not about_connections and status in {400, 404, 412}:
            return ConnectionUnavailableError(
                f"{label}: the gateway has no usable connection {self.connection_id or ''}".rstrip(),
                hint="Check connection_id (bigin connections list) and base_url.",
                **facts,
            )
        return RequestError(f"{label}: the gateway refused the request", **facts)

    def pause(self, seconds: float) -> None:
        """Wait; `cancel` ends the wait with `CancelledError`."""
        self._sleep(seconds)

    # -- waiting ---------------------------------------------------------------------------

    def _interruptible_sleep(self, seconds: float) -> None:
        self._cancelled.wait(seconds)
        self._check_cancelled()

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            msg = "Stopped on request"
            raise CancelledError(msg)


@dataclass
class _Try:
    """One try, and what the table says of it."""

    reply: Reply | None
    fault: Fault | None
    action: Action


def _result(state: tenacity.RetryCallState) -> _Try:
    last: _Try = state.outcome.result()  # type: ignore[union-attr]
    return last


def _say_retry(label: str, state: tenacity.RetryCallState) -> None:
    reply = _result(state).reply
    log.info(
        "%s: %s; trying again in %.1f s",
        label,
        f"HTTP {reply.status}" if reply is not None else "no reply",
        state.upcoming_sleep,
    )


def _outcome(reply: Reply | None, fault: Fault | None) -> Outcome:
    if reply is None or fault is not None:
        return Outcome(fault=fault)
    if reply.status < 400:  # noqa: PLR2004 - HTTP
        return Outcome(status=reply.status)
    return Outcome(status=reply.status, code=reply.code, gateway_shape=reply.is_gateway_shape)


def _bigin_error(label: str, module: str | None, facts: dict[str, Any]) -> BiginError:
    code, status = facts["code"], facts["status"]
    if code == "OAUTH_SCOPE_MISMATCH":
        scope = f"ZohoBigin.modules.{module.lower()}" if module else None
        return ScopeError(
            f"{label}: the connection has no scope for this",
            module=module,
            scope=scope,
            hint="The scopes are the gateway's: ask support@maton.ai for the operation"
            + (f" (scope {scope})." if scope else "."),
            **facts,
        )
    if code in {"INVALID_TOKEN", "AUTHENTICATION_FAILURE"}:
        return ConnectionUnavailableError(
            f"{label}: Bigin does not accept the connection's grant",
            hint=REAUTHORISE + " An account outside the US data centre gives the same answer.",
            **facts,
        )
    if code in _CODES_OUT_OF_REACH and status < 500:  # noqa: PLR2004 - HTTP
        return ScopeError(
            f"{label}: not permitted, or not part of the account's edition",
            module=module,
            hint="Ask the Bigin administrator for the permission of the connection's user.",
            **facts,
        )
    if code == "INVALID_MODULE" or (code == "INVALID_URL_PATTERN" and status == 404):  # noqa: PLR2004
        return NotFoundError(
            f"{label}: Bigin knows no such module or path",
            hint="Module names are API names with their case; see: bigin modules.",
            **facts,
        )
    names = ", ".join(f"{k} {v}" for k, v in facts["details"].items())
    return RequestError(
        f"{label}: Bigin refused the request" + (f" [{names}]" if names else ""), **facts
    )


def _is_json(reply: Reply) -> bool:
    """Whether the body is whole, valid JSON; nothing is built for the answer."""
    try:
        msgspec.json.decode(reply.body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _never_opened(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection was never opened, so that nothing can have been processed."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


class _KeepHeaders(requests.auth.AuthBase):
    """Leaves the headers as they are; its presence keeps requests from reading .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _QueryFilter(logging.Filter):
    """Cuts the query from urllib3's debug lines: criteria and e-mail searches hold data."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and self.host in record.args:
            record.args = tuple(
                a.split("?", 1)[0] if isinstance(a, str) and a.startswith("/") else a
                for a in record.args
            )
        return True


def _hide_queries(host: str) -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(f, _QueryFilter) and f.host == host for f in logger.filters):
        logger.addFilter(_QueryFilter(host))
