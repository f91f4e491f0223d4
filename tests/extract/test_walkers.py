"""Several walkers over one module, in threads: everything once, and what they share."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bigin_client.errors import BiginError, RequestError
from bigin_client.extract import ReadAhead, ranges, seek
from bigin_client.extract.crew import Crew, crew_of
from bigin_client.extract.ledger import Ledger
from bigin_client.extract.walker import Walker


@pytest.fixture
def early(monkeypatch):
    """Let walkers help each other in small modules too."""
    monkeypatch.setattr(seek, "PAGES_ALONE", 2)
    monkeypatch.setattr(seek, "WORTH", 1)
    monkeypatch.setattr(ranges, "WORTH", 1)


def walkers_of(monkeypatch) -> list[int]:
    counts: list[int] = []
    real = ranges.Ranges.run

    def run(self):
        yield from real(self)
        counts.append(len(self.walkers))

    monkeypatch.setattr(ranges.Ranges, "run", run)
    return counts


@pytest.mark.usefixtures("early")
@pytest.mark.parametrize("fields", [40, 60])
def test_threads_read_everything_once(account, copy_of, monkeypatch, fields):
    """Each record once, and the bookmark at the end is that of a single walker."""
    sim, client = account(sizes={"Contacts": 1_500}, field_counts={"Contacts": fields})
    counts = walkers_of(monkeypatch)
    copy = copy_of(sim, client, "Contacts").read(page_size=25)
    assert copy.differences() == []
    assert len(copy.emitted) == 1_500
    assert max(counts) > 2
    assert copy.summary.complete
    assert copy.summary.requests == len([e for e in sim.requests if e.operation != "fields"]) - 2


@pytest.mark.usefixtures("early")
def test_changes_meanwhile_are_found(account, copy_of, on_list, monkeypatch):
    """Edits and deletions between the requests of the threads."""
    sim, client = account(sizes={"Accounts": 1_200}, token_nature="offset")
    counts = walkers_of(monkeypatch)
    ids = [r["id"] for r in sim.store.records("Accounts")]

    def change(number: int) -> None:
        if number % 2:
            sim.store.update("Accounts", ids[(number * 37) % 1_000], {"Phone": str(number)})
        elif (number * 11) % 1_200 >= 1_000 and ids[(number * 11) % 1_200]:
            place = (number * 11) % 1_200
            sim.store.delete("Accounts", ids[place])
            ids[place] = ""

    copy = copy_of(sim, client, "Accounts")
    stop = on_list(sim, change)
    copy.read(page_size=20)
    stop()
    assert max(counts) > 2
    assert copy.rows.keys() == {r["id"] for r in sim.store.records("Accounts")}
    copy.read()
    assert copy.differences() == []


@pytest.mark.usefixtures("early")
def test_a_reader_that_stops_lets_the_threads_end(account, copy_of):
    """And the next run goes on from the bookmark."""
    sim, client = account(sizes={"Accounts": 1_200})
    copy = copy_of(sim, client, "Accounts").read(page_size=20, pages=20)
    for thread in threading.enumerate():
        if thread.name == "bigin-walker":
            thread.join(10)
            assert not thread.is_alive()
    assert len(copy.rows) < 1_200
    copy.read(page_size=20)
    assert copy.differences() == []


@pytest.mark.usefixtures("early")
def test_an_error_of_one_walker_ends_the_read(account, copy_of):
    """The pages before it are good, and the next run mends the rest."""
    sim, client = account(sizes={"Accounts": 1_200})
    sim.faults.add(
        "status", status=403, code="NO_PERMISSION", times=1, after=30, match={"operation": "list"}
    )
    copy = copy_of(sim, client, "Accounts")
    with pytest.raises(BiginError) as caught:
        copy.read(page_size=20)
    assert caught.value.code == "NO_PERMISSION"
    assert 0 < len(copy.rows) < 1_200
    copy.read(page_size=20)
    assert copy.differences() == []


@pytest.mark.usefixtures("early")
def test_no_more_threads_than_places(account):
    """Seven modules that read ahead share the client's places; all come whole."""
    names = ["Contacts", "Accounts", "Pipelines", "Tasks", "Events", "Calls", "Products"]
    sim, client = account(sizes=dict.fromkeys(names, 300))
    ahead = ReadAhead(1_000_000)
    extractions = [client.extract(n, page_size=10) for n in names]
    for extraction in extractions:
        extraction.read_ahead(ahead)
    found = {e.module: sum(len(p.records) for p in e) for e in extractions}
    assert found == dict.fromkeys(names, 300)
    assert max(e.running for e in sim.requests) <= client.settings.max_concurrency


def test_nothing_is_handed_over_from_above_the_floor(account):
    """Another walker may begin there: after a second that filled pages, too."""
    sim, client = account(sizes={})
    at = sim.clock.now() - timedelta(days=1)
    for gap in [60] * 4 + [0] * 10 + [60] * 8:
        at += timedelta(seconds=gap)
        sim.store.insert("Accounts", {"Account_Name": f"{at:%H:%M} {gap}"}, at)
    source = client.extract("Accounts", page_size=3).source
    walker = Walker(source, Ledger(full=True))
    count = 0
    for found in walker.advance():
        count += len(found.rows)
        assert max((r.time for r in found.rows), default=0) <= walker.floor
    assert count == 22


def test_walkers_do_not_help_where_the_pace_is_used_up():
    """They would only wait, and where two walkers meet about one page is read twice."""
    paced_out = True
    crew = Crew(3, lambda: paced_out)
    assert not crew.has_room
    assert not crew.hire()
    paced_out = False
    assert crew.has_room
    assert [crew.hire() for _ in range(4)] == [True, True, True, False]


def test_a_crew_has_so_many_places():
    """Whoever must work is counted; helpers come only while there is a place."""
    crew = Crew(2)
    with crew.at_work():
        assert crew.hire()
        assert not crew.hire()
        crew.release()
        assert crew.together([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]
        assert crew.hire()
        assert crew.together([lambda: 1, lambda: 2]) == [1, 2]


def test_a_call_of_a_crew_that_fails_is_raised():
    """Whichever it is, and the places come back."""
    crew = Crew(3)

    def fail():
        raise RequestError("refused")

    for calls in ([fail, int, int], [int, int, fail]):
        with pytest.raises(RequestError):
            crew.together(calls)
    assert [crew.hire() for _ in range(4)] == [True, True, True, False]


def test_a_client_has_one_crew(account):
    """All its extractions share it."""
    _sim, client = account(sizes={})
    assert crew_of(client.records) is crew_of(client.records)
