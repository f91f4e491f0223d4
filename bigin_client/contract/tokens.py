"""Page tokens (bigin-api.md 3.1; 9.19 to 9.23; 11.4; 10.9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from bigin_client import timestamps
from bigin_client.contract.examination import Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    judged,
    refuted,
    statement,
    unasked,
)
from bigin_client.records import MODIFIED

#: A chain of two rows a page.
_CHAIN: Final[dict[str, Any]] = {
    "fields": MODIFIED,
    "per_page": 2,
    "sort_by": MODIFIED,
    "sort_order": "asc",
}
_OLD: Final = {"If-Modified-Since": "2000-01-01T00:00:00+00:00"}
_MISMATCH: Final = "TOKEN_BOUND_DATA_MISMATCH"
#: A chain is read this long (9.22).
_LIFE: Final = timedelta(hours=24)


def _first_page(exam: Examination) -> Exchange:
    asked = exam.get(exam.main(3), _CHAIN)
    if not asked.info.get("more_records"):
        raise NotCheckable(f"no second page: {asked.said}")
    return asked


def _token(exam: Examination) -> str:
    token = _first_page(exam).info.get("next_page_token")
    if not isinstance(token, str) or not token:
        # Where the first page has none, the page where page numbers end may have one; that
        # takes 2,000 records.
        raise NotCheckable("the first page has no token")
    return token


def _with_token(exam: Examination, **changed: str | int | None) -> Exchange:
    params: dict[str, Any] = {**_CHAIN, "page_token": _token(exam)}
    for name, value in changed.items():
        if value is None:
            del params[name]
        else:
            params[name] = value
    return exam.get(exam.main(3), params)


@statement("9.19", "next_page_token is there from page 1 on whenever more_records is true")
def token_from_the_start(exam: Examination) -> Finding:
    """One request of two records."""
    asked = _first_page(exam)
    return judged(bool(asked.info.get("next_page_token")), "no token on page 1", asked.said)


@statement("10.9", "A token is valid for 24 hours, as page_token_expiry says", depends=("9.19",))
def token_life(exam: Examination) -> Finding:
    """Same reply as 9.19."""
    asked = _first_page(exam)
    expiry, now = asked.info.get("page_token_expiry"), asked.reply.date or asked.reply.asked_at
    if not isinstance(expiry, str):
        return refuted("page_token_expiry is not there", asked.said)
    life = timestamps.parse(expiry) - now
    hours = f"{life.total_seconds() / 3600:.1f} h"
    return judged(abs(life - _LIFE) < timedelta(minutes=10), hours, f"{asked.said}, {hours}")


@statement("10.2b", "A token keeps the order by Modified_Time", depends=("10.2a", "9.19"))
def order_across_pages(exam: Examination) -> Finding:
    """One request: the second page."""
    asked = _with_token(exam)
    if not asked.rows:
        return refuted(asked.said, asked.said)
    before = [timestamps.parse(r[MODIFIED]) for r in _first_page(exam).rows]
    after = [timestamps.parse(r[MODIFIED]) for r in asked.rows]
    both = before + after
    return judged(both == sorted(both), "another order", asked.said)


@statement("9.20", "page beside page_token is 400 AMBIGUITY_DURING_PROCESSING", depends=("9.19",))
def page_and_token(exam: Examination) -> Finding:
    """One request."""
    asked = _with_token(exam, page=1)
    return judged(asked.refused(400, "AMBIGUITY_DURING_PROCESSING"), asked.said, asked.said)


@statement(
    "9.21a", f"A token with other fields or another sort is 400 {_MISMATCH}", depends=("9.19",)
)
def other_parameters(exam: Examination) -> Finding:
    """Two requests."""
    asked = [_with_token(exam, fields="Created_Time"), _with_token(exam, sort_order="desc")]
    wrong = [a.said for a in asked if a.code != _MISMATCH]
    return judged(not wrong, "; ".join(wrong), *(a.said for a in asked))


@statement("9.21b", f"A token with another per_page is 400 {_MISMATCH}", depends=("9.19",))
def other_page_size(exam: Examination) -> Finding:
    """One request."""
    asked = _with_token(exam, per_page=3)
    observed = f"served with {len(asked.rows)} rows" if asked.rows else asked.said
    return judged(asked.code == _MISMATCH, observed, asked.said)


@statement("11.4a", f"A parameter left out beside a token is {_MISMATCH}", depends=("9.19",))
def parameter_left_out(exam: Examination) -> Finding:
    """One request, without the sort."""
    asked = _with_token(exam, sort_by=None, sort_order=None)
    observed = "the first value is kept" if asked.rows else asked.said
    return judged(asked.code == _MISMATCH, observed, asked.said)


@statement(
    "11.4b",
    f"If-Modified-Since left out beside a token is {_MISMATCH}",
    depends=("9.19", "9.25a"),
)
def header_left_out(exam: Examination) -> Finding:
    """Two requests: a chain with the header, and its second page without."""
    module = exam.main(3)
    start = exam.get(module, _CHAIN, headers=_OLD)
    token = start.info.get("next_page_token")
    if not token:
        raise NotCheckable(f"no token: {start.said}")
    asked = exam.get(module, {**_CHAIN, "page_token": str(token)})
    observed = "served without it" if asked.rows else asked.said
    return judged(asked.code == _MISMATCH, observed, asked.said)


unasked("9.22", "A token older than 24 hours is 400 EXPIRED_VALUE", "would take a day")
unasked(
    "9.23",
    "A token chain past 100,000 rows is 400 PAGINATION_LIMIT_EXCEEDED",
    "would take 500 requests and a module of that size",
)
