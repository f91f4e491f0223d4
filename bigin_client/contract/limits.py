"""What only the sum of all replies shows: forms, headers, credits (9.6, 9.7, 9.60; 11.16)."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from bigin_client.contract.examination import Examination, first
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import Finding, NotCheckable, judged, statement, unasked
from bigin_client.credits import REMAINING_HEADER

_JSON: Final = "application/json;charset=utf-8"
#: Credits a day: Free, paid base, per licence, cap (bigin-api.md section 5, [bigin-doc v1]).
_FREE, _BASE, _LICENCE, _CAP = 5_000, 50_000, 250, 100_000


@statement("9.6", "Bodies are application/json;charset=UTF-8; 204 and 304 have none")
def content_types(exam: Examination) -> Finding:
    """Looks at every reply so far."""
    wrong = set()
    for asked in exam.probe.log:
        kind = str(asked.reply.headers.get("Content-Type", "")).replace(" ", "").lower()
        if asked.reply.is_empty and asked.reply.body:
            wrong.add(f"{asked.status} with a body")
        if asked.status == 200 and kind != _JSON:
            wrong.add(kind or "no content type")
    return judged(not wrong, ", ".join(sorted(wrong)), f"{len(exam.probe.log)} replies")


@statement("9.7a", "No reply carries a rate-limit header")
def rate_headers(exam: Examination) -> Finding:
    """Looks at every reply so far."""
    found = {
        name
        for asked in exam.probe.log
        for name in asked.reply.headers
        if "ratelimit" in name.lower().replace("-", "") or name.lower() == "retry-after"
    }
    return judged(not found, ", ".join(sorted(found)), f"{len(exam.probe.log)} replies")


@statement("9.7b", f"{REMAINING_HEADER} appears only once more than half of the credits are used")
def credits_header(exam: Examination) -> Finding:
    """Looks at every reply so far, and at the edition."""
    left = [n for asked in exam.probe.log if (n := _left(asked)) is not None]
    if not left:
        raise NotCheckable("no reply carries it: fewer than half are used, or it never comes")
    budget = _budget(exam)
    said = f"{left[-1]} left of {budget} a day"
    return judged(left[0] * 2 <= budget, f"early: {said}", said)


@statement("11.16", "A refused call costs no credits")
def refused_calls(exam: Examination) -> Finding:
    """Compares the remainder before and after refused calls, where replies tell it."""
    log = exam.probe.log
    spent = [
        before - after
        for earlier, asked in pairwise(log)
        if (before := _left(earlier)) is not None
        and (after := _left(asked)) is not None
        and asked.code is not None
        and asked.number == earlier.number + 1
    ]
    if not spent:
        raise NotCheckable("no reply tells how many credits are left")
    if len(set(spent)) > 1:
        raise NotCheckable("other programs are using the account's credits")
    return judged(spent[0] == 0, f"{spent[0]} each", f"{len(spent)} refused calls")


def _left(asked: Exchange) -> int | None:
    text = str(asked.reply.headers.get(REMAINING_HEADER, ""))
    return int(text) if text.isdecimal() else None


def _budget(exam: Examination) -> int:
    asked = exam.get("org")
    licence = first(asked.reply.object().get("org") or [], asked.said).get("license_details")
    if not isinstance(licence, dict):
        raise NotCheckable("org tells no edition")
    edition = str(licence.get("trial_type") or licence.get("paid_type") or "free")
    if edition == "free":
        return _FREE
    users = str(licence.get("users_license_purchased"))
    return min(_CAP, _BASE + _LICENCE * (int(users) if users.isdecimal() else 1))


unasked(
    "9.60a",
    "More than 10 requests in a second are 429 in a shape of Maton's, without Retry-After",
    "would disturb every other program that uses the key",
)
unasked(
    "9.60b",
    "Too many simultaneous calls, and used up credits, are 429 TOO_MANY_REQUESTS",
    "would disturb every other program that uses the account",
)
unasked(
    "9.62", "Bodies that are no JSON, time-outs and other faults occur", "cannot be called forth"
)
unasked(
    "10.15",
    "A formula's change, a merge and a restore do not move Modified_Time",
    "no API changes a formula, merges or restores",
)
