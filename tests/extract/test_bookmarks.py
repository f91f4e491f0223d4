"""Where the next read begins, by what the replies say of the time."""

from __future__ import annotations

import pytest

#: Ways of reading, each with the switches under which it reads.
WAYS = {
    "seek": {},
    "descend": {"if_modified_since": "ignored"},
    "by id": {"sort": "ignored"},
}


@pytest.mark.parametrize("first", [True, False], ids=["full", "incremental"])
@pytest.mark.parametrize("way", WAYS)
def test_without_a_date_no_bookmark_passes_a_change_during_the_read(account, copy_of, way, first):
    """One record is changed after it was read; others, that are still to come, change later.

    The bookmark is not the newest Modified_Time that was seen: that would pass the former.
    """
    sim, client = account(sizes={"Contacts": 650}, date_header=False, **WAYS[way])
    copy = copy_of(sim, client, "Contacts")
    ids = [r["id"] for r in sim.store.records("Contacts")]
    if not first:
        copy.read(["Title"])
        sim.clock.advance(3_600)
        for record_id in ids:
            sim.store.update("Contacts", record_id, {"Title": "before"})
            sim.clock.advance(1)
    waves = []

    def between(request, _sim):
        if request.path.endswith("/Contacts") and copy.emitted and len(waves) < 2:
            read = {r["id"] for r in copy.emitted}
            chosen = [i for i in ids if (i in read) == (not waves)][:50]
            waves.append(chosen)
            sim.clock.advance(900)
            for record_id in chosen:
                sim.store.update("Contacts", record_id, {"Title": f"wave {len(waves)}"})

    stop = sim.before_request(between)
    copy.read(["Title"])
    stop()
    assert all(waves)
    sim.clock.advance(3_600)
    copy.read(["Title"])
    assert copy.differences() == []
