"""A small HTTP/1.1 server on loopback: keep-alive, one thread per connection.

Written by hand instead of on `http.server`, whose parsing of headers alone costs more than a page
of 200 records, and because faults need the socket: a cut, half a body, silence.
"""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

from bigin_client.testing.wire import Delivery, Request, Response

#: Answers a request. The second value is called when the reply has been sent or given up.
Handle = Callable[[Request], tuple[Response, Callable[[], None]]]

_MAX_LINE: Final = 65_536
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
#: Bodies below this are not worth compressing.
_GZIP_FROM: Final = 1_000
#: From here on a copy behind the head costs more than a second call.
_APART_FROM: Final = 65_536


class _Reader(Protocol):
    """What is needed of a connection's reading end."""

    def readline(self, size: int, /) -> bytes: ...

    def read(self, size: int, /) -> bytes: ...


class BadRequest(Exception):
    """What came in is no HTTP request."""


class Server:
    """Listens on 127.0.0.1 only.

    Args:
        handle: Answers requests, on the connection's thread.
        now: Seconds since 1970 for the ``Date`` header.
        compress: Whether replies may be compressed at the moment.
        port: 0 picks a free one.
        dated: Whether replies carry that header at the moment.
    """

    def __init__(
        self,
        handle: Handle,
        now: Callable[[], float],
        compress: Callable[[], bool],
        port: int = 0,
        *,
        dated: Callable[[], bool] = lambda: True,
    ) -> None:
        self._handle = handle
        self._now = now
        self._compress = compress
        self._dated = dated
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._date = (0, b"")
        self._acceptor = threading.Thread(
            target=self._accept, name=f"bigin-simulator-{self.port}", daemon=True
        )

    def start(self) -> None:
        """Begin to accept connections."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection and wait for the threads."""
        self._stopping.set()
        # A blocked accept() wakes only when somebody connects, closing the socket is not enough.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        if self._acceptor.is_alive():
            self._acceptor.join(5)
        self._listener.close()
        with self._lock:
            opened, workers = list(self._open), list(self._workers)
        for client in opened:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            if worker is not threading.current_thread():
                worker.join(5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._stopping.is_set():
                client.close()
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            worker = threading.Thread(target=self._serve, args=(client,), daemon=True)
            with self._lock:
                self._open.add(client)
                self._workers.add(worker)
            worker.start()

    def _serve(self, client: socket.socket) -> None:
        reader = client.makefile("rb", buffering=65_536)
        try:
            while not self._stopping.is_set():
                request = _read(reader, client)
                if request is None:
                    break
                response, done = self._handle(request)
                try:
                    again = self._send(client, request, response)
                finally:
                    done()
                if not again or request.headers.get("connection", "").lower() == "close":
                    break
        except BadRequest as error:
            with contextlib.suppress(OSError):
                client.sendall(self._head(Response(400), len(str(error)), b"close"))
                client.sendall(str(error).encode())
        except OSError:
            pass  # the client went away
        finally:
            reader.close()
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
            with self._lock:
                self._open.discard(client)
                self._workers.discard(threading.current_thread())

    def _send(self, client: socket.socket, request: Request, response: Response) -> bool:
        """Send a reply; False when the connection has to close."""
        delivery = response.delivery or _WHOLE
        if delivery.delay:
            self._stopping.wait(delivery.delay)
        if delivery.cut:
            return False
        body = response.body
        if self._compress() and len(body) >= _GZIP_FROM:
            if "gzip" in request.headers.get("accept-encoding", ""):
                body = gzip.compress(body, 1)
                response.headers["Content-Encoding"] = "gzip"
        head = self._head(response, len(body))
        if request.method == "HEAD":
            body = b""
        if delivery.truncate is not None:
            client.sendall(head + body[: int(len(body) * delivery.truncate)])
            return False
        if delivery.pause:
            half = len(body) // 2
            client.sendall(head + body[:half])
            self._stopping.wait(delivery.pause)
            client.sendall(body[half:])
            return True
        if len(body) < _APART_FROM:
            client.sendall(head + body)
        else:
            client.sendall(head)
            client.sendall(body)
        return True

    def _head(self, response: Response, length: int, connection: bytes = b"keep-alive") -> bytes:
        second = int(self._now())
        if self._date[0] != second:
            self._date = (second, email.utils.formatdate(second, usegmt=True).encode())
        status = response.status
        lines = [
            b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, "Unknown").encode()),
            b"Server: ZGS",
            b"Cache-Control: no-store",
            b"Connection: " + connection,
        ]
        if self._dated():
            lines.append(b"Date: " + self._date[1])
        if status not in (204, 304):
            lines.append(b"Content-Type: " + response.content_type.encode())
            lines.append(b"Content-Length: %d" % length)
        lines.extend(
            f"{name}: {value}".encode("latin-1") for name, value in response.headers.items()
        )
        return b"\r\n".join(lines) + b"\r\n\r\n"


_WHOLE: Final = Delivery()


def _read(reader: _Reader, client: socket.socket) -> Request | None:
    """The next request, or None when the client has closed."""
    line = reader.readline(_MAX_LINE)
    while line in (b"\r\n", b"\n"):
        line = reader.readline(_MAX_LINE)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("no HTTP request line")
    headers: dict[str, str] = {}
    while True:
        line = reader.readline(_MAX_LINE)
        if line in (b"\r\n", b"\n"):
            break
        if not line:
            return None
        name, separator, value = line.decode("latin-1").partition(":")
        if not separator:
            raise BadRequest("no header line")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _chunks(reader)
    else:
        length = _number(headers.get("content-length") or "0", 10)
        body = reader.read(length) if length else b""
        if len(body) < length:
            return None
    return Request.from_target(parts[0], parts[1], headers, body)


def _number(text: str | bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise BadRequest("no length") from None


def _chunks(reader: _Reader) -> bytes:
    body = bytearray()
    while True:
        size = _number(reader.readline(_MAX_LINE).split(b";")[0].strip() or b"0", 16)
        if size == 0:
            break
        body += reader.read(size)
        reader.readline(_MAX_LINE)
    while reader.readline(_MAX_LINE) not in (b"\r\n", b"\n", b""):
        pass  # trailers
    return bytes(body)
