"""``GET {Module}/deleted`` (bigin-api.md 3.4; 9.59, 11.14)."""

from __future__ import annotations

from bigin_client.testing.call import Call
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.paging import HEADER, numbered, page_size
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
    per_page = page_size(call)
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
    return numbered(found, page, per_page, lambda gone: store.deleted_row(call.module, gone))


def _since(call: Call) -> int | None:
    text = call.request.headers.get(HEADER)
    if text is None or call.switches.deleted_modified_since == "ignored":
        return None
    since = parse_datetime(text)
    if since is None and call.switches.modified_since_bad_value == "refused":
        raise Refusal("INVALID_DATA", {"param_name": "If-Modified-Since"})
    return since
