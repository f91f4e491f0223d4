"""Updates of records that were changed since they were read (design 6.7)."""

from __future__ import annotations

from typing import Any

import pytest

from bigin_client.load import delivery as deliveries
from bigin_client.load import loader as loaders

HEADER = "if-unmodified-since"


@pytest.fixture
def known(sim):
    sim.clock.advance(3_600)
    return [r for r in sim.store.records("Contacts") if r["Email"]][:9]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(loaders, "CHUNK", 3)
    monkeypatch.setattr(deliveries, "MAX_RECORDS", 3)


def updates(sim: Any) -> list[Any]:
    return [r for r in sim.requests if r.method == "PUT"]


def load(client: Any, known: list[Any], **options: Any) -> Any:
    rows = [{"email": r["Email"], "phone": "+49 77"} for r in known]
    return client.load("Contacts", rows, match_on=["Email"], **options)


@pytest.mark.parametrize("sim", [{"if_unmodified_since": "honoured"}], indirect=True)
def test_the_header_is_proved_by_the_first_update(sim, client, known):
    """Sent with a date that must be refused, then properly; each row is written once."""
    report = load(client, known)
    assert report.streams["Contacts"].outcomes == {"updated": 9}
    statuses = [r.status for r in updates(sim)]
    assert statuses.count(412) == 1
    assert all(HEADER in r.headers for r in updates(sim)[-1:])
    assert len(updates(sim)) == 4
    again = load(client, known)
    assert again.streams["Contacts"].outcomes == {"unchanged": 9}


@pytest.mark.parametrize("sim", [{"if_unmodified_since": "ignored"}], indirect=True)
def test_a_header_that_is_ignored_is_used_no_more(sim, client, known):
    report = load(client, known)
    assert report.streams["Contacts"].outcomes == {"updated": 9}
    assert [HEADER in r.headers for r in updates(sim)].count(True) == 1
    assert len(updates(sim)) == 3


def test_what_someone_wrote_between_read_and_write_is_looked_at_again(sim, client, known):
    """Without a protected field, so that nothing is read again just before: the header tells."""
    target = known[8]
    seen: list[int] = []

    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "PUT" and "77" in str(request.json()):
            seen.append(1)
            if len(seen) == 3:
                sim.clock.advance(5)
                sim.store.update("Contacts", target["id"], {"Phone": "+49 77", "Title": "Boss"})

    sim.before_request(meddle)
    report = load(client, known)
    outcomes = report.streams["Contacts"].outcomes
    assert sum(outcomes.values()) == 9
    assert set(outcomes) <= {"updated", "unchanged"}
    held = sim.store.get("Contacts", target["id"])
    assert (held["Phone"], held["Title"]) == ("+49 77", "Boss")


def test_a_lost_reply_of_a_guarded_update(sim, client, known):
    """The update took place; sent again with the old date it is refused, and is found done."""
    sim.faults.add("cut_after", match={"method": "PUT"}, after=1, times=1)
    report = load(client, known)
    assert report.streams["Contacts"].outcomes == {"updated": 9}
    assert {r["Phone"] for r in sim.store.records("Contacts") if r["Email"]} >= {"+49 77"}


@pytest.mark.parametrize("code", ["INVALID_DATA", "SOMETHING"])
def test_a_refusal_of_the_probe_is_no_refusal_of_the_row(sim, client, known, code):
    """Perhaps it was for the date alone: the row is sent once more without it."""
    sim.faults.add("row_error", code=code, rows=[0], times=1, when=lambda r: HEADER in r.headers)
    report = load(client, known)
    assert report.streams["Contacts"].outcomes == {"updated": 9}
