"""Read ahead: pages wait packed, within a bound, and come out as they went in."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from bigin_client.errors import CancelledError
from bigin_client.extract import ReadAhead, ahead
from bigin_client.extract.found import Found

NAMES = ["Accounts", "Products", "Tasks"]


@pytest.mark.parametrize("plain", [0, ahead.PLAIN])
@pytest.mark.parametrize("max_bytes", [1, 10**9])
@pytest.mark.parametrize("fields", [20, 60])
def test_pages_that_waited_are_the_same(account, copy_of, monkeypatch, plain, max_bytes, fields):
    """Packed or as they came, one at a time or all, in one field group or two."""
    monkeypatch.setattr(ahead, "PLAIN", plain)
    sim, client = account(sizes=dict.fromkeys(NAMES, 60), field_counts=dict.fromkeys(NAMES, fields))
    shared = ReadAhead(max_bytes)
    extractions = {n: client.extract(n, page_size=20) for n in NAMES}
    for extraction in extractions.values():
        extraction.read_ahead(shared)
    for name, extraction in extractions.items():
        copy = copy_of(sim, client, name)
        for page in extraction:
            copy._store(page)
        assert copy.differences() == []
        assert len(copy.emitted) == 60


def test_what_waits_is_packed_and_counted_as_it_came(account, monkeypatch):
    """A page takes about an eighth of what it came with."""
    monkeypatch.setattr(ahead, "PLAIN", 0)
    _sim, client = account(sizes={"Accounts": 100})
    shared = ReadAhead(10**9)
    extraction = client.extract("Accounts")
    extraction.read_ahead(shared)
    extraction._lane.wait()
    (waiting,) = extraction._lane.pages
    assert waiting.size == shared._waiting > 3 * waiting.found.size
    assert sum(len(p.records) for p in extraction) == 100
    assert shared._waiting == 0


def test_more_than_the_bound_waits_only_for_the_one_that_is_consumed():
    """A page too many is held back until there is room, or the reader is stopped."""
    shared = ReadAhead(100)
    lane = shared.lane(lambda: iter([Found(loose=[{"id": str(n)}]) for n in range(3)]), list)
    assert [f.loose[0]["id"] for f in lane] == ["0", "1", "2"]
    other = shared.lane(lambda: iter([Found(loose=[{"id": "0"}])]), list)
    assert not other.pages
    shared.stop()
    with closing(iter(other)) as found, pytest.raises(CancelledError):
        next(found)
    for thread in threading.enumerate():
        if thread.name == "bigin-read-ahead":
            thread.join(5)
            assert not thread.is_alive()
