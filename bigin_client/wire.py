"""HTTP itself: sessions, TLS, proxies, and the two ways in which an exchange can fail.

Nothing else in the package imports requests; what to do about a failure is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.exceptions
from typing_extensions import override

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.quiet_logs import hide_queries
from bigin_client.reply import Reply
from bigin_client.retry import Fault
from bigin_client.settings import Settings
from bigin_client.transfers import Download, Upload

#: Bytes of a download that are in memory at a time.
CHUNK: Final = 65_536


class ExchangeError(Exception):
    """An exchange that brought no reply; `fault` says what that means."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Wire:
    """Exchanges requests for replies, with a session for each thread.

    Args:
        settings: Gateway, time-out, TLS.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.request_timeout
        self._verify: str | bool = settings.ca_bundle or settings.verify_tls
        # A proxy cannot reach this machine's loopback, and must not see what goes there.
        self._trust_env = not settings.is_loopback
        self._local = threading.local()
        # Weak: the session of a thread that has ended is closed with it.
        self._sessions: weakref.WeakSet[_Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        hide_queries(urlsplit(settings.base_url).hostname or "")

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
        content: bytes | Upload | None,
        download: Download | None,
    ) -> Reply:
        """Send one request and read the whole reply.

        Args:
            method: HTTP method.
            url: Without a query.
            params: The query.
            headers: All headers.
            content: The body.
            download: Takes the body of a successful reply, which then has none.

        Raises:
            ExchangeError: There was no whole reply.
            SettingsError: No request can be made with these settings; nothing was sent.
        """
        body: Any = content
        headers = dict(headers)
        if isinstance(content, Upload):
            body = content.encoder()
            headers["Content-Type"] = body.content_type
        if download:
            download.restart()
        prepared = requests.Request(
            method, url, params=dict(params) if params else None, data=body, headers=headers
        )
        session = self._session()
        session.reading = method == "GET"
        try:
            outcome = self._exchange(session, prepared, download)
        finally:
            session.reading = False
        if isinstance(outcome, Reply):
            return outcome
        # Here and not in an `except` below, whose error holds the query in its text.
        raise outcome

    def _exchange(
        self, session: _Session, request: requests.Request, download: Download | None
    ) -> Reply | SettingsError | ExchangeError:
        asked_at = timestamps.now()
        try:
            prepared = session.prepare_request(request)
            # `verify` is given here because the CA variables would outdo the session's own.
            options = session.merge_environment_settings(
                prepared.url, {}, stream=True, verify=self._verify, cert=None
            )
            response = session.send(
                prepared, timeout=self._timeout, allow_redirects=False, **options
            )
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            return _failure(error, urlsplit(request.url).hostname)
        except OSError as error:
            # Only the check of the CA file, which comes before the connection, gets here.
            return SettingsError(
                f"The CA certificates cannot be read: {type(error).__name__}",
                hint="Check the setting ca_bundle and the variable REQUESTS_CA_BUNDLE.",
            )
        with response:
            try:
                if download is None or response.status_code >= 300:  # noqa: PLR2004 - HTTP
                    content = response.raw.read(decode_content=True)
                else:
                    content = b""
                    for chunk in response.iter_content(CHUNK):
                        download.write(chunk)
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
                return ExchangeError(Fault.UNCLEAR)
        return Reply(response.status_code, response.headers, content, asked_at)

    def cut_reads(self) -> None:
        """Break off every reply to a GET that a thread is waiting for.

        Writes are left alone: cutting them would leave their outcome unknown.
        """
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            if session.reading:
                session.cut()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            sessions = list(self._sessions)
            self._sessions.clear()
        for session in sessions:
            session.close()
        self._local = threading.local()

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._local, "session", None)
        if session is None:
            session = _Session()
            session.trust_env = self._trust_env
            self._local.session = session
            with self._lock:
                self._sessions.add(session)
        return session


class _Session(requests.Session):
    """A session that one thread uses, and that another can cut off.

    Attributes:
        reading: A GET is under way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading = False
        # A .netrc entry for the host would replace our Authorization header.
        self.auth = _KeepHeaders()
        self._opened = _Opened()
        adapter = _Adapter(self._opened)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def cut(self) -> None:
        """Shut the sockets, so that a read that waits on one ends at once."""
        for connection in self._opened.all():
            opened = connection.sock
            if opened is not None:
                with contextlib.suppress(OSError):
                    # Not the TLS socket's own method, which pulls the rug from under its reader.
                    socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Opened:
    """The connections that a session has made and still holds."""

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: object) -> None:
        """Note one."""
        with self._lock:
            self._connections.add(connection)

    def all(self) -> list[Any]:
        """Return them, for another thread."""
        with self._lock:
            return list(self._connections)


class _Adapter(requests.adapters.HTTPAdapter):
    """Notes the connections that it makes."""

    def __init__(self, opened: _Opened) -> None:
        self._opened = opened
        super().__init__(pool_connections=2, pool_maxsize=2)

    @override
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        kind = getattr(pool, "ConnectionCls", None)
        if kind is not None and not isinstance(kind, _Noting):
            # urllib3 only calls it; a subclass for each of its classes would do no more.
            pool.__dict__["ConnectionCls"] = _Noting(kind, self._opened)
        return pool


class _Noting:
    """Makes connections as their class does, and notes each."""

    def __init__(self, make: Callable[..., Any], opened: _Opened) -> None:
        self._make = make
        self._opened = opened

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        connection = self._make(*args, **kwargs)
        self._opened.add(connection)
        return connection


class _KeepHeaders(requests.auth.AuthBase):
    """Leaves the headers as they are; its presence keeps requests from reading .netrc."""

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _failure(error: Exception, host: str | None) -> SettingsError | ExchangeError:
    """Return what an error of requests or urllib3 means."""
    causes = list(_causes(error))
    if any(isinstance(c, ssl.SSLCertVerificationError) for c in causes):
        return SettingsError(
            f"The certificate of {host} is not trusted",
            hint="Set ca_bundle to your proxy's certificate, or mend the host's.",
        )
    if any(isinstance(c, ssl.SSLError) and c.reason == "WRONG_VERSION_NUMBER" for c in causes):
        return SettingsError(
            f"{host} does not speak TLS there",
            hint="Check base_url and the proxy variables: https or http, and the port.",
        )
    if isinstance(error, ValueError):
        return SettingsError(
            f"No request can be made: {type(error).__name__}",
            hint="Check base_url and the proxy variables (HTTPS_PROXY, ALL_PROXY).",
        )
    if any(isinstance(c, _NEVER_OPENED) for c in causes) or any(
        isinstance(c, OSError) and str(c).startswith("Tunnel connection failed") for c in causes
    ):
        return ExchangeError(Fault.NOT_SENT)
    # Also a ProxyError without such a cause: urllib3 uses it, too, for a connection that broke
    # after the request was sent. And any other TLS fault: it may have come with the reply.
    return ExchangeError(Fault.UNCLEAR)


#: Raised only while a connection is being opened.
_NEVER_OPENED: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it wraps.

    Not ``__context__``: that may be an error which the caller was just handling.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (
            *one.args,
            one.__cause__,
            getattr(one, "reason", None),
            getattr(one, "original_error", None),
        )
        pending += [i for i in inner if isinstance(i, BaseException)]
