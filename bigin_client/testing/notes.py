"""Notes of a record (bigin-api.md 3.9). ``Notes`` itself is a module like others."""

from __future__ import annotations

from typing import Any

from bigin_client.testing.call import Call
from bigin_client.testing.catalogue import module_word
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.related import notes_or_attachments, parent
from bigin_client.testing.wire import Request, Response, encode
from bigin_client.testing.writing import delete_records, insert_records, update_records


def notes_of(call: Call) -> Response:
    """``GET {Module}/{id}/Notes``."""
    return notes_or_attachments(call, "Notes")


def insert_notes(call: Call) -> Response:
    """``POST {Module}/{id}/Notes``: the parent is implied."""
    id = call.parts[0]
    parent(call, id)
    body = call.request.json()
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "data", "json_path": "$.data"})
    word = module_word(call.module)
    implied = {"Parent_Id": {"id": id}, "$se_module": word}
    body = {**body, "data": [{**row, **implied} if isinstance(row, dict) else row for row in rows]}
    return insert_records(_as_notes(call, (), body))


def update_note(call: Call) -> Response:
    """``PUT {Module}/{id}/Notes/{nid}``."""
    parent(call, call.parts[0])
    return update_records(_as_notes(call, (call.parts[1],), call.request.json()))


def delete_note(call: Call) -> Response:
    """``DELETE {Module}/{id}/Notes/{nid}``."""
    parent(call, call.parts[0])
    return delete_records(_as_notes(call, (call.parts[1],), None))


def _as_notes(call: Call, parts: tuple[str, ...], body: Any) -> Call:
    """The call that the same work on the module ``Notes`` would be."""
    given = call.request
    data = given.body if body is None else encode(body)
    request = Request(given.method, given.path, given.query, given.headers, data, given.route)
    call.request, call.module, call.parts = request, "Notes", parts
    return call
