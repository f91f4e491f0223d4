"""Bigin itself: checks that every call passes, then the rule of its operation."""

from __future__ import annotations

from typing import Final

from bigin_client.testing import (
    attachments,
    bulk,
    coql,
    deleted,
    listing,
    metadata,
    notes,
    related,
    search,
    tags,
    writing,
)
from bigin_client.testing.call import Call, Handler
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.routing import BULK, Route
from bigin_client.testing.wire import Response

HANDLERS: Final[dict[str, Handler]] = {
    "modules": metadata.modules,
    "module": metadata.module,
    "fields": metadata.fields,
    "layouts": metadata.layouts,
    "layout": metadata.layout,
    "custom_views": metadata.custom_views,
    "related_lists": metadata.related_lists,
    "roles": metadata.roles,
    "profiles": metadata.profiles,
    "users": metadata.users,
    "org": metadata.org,
    "list": listing.list_records,
    "get": listing.get_record,
    "insert": writing.insert_records,
    "update": writing.update_records,
    "upsert": writing.upsert_records,
    "delete": writing.delete_records,
    "deleted": deleted.deleted_records,
    "search": search.search_records,
    "count": search.count_records,
    "coql": coql.query_records,
    "related": related.related_records,
    "link": related.link,
    "unlink": related.unlink,
    "notes": notes.notes_of,
    "insert_notes": notes.insert_notes,
    "update_note": notes.update_note,
    "delete_note": notes.delete_note,
    "attachments": attachments.attachments_of,
    "upload_attachment": attachments.upload,
    "download_attachment": attachments.download,
    "delete_attachment": attachments.delete,
    "photo": attachments.photo,
    "upload_photo": attachments.upload_photo,
    "delete_photo": attachments.delete_photo,
    "tags": tags.tags,
    "create_tags": tags.create_tags,
    "update_tag": tags.update_tag,
    "delete_tag": tags.delete_tag,
    "tag_count": tags.tag_count,
    "add_tags": tags.add_tags,
    "remove_tags": tags.remove_tags,
    "bulk_create": bulk.create,
    "bulk_status": bulk.status,
    "bulk_result": bulk.result,
}


def serve(call: Call, route: Route) -> Response:
    """Answer a call.

    Raises:
        Refusal: The request is refused.
    """
    call.operation, call.module, call.parts = route.operation, route.module, route.parts
    account, switches = call.account, call.switches
    later = {}
    if switches.limit_retry_after is not None:
        later = {"Retry-After": str(switches.limit_retry_after)}
    if call.running > account.concurrency:
        raise Refusal("TOO_MANY_REQUESTS", {"concurrency": account.concurrency}, headers=later)
    below = switches.sub_concurrency
    if below is not None and call.demanding > below:
        raise Refusal("TOO_MANY_REQUESTS", {"sub_concurrency": below}, headers=later)
    if call.request.route.startswith(BULK) and not switches.bulk_routed:
        raise Refusal("INVALID_URL_PATTERN")
    if route.module:
        _check_module(call, route)
    _check_scopes(call, route)
    if account.credits.left <= 0:
        raise Refusal(switches.credits_exhausted_code, {}, status=429, headers=later)
    response = HANDLERS[route.operation](call)
    account.credits.spend(call.cost)
    return response


def _check_module(call: Call, route: Route) -> None:
    """Names of modules are case-sensitive; Social is listed but has no API (9.8, 9.9, 11.2)."""
    module = call.store.modules.get(route.module)
    if module is None or not module.api_supported:
        if call.switches.unknown_module == "INVALID_MODULE":
            raise Refusal("INVALID_MODULE", {"resource_path_index": 0})
        raise Refusal("INVALID_URL_PATTERN")
    able = {
        "insert": module.creatable,
        "update": module.editable,
        "upsert": module.creatable and module.editable,
        "delete": module.deletable,
    }
    if call.module == "Attachments":
        # Files come by upload to a record; a row of JSON makes none.
        able["insert"] = able["upsert"] = False
    if not able.get(route.operation, True):
        raise Refusal("INVALID_REQUEST_METHOD", status=call.switches.wrong_method_status)


def _check_scopes(call: Call, route: Route) -> None:
    """9.4, 9.5: one missing scope stops this path only."""
    for word, operation in route.scopes:
        if word == "securesearch" and not call.switches.search_needs_scope:
            continue
        if not call.account.scopes.allows(word, operation):
            raise Refusal("OAUTH_SCOPE_MISMATCH")
