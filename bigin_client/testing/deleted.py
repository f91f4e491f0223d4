"""``GET {Module}/deleted`` (bigin-api.md 3.4; 9.59, 11.14)."""

from __future__ import annotations

from bigin_client.testing.call import Call
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.paging import HEADER, PER_PAGE
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.wire import Response

_TYPES = ("all", "recycle", "permanent")


def deleted_records(call: Call) -> Response:
    """Deletions of a module, page by page; 204 when there is none."""
    switches, store = call.switches, call.store
    if not store.modules[call.module].deleted_feed:
        served = call.module == "Notes" and switches.deleted_notes == "served"
        if not served:
            raise Refusal("INVALID_MODULE", {"module": call.module})
    wanted = call.query.get("type", "all")
    if wanted not in _TYPES:
        raise Refusal("INVALID_DATA", {"param_name": "type"})
    per_page = call.number("per_page", PER_PAGE)
    if per_page > PER_PAGE:
        if switches.per_page_above_200 == "refused":
            raise Refusal("INVALID_DATA", {"param_name": "per_page", "maximum_length": PER_PAGE})
        per_page = PER_PAGE
    page = call.number("page", 1)
    limit = switches.deleted_page_limit
    if limit is not None and page * per_page > limit:
        raise Refusal("DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": limit})
    found = [
        gone
        for gone in store.listed_deletions(call.module)
        if wanted == "all" or store.kind(gone) == wanted
    ]
    since = _since(call)
    if since is not None:
        found = [gone for gone in found if gone.at > since]
        if not found:
            return Response.empty(switches.not_modified_status)
    if switches.deleted_order == "ascending":
        found.reverse()
    start = (page - 1) * per_page
    rows = [store.deleted_row(call.module, gone) for gone in found[start : start + per_page]]
    if not rows:
        return Response.empty()
    info = {
        "per_page": per_page,
        "count": len(rows),
        "page": page,
        "more_records": start + len(rows) < len(found),
    }
    return Response.json(200, {"data": rows, "info": info}, rows=len(rows))


def _since(call: Call) -> int | None:
    text = call.request.headers.get(HEADER)
    if text is None or call.switches.deleted_modified_since == "ignored":
        return None
    since = parse_datetime(text)
    if since is None and call.switches.modified_since_bad_value == "refused":
        raise Refusal("INVALID_DATA", {"param_name": "If-Modified-Since"})
    return since
