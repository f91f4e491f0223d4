"""Walk a list endpoint page by page, and notice when it does not add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from bigin_client.errors import PagingError, ServiceError
from bigin_client.reply import Reply
from bigin_client.types import Record

FetchPage: TypeAlias = Callable[[str | None], "dict[str, Any] | None"]

#: Records per page: default and maximum (bigin-api.md 3.1, [seed]).
PAGE_SIZE: Final = 200
#: Fields that one list request may name (bigin-api.md 3.1, [bigin-doc]).
MAX_FIELDS: Final = 50
#: Rows that page numbers reach (bigin-api.md 3.1, [maton]).
MAX_BY_PAGE_NUMBER: Final = 2_000


def read_body(body: dict[str, Any], what: str = "list") -> tuple[list[Record], dict[str, Any]]:
    """Return ``(data, info)`` of a list reply.

    Raises:
        PagingError: The body has another shape; guessing where records lie would invent some.
    """
    data, info = body.get("data"), body.get("info")
    if (
        not isinstance(data, list)
        or not isinstance(info, dict)
        or not isinstance(info.get("more_records"), bool)
        or not all(isinstance(r, dict) and r.get("id") for r in data)
    ):
        msg = f"The {what} reply has no data[] of records with ids and info.more_records"
        raise PagingError(msg)
    return data, info


def read_count(reply: Reply, label: str) -> int:
    """Return the number in a reply to a count; it comes as a number or a text (3.7, [code]).

    Raises:
        ServiceError: There is none.
    """
    try:
        return int(str(reply.object()["count"]))
    except (KeyError, ValueError):
        msg = f"{label}: the reply holds no count"
        raise ServiceError(msg, request_id=reply.request_id) from None


def next_token(info: dict[str, Any], used: str | None) -> str | None:
    """Return the token of the following page, None when this is the last one.

    ``more_records`` decides, not the token: a missing token is no proof of the end.

    Raises:
        PagingError: More records are announced, but the token is missing or the one just used.
    """
    if not info["more_records"]:
        return None
    following = info.get("next_page_token")
    if not isinstance(following, str) or not following or following == used:
        msg = "More records are announced, but there is no new page token"
        raise PagingError(msg)
    return following


def iter_pages(fetch: FetchPage) -> Iterator[list[Record]]:
    """Yield the records of each page until the service says there are no more.

    Args:
        fetch: Takes a page token (None for the first page); returns the decoded body
            ``{"data": [record, …], "info": {"more_records": bool, "next_page_token": str |
            None}}``, or None for HTTP 204 (no records).

    Yields:
        The records of one page: at most `PAGE_SIZE`, in the order sent, never none.

    Raises:
        PagingError: More records were announced, but the token is missing or was used
            before, a page came twice, or a token led to a 204. Stopping quietly would lose
            records.
    """
    token: str | None = None
    used: set[str] = set()
    before: list[str] = []
    while (body := fetch(token)) is not None:
        data, info = read_body(body)
        ids = [r["id"] for r in data]
        if ids and ids == before:
            msg = "The same page came twice"
            raise PagingError(msg)
        before = ids
        if data:
            yield data
        following = next_token(info, token)
        if following is None:
            return
        if following in used:
            msg = "A page token came twice"
            raise PagingError(msg)
        used.add(following)
        token = following
    if token is not None:
        msg = "More records were announced, but the next page is empty (204)"
        raise PagingError(msg)
