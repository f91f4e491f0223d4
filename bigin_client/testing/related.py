"""Related records: list, link, unlink (bigin-api.md 3.8; 9.31 to 9.33)."""

from __future__ import annotations

from typing import Any

from bigin_client.testing.call import Call
from bigin_client.testing.listing import asked_fields, checked_id
from bigin_client.testing.paging import View, answer, position
from bigin_client.testing.reading import PARENT
from bigin_client.testing.refusals import Refusal, RowRefusal
from bigin_client.testing.table import Ordering, Record
from bigin_client.testing.wire import Response
from bigin_client.testing.writing import MAX_ROWS


def related_records(call: Call) -> Response:
    """``GET {Module}/{id}/{RelatedList}``: as a list, without sort keys; 204 when empty."""
    id, word = call.parts
    target, field = _list(call, word)
    parent(call, id)
    return listed(call, target, children(call, id, word, target, field))


def notes_or_attachments(call: Call, target: str) -> Response:
    """``GET {Module}/{id}/Notes`` and ``.../Attachments``."""
    id = call.parts[0]
    parent(call, id)
    return listed(call, target, children(call, id, target, target, "Parent_Id"))


def listed(call: Call, target: str, records: list[Record]) -> Response:
    """A page of records of another module."""
    where = position(call)
    fields = asked_fields(call, target)
    pairs = Ordering((0, record.id) for record in records).pairs
    view = View(pairs, 0, len(pairs), descending=True)
    by_id = {record.id: record for record in records}
    plan = call.store.plan(target, fields)
    return answer(call, view, by_id, plan, where, None) or Response.empty()


def parent(call: Call, id: str) -> Record:
    """The record in the path.

    Raises:
        Refusal: INVALID_DATA when there is none (family).
    """
    checked_id(call, id)
    record = call.store.tables[call.module].live.get(id)
    if record is None:
        details = {"resource_path_index": 1}
        raise Refusal("INVALID_DATA", details, "the id given seems to be invalid")
    return record


def _list(call: Call, word: str) -> tuple[str, str]:
    found = call.store.modules[call.module].related.get(word)
    if found is None:
        raise Refusal("INVALID_URL_PATTERN")
    return found


def children(call: Call, id: str, word: str, target: str, field: str) -> list[Record]:
    """Live records of a related list."""
    table = call.store.tables[target]
    if not field:
        linked = call.store.links.get((call.module, id, word), {})
        return [table.live[other] for other in linked if other in table.live]
    definition = call.store.fields(target).get(field)
    if definition is None or definition.data_type == "multi_module_lookup":
        wanted = (call.module, id)
        return [item for item in table.live.values() if item.values.get(PARENT) == wanted]
    return [item for item in table.live.values() if item.values.get(field) == id]


def link(call: Call) -> Response:
    """``PUT .../{RelatedList}/{rid}`` and in bulk; again is "relation updated" (9.32)."""
    others = _linkable(call)
    body = call.request.json()
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "data", "json_path": "$.data"})
    if others is None:
        others = [str(row.get("id")) if isinstance(row, dict) else "" for row in rows]
    return _each(call, others, _link)


def unlink(call: Call) -> Response:
    """``DELETE .../{RelatedList}?ids=`` and ``.../{rid}``: "relation removed" ([crm°])."""
    others = _linkable(call)
    if others is None:
        text = call.query.get("ids")
        if not text:
            raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "ids"})
        others = text.split(",")
    return _each(call, others, _unlink)


def _linkable(call: Call) -> list[str] | None:
    """The related id in the path, or None; only lists that rest on links can be linked."""
    id, word = call.parts[:2]
    _, field = _list(call, word)
    if field:
        raise Refusal("NOT_SUPPORTED", {"resource_path_index": 2})
    parent(call, id)
    return [call.parts[2]] if len(call.parts) > 2 else None


def _each(call: Call, others: list[str], work: Any) -> Response:
    if len(others) > MAX_ROWS:
        raise Refusal(call.switches.too_many_rows_code, {"api_name": "data", "limit": MAX_ROWS})
    call.body_rows = len(others)
    results = [_row(call, other, work) for other in others]
    failed = sum(result["status"] == "error" for result in results)
    status = 200
    if failed:
        status = call.switches.mixed_status
        if failed == len(results) == 1:
            status = call.switches.single_failure_status
    return Response.json(status, {"data": results}, rows=len(results))


def _row(call: Call, other: str, work: Any) -> dict[str, Any]:
    try:
        message = work(call, other)
    except RowRefusal as refusal:
        return refusal.body()
    return {
        "code": "SUCCESS",
        "details": {"id": other},
        "message": message,
        "status": "success",
    }


def _ends(call: Call, other: str) -> list[tuple[tuple[str, str, str], str]]:
    """Both ends of a link: the key of its list, and the id in it."""
    id, word = call.parts[:2]
    target, _ = call.store.modules[call.module].related[word]
    if other not in call.store.tables[target].live:
        raise RowRefusal("INVALID_DATA", {"id": other}, "the id given seems to be invalid")
    ends = [((call.module, id, word), other)]
    back = call.store.modules[target].related.get(call.module)
    if back == (call.module, ""):
        ends.append(((target, other, call.module), id))
    return ends


def _link(call: Call, other: str) -> str:
    now, links = call.store.clock.seconds(), call.store.links
    ends = _ends(call, other)
    again = other in links.get(ends[0][0], {})
    for key, id in ends:
        links.setdefault(key, {})[id] = now
    # Linking a product moved Last_Activity_Time, not Modified_Time [rec].
    table = call.store.tables[call.module]
    record = table.live[call.parts[0]]
    table.put(record.changed(activity=now), call.store.clock.timestamp())
    return "relation updated" if again else "relation added"


def _unlink(call: Call, other: str) -> str:
    ends = _ends(call, other)
    if other not in call.store.links.get(ends[0][0], {}):
        raise RowRefusal("INVALID_DATA", {"id": other}, "the id given seems to be invalid")
    for key, id in ends:
        call.store.links.get(key, {}).pop(id, None)
    return "relation removed"
