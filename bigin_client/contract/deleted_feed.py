"""The deleted feed as it is (bigin-api.md 3.4; 9.59; 11.14; question 10.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from bigin_client import timestamps
from bigin_client.contract.examination import SAMPLED, Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import Finding, NotCheckable, judged, refuted, statement
from bigin_client.metadata import WITH_DELETED_FEED
from bigin_client.paging import PAGE_SIZE

_ALL: Final[dict[str, Any]] = {"type": "all", "page": 1, "per_page": PAGE_SIZE}
#: Whole days, a day's leeway: when on the last day the service works is not known.
_RECYCLE_DAYS: Final = 61
_LISTED_DAYS: Final = 121
_ROW_KEYS: Final = {"id", "display_name", "type", "deleted_time", "deleted_by", "created_by"}


def _feeds(exam: Examination) -> list[tuple[str, Exchange]]:
    """Return the feeds that hold something: modules with records first, at most three asked."""
    found = []
    for module in [m for m in SAMPLED if m in WITH_DELETED_FEED and m in exam.modules()][:3]:
        asked = exam.get(f"{module}/deleted", _ALL)
        if asked.rows:
            found.append((module, asked))
    return found


def _fullest(exam: Examination, least: int = 1) -> tuple[str, Exchange]:
    feeds = _feeds(exam)
    best = max(feeds, key=lambda f: len(f[1].rows), default=None)
    if best is None or len(best[1].rows) < least:
        raise NotCheckable(f"no deleted feed that was asked for holds {least} rows or more")
    return best


@statement("9.59a", "Rows of the deleted feed have the documented keys")
def feed_rows(exam: Examination) -> Finding:
    """Up to three requests, which other checks share."""
    _, asked = _fullest(exam)
    missing = sorted({k for r in asked.rows for k in _ROW_KEYS - r.keys()})
    return judged(not missing, f"without {', '.join(missing)}", f"{asked.said}, {len(asked.rows)}")


@statement("9.59b", "Notes have no deleted feed: 400 INVALID_MODULE")
def notes_feed(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get("Notes/deleted", {"type": "all"})
    observed = "served" if asked.status < 400 else asked.said
    return judged(asked.refused(400, "INVALID_MODULE"), observed, asked.said)


@statement("9.59c", "type=recycle and type=permanent filter the feed")
def feed_types(exam: Examination) -> Finding:
    """Two requests."""
    module, whole = _fullest(exam)
    wrong, said = [], []
    for kind in ("recycle", "permanent"):
        asked = exam.get(f"{module}/deleted", {**_ALL, "type": kind})
        said.append(asked.said)
        wanted = {r["id"] for r in whole.rows if r.get("type") == kind}
        if any(r.get("type") != kind for r in asked.rows):
            wrong.append(f"{kind}: rows of another type")
        elif not whole.info.get("more_records") and {r["id"] for r in asked.rows} != wanted:
            wrong.append(f"{kind}: not the rows that `all` shows")
    return judged(not wrong, "; ".join(wrong), *said)


@statement("9.59d", "An empty deleted feed, or a page past its end, is 204")
def feed_end(exam: Examination) -> Finding:
    """One request, the second page of a feed of one page."""
    module = "Contacts"
    first_page = exam.get(f"{module}/deleted", _ALL)
    if first_page.info.get("more_records"):
        raise NotCheckable("the feed of Contacts has more than a page")
    asked = first_page
    if first_page.rows:
        asked = exam.get(f"{module}/deleted", {**_ALL, "page": 2})
    return judged(asked.status == 204, asked.said, asked.said)


@statement("9.59e", "After 60 days a deletion is permanent; it stays listed for 60 more")
def feed_ageing(exam: Examination) -> Finding:
    """Same replies as 9.59a; needs a deletion of more than two months ago."""
    seen, wrong = 0, set()
    for _, asked in _feeds(exam):
        now = asked.reply.date or asked.reply.asked_at
        for row in asked.rows:
            days = (now - timestamps.parse(row["deleted_time"])).days
            if days > _RECYCLE_DAYS:
                seen += 1
                if row.get("type") != "permanent":
                    wrong.add(f"{row.get('type')} after {days} days")
                if days > _LISTED_DAYS:
                    wrong.add(f"listed after {days} days")
    if not seen:
        raise NotCheckable(f"no deletion of more than {_RECYCLE_DAYS} days ago is listed")
    return judged(not wrong, ", ".join(sorted(wrong)), f"{seen} old deletions")


@statement("11.14a", "The deleted feed comes newest first")
def feed_order(exam: Examination) -> Finding:
    """Same replies as 9.59a."""
    for _, asked in _feeds(exam):
        times = [timestamps.parse(r["deleted_time"]) for r in asked.rows]
        if len(set(times)) > 1:
            return _ordered(times == sorted(times, reverse=True), times == sorted(times), asked)
    raise NotCheckable("no feed holds deletions of two different seconds")


def _ordered(newest_first: bool, oldest_first: bool, asked: Exchange) -> Finding:  # noqa: FBT001
    return judged(newest_first, "oldest first" if oldest_first else "no order by time", asked.said)


@statement("11.14b", "Page numbers of the deleted feed reach 2,000 rows: more is refused")
def feed_depth(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get("Contacts/deleted", {**_ALL, "page": 11})
    observed = "served" if asked.status < 400 else asked.said
    return judged(asked.status == 400, observed, asked.said)


@statement("11.14c", "The deleted feed honours If-Modified-Since")
def feed_since(exam: Examination) -> Finding:
    """One request: the deletions after the newest one."""
    feeds = _feeds(exam)
    if not feeds:
        raise NotCheckable("no deleted feed that was asked for holds anything")
    module, whole = feeds[0]
    times = [timestamps.parse(r["deleted_time"]) for r in whole.rows]
    after = timestamps.to_text(max(times) + timedelta(seconds=1))
    asked = exam.get(f"{module}/deleted", _ALL, headers={"If-Modified-Since": after})
    old = [r for r in asked.rows if timestamps.parse(r["deleted_time"]) <= max(times)]
    if old:
        return refuted("ignored: older deletions came", asked.said)
    return judged(asked.status in {200, 204, 304}, asked.said, asked.said)
