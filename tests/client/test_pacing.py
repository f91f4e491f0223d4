"""The pace, proven from what the simulator received; credits; limits that stop a run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import threading
import time
from itertools import pairwise

import pytest

from bigin_client import BiginClient, Settings, transport
from bigin_client.errors import BiginError, CreditsExhaustedError, SettingsError
from bigin_client.rate_limit import MAX_PAUSE, FileStore, MemoryStore, Pacer, RedisStore, State
from tests.machine import Watch


def arrivals(sim):
    return sorted(e.monotonic for e in sim.requests)


def check_pace(sim, rate, *, slack=0.0):
    """No second holds more than the rate, and 95 % of it are used.

    `slack` is the time by which a loaded machine may delay a request that was sent in time.
    """
    found = arrivals(sim)
    for i, start in enumerate(found):
        in_a_second = sum(1 for t in found[i:] if t - start < 1.0 - slack)
        assert in_a_second <= rate + 1, "one more for a request that the machine held up"
    used = (len(found) - 1) / (found[-1] - found[0])
    assert 0.95 * rate <= used <= 1.02 * rate, f"{used:.1f} a second"


def on_a_machine_that_keeps_time(attempt):
    """Run a test of wall-clock times again if the machine itself stood still meanwhile.

    What arrived when says nothing about our pace then. One that ran without such a pause counts,
    whatever it shows.
    """
    for _ in range(4):
        with Watch() as watch:
            try:
                return attempt()
            except AssertionError:
                if watch.longest < 0.04:
                    raise
    return pytest.skip(f"the machine is too busy: it stood still for {watch.longest:.2f} s")


def in_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def count_often(client, times):
    for _ in range(times):
        client.records.count("Contacts")


def test_one_thread(simulate, connect):
    def attempt():
        sim = simulate(sizes={}, rate_limit=21)
        client = connect(sim, requests_per_second=20, rate_limit_store="memory")
        count_often(client, 60)
        check_pace(sim, 20, slack=0.05)
        gaps = [b - a for a, b in pairwise(arrivals(sim))]
        assert sum(g < 0.03 for g in gaps) <= 6, "even, not in bursts"
        assert {e.status for e in sim.requests} == {200}

    on_a_machine_that_keeps_time(attempt)


def test_several_threads_share_one_pace(simulate, connect):
    def attempt():
        sim = simulate(sizes={}, rate_limit=None)
        client = connect(sim, requests_per_second=15, rate_limit_store="memory", max_concurrency=5)
        in_threads(6, lambda: count_often(client, 8))
        check_pace(sim, 15, slack=0.05)

    on_a_machine_that_keeps_time(attempt)


@pytest.mark.slow
def test_the_default_pace_never_meets_the_accounts_limit(simulate, connect):
    """9 a second, where the gateway lets 10 pass (maton.md A3): no 429, ever."""

    def attempt():
        sim = simulate(sizes={}, rate_limit=10)
        client = connect(sim, requests_per_second=Settings(api_key="k").requests_per_second)
        in_threads(5, lambda: count_often(client, 25))
        check_pace(sim, 9, slack=0.05)
        assert {e.status for e in sim.requests} == {200}
        assert sim.audit(["rate", "early_retry"]) == []

    on_a_machine_that_keeps_time(attempt)


def _process(base_url, key, connection, store, go, count):
    settings = Settings(
        api_key=key,
        base_url=base_url,
        connection_id=connection,
        requests_per_second=20,
        rate_limit_store=store,
    )
    with BiginClient(settings) as client:
        go.wait()
        for _ in range(count):
            client.records.count("Contacts")


def run_processes(sim, store, *, processes=3, count=20):
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    workers = [
        context.Process(
            target=_process, args=(sim.base_url, sim.api_key, sim.connection_id, store, go, count)
        )
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    time.sleep(2.5)  # until each has imported what it needs
    go.set()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0] * processes
    assert len(sim.requests) == processes * count


@pytest.mark.slow
def test_several_processes_share_one_pace_through_the_file(simulate, tmp_path):
    def attempt():
        sim = simulate(sizes={})
        run_processes(sim, str(tmp_path / "folder" / "rate.json"))
        check_pace(sim, 20, slack=0.05)

    on_a_machine_that_keeps_time(attempt)


@pytest.mark.slow
def test_several_processes_share_one_pace_through_redis(simulate, redis_url):
    def attempt():
        sim = simulate(sizes={})
        run_processes(sim, redis_url)
        check_pace(sim, 20, slack=0.05)

    on_a_machine_that_keeps_time(attempt)


def test_redis_gives_the_time(redis_url, monkeypatch):
    """The clocks of several machines differ; that of Redis is one."""
    store = RedisStore(redis_url, "clock")
    assert abs(store.now() - time.time()) < 0.5
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() - 3_600)
    other = RedisStore(redis_url, "clock")
    assert abs(other.now() - ours()) < 0.5
    other.close()
    store.close()


def test_redis_that_goes_away(simulate, connect, caplog):
    """The run goes on at its own pace, and says so once."""
    sim = simulate(sizes={})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = connect(
        sim, requests_per_second=100, rate_limit_store=f"redis://:planted@127.0.0.1:{port}/0"
    )
    for _ in range(3):
        client.records.count("Contacts")
    assert caplog.text.count("not shared with other processes any more") == 1
    assert "planted" not in caplog.text + repr(client.settings)


def test_a_redis_url_that_cannot_be_used():
    with pytest.raises(SettingsError, match="no Redis URL") as caught:
        RedisStore("redis://:planted@host:port/0", "x")
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_redis_key_of_another_program(redis_url, caplog):
    store = RedisStore(redis_url, "foreign")
    store._redis.set("bigin-connectors:rate:foreign", b"\xff\xfe")
    Pacer(1_000, store, sleep=time.sleep).wait()
    assert "cannot be used" in caplog.text
    store.close()


# --- 429 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "retry_after"), [("key, rate, connection", None), ("key, connection, rate", 1)]
)
def test_a_rate_above_the_gateways_comes_down(simulate, connect, monkeypatch, retry_after, order):
    """Half the rate after a 429; everything is answered in the end, nothing is sent early."""
    monkeypatch.setattr(transport, "FIRST_DELAY", 0.5)
    monkeypatch.setattr(transport, "LONGEST_DELAY", 60.0)
    sim = simulate(sizes={}, rate_limit=10, rate_limit_retry_after=retry_after, gateway_order=order)
    client = connect(sim, requests_per_second=25, rate_limit_store="memory", max_wait=30)
    for _ in range(25):
        client.records.count("Contacts")
    refused = [e for e in sim.requests if e.status == 429]
    assert 1 <= len(refused) <= 4
    assert sim.audit(["early_retry"]) == []
    for entry in refused:
        later = [t for t in arrivals(sim) if t > entry.monotonic]
        assert not later or later[0] - entry.monotonic >= (retry_after or 0)


def test_the_services_own_429_for_concurrency(simulate, connect):
    """The Free edition takes 5 calls at a time; more are refused and sent again."""
    sim = simulate(sizes={"Contacts": 5}, edition="free")
    sim.faults.add("slow", seconds=0.05, times=20)
    client = connect(sim, max_concurrency=9, max_wait=20)
    threads = [threading.Thread(target=lambda: client.records.count("Contacts")) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(e.status == 200 for e in sim.requests) == 12
    assert any(e.status == 429 for e in sim.requests)


# --- stored state --------------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 1_000_000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("back", [0.5, 5, 60, 86_400])
@pytest.mark.parametrize("paused", [False, True])
def test_a_clock_that_is_set_back(tmp_path, back, paused):
    """What was stored lies ahead then: a few seconds are waited for, more is not believed."""
    clock = Clock()
    pacer = Pacer(10, FileStore(tmp_path / "rate.json"), clock=clock, sleep=clock.sleep)
    for _ in range(3):
        pacer.wait()
    pacer.slow_down(2.0 if paused else 0.0)
    clock.now -= back
    for _ in range(3):
        pacer.wait()
    assert sum(clock.slept) <= 15


def test_a_clock_that_is_set_forward_earns_no_burst():
    clock = Clock()
    pacer = Pacer(10, MemoryStore(), clock=clock, sleep=clock.sleep)
    pacer.wait()
    clock.now += 86_400
    clock.slept.clear()
    for _ in range(11):
        pacer.wait()
    assert sum(clock.slept) == pytest.approx(1.0)


def test_no_pause_lasts_longer_than_a_day():
    clock = Clock()
    store = MemoryStore()
    Pacer(10, store, clock=clock, sleep=clock.sleep).slow_down(1e12)
    assert store.update(lambda state: state.paused_until) == clock.now + MAX_PAUSE


def test_a_long_queue_is_no_pause():
    """Waiting for one's turn among many is never refused, whatever max_wait says."""
    clock = Clock()
    pacer = Pacer(1, MemoryStore(), longest_pause=0, clock=clock, sleep=clock.sleep)
    pacer._store.update(lambda state: setattr(state, "free_at", clock.now + 9))
    pacer.wait()
    assert sum(clock.slept) == pytest.approx(9)


def _contend(path, go, queue, seconds):
    store = FileStore(path)
    go.wait()
    end, count = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            store.update(lambda state: setattr(state, "free_at", state.free_at + 1))
            count += 1
    except Exception as error:  # noqa: BLE001 - told to the parent
        queue.put(repr(error))
    else:
        queue.put(count)


@pytest.mark.slow
def test_the_file_loses_no_change_under_contention(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue, go = context.Queue(), context.Event()
    path = tmp_path / "rate.json"
    workers = [context.Process(target=_contend, args=(path, go, queue, 1.0)) for _ in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(1.5)
    go.set()
    counts = [queue.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert all(isinstance(c, int) for c in counts), counts
    assert FileStore(path).update(lambda state: state.free_at) == sum(counts)


def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog):
    store = FileStore(tmp_path / "rate.json")
    monkeypatch.setattr(
        type(store._lock), "_acquire", lambda _self: (_ for _ in ()).throw(NotImplementedError)
    )
    Pacer(1_000, store, sleep=time.sleep).wait()
    assert "NotImplementedError" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="no such modes there")
def test_the_rate_file_is_nobody_elses(tmp_path):
    store = FileStore(tmp_path / "cache" / "rate.json")
    store.update(lambda _state: None)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert isinstance(store.update(lambda state: state), State)


# --- credits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [0, 1])
def test_the_meter_agrees_with_the_account(simulate, connect, cost):
    """Reads, views, writes, refusals and failures, as the documents count them."""
    sim = simulate(sizes={"Contacts": 230, "Accounts": 3}, refused_calls_cost=cost)
    client = connect(sim, max_wait=0.05)
    view = client.account.custom_views("Contacts")[0]["id"]
    list(client.list_records("Contacts", ["Last_Name"]))
    list(client.list_records("Contacts", ["Last_Name"], cvid=view))
    rows = [{"Last_Name": f"N{i}", "Email": f"n{i}@example.org"} for i in range(101)]
    ids = [r.id for r in client.insert_records("Contacts", rows)]
    list(client.update_records("Contacts", [{"id": i} for i in ids[:11]]))
    list(client.upsert_records("Contacts", rows[:10]))
    list(client.insert_records("Contacts", [{}, {}]))
    list(client.insert_records("Contacts", [{}]))
    list(client.delete_records("Contacts", ids))
    client.connections.list()
    before = len(sim.requests)
    sim.revoke("Tasks")
    sim.faults.add("status", status=503, match={"operation": "count"})
    sim.faults.add("status", status=429, match={"operation": "count"}, after=1)
    for refused in (
        lambda: client.records.count("Tasks"),
        lambda: client.records.count("Leads"),
        lambda: client.records.count("Contacts"),
    ):
        with contextlib.suppress(BiginError):
            refused()
    assert len(sim.requests) > before + 2
    meter = client.transport.credits
    assert meter.used == sim.credits_used - (2 if cost else 0)
    assert meter.at_most >= sim.credits_used


def test_max_credits_stops_before_it_is_passed(sim, connect):
    client = connect(sim, max_credits=5)
    with pytest.raises(CreditsExhaustedError, match="max_credits 5 reached: 5 used, 1 more needed"):
        list(client.list_records("Contacts", ["Last_Name"], page_size=50))
    assert sim.credits_used == 5
    assert {e.status for e in sim.requests} == {200}


def test_a_write_that_would_pass_the_limit_is_not_sent(simulate, connect):
    sim = simulate(sizes={})
    client = connect(sim, max_credits=10)
    rows = [{"Last_Name": f"N{i}"} for i in range(100)]
    with pytest.raises(CreditsExhaustedError):
        list(client.insert_records("Contacts", rows))
    assert sim.store.count("Contacts") == 0


@pytest.mark.parametrize("limit", [3, 8])
def test_threads_do_not_pass_the_limit_together(sim, connect, limit):
    client = connect(sim, max_credits=limit)
    ends = []

    def work():
        try:
            client.records.count("Contacts")
        except CreditsExhaustedError:
            ends.append("stopped")

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sim.credits_used == limit
    assert len(ends) == 12 - limit


def test_refused_calls_count_for_the_limit(simulate, connect):
    """They may cost a credit each (bigin-api.md 11.16): the limit holds in either case."""
    for cost in (0, 1):
        sim = simulate(refused_calls_cost=cost)
        client = connect(sim, max_credits=4)
        for _ in range(4):
            with contextlib.suppress(BiginError):
                client.records.count("Leads")
        with pytest.raises(CreditsExhaustedError, match="4 perhaps charged for failed calls"):
            client.records.count("Contacts")
        assert sim.credits_used == 4 * cost
        assert client.transport.credits.used == 0


def test_min_credits_left(simulate, connect):
    """Other applications keep theirs, as soon as the service tells what is left."""
    sim = simulate(edition="free")
    client = connect(sim, min_credits_left=2_000)
    client.records.count("Contacts")
    assert client.transport.credits.left is None
    sim.account().credits.use(2_990)
    with pytest.raises(CreditsExhaustedError, match="the limit is to keep 2000") as caught:
        [client.records.count("Contacts") for _ in range(20)]
    assert sim.credits_left == 2_000
    assert caught.value.exit_code == 4
    assert client.transport.credits.left == 2_000
