"""Search and COQL: find records by what they hold."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bigin_client import coql
from bigin_client.criteria import Criteria
from bigin_client.errors import PagingError, RequestError, ServiceError, SettingsError
from bigin_client.paging import MAX_BY_PAGE_NUMBER, MAX_FIELDS, PAGE_SIZE, read_body
from bigin_client.transport import Transport
from bigin_client.types import Record

log = logging.getLogger(__name__)

SELECTORS: Final = ("criteria", "email", "phone", "word")
#: Two spellings of a page of COQL; which of them holds is found out once ([bigin-doc], [rec]).
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_LIMIT: Final = re.compile(r"\blimit\s+\d", re.IGNORECASE)
_LIMITS: Final = ("limit {count} offset {start}", "limit {start}, {count}")


class Queries:
    """Search and COQL of one account.

    Args:
        transport: Where to send the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._limit = _LIMITS[0]

    def search(
        self,
        module: str,
        *,
        criteria: Criteria | str | None = None,
        email: str | None = None,
        phone: str | None = None,
        word: str | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[list[Record]]:
        """Yield pages of raw records; see `BiginClient.search_records`."""
        given = {"criteria": criteria, "email": email, "phone": phone, "word": word}
        chosen = {k: str(v) for k, v in given.items() if v}
        if len(chosen) != 1:
            # With several, the service heeds one of them and says nothing ([crm°]).
            raise SettingsError(f"A search takes exactly one of {', '.join(SELECTORS)}")
        page, before = 1, set[str]()
        while True:
            params: dict[str, str | int] = {**chosen, "page": page, "per_page": PAGE_SIZE}
            # All fields come without being asked for; more than 50 may not be named.
            if fields and len(fields) <= MAX_FIELDS:
                params["fields"] = ",".join(fields)
            reply = self._transport.bigin("GET", f"{module}/search", params=params, module=module)
            if reply.is_empty:
                return
            data, info = read_body(reply.object(), "search")
            ids = {r["id"] for r in data}
            if ids and ids == before:
                raise PagingError(f"{module}/search: the same page came twice")
            before = ids
            yield data
            if not info["more_records"]:
                return
            page += 1
            if page * PAGE_SIZE > MAX_BY_PAGE_NUMBER:
                raise PagingError(
                    f"{module}/search: more than {MAX_BY_PAGE_NUMBER} records match",
                    hint="A search cannot go further: narrow it, or read the list.",
                )

    def query(self, query: coql.Query | str) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of rows; see `BiginClient.query`."""
        text = str(query)
        # The word may stand in a literal, too: then the query has no LIMIT of its own.
        if isinstance(query, str) and _LIMIT.search(_QUOTED.sub("''", text)):
            rows, _more = self._query(text)
            if rows:
                yield rows
            return
        start = 0
        while True:
            rows, more = self._page(text, start)
            if rows:
                yield rows
            if not more:
                return
            start += len(rows)
            if not rows or start + coql.PAGE_SIZE > coql.MAX_ROWS:
                raise PagingError(
                    f"COQL: more than {coql.MAX_ROWS} rows",
                    hint="Narrow the query, or walk it by Modified_Time and id.",
                )

    def _page(self, text: str, start: int) -> tuple[list[dict[str, Any]], bool]:
        if start == 0:
            return self._query(text)  # the defaults: 200 rows from the first
        for spelling in dict.fromkeys((self._limit, *_LIMITS)):
            try:
                found = self._query(f"{text} {spelling.format(count=coql.PAGE_SIZE, start=start)}")
            except RequestError as error:
                if spelling == _LIMITS[-1] or error.code not in {"SYNTAX_ERROR", "INVALID_QUERY"}:
                    raise
                log.info("COQL: the service refuses LIMIT … OFFSET; using LIMIT start, count")
                continue
            self._limit = spelling
            return found
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _query(self, text: str) -> tuple[list[dict[str, Any]], bool]:
        reply = self._transport.bigin("POST", "coql", body={"select_query": text}, idempotent=True)
        if reply.is_empty:
            return [], False
        body = reply.object()
        data, info = body.get("data"), body.get("info")
        if not isinstance(data, list) or not isinstance(info, dict):
            raise ServiceError("POST coql: the reply holds no rows", request_id=reply.request_id)
        return data, bool(info.get("more_records"))
