"""The wire itself: connections that break, stall, redirect or were never opened; TLS; proxies."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from bigin_client import BiginClient, Settings, retry, transport
from bigin_client.errors import (
    CancelledError,
    RateLimitedError,
    RequestError,
    ServiceError,
    SettingsError,
)

INSERTED = (
    b'{"data":[{"code":"SUCCESS","status":"success","message":"record added",'
    b'"details":{"id":"1"}}]}'
)


class Server:
    """Answers raw bytes, a function of how many requests came before; closes as it is told.

    Args:
        answer: Takes the request's number, from 0; returns bytes, or None to close at once.
        close: Close each connection after its answer, without having said so.
        wrap: TLS.
    """

    def __init__(self, answer, *, close=False, wrap=None):
        self.requests = []
        self.connections = 0
        self._answer, self._close, self._wrap = answer, close, wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def stop_listening(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __exit__(self, *_error):
        self.stop_listening()
        for client in self._open:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        for thread in self._threads:
            thread.join(2)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._open.append(client)
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            if self._wrap:
                client = self._wrap.wrap_socket(client, server_side=True)
                self._open.append(client)
            while request := self._read(client):
                number = len(self.requests)
                self.requests.append(request)
                answer = self._answer(number)
                if answer is not None:
                    client.sendall(answer)
                if answer is None or self._close:
                    break
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _read(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65_536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += client.recv(65_536)
        return head + b"\r\n\r\n" + body


def reply(body=b'{"count": 7}', status="200 OK", headers=""):
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@contextlib.contextmanager
def client_of(port, scheme="http", **settings):
    given = {
        "api_key": "planted-key",
        "base_url": f"{scheme}://127.0.0.1:{port}",
        "connection_id": "c",
        "requests_per_second": 0,
        "max_wait": 0.3,
        "request_timeout": 0.5,
        **settings,
    }
    with BiginClient(Settings(**given)) as client:
        yield client


def insert(client):
    return client.batches.write("insert", "Contacts", [{"Last_Name": "x"}])


# --- connections that end -------------------------------------------------------------------------


def test_a_connection_is_kept_and_used_again():
    with Server(lambda _n: reply()) as server, client_of(server.port) as client:
        assert [client.records.count("Contacts") for _ in range(3)] == [7, 7, 7]
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        reply(b'{"code":"INVALID_DATA","status":"error"}', "400 Bad Request"),
    ],
    ids=["204", "304", "400"],
)
def test_a_connection_is_kept_after_every_kind_of_reply(answer):
    with Server(lambda _n: answer) as server, client_of(server.port) as client:
        for _ in range(3):
            with contextlib.suppress(RequestError):
                assert client.records._get("Contacts", "1", None) is None
        assert (len(server.requests), server.connections) == (3, 1)


def test_an_idle_connection_that_the_server_has_closed():
    """A new one is opened before anything is sent: the insert takes place once."""
    with Server(lambda _n: reply(INSERTED, "201 Created"), close=True) as server:
        with client_of(server.port) as client:
            for count in (1, 2, 3):
                assert insert(client)[0].ok
                assert len(server.requests) == server.connections == count
                time.sleep(0.05)


def test_a_connection_cut_instead_of_a_reply():
    """A read is sent again; an insert is not, and says that it may have been processed."""
    with Server(lambda n: None if n == 0 else reply()) as server, client_of(server.port) as client:
        assert client.records.count("Contacts") == 7
    with Server(lambda _n: None) as server, client_of(server.port) as client:
        with pytest.raises(ServiceError) as caught:
            insert(client)
        assert caught.value.processed
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "broken",
    [
        reply()[:-3],
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cou\r\n',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"count": ',
        reply(b"\x1f\x8bnot gzip", headers="Content-Encoding: gzip\r\n"),
        reply(b"<html>a proxy's page</html>"),
        reply(b""),
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["short", "chunks end", "bad chunk", "no length", "bad gzip", "html", "nothing", "no http"],
)  # fmt: skip
def test_a_reply_that_is_not_whole_is_no_reply(broken):
    """A success without the JSON that it should hold: read again, an insert is unclear."""
    with Server(lambda n: broken if n == 0 else reply(), close=True) as server:
        with client_of(server.port) as client:
            assert client.records.count("Contacts") == 7
    with Server(lambda _n: broken, close=True) as server, client_of(server.port) as client:
        with pytest.raises(ServiceError) as caught:
            insert(client)
        assert caught.value.processed
        assert len(server.requests) == 1


def test_a_stall_ends_after_the_time_out():
    release = threading.Event()

    def answer(number):
        if number == 0:
            release.wait(5)
        return reply()

    with Server(answer) as server, client_of(server.port, request_timeout=0.2) as client:
        started = time.monotonic()
        assert client.records.count("Contacts") == 7
        assert 0.2 <= time.monotonic() - started < 3
        release.set()


def test_a_stall_amid_the_body():
    """The rest never comes, and the connection stays open."""
    with Server(lambda n: reply() if n else reply()[:-3]) as server:
        with client_of(server.port, request_timeout=0.2) as client:
            started = time.monotonic()
            assert client.records.count("Contacts") == 7
            assert 0.2 <= time.monotonic() - started < 3


def test_redirects_are_not_followed():
    """They would carry the key to another host."""
    with Server(lambda _n: reply()) as other:
        where = f"Location: http://127.0.0.1:{other.port}/\r\n"
        with Server(lambda _n: reply(b"", "302 Found", where)) as server:
            with client_of(server.port) as client, pytest.raises(RequestError, match="redirect"):
                client.records.count("Contacts")
        assert other.requests == []


# --- hosts that are not there ---------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_host_that_was_never_reached_is_given_up_after_a_few_tries():
    with client_of(free_port(), max_wait=300) as client:
        started = time.monotonic()
        with pytest.raises(ServiceError, match=r"127\.0\.0\.1 cannot be reached") as caught:
            insert(client)
        assert time.monotonic() - started < 3
        assert not caught.value.processed, "never sent"
        assert client.transport.requests_sent == retry.FEW_TRIES
        assert client.transport.credits.used == 0


def test_a_host_that_was_reached_before_is_waited_for():
    with Server(lambda _n: reply(), close=True) as server, client_of(server.port) as client:
        client.records.count("Contacts")
        server.stop_listening()
        with pytest.raises(ServiceError, match="cannot be reached"):
            client.records.count("Contacts")
        assert client.transport.requests_sent > 1 + retry.FEW_TRIES


def test_a_name_that_nobody_knows(monkeypatch):
    def unknown(*_args, **_more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with client_of(1, base_url="https://gateway.invalid", requests_per_second=1_000) as client:
        with pytest.raises(ServiceError, match=r"gateway\.invalid cannot be reached") as caught:
            insert(client)
        assert not caught.value.processed


# --- waits that the service asks for --------------------------------------------------------------


@pytest.fixture
def waits(monkeypatch):
    """Record the waits instead of waiting."""
    found = []
    monkeypatch.setattr(
        transport.Transport, "_interruptible_sleep", lambda _self, s: found.append(s)
    )
    return found


NOW = dt.datetime(2026, 11, 24, 12, 0, 0, tzinfo=dt.timezone.utc)


def http_date(seconds):
    return email.utils.format_datetime(NOW + dt.timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ("Retry-After: 17\r\n", 17),
        ("Retry-After: 2.5\r\n", 2.5),
        (f"Retry-After: {http_date(40)}\r\nDate: {http_date(0)}\r\n", 40),
    ],
    ids=["seconds", "fraction", "date"],
)
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_waited_in_full(waits, headers, wait, status):
    """As seconds, or as a date by the server's own clock."""
    with Server(lambda n: reply() if n else reply(b"{}", status, headers)) as server:
        with client_of(server.port, max_wait=60) as client:
            assert client.records.count("Contacts") == 7
    assert waits == [wait]


def test_retry_after_as_a_date_without_the_servers_clock(waits):
    """Then the local clock has to do."""
    until = email.utils.formatdate(time.time() + 20, usegmt=True)
    answer = reply(b"{}", "429 Too Many Requests", f"Retry-After: {until}\r\n")
    with Server(lambda n: reply() if n else answer) as server:
        with client_of(server.port, max_wait=60) as client:
            assert client.records.count("Contacts") == 7
    assert 17 < waits[0] <= 20


@pytest.mark.parametrize(
    "headers",
    ["Retry-After: 61\r\n", f"Retry-After: {http_date(99_999)}\r\nDate: {http_date(0)}\r\n"],
    ids=["seconds", "date"],
)
def test_retry_after_that_is_too_long_is_not_shortened(waits, headers):
    answer = reply(b"{}", "429 Too Many Requests", headers)
    with Server(lambda _n: answer) as server, client_of(server.port, max_wait=60) as client:
        with pytest.raises(RateLimitedError) as caught:
            client.records.count("Contacts")
        assert caught.value.retry_after > 60
        assert len(server.requests) == 1
    assert waits == []


def test_a_thousand_refusals_are_waited_out(waits):
    """As long as `max_wait` allows; here no time passes."""
    refused = reply(b"{}", "429 Too Many Requests")
    with Server(lambda n: reply() if n == 1100 else refused) as server:
        with client_of(server.port, max_wait=60) as client:
            assert client.records.count("Contacts") == 7
    assert len(waits) == 1100
    assert max(waits) <= 60


@pytest.mark.parametrize("value", ["0", "-1", "soon", "²", "1e400"])
def test_retry_after_that_says_nothing_usable(value):
    """The client's own wait: a refusal "at once" must not become a storm."""
    answer = reply(
        b"{}", "429 Too Many Requests", f"Retry-After: {value}\r\n".encode().decode("latin-1")
    )
    with Server(lambda n: reply() if n > 3 else answer) as server:
        with client_of(server.port) as client:
            started = time.monotonic()
            assert client.records.count("Contacts") == 7
            assert time.monotonic() - started > 0.002


def test_a_pause_holds_later_requests_or_is_refused(tmp_path):
    """What one request was told, the next one keeps to, also in another process."""
    answer = reply(b"{}", "429 Too Many Requests", "Retry-After: 50\r\n")
    store = str(tmp_path / "rate.json")
    with Server(lambda _n: answer) as server:
        settings = {"rate_limit_store": store, "requests_per_second": 100, "max_wait": 20}
        with client_of(server.port, **settings) as client, pytest.raises(RateLimitedError):
            client.records.count("Contacts")
        with client_of(server.port, **settings) as client:
            with pytest.raises(RateLimitedError, match="asked this account to pause") as caught:
                insert(client)
            assert 45 < caught.value.retry_after <= 50
        assert len(server.requests) == 1


# --- proxies --------------------------------------------------------------------------------------


@pytest.fixture
def through(monkeypatch):
    """Send requests to other hosts through a proxy on this machine."""

    def set_proxy(port):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")

    return set_proxy


FAR = {"base_url": "http://gateway.example", "allow_http": True, "requests_per_second": 1_000}


def test_a_proxy_of_the_environment_is_used(through):
    with Server(lambda _n: reply()) as proxy:
        through(proxy.port)
        with client_of(0, **FAR) as client:
            assert client.records.count("Contacts") == 7
        assert proxy.requests[0].startswith(b"GET http://gateway.example/zoho-bigin/bigin/v2/")


def test_loopback_never_goes_through_a_proxy(through, sim, connect):
    """A proxy cannot reach this machine's simulator, and must not see its key."""
    with Server(lambda _n: reply(b"proxy")) as proxy:
        through(proxy.port)
        assert connect(sim).records.count("Contacts") == 230
        assert proxy.requests == []


def test_an_insert_whose_proxy_breaks_off_is_unclear(through):
    """urllib3 calls this a proxy error, as if the proxy had not been reached."""
    with Server(lambda _n: None) as proxy:
        through(proxy.port)
        with client_of(0, **FAR) as client, pytest.raises(ServiceError) as caught:
            insert(client)
        assert caught.value.processed
        assert len(proxy.requests) == 1


def test_a_proxy_that_is_not_there(through):
    through(free_port())
    with client_of(0, **FAR) as client, pytest.raises(ServiceError) as caught:
        insert(client)
    assert not caught.value.processed


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_tunnel_that_the_proxy_refuses_was_never_opened(through, status):
    with Server(lambda _n: reply(b"", status), close=True) as proxy:
        through(proxy.port)
        far = {"base_url": "https://gateway.example", "requests_per_second": 1_000}
        with client_of(0, **far) as client, pytest.raises(ServiceError) as caught:
            insert(client)
        assert not caught.value.processed
        assert all(r.startswith(b"CONNECT gateway.example:443") for r in proxy.requests)


@pytest.mark.parametrize("proxy", ["socks9://127.0.0.1:1", "http://[::1"])
def test_a_proxy_variable_that_cannot_be_used(monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with (
        client_of(0, **FAR) as client,
        pytest.raises(SettingsError, match="No request can be made"),
    ):
        insert(client)


# --- TLS ------------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the test's certificate"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the files of a certificate for 127.0.0.1 and its key, signed by nobody."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", key, "-out", cert,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@needs_openssl
def test_a_certificate_that_nobody_trusts(tls):
    with Server(lambda _n: reply(), wrap=tls) as server, client_of(server.port, "https") as client:
        with pytest.raises(
            SettingsError, match=r"certificate of 127\.0\.0\.1 is not trusted"
        ) as caught:
            client.records.count("Contacts")
        assert "ca_bundle" in caught.value.hint
        assert server.requests == []
        assert client.transport.credits.used == 0


@needs_openssl
@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("how", ["ca_bundle", "verify_tls"])
def test_the_settings_outdo_the_variables(tls, certificate, monkeypatch, how, variable):
    """The HTTP library prefers the variables to a session's settings."""
    if variable:
        monkeypatch.setenv(variable, os.devnull)
    given = {"ca_bundle": certificate[0]} if how == "ca_bundle" else {"verify_tls": False}
    with Server(lambda _n: reply(), wrap=tls) as server:
        with client_of(server.port, "https", **given) as client:
            if how == "verify_tls":
                with pytest.warns(Warning, match="Unverified HTTPS request"):
                    assert client.records.count("Contacts") == 7
            else:
                assert client.records.count("Contacts") == 7


@needs_openssl
def test_an_insert_cut_off_under_tls_is_unclear(tls):
    """A TLS fault after the request is no fault of the settings: it may have been processed."""
    with Server(lambda _n: None, wrap=tls) as server:
        with client_of(server.port, "https", verify_tls=False) as client:
            with pytest.warns(Warning, match="Unverified"), pytest.raises(ServiceError) as caught:
                insert(client)
    assert caught.value.processed
    assert len(server.requests) == 1


def test_https_to_a_host_that_does_not_speak_it():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            client, _ = listener.accept()
            with client:
                client.sendall(reply(b"", "400 Bad Request"))
                client.recv(65_536)

        thread = threading.Thread(target=refuse)
        thread.start()
        with client_of(listener.getsockname()[1], "https") as client:
            with pytest.raises(SettingsError, match="does not speak TLS"):
                insert(client)
        thread.join()


def test_a_ca_bundle_that_is_not_there(tmp_path):
    with client_of(free_port(), "https", ca_bundle=str(tmp_path / "none.pem")) as client:
        with pytest.raises(SettingsError, match="CA certificates cannot be read"):
            client.records.count("Contacts")


@needs_openssl
@pytest.mark.parametrize("body", [b"", reply()[:-3]])
def test_a_stop_cuts_a_read_under_tls(tls, body):
    release = threading.Event()

    def answer(_number):
        if not body:
            release.wait(5)
        return body

    with Server(answer, wrap=tls) as server:
        with client_of(server.port, "https", verify_tls=False, request_timeout=5) as client:
            ends = []

            def work():
                try:
                    with pytest.warns(Warning, match="Unverified"):
                        client.records.count("Contacts")
                except CancelledError as error:
                    ends.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            for _ in range(300):
                if server.requests:
                    break
                time.sleep(0.01)
            time.sleep(0.05)
            started = time.monotonic()
            client.transport.cancel()
            thread.join(3)
            assert time.monotonic() - started < 1
            assert len(ends) == 1
            release.set()
