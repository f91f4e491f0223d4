"""Twelve mistakes that an extraction may make: the histories find each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bigin_client import timestamps
from bigin_client.errors import BiginError
from bigin_client.extract.balance import Balance
from bigin_client.extract.bookmarks import Bookmark
from bigin_client.extract.by_id import ById
from bigin_client.extract.chain import Chain
from bigin_client.extract.deletions import DeletedFeed
from bigin_client.extract.extraction import Extraction
from bigin_client.extract.known import Census
from bigin_client.extract.ledger import Ledger
from bigin_client.extract.newest import NewestPage
from bigin_client.extract.ranges import Ranges
from bigin_client.extract.seek import Seek
from bigin_client.extract.walker import Walker
from bigin_client.extract.ways import Ways
from bigin_client.records import Records
from tests.extract.histories import drawn, play


def _nothing(*_args, **_kwargs):
    return iter(())


def _seeks_from_the_last_second(patch):
    patch(Walker, "_header", lambda _self, floor: floor)
    patch(Walker, "_confirm", lambda *_: None)
    patch(Walker, "_prove", lambda *_: None)


def _stops_at_ties(patch):
    def first_page_only(self, _chain, _page):
        yield from ()
        self.floor = (self.floor or 0) + 1
        return True

    patch(Walker, "_over_tie", first_page_only)
    patch(Walker, "_confirm", lambda *_: None)


def _takes_half_a_record(patch):
    def merged(_self, _module, _fields, rows, parts, **_options):
        by_id = [{r["id"]: r for r in part} for part in parts]
        for row in rows:
            whole = dict(row)
            for part in by_id:
                whole.update(part.get(row["id"], {}))
            yield whole

    patch(Records, "complete", merged)


def _ends_a_chain_quietly(patch):
    real = Chain.next

    def two_pages(self):
        return None if self.number == 2 else real(self)

    patch(Chain, "next", two_pages)


def _moves_the_bookmark_to_the_end(patch):
    real = Bookmark.finish

    def late(self, lag=0):
        self.began = None if self.began is None else self.began + 60
        real(self, lag)

    patch(Bookmark, "finish", late)


def _trusts_the_newest_page(patch):
    def always(self):
        self.page = self.chain.next()
        return True

    patch(NewestPage, "ask", always)


def _reads_strictly_after_the_bookmark(patch):
    real = Ways.__init__

    def later(self, source, cutoff, *args, **options):
        real(self, source, None if cutoff is None else cutoff + 1, *args, **options)

    patch(Ways, "__init__", later)


def _ignores_shifts_in_chains(patch):
    patch(Seek, "settle", _nothing)


def _reads_ids_once(patch):
    def once(self):
        yield from self._rows()

    patch(ById, "run", once)


def _asks_for_deletions_first(patch):
    def deletions_first(self):
        pages = list(self.deletions())
        yield from self.records()
        feed = DeletedFeed(self.source)
        feed.read(None)
        end = timestamps.to_text(feed.first_reply.date)
        yield from (replace(p, deleted_bookmark=end) for p in pages)

    patch(Extraction, "__iter__", deletions_first)


def _takes_any_walkers_bookmark(patch):
    patch(Ranges, "deliver", lambda _self, _walker, found: found)


def _moves_the_bookmark_past_a_doubtful_second(patch):
    patch(Ledger, "safe", lambda _self, reached: reached)


def directed(**facts: Any) -> dict[str, Any]:
    """A history made for one bug."""
    usual = {
        "module": "Products",
        "page_size": 3,
        "gaps": [0] * 14,
        "token": "offset",
        "service": {},
        "zone": "UTC",
        "lookback": 0,
        "many_fields": False,
        "restore_moves": True,
        "walkers": None,
        "stop": None,
        "changes": [],
        "later": [],
    }
    return {**usual, **facts}


TICK = ("tick", 0)
#: Bug → a history that shows it.
BUGS = {
    _seeks_from_the_last_second: drawn(1),
    _stops_at_ties: drawn(1),
    _ends_a_chain_quietly: drawn(0),
    _moves_the_bookmark_to_the_end: drawn(3),
    _trusts_the_newest_page: drawn(8),
    _reads_strictly_after_the_bookmark: drawn(3),
    _takes_half_a_record: directed(
        many_fields=True, gaps=[600] * 14, changes=[[], [TICK, ("update", 0)]]
    ),
    _ignores_shifts_in_chains: directed(changes=[[], [TICK, ("delete", 0)]]),
    _reads_ids_once: directed(
        service={"sort": "ignored"}, gaps=[600] * 14, changes=[[], [], [TICK, ("delete", 13)]]
    ),
    _takes_any_walkers_bookmark: directed(gaps=[600] * 30, walkers=8, stop=3),
    _moves_the_bookmark_past_a_doubtful_second: {
        **drawn(1037),
        "service": {},
        "walkers": 1037,
        "stop": 6,
    },
    _asks_for_deletions_first: directed(
        gaps=[600] * 14, changes=[[], [], [TICK, ("delete", 0), TICK]]
    ),
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__.strip("_"))
def test_the_histories_find_bugs(bug, monkeypatch):
    """Each of these mistakes leaves a copy that differs from the store."""
    history = BUGS[bug]
    well = play(history)
    assert (well.differences, well.gave_up) == ([], False), "the history must be read well"
    bug(monkeypatch.setattr)
    monkeypatch.setattr(Balance, "run", _nothing)  # the count at the end would mend some of them
    monkeypatch.setattr(Census, "all_known", lambda *_: False)
    try:
        outcome = play(history)
    except (AssertionError, BiginError):
        return
    assert outcome.differences or outcome.gave_up
