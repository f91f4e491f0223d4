"""Pacing: even, shared, and honest when sharing fails."""

import json
import multiprocessing
import os
import threading
import time
from itertools import pairwise

import pytest

from bigin_client.errors import SettingsError
from bigin_client.rate_limit import FileStore, MemoryStore, Pacer, open_store


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def moments(pacer, clock, count):
    found = []
    for _ in range(count):
        pacer.wait()
        found.append(clock.now)
    return found


def test_requests_are_spread_evenly():
    clock = Clock()
    found = moments(Pacer(4, MemoryStore(), clock=clock, sleep=clock.sleep), clock, 9)
    gaps = [b - a for a, b in pairwise(found)]
    assert gaps == pytest.approx([0.25] * 8)


def test_an_idle_time_earns_no_burst():
    clock = Clock()
    pacer = Pacer(4, MemoryStore(), clock=clock, sleep=clock.sleep)
    moments(pacer, clock, 2)
    clock.now += 60
    found = moments(pacer, clock, 3)
    assert found[2] - found[0] == pytest.approx(0.5)


def gap(pacer, clock):
    found = moments(pacer, clock, 3)
    return found[2] - found[1]


def test_a_single_429_costs_little():
    """Near the limit a request that is 20 ms late is enough to draw one."""
    clock = Clock()
    pacer = Pacer(10, MemoryStore(), clock=clock, sleep=clock.sleep)
    moments(pacer, clock, 2)
    pacer.slow_down()
    pacer.slow_down()  # the same burst counts once
    assert gap(pacer, clock) == pytest.approx(1 / 9, rel=0.02)
    clock.now += 7
    assert gap(pacer, clock) == pytest.approx(0.1)


def test_a_429_soon_after_another_halves_the_rate_and_it_climbs_back():
    """Somebody else uses the same limit."""
    clock = Clock()
    pacer = Pacer(10, MemoryStore(), clock=clock, sleep=clock.sleep)
    moments(pacer, clock, 2)
    pacer.slow_down()
    clock.now += 2
    pacer.slow_down()
    assert gap(pacer, clock) == pytest.approx(0.21, rel=0.05)
    clock.now += 2
    pacer.slow_down()
    assert gap(pacer, clock) == pytest.approx(0.38, rel=0.1)
    clock.now += 61
    assert gap(pacer, clock) == pytest.approx(0.1)


@pytest.mark.parametrize("late", [0.02, 0.05, 0.09])
def test_a_request_that_goes_late_moves_the_next_ones(late):
    """Or eleven would go within a second at 9.8 a second."""
    clock, number = Clock(), 0

    def sleep(seconds):
        nonlocal number
        number += 1
        clock.sleep(seconds + late * (number % 7 == 0))

    found = moments(Pacer(9.8, MemoryStore(), clock=clock, sleep=sleep), clock, 60)
    assert min(b - a for a, b in zip(found, found[10:], strict=False)) > 1
    assert found[-1] - found[0] < 59 / 9.8 + 9 * late


def test_a_pace_that_is_used_up_is_seen():
    """So that nobody sends more threads to wait."""
    clock = Clock()
    pacer = Pacer(10, MemoryStore(), clock=clock, sleep=clock.sleep)
    assert not pacer.is_used_up
    moments(pacer, clock, 9)
    assert pacer.is_used_up
    for _ in range(9):
        clock.now += 0.2
        pacer.wait()
    assert not pacer.is_used_up
    assert not Pacer(0, MemoryStore(), sleep=clock.sleep).is_used_up


def test_a_pause_holds_everybody():
    clock = Clock()
    store = MemoryStore()
    one = Pacer(10, store, clock=clock, sleep=clock.sleep)
    other = Pacer(10, store, clock=clock, sleep=clock.sleep)
    start = clock.now
    one.slow_down(pause=30)
    other.wait()
    assert clock.now - start >= 30


def test_rate_0_means_no_pacing():
    Pacer(0, MemoryStore(), sleep=lambda _s: pytest.fail("slept")).wait()


def test_threads_share_one_pace():
    store, lock, found = MemoryStore(), threading.Lock(), []

    def work():
        pacer = Pacer(50, store, sleep=time.sleep)
        for _ in range(5):
            pacer.wait()
            with lock:
                found.append(time.time())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(found) - min(found) >= 19 / 50 * 0.95


def _process(path, queue):
    pacer = Pacer(40, FileStore(path), sleep=time.sleep)
    for _ in range(8):
        pacer.wait()
        queue.put(time.time())


def test_processes_share_one_pace_through_a_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [
        context.Process(target=_process, args=(tmp_path / "rate.json", queue)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=30) for _ in range(24)]
    for worker in workers:
        worker.join()
    assert max(found) - min(found) >= 23 / 40 * 0.95


@pytest.mark.parametrize("content", ["{", "[1]", '{"free_at": "x"}'])
def test_a_damaged_file_is_said_once_and_replaced_by_memory(tmp_path, caplog, content):
    file = tmp_path / "rate.json"
    file.write_text(content)
    pacer = Pacer(1_000, FileStore(file), sleep=time.sleep)
    pacer.wait()
    pacer.wait()
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "not shared" in caplog.text


def test_a_stored_time_far_ahead_is_not_believed(tmp_path, caplog):
    file = tmp_path / "rate.json"
    file.write_text(json.dumps({"free_at": time.time() + 3600}))
    started = time.monotonic()
    Pacer(1_000, FileStore(file), sleep=time.sleep).wait()
    assert time.monotonic() - started < 5
    assert "ahead" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="folder permissions work otherwise there")
def test_an_unwritable_folder_is_said_and_replaced_by_memory(tmp_path, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("")
    Pacer(1_000, FileStore(blocker / "rate.json"), sleep=time.sleep).wait()
    assert "cannot be used" in caplog.text


def test_a_user_without_a_home(monkeypatch, caplog):
    """Else a folder named ~ would be made wherever the program runs."""

    def homeless(_self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", homeless)
    assert isinstance(open_store(None, base_url="https://gw", api_key="k"), MemoryStore)
    assert "no home folder" in caplog.text
    with pytest.raises(SettingsError, match="no home folder"):
        open_store("~/rate.json", base_url="https://gw", api_key="k")


def test_the_file_is_named_by_a_hash_of_the_key():
    store = open_store(None, base_url="https://gw", api_key="secret-key")
    assert isinstance(store, FileStore)
    assert "secret" not in str(store.path)
    assert store.path != open_store(None, base_url="https://gw", api_key="other").path
