"""If-Modified-Since on lists (bigin-api.md 3.1; 9.25; 11.6; question 10.1)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from bigin_client import timestamps
from bigin_client.contract.examination import Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
)
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED

_PAGE: Final[dict[str, Any]] = {"fields": MODIFIED, "per_page": PAGE_SIZE}
_NEWEST: Final = {**_PAGE, "sort_by": MODIFIED, "sort_order": "desc"}
_SECOND: Final = timedelta(seconds=1)
#: Read as another place's own time, an instant written with these is in the future, or past.
_FAR_EAST: Final = timezone(timedelta(hours=14))
_FAR_WEST: Final = timezone(timedelta(hours=-12))


def _newest(exam: Examination) -> tuple[str, datetime]:
    """Return a module and its newest Modified_Time, such that older records exist."""
    module = exam.main(2)
    asked = exam.get(module, _NEWEST)
    times = [timestamps.parse(r[MODIFIED]) for r in asked.rows if r.get(MODIFIED)]
    if not times:
        raise NotCheckable(f"no Modified_Time: {asked.said}")
    if asked.info.get("more_records") and times != sorted(times, reverse=True):
        raise NotCheckable("the newest record cannot be found: the sort is not honoured")
    if min(times) >= max(times) - _SECOND:
        raise NotCheckable(f"all records of the page of {module} are of one second")
    return module, max(times)


def _since(
    exam: Examination,
    module: str,
    when: datetime,
    offset: timezone = timezone.utc,
    *,
    page: int = 1,
    fresh: bool = False,
) -> Exchange:
    text = when.astimezone(offset).isoformat(timespec="seconds")
    params = {**_PAGE, "page": page} if page > 1 else _PAGE
    return exam.get(module, params, headers={"If-Modified-Since": text}, fresh=fresh)


def _zone(exam: Examination, module: str) -> tzinfo | None:
    """Return the offset in which the account writes its times."""
    text = str(exam.rows(module)[0][MODIFIED]).replace("Z", "+00:00")
    return datetime.fromisoformat(text).tzinfo


def _times(asked: Exchange) -> list[datetime]:
    return [timestamps.parse(r[MODIFIED]) for r in asked.rows if r.get(MODIFIED)]


@statement("9.25a", "Lists honour If-Modified-Since, whatever the offset of the time in it")
def header_honoured(exam: Examination) -> Finding:
    """Three requests: the newest records, and those since a second before, in two offsets.

    Where nothing comes, a fourth asks since the year 2000, and a fifth whether the newest
    record is still the same.
    """
    module, newest = _newest(exam)
    edge = newest - _SECOND
    plain = _since(exam, module, edge)
    if newest.astimezone(_zone(exam, module)).utcoffset() == _FAR_EAST.utcoffset(None):
        # There the far east is at home: whoever misreads the far west goes back in time.
        western = _since(exam, module, newest + _SECOND, _FAR_WEST)
        if plain.rows and newest in _times(western):
            return refuted("the offset is misread", plain.said, f"{western.said}, offset -12:00")
    eastern = _since(exam, module, edge, _FAR_EAST)
    said = (plain.said, f"{eastern.said}, offset +14:00")
    if any(t <= edge for t in _times(plain)):
        return refuted("ignored: older records came", *said)
    found = newest in _times(plain), newest in _times(eastern)
    if not all(found) and newest not in _times(exam.get(module, _NEWEST, fresh=True)):
        raise NotCheckable("the newest record is another one by now")
    if not any(found):
        ancient = _since(exam, module, datetime(2000, 1, 1, tzinfo=timezone.utc))
        what = "the time is misread" if ancient.rows else f"always {ancient.status}"
        return refuted(f"{what}: the newest record did not come", *said, ancient.said)
    if not all(found) or any(t <= edge for t in _times(eastern)):
        return refuted("the offset is misread", *said)
    return confirmed(*said)


@statement("9.25b", "Rows modified exactly at the header's time do not come", depends=("9.25a",))
def header_bound(exam: Examination) -> Finding:
    """One request."""
    module, newest = _newest(exam)
    asked = _since(exam, module, newest)
    return judged(newest not in _times(asked), "they do (>=)", asked.said)


@statement("9.25c", "Nothing modified since is 304 without a body", depends=("9.25a",))
def nothing_modified(exam: Examination) -> Finding:
    """One request."""
    module, newest = _newest(exam)
    asked = _since(exam, module, newest + _SECOND)
    if asked.rows:
        raise NotCheckable("the account is changing at the moment")
    holds = asked.status == 304 and not asked.reply.body
    return judged(holds, asked.said, asked.said)


@statement("11.6a", "A page past the end of such a list is 204", depends=("9.25a",))
def header_past_the_end(exam: Examination) -> Finding:
    """One request: the second page of 9.25a's list."""
    module, newest = _newest(exam)
    edge = newest - _SECOND
    if _since(exam, module, edge).info.get("more_records"):
        raise NotCheckable("the newest second holds more than a page")
    asked = _since(exam, module, edge, page=2)
    if asked.status == 304 and not _since(exam, module, edge, fresh=True).rows:
        raise NotCheckable("the newest records are gone by now")
    return judged(asked.status == 204, asked.said, asked.said)


@statement("11.6b", "A malformed If-Modified-Since is 400", depends=("9.25a",))
def malformed_header(exam: Examination) -> Finding:
    """One request."""
    module, _ = _newest(exam)
    asked = exam.get(module, _PAGE, headers={"If-Modified-Since": "bigin-contract"})
    return judged(asked.status == 400, asked.said, asked.said)
