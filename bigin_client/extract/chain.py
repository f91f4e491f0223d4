"""One question to a module's list, and the pages behind its tokens, in every field group."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bigin_client.errors import PagingError, RequestError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.checks import CHAIN_ENDS
from bigin_client.extract.rows import Page, read_page
from bigin_client.extract.source import Source
from bigin_client.records import ListQuery

if TYPE_CHECKING:
    from bigin_client.reply import Reply


class _Group:
    """The chain of another field group, walked only as far as its pages are needed."""

    def __init__(self, query: ListQuery) -> None:
        self.query = query
        self.number = 0
        self.token: str | None = None
        self.ended = False


class Chain:
    """The pages of one question.

    Args:
        source: Where to ask.
        question: ``sort_by``, ``sort_order`` and ``since`` as `Source.query` takes them.

    Attributes:
        since: The header's time, seconds since 1970.
        number: How many pages were read.
        went_empty: A token led to a 204: the end, or a fault. Whoever walks must make sure.
    """

    def __init__(self, source: Source, **question: Any) -> None:
        self._source = source
        self.since: int | None = question.get("since")
        self._query = source.query(**question)
        self._others = [_Group(source.query(g, **question)) for g in source.groups[1:]]
        self._token: str | None = None
        self._used: set[str] = set()
        self._before: list[str] = []
        self._more = True
        self.number = 0
        self.went_empty = False
        self.first_reply: Reply | None = None

    def next(self) -> Page | None:
        """Return the next page of the first field group, None when there is none.

        Raises:
            BrokenAssumptionError: There are more records than page tokens reach.
            PagingError: The page before announced more records, but its token was missing or
                came before, or a page came twice. Ending quietly would lose records.
        """
        if not self._more:
            return None
        if self.number and self._token is None:
            # Found only now: whoever asks afresh from where the page ended needs no token.
            raise PagingError(
                f"{self._source.module}: more records are announced, but there is no new page "
                "token",
                hint="Run again; what was read so far is kept.",
            )
        reply = self._fetch()
        if self.first_reply is None:
            self.first_reply = reply
        if reply.is_empty:
            self._more = False
            self.went_empty = self.number > 0
            return None
        page = read_page(reply, self._source.module)
        self.number += 1
        ids = [r.id for r in page.rows]
        if ids and ids == self._before:
            raise PagingError(f"{self._source.module}: the same page came twice")
        self._before = ids
        self._more = page.more
        self._token = None if page.token in self._used else page.token
        if page.token is not None:
            self._used.add(page.token)
        return page

    def _fetch(self) -> Reply:
        try:
            return self._source.fetch(self._query, self._token)
        except RequestError as refusal:
            if refusal.code != CHAIN_ENDS:
                raise
            raise BrokenAssumptionError(
                f"page tokens end after {self.number} pages (bigin-api.md section 5: 100,000 "
                "records)",
                code=CHAIN_ENDS,
            ) from None

    def parts(self) -> list[Reply | None]:
        """Return the present page as the other field groups show it.

        A group that ends earlier gives None: its records are then read by id.
        """
        if not self._others:
            return []
        return self._source.crew.together([partial(self._catch_up, g) for g in self._others])

    def _catch_up(self, group: _Group) -> Reply | None:
        reply: Reply | None = None
        while group.number < self.number and not group.ended:
            reply = self._source.fetch(group.query, group.token)
            group.number += 1
            if reply.is_empty:
                group.ended = True
                return None
            page = read_page(reply, self._source.module)
            group.token = page.token
            group.ended = not page.more or page.token is None
        return reply
