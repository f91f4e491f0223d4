"""Fast and lean (issue 4): not the bottleneck of other people's benchmarks.

Rates are per second of the simulator's own processor time ("on one core"), so that a busy machine
does not fail them.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import resource
import time

import pytest

from bigin_client.testing import BiginSimulator


def read_pages(base, key, connection, fields, pages, ready, go, done):
    """The fastest client there is: of each body only the end is parsed, for its token."""
    client = http.client.HTTPConnection(base.split("//")[1])
    headers = {"Authorization": f"Bearer {key}", "Maton-Connection": connection}
    path = f"/zoho-bigin/bigin/v2/Contacts?fields={','.join(fields)}"
    token = ""
    ready.set()
    go.wait(60)
    for _ in range(pages):
        client.request("GET", path + token, headers=headers)
        body = client.getresponse().read()
        info = json.loads(body[body.rfind(b'"info":') + 7 : -1])
        token = f"&page_token={info['next_page_token']}" if info["more_records"] else ""
    done.set()


def write_batches(base, key, connection, batches, ready, go, done):
    client = http.client.HTTPConnection(base.split("//")[1])
    headers = {"Authorization": f"Bearer {key}", "Maton-Connection": connection}
    bodies = [
        json.dumps({"data": [
            {"Last_Name": f"L{batch}-{row}", "First_Name": "F", "Phone": "123", "Title": "T",
             "Email": f"w{batch}.{row}@example.com", "Custom_Currency": 12.5,
             "Custom_DateTime": "2026-01-01T00:00:00+00:00", "Tag": [{"name": "VIP"}]}
            for row in range(100)
        ]}) for batch in range(batches)
    ]  # fmt: skip
    ready.set()
    go.wait(60)
    for body in bodies:
        client.request("POST", "/zoho-bigin/bigin/v2/Contacts", body, headers)
        reply = client.getresponse()
        assert reply.status == 201
        reply.read()
    done.set()


def measure(sim, number, work, *arguments):
    """Run a client in a process of its own; requests per processor second of this one."""
    context = multiprocessing.get_context("spawn")
    ready, go, done = (context.Event() for _ in range(3))
    where = (sim.base_url, sim.api_key, sim.connection_id)
    child = context.Process(target=work, args=(*where, *arguments, number, ready, go, done))
    child.start()
    assert ready.wait(60)
    began = time.process_time()
    go.set()
    assert done.wait(100)
    seconds = time.process_time() - began
    child.join()
    return number / seconds


def started(contacts):
    sizes = {"Contacts": contacts, "Accounts": 500}
    sim = BiginSimulator(sizes=sizes, rate_limit=None, field_counts={"Contacts": 45})
    sim.account().credits.limit = 10**9
    return sim


@pytest.mark.slow
def test_list_pages_and_batches_a_second():
    with started(10_000) as sim:
        fields = list(sim.store.fields("Contacts"))[:40]
        cold = measure(sim, 50, read_pages, fields)
        warm = measure(sim, 300, read_pages, fields)
        batches = measure(sim, 100, write_batches)
    # A record's JSON is kept after it was read once: the second reader gets it from there.
    assert warm >= 300, warm
    assert cold >= 80, cold
    assert batches >= 30, batches


@pytest.mark.slow
def test_200000_contacts():
    began = time.perf_counter()
    sim = started(200_000)
    seconds = time.perf_counter() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    assert sim.store.count("Contacts") == 200_000
    assert seconds < 20
    assert gigabytes < 1.5


def test_seek_walks_of_a_large_module_are_quick():
    """A list request must not cost a look at every record."""
    with started(5_000) as sim:
        session = http.client.HTTPConnection(sim.base_url.split("//")[1])
        headers = {"Authorization": f"Bearer {sim.api_key}", "Maton-Connection": sim.connection_id,
                   "If-Modified-Since": "2025-12-01T00:00:00+00:00"}  # fmt: skip
        path = ("/zoho-bigin/bigin/v2/Contacts?fields=Modified_Time&per_page=10"
                "&sort_by=Modified_Time&sort_order=asc")  # fmt: skip
        session.request("GET", path, headers=headers)
        session.getresponse().read()
        began = time.perf_counter()
        for _ in range(50):
            session.request("GET", path, headers=headers)
            assert session.getresponse().read()
        assert time.perf_counter() - began < 1
        session.close()
