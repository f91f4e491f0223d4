"""Threads: how many requests at a time, sessions, and stopping."""

from __future__ import annotations

import contextlib
import gc
import io
import socket
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from bigin_client.concurrency import Gate
from bigin_client.errors import CancelledError, ServiceError


def run(count, work):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    return threads


def finish(threads, timeout=10):
    for thread in threads:
        thread.join(timeout)
    assert not any(t.is_alive() for t in threads)


def sockets():
    """Return the open sockets of this process."""
    gc.collect()
    found = set()
    for name in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(name.readlink()).startswith("socket:"):
                found.add(name)
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


def most_at_a_time(intervals):
    """Return how many intervals overlap at most."""
    return max(sum(s <= start < e for s, e in intervals) for start, _ in intervals)


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_max_concurrency_is_never_exceeded(simulate, connect, monkeypatch, limit):
    """Not by reads, writes or downloads, whose body is part of the request."""
    sim = simulate(sizes={"Contacts": 5})
    client = connect(sim, max_concurrency=limit)
    contact = sim.store.records("Contacts")[0]["id"]
    made = client.related.attach("Contacts", contact, io.BytesIO(bytes(100_000)), "a.bin")
    sim.clear_log()
    sim.faults.add("stall", seconds=0.02, times=None)
    sim.faults.add("stall_body", seconds=0.05, times=10)
    where = ("Contacts", contact, made.id)
    intervals, send = [], client.transport._wire.send

    def timed(*args, **kwargs):
        start = time.monotonic()
        try:
            return send(*args, **kwargs)
        finally:
            intervals.append((start, time.monotonic()))

    monkeypatch.setattr(client.transport._wire, "send", timed)

    def work(number):
        client.records.count("Contacts")
        client.related.download_attachment(*where, io.BytesIO())
        client.batches.write("insert", "Contacts", [{"Last_Name": f"N{number}"}])

    finish(run(12, work))
    assert len(sim.requests) == 36
    assert {e.status for e in sim.requests} == {200, 201}
    assert most_at_a_time(intervals) == limit
    # The simulator counts a request until a moment after its last byte has left.
    assert most_at_a_time([(e.monotonic, e.monotonic + e.seconds) for e in sim.requests]) <= limit


def test_a_session_for_each_thread(sim, client):
    seen = {}

    def work(number):
        client.records.count("Contacts")
        session = client.transport._wire._session()
        client.records.count("Contacts")
        assert client.transport._wire._session() is session
        seen[number] = session

    finish(run(4, work))
    assert len(set(map(id, seen.values()))) == 4
    assert len(sim.requests) == 8


@needs_proc
def test_threads_that_end_take_their_connections_along(client):
    client.records.count("Contacts")
    before = len(sockets())
    for _ in range(5):
        finish(run(8, lambda _n: client.records.count("Contacts")))
    time.sleep(0.1)  # the server closes its ends
    assert len(sockets()) <= before
    assert len(client.transport._wire._sessions) <= 1


@needs_proc
def test_close_leaves_no_connection(sim, connect):
    before = len(sockets())
    client = connect(sim)
    finish(run(3, lambda _n: client.records.count("Contacts")))
    client.records.count("Contacts")
    client.close()
    time.sleep(0.1)
    assert len(sockets()) <= before
    assert client.records.count("Contacts") == 230, "a closed client opens new ones"


# --- stopping --------------------------------------------------------------------------------


class Run:
    """A call in a thread, and how it ended."""

    def __init__(self, call):
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(call,))
        self._thread.start()

    def _run(self, call):
        try:
            self.outcome = call()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.outcome = error

    def wait(self, timeout):
        started = time.monotonic()
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "did not stop"
        return time.monotonic() - started


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("never happened")


def test_stop_while_waiting_for_the_pace(sim, connect):
    client = connect(sim, requests_per_second=0.2, rate_limit_store="memory")
    client.records.count("Contacts")
    run = Run(lambda: client.records.count("Contacts"))
    time.sleep(0.1)
    client.transport.cancel()
    assert run.wait(5) < 0.5
    assert type(run.outcome) is CancelledError
    assert len(sim.requests) == 1


def test_stop_while_waiting_for_a_retry(sim, client):
    sim.faults.add("status", status=429, retry_after=100, times=None)
    run = Run(lambda: client.records.count("Contacts"))
    until(lambda: sim.requests)
    client.transport.cancel()
    assert run.wait(5) < 0.5
    assert type(run.outcome) is CancelledError


def test_stop_while_waiting_for_a_place(sim, connect):
    client = connect(sim, max_concurrency=1)
    sim.faults.add("stall", seconds=1.5)
    first = Run(lambda: client.batches.write("insert", "Contacts", [{"Last_Name": "x"}]))
    until(lambda: sim.requests)
    others = [Run(lambda: client.records.count("Contacts")) for _ in range(3)]
    time.sleep(0.1)
    client.transport.cancel()
    for other in others:
        assert other.wait(5) < 0.5
        assert type(other.outcome) is CancelledError
    first.wait(5)


@pytest.mark.parametrize("kind", ["stall", "slow", "stall_body"])
def test_stop_cuts_a_read_that_is_under_way(sim, client, kind):
    sim.faults.add(kind, seconds=4)
    run = Run(lambda: client.records.count("Contacts"))
    until(lambda: sim.requests)
    time.sleep(0.1)
    client.transport.cancel()
    assert run.wait(3) < 1
    assert type(run.outcome) is CancelledError


@pytest.mark.parametrize("kind", ["stall", "slow"])
def test_stop_lets_a_write_end(sim, client, kind):
    """Cutting it would leave its outcome unknown."""
    sim.faults.add(kind, seconds=0.5)
    run = Run(lambda: client.batches.write("insert", "Contacts", [{"Last_Name": "x"}]))
    until(lambda: sim.requests)
    client.transport.cancel()
    run.wait(5)
    assert run.outcome[0].ok


def test_stop_between_the_tries_of_a_write_says_that_it_may_be_done(sim, client):
    """A stop must not turn an update that took place into one that was never sent."""
    contact = sim.store.records("Contacts")[0]["id"]
    sim.faults.add("cut_after", times=None)
    sim.after_request(lambda _request, _sim: client.transport.cancel())
    with pytest.raises(ServiceError, match="stopped before its outcome was known") as caught:
        list(client.batches.write("update", "Contacts", [{"id": contact, "Title": "New"}]))
    assert caught.value.processed
    assert sim.store.get("Contacts", contact)["Title"] == "New"


def test_after_a_stop_nothing_is_sent(sim, client):
    client.transport.cancel()
    for call in (
        lambda: client.records.count("Contacts"),
        lambda: client.batches.write("insert", "Contacts", [{"Last_Name": "x"}]),
        client.connections.list,
    ):
        with pytest.raises(CancelledError):
            call()
    assert sim.requests == []
    assert client.transport.credits.used == 0


@needs_proc
def test_a_stop_leaks_no_thread_and_no_socket(sim, connect):
    threads, before = threading.active_count(), len(sockets())
    client = connect(sim)
    sim.faults.add("stall", seconds=0.8, times=None)
    runs = [Run(lambda: client.records.count("Contacts")) for _ in range(6)]
    until(lambda: len(sim.requests) >= 5)
    client.transport.cancel()
    for one in runs:
        one.wait(5)
        assert type(one.outcome) is CancelledError
    client.close()
    until(lambda: len(sockets()) <= before and threading.active_count() <= threads)


def test_a_place_is_given_back_after_an_error():
    gate = Gate(1, threading.Event())
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), gate:
            raise ValueError("x")
    with gate:
        assert not Watched(gate).is_in
    # Nor does one that stopped waiting keep a place.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gate._changed, "wait_for", Mock(side_effect=ValueError("x")))
        with pytest.raises(ValueError, match="x"):
            gate.__enter__()
    with gate:
        pass


class Watched:
    """A thread that goes through a gate, and whether it got in at once."""

    def __init__(self, gate, done=lambda: None):
        self._gate, self._done = gate, done
        self.thread = threading.Thread(target=self._work)
        before = gate._arrived
        self.thread.start()
        while gate._arrived == before:
            time.sleep(0.001)
        self.thread.join(0.05)

    def _work(self):
        with self._gate:
            self._done()

    @property
    def is_in(self):
        return not self.thread.is_alive()


def test_places_are_given_in_the_order_of_arrival():
    """Whoever leaves and comes back at once does not go before one who waits."""
    gate, order = Gate(1, threading.Event()), []
    with gate:
        waiting = Watched(gate, lambda: order.append("waiting"))
    with gate:
        order.append("back")
    waiting.thread.join(5)
    assert order == ["waiting", "back"]


def test_a_connection_that_is_being_opened_ends_with_the_stop(client, sim, monkeypatch):
    """What cannot be cut ends by itself, and is reported as stopped."""
    release = threading.Event()

    def slow(*_args, **_more):
        release.wait(3)
        raise socket.gaierror(-2, "unknown")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", slow)
        one = Run(lambda: client.records.count("Contacts"))
        time.sleep(0.1)
        client.transport.cancel()
        release.set()
        assert one.wait(5) < 1
    assert type(one.outcome) is CancelledError
    assert sim.requests == []
