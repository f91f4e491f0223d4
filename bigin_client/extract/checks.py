"""What the ways to read check alike: the order of a page, and when to give up."""

from __future__ import annotations

import itertools
from typing import Final

from bigin_client.errors import PagingError
from bigin_client.extract.broken import BrokenAssumptionError
from bigin_client.extract.rows import Page, instant, number
from bigin_client.records import MODIFIED

SORT_NOT_APPLIED: Final = "the sort by Modified_Time is not applied"
#: How often one second, or one chain, is walked again before the read is given up.
MAX_WALKS: Final = 3
#: Seconds by which the Date header may differ from the clock behind Modified_Time.
CLOCK_SLACK: Final = 60
#: Refusals of a token that a fresh question mends (bigin-api.md section 6).
STALE_TOKEN: Final = frozenset({"EXPIRED_VALUE", "TOKEN_BOUND_DATA_MISMATCH"})
#: Refusal of a token past the 100,000 rows of a chain (bigin-api.md section 6).
CHAIN_ENDS: Final = "PAGINATION_LIMIT_EXCEEDED"


def too_fast(module: str) -> PagingError:
    """Return the error of a read that was begun several times and never proved complete."""
    return PagingError(
        f"{module}: records change faster than they can be read",
        hint="Run again; what was read so far is kept.",
    )


def time_of(record: dict[str, object]) -> int | None:
    """Return a raw record's Modified_Time in seconds since 1970."""
    value = record.get(MODIFIED)
    return instant(value) if isinstance(value, str) else None


def check_order(page: Page, order: str) -> None:
    """Make sure that the service sorted by Modified_Time as it was asked to.

    Raises:
        BrokenAssumptionError: It does not echo the sort, or the times are not in order.
    """
    if page.sort != (MODIFIED, order):
        raise BrokenAssumptionError("the sort by Modified_Time is not echoed", about_sort=True)
    times = [r.time for r in page.rows if r.time is not None]
    pairs = itertools.pairwise(times)
    if any((a > b) if order == "asc" else (a < b) for a, b in pairs):
        raise BrokenAssumptionError(SORT_NOT_APPLIED, about_sort=True)


def proves_sort(page: Page) -> bool:
    """Whether a page in order can only be so because the service sorted it.

    Unsorted pages come by id, descending (bigin-api.md 3.1); where records are never edited,
    that is the order of Modified_Time too.
    """
    ids = [number(r.id) for r in page.rows]
    return page.times > 1 and not all(a > b for a, b in itertools.pairwise(ids))
