"""Lists: parameters, order, pages by number (bigin-api.md 3.1; 9.10 to 9.18, 9.24 to 9.29; 11)."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bigin_client import timestamps
from bigin_client.account import PIPELINES
from bigin_client.contract.examination import PARENT_WORDS, Examination, first
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    judged,
    refuted,
    statement,
    unasked,
)
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE
from bigin_client.records import MODIFIED

_INFO_KEYS: Final = {
    "per_page", "count", "page", "more_records", "next_page_token", "previous_page_token",
    "page_token_expiry", "sort_by", "sort_order",
}  # fmt: skip
_NO_FIELD: Final = "Bigin_Contract_No_Such_Field"
#: Rows that page numbers reach (9.17).
_BY_NUMBER: Final = 2_000


@statement("9.10", "A list without fields is 400 REQUIRED_PARAM_MISSING {param_name: fields}")
def fields_needed(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get("Contacts")
    named = asked.details.get("param_name")
    holds = asked.refused(400, "REQUIRED_PARAM_MISSING") and named == "fields"
    return judged(holds, f"{asked.said}, param_name {named}", asked.said)


@statement("9.13", "An unknown name in fields is ignored")
def unknown_name(exam: Examination) -> Finding:
    """One request of one record."""
    module = exam.main()
    asked = exam.get(module, {"fields": f"{MODIFIED},{_NO_FIELD}", "per_page": 1})
    if asked.status >= 400:
        return refuted(f"refused: {asked.code}", asked.said)
    if not asked.rows:
        raise NotCheckable(asked.said)
    return judged(_NO_FIELD not in asked.rows[0], "comes back as a key", asked.said)


def _fifty(exam: Examination) -> tuple[str, list[str]]:
    """Return a module and at least 51 names to ask it for, made up ones if need be."""
    best = max(
        (m for m in exam.readable()),
        key=lambda m: len(exam.fields(m)),
        default=None,
    )
    if best is None:
        raise NotCheckable("no module holds records")
    names = list(exam.fields(best))
    if len(names) <= MAX_FIELDS:
        if not exam.holds("9.13"):
            raise NotCheckable(
                f"no module has more than {MAX_FIELDS} fields, and unknown names are refused"
            )
        names += [f"{_NO_FIELD}_{n}" for n in range(MAX_FIELDS + 1 - len(names))]
    return best, names


@statement("9.11a", "50 names in fields are accepted")
def fifty_fields(exam: Examination) -> Finding:
    """One request of one record."""
    module, names = _fifty(exam)
    asked = exam.get(module, {"fields": ",".join(names[:MAX_FIELDS]), "per_page": 1})
    return judged(asked.status == 200, asked.said, asked.said)


@statement("9.11b", "51 names in fields are 400 LIMIT_EXCEEDED", depends=("9.11a",))
def too_many_fields(exam: Examination) -> Finding:
    """One request."""
    module, names = _fifty(exam)
    asked = exam.get(module, {"fields": ",".join(names[: MAX_FIELDS + 1]), "per_page": 1})
    observed = "accepted" if asked.status < 400 else asked.said
    return judged(asked.refused(400, "LIMIT_EXCEEDED"), observed, asked.said)


@statement("11.5", "An explicit id in fields counts towards the 50", depends=("9.11b",))
def id_counts(exam: Examination) -> Finding:
    """One request."""
    module, names = _fifty(exam)
    asked = exam.get(module, {"fields": ",".join(["id", *names[:MAX_FIELDS]]), "per_page": 1})
    observed = "does not count" if asked.status < 400 else asked.said
    return judged(asked.refused(400, "LIMIT_EXCEEDED"), observed, asked.said)


@statement("9.12a", "Rows hold exactly the fields asked for, and id")
def exact_fields(exam: Examination) -> Finding:
    """Looks at the first page of the fullest module."""
    module = exam.main()
    known, rows = set(exam.fields(module)), exam.rows(module)
    asked = (set(exam.names(module)) & known) | {"id"}
    missing = {k for r in rows for k in asked - r.keys()}
    surplus = {k for r in rows for k in r.keys() - asked if not k.startswith("$")}
    wrong = [f"without {k}" for k in sorted(missing)] + [f"with {k}" for k in sorted(surplus)]
    return judged(not wrong, ", ".join(wrong), f"{len(rows)} records of {module}")


@statement("9.12b", "Empty values come as null, an empty Tag as []")
def empty_values(exam: Examination) -> Finding:
    """Looks at the first pages."""
    tags = [r["Tag"] for m in exam.readable() for r in exam.rows(m) if "Tag" in r]
    empty = [t for t in tags if not t]
    texts = [v for m in exam.readable() for r in exam.rows(m) for v in r.values() if v == ""]
    if not empty:
        raise NotCheckable("no record without a tag was seen")
    wrong = [*(["a Tag is null"] if None in empty else []), *(['a value is ""'] if texts else [])]
    return judged(not wrong, ", ".join(wrong), f"{len(empty)} records without a tag")


@statement("9.15", "The default order is id descending, and info says so")
def default_order(exam: Examination) -> Finding:
    """Looks at the first page of the fullest module."""
    module = exam.main(2)
    asked = exam.sample(module)
    ids = [int(r["id"]) for r in asked.rows]
    echo = (asked.info.get("sort_by"), asked.info.get("sort_order"))
    wrong = []
    if ids != sorted(ids, reverse=True):
        wrong.append("rows in another order")
    if echo != ("id", "desc"):
        wrong.append(f"info says {echo[0]} {echo[1]}")
    return judged(not wrong, ", ".join(wrong), f"{asked.said}, {len(ids)} records")


@statement("9.16", "per_page above 200 is 400 INVALID_DATA")
def large_page(exam: Examination) -> Finding:
    """One request."""
    module = exam.main()
    asked = exam.get(module, {"fields": MODIFIED, "per_page": PAGE_SIZE + 1})
    if asked.status == 200:
        return refuted(f"served as {asked.info.get('per_page')}", asked.said)
    return judged(asked.refused(400, "INVALID_DATA"), asked.said, asked.said)


@statement("9.17", "page * per_page above 2,000 is 400 DISCRETE_PAGINATION_LIMIT_EXCEEDED")
def deep_page(exam: Examination) -> Finding:
    """One request."""
    page = _BY_NUMBER // PAGE_SIZE + 1
    asked = exam.get(exam.main(), {"fields": MODIFIED, "per_page": PAGE_SIZE, "page": page})
    limit = asked.details.get("limit")
    holds = asked.refused(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")
    return judged(holds, asked.said, f"{asked.said}, limit {limit}")


@statement("9.18", "info has the documented keys; its tokens are null on the last page")
def info_keys(exam: Examination) -> Finding:
    """Looks at first pages; one of them has to be the last."""
    asked = exam.sample(exam.main())
    missing = sorted(_INFO_KEYS - asked.info.keys())
    if missing:
        return refuted(f"without {', '.join(missing)}", asked.said)
    last: Exchange = first(
        (e for m in exam.readable() if not (e := exam.sample(m)).info.get("more_records")),
        "no first page is the last one",
    )
    token = last.info.get("next_page_token")
    return judged(token is None, "a token on the last page", last.said)


@statement("9.24", "An empty module, or a page past the end, is 204")
def past_the_end(exam: Examination) -> Finding:
    """One request; the smallest module's second page."""
    module = first(
        (m for m in exam.readable() if not exam.sample(m).info.get("more_records")),
        "every module holds more than a page",
    )
    asked = exam.get(module, {"fields": MODIFIED, "per_page": PAGE_SIZE, "page": 2})
    return judged(asked.status == 204, asked.said, asked.said)


@statement("10.2a", "sort_by=Modified_Time is honoured, and echoed in info")
def sort_honoured(exam: Examination) -> Finding:
    """One request; compares with the default order."""
    module = exam.main(2)
    times = [timestamps.parse(r[MODIFIED]) for r in exam.rows(module) if r.get(MODIFIED)]
    if len(set(times)) < 2 or times == sorted(times):
        raise NotCheckable(f"the default order of {module} is already by Modified_Time")
    asked = exam.get(
        module,
        {"fields": MODIFIED, "per_page": PAGE_SIZE, "sort_by": MODIFIED, "sort_order": "asc"},
    )
    if not asked.rows:
        return refuted(asked.said, asked.said)
    sent = [timestamps.parse(r[MODIFIED]) for r in asked.rows]
    echo = f"{asked.info.get('sort_by')} {asked.info.get('sort_order')}"
    if sent != sorted(sent):
        said = "but echoed" if echo == f"{MODIFIED} asc" else f"info says {echo}"
        return refuted(f"ignored, {said}", asked.said)
    return judged(echo == f"{MODIFIED} asc", f"honoured, but info says {echo}", asked.said)


@statement("11.3a", "sort_by other than id, Created_Time, Modified_Time is refused")
def other_sort(exam: Examination) -> Finding:
    """One request of one record."""
    module = exam.main()
    name = exam.field_of(
        module,
        lambda f: f.data_type == "text" and f.json_type == "string" and bool(f.raw.get("sortable")),
        "a sortable text",
    )
    params = {"fields": MODIFIED, "per_page": 1, "sort_by": name, "sort_order": "asc"}
    asked = exam.get(module, params)
    return judged(asked.status == 400, f"accepted ({asked.status})", asked.said)


@statement("11.3b", "sort_order without sort_by is refused")
def lone_sort_order(exam: Examination) -> Finding:
    """One request of one record."""
    asked = exam.get(exam.main(), {"fields": MODIFIED, "per_page": 1, "sort_order": "asc"})
    return judged(asked.status == 400, f"accepted ({asked.status})", asked.said)


@statement("9.27", "pipeline_id filters Pipelines by Team Pipeline")
def pipeline_filter(exam: Examination) -> Finding:
    """One request; needs records of two Team Pipelines."""
    seen = {_pipeline_of(r) for r in exam.rows(PIPELINES)} - {None}
    known = [str(item["id"]) for item in exam.layouts()]
    if len(seen) < 2:
        raise NotCheckable("the first page holds records of fewer than two Team Pipelines")
    wanted = first((i for i in known if i in seen), "no layout is a Team Pipeline of a record")
    params = {"fields": "Pipeline", "per_page": PAGE_SIZE, "pipeline_id": wanted}
    asked = exam.get(PIPELINES, params)
    if not asked.rows:
        return refuted(asked.said, asked.said)
    others = [r for r in asked.rows if _pipeline_of(r) != wanted]
    return judged(not others, f"{len(others)} records of others", asked.said)


def _pipeline_of(record: dict[str, object]) -> str | None:
    value = record.get("Pipeline")
    found = value.get("id") if isinstance(value, dict) else value
    return None if found is None else str(found)


@statement("9.28a", "cvid with sort_by is 400 AMBIGUITY_DURING_PROCESSING")
def view_with_sort(exam: Examination) -> Finding:
    """Two requests: the views, and the refused one."""
    module = exam.main()
    views = exam.get("settings/custom_views", {"module": module})
    found = views.reply.object().get("custom_views") or []
    view = first(found, f"{module} has no custom view: {views.said}")
    params = {
        "fields": MODIFIED,
        "per_page": 1,
        "cvid": str(view["id"]),
        "sort_by": MODIFIED,
        "sort_order": "asc",
    }
    asked = exam.get(module, params, cost=3)
    return judged(asked.refused(400, "AMBIGUITY_DURING_PROCESSING"), asked.said, asked.said)


unasked("9.28b", "A list with cvid costs 3 credits", "no reply says what a single call cost")


@statement("9.29", "approved=both is accepted")
def approved_both(exam: Examination) -> Finding:
    """One request of one record."""
    asked = exam.get(exam.main(), {"fields": MODIFIED, "per_page": 1, "approved": "both"})
    return judged(asked.status == 200, asked.said, asked.said)


@statement("11.18", "Lists return $se_module and $related_module only when asked")
def parent_words(exam: Examination) -> Finding:
    """One request of one record of an activity or note that has a parent."""
    for module in ("Tasks", "Events", "Calls", "Notes"):
        if module not in exam.readable():
            continue
        asked = exam.get(module, {"fields": MODIFIED, "per_page": 1})
        unasked_for = [w for r in asked.rows for w in PARENT_WORDS if w in r]
        if asked.rows:
            return judged(not unasked_for, f"{', '.join(unasked_for)} came unasked", asked.said)
    raise NotCheckable("no activity or note was seen")


@statement("section 3.7", "actions/count answers with a number")
def count_form(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get(f"{exam.main()}/actions/count")
    count = asked.reply.object().get("count")
    if asked.status != 200:
        return refuted(asked.said, asked.said)
    return judged(
        isinstance(count, int), "text" if isinstance(count, str) else str(type(count)), asked.said
    )


@statement("9.54", "All times have whole seconds and the organisation's offset")
def time_form(exam: Examination) -> Finding:
    """Looks at the first pages; the time zone is that of `org`."""
    zone = _time_zone(exam)
    seen, wrong = 0, set()
    for module in exam.readable():
        for record in exam.rows(module):
            for name in ("Created_Time", MODIFIED):
                text = record.get(name)
                if not isinstance(text, str):
                    continue
                seen += 1
                local = timestamps.parse(text).astimezone(zone).replace(microsecond=0)
                if local.isoformat() != text:
                    wrong.add(f"{module}.{name}")
    if not seen:
        raise NotCheckable("no time was seen")
    return judged(not wrong, f"another form in {', '.join(sorted(wrong))}", f"{seen} times")


def _time_zone(exam: Examination) -> ZoneInfo:
    asked = exam.get("org")
    company = first(asked.reply.object().get("org") or [], asked.said)
    try:
        return ZoneInfo(str(company.get("time_zone") or ""))
    except (ZoneInfoNotFoundError, ValueError):
        raise NotCheckable("org names no time zone that this machine knows") from None
