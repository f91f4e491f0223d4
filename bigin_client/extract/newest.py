"""The newest page: Modified_Time descending, one request, no trust in If-Modified-Since.

It is the first request of every incremental read and, when it reaches back to the bookmark, the
only one.
"""

from __future__ import annotations

from collections.abc import Iterator

from bigin_client.extract.chain import Chain
from bigin_client.extract.checks import check_order, proves_sort
from bigin_client.extract.found import Found, take
from bigin_client.extract.rows import Page, Row
from bigin_client.extract.source import Source
from bigin_client.records import MODIFIED


class NewestPage:
    """The newest page of a module.

    Args:
        source: What to read.
        cutoff: Older rows were handed over by an earlier read (seconds since 1970).
        sort_proved: An earlier read has seen that the service sorts.
    """

    name = "newest page"

    def __init__(self, source: Source, cutoff: int, *, sort_proved: bool = False) -> None:
        self._source = source
        self._cutoff = cutoff
        self.page: Page | None = None
        self.sort_proved = sort_proved
        self.begin()

    def begin(self) -> None:
        """Put the question, or put it anew once the source asks for other fields."""
        self.chain = Chain(self._source, sort_by=MODIFIED, sort_order="desc")

    def ask(self) -> bool:
        """Send the request; returns whether the page surely reaches back to the cutoff.

        Raises:
            BrokenAssumptionError: The service does not sort as asked.
        """
        self.page = self.chain.next()
        if self.page is None:
            return True
        check_order(self.page, "desc")
        self.sort_proved = self.sort_proved or proves_sort(self.page)
        if not self.page.more:
            return True
        oldest = self.page.last_time
        if oldest is None or oldest >= self._cutoff:
            return False
        self.sort_proved = self.sort_proved or sorts(self._source, self.page)
        return self.sort_proved

    def expected(self) -> dict[str, int]:
        """Return the rows that another way of reading must show too."""
        rows = self.page.rows if self.page else []
        return {r.id: r.time for r in rows if r.time is not None and r.time >= self._cutoff}

    def known(self) -> list[Row]:
        """Return rows that exist and are older than the cutoff."""
        rows = self.page.rows if self.page else []
        return [r for r in rows if r.time is not None and r.time < self._cutoff][:3]

    def run(self) -> Iterator[Found]:
        """Yield the rows since the cutoff, oldest first."""
        if self.page is not None:
            yield take(self.chain, self.page, since(self.page.rows, self._cutoff)[::-1])


def since(rows: list[Row], cutoff: int | None) -> list[Row]:
    """Return the rows that are not older; one without a Modified_Time may be new."""
    if cutoff is None:
        return list(rows)
    return [r for r in rows if r.time is None or r.time >= cutoff]


def sorts(source: Source, newest: Page) -> bool:
    """Find out with one request whether the service sorts by Modified_Time.

    A page that comes by id looks sorted where no record was ever edited.

    Args:
        source: What is read.
        newest: The page that came for a descending sort.
    """
    oldest = Chain(source, sort_by=MODIFIED, sort_order="asc").next()
    if oldest is None or not oldest.rows:
        return False
    check_order(oldest, "asc")
    first, last = oldest.rows[0].time, newest.last_time
    return proves_sort(oldest) or (first is not None and last is not None and first < last)
