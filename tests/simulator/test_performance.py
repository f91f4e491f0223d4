"""Fast and lean (issue 4): not the bottleneck of other people's benchmarks.

The floors here are half of the goals, so that a busy machine does not fail them; the benchmark in
full runs with ``pytest -m slow``.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import resource
import time

import pytest

from bigin_client.testing import BiginSimulator


def read_pages(base, key, connection, fields, pages, result):
    """The fastest client there is: pages a second, the end of each body parsed for its token."""
    client = http.client.HTTPConnection(base.split("//")[1])
    headers = {"Authorization": f"Bearer {key}", "Maton-Connection": connection}
    path = f"/zoho-bigin/bigin/v2/Contacts?fields={','.join(fields)}"
    token, began = "", time.perf_counter()
    for _ in range(pages):
        client.request("GET", path + token, headers=headers)
        body = client.getresponse().read()
        info = json.loads(body[body.rfind(b'"info":') + 7 : -1])
        token = f"&page_token={info['next_page_token']}" if info["more_records"] else ""
    result.put(pages / (time.perf_counter() - began))


def write_batches(base, key, connection, batches, result):
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
    began = time.perf_counter()
    for body in bodies:
        client.request("POST", "/zoho-bigin/bigin/v2/Contacts", body, headers)
        reply = client.getresponse()
        assert reply.status == 201
        reply.read()
    result.put(batches / (time.perf_counter() - began))


def measure(sim, work, *arguments):
    context = multiprocessing.get_context("spawn")
    result = context.Queue()
    where = (sim.base_url, sim.api_key, sim.connection_id)
    child = context.Process(target=work, args=(*where, *arguments, result))
    child.start()
    found = result.get(timeout=100)
    child.join()
    return found


def started(contacts):
    sizes = {"Contacts": contacts, "Accounts": 500}
    sim = BiginSimulator(sizes=sizes, rate_limit=None, field_counts={"Contacts": 45})
    sim.account().credits.limit = 10**9
    return sim


@pytest.mark.slow
def test_list_pages_and_batches_a_second(record_property):
    with started(10_000) as sim:
        fields = list(sim.store.fields("Contacts"))[:40]
        cold = measure(sim, read_pages, fields, 50)
        warm = measure(sim, read_pages, fields, 300)
        batches = measure(sim, write_batches, 100)
    for name, value in (("cold", cold), ("warm", warm), ("batches", batches)):
        record_property(name, value)
    print(f"pages/s cold {cold:.0f}, warm {warm:.0f}; insert batches/s {batches:.0f}")
    assert warm >= 150
    assert cold >= 50
    assert batches >= 15


@pytest.mark.slow
def test_200000_contacts(record_property):
    began = time.perf_counter()
    sim = started(200_000)
    seconds = time.perf_counter() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"200,000 contacts in {seconds:.1f} s, {gigabytes:.2f} GB at most in this process")
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
