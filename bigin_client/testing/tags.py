"""Tags: definitions, and tags of records (bigin-api.md 3.10, section 2)."""

from __future__ import annotations

from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.listing import checked_id
from bigin_client.testing.metadata import asked_module
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.wire import Response

#: Records that one call may tag, and records per credit ([bigin-doc v1]).
MAX_RECORDS: Final = 500
PER_CREDIT: Final = 50


def _describe(call: Call, tag: dict[str, Any]) -> dict[str, Any]:
    zone = call.store.zone
    by = call.store.user_ref(tag["by"], email=False)
    return {
        "created_time": zone.text(tag["created_time"]),
        "modified_time": zone.text(tag["modified_time"]),
        "color_code": tag["color_code"],
        "name": tag["name"],
        "modified_by": by,
        "id": tag["id"],
        "created_by": by,
    }


def tags(call: Call) -> Response:
    """``settings/tags?module=``; 204 when there is none."""
    known = call.store.tags.get(asked_module(call).api_name, {})
    if not known:
        return Response.empty()
    shown = [_describe(call, tag) for tag in known.values()]
    return Response.json(200, {"tags": shown}, rows=len(shown))


def create_tags(call: Call) -> Response:
    """``POST settings/tags?module=``."""
    module = asked_module(call).api_name
    results = []
    for given in _given(call):
        call.store.define_tag(module, given["name"])
        tag = call.store.tags[module][given["name"].casefold()]
        tag["color_code"] = given.get("color_code", tag["color_code"])
        results.append(_result(_describe(call, tag), "tags created successfully"))
    return Response.json(201, {"tags": results}, rows=len(results))


def _find(call: Call, module: str) -> tuple[str, dict[str, Any]]:
    for key, tag in call.store.tags.get(module, {}).items():
        if tag["id"] == call.parts[0]:
            return key, tag
    details = {"resource_path_index": 2}
    raise Refusal("INVALID_DATA", details, "the id given seems to be invalid")


def update_tag(call: Call) -> Response:
    """``PUT settings/tags/{id}?module=``: a tag's new name or colour shows in every record."""
    module = asked_module(call).api_name
    key, tag = _find(call, module)
    given = _given(call)[0]
    known = call.store.tags[module]
    del known[key]
    tag["name"] = given["name"]
    tag["color_code"] = given.get("color_code", tag["color_code"])
    tag["modified_time"] = call.store.clock.seconds()
    known[tag["name"].casefold()] = tag
    # Records keep tags by name: move them along, without touching Modified_Time.
    table = call.store.tables[module]
    for record in list(table.live.values()):
        names = record.values.get("Tag", ())
        if any(name.casefold() == key for name in names):
            moved = tuple(tag["name"] if name.casefold() == key else name for name in names)
            table.put(record.changed({**record.values, "Tag": moved}), call.store.clock.timestamp())
    call.store.generation += 1
    return Response.json(200, {"tags": [_result({"id": tag["id"]}, "tags updated successfully")]})


def delete_tag(call: Call) -> Response:
    """``DELETE settings/tags/{id}?module=``."""
    module = call.query.get("module") or next(
        (name for name, known in call.store.tags.items()
         if any(tag["id"] == call.parts[0] for tag in known.values())),
        "",
    )  # fmt: skip
    key, tag = _find(call, module)
    del call.store.tags[module][key]
    call.store.generation += 1
    return Response.json(200, {"tags": [_result({"id": tag["id"]}, "tags deleted successfully")]})


def tag_count(call: Call) -> Response:
    """``settings/tags/{id}/actions/records_count?module=``."""
    module = asked_module(call).api_name
    key, _ = _find(call, module)
    number = sum(
        1
        for record in call.store.tables[module].live.values()
        if any(name.casefold() == key for name in record.values.get("Tag", ()))
    )
    count: int | str = str(number) if call.switches.count_form == "text" else number
    return Response.json(200, {"count": count})


def add_tags(call: Call) -> Response:
    """``.../actions/add_tags`` for one record or many."""
    return _change(call, adding=True)


def remove_tags(call: Call) -> Response:
    """``.../actions/remove_tags``."""
    return _change(call, adding=False)


def _change(call: Call, *, adding: bool) -> Response:
    body = call.request.json() if call.request.body else {}
    names = [item for item in call.query.get("tag_names", "").split(",") if item]
    names = names or [item["name"] for item in _given(call)]
    if call.parts:
        checked_id(call, call.parts[0])
        ids = [call.parts[0]]
    else:
        listed = body.get("ids") if isinstance(body, dict) else None
        ids = listed or [item for item in call.query.get("ids", "").split(",") if item]
        if not ids:
            raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "ids"})
    if len(ids) > MAX_RECORDS:
        raise Refusal("LIMIT_EXCEEDED", {"param_name": "ids", "limit": MAX_RECORDS})
    call.body_rows = len(ids)
    call.cost = 1 if call.parts else -(-len(ids) // PER_CREDIT)
    replace = str(body.get("over_write", call.query.get("over_write", False))).lower() == "true"
    results = [_one(call, id, names, adding=adding, replace=replace) for id in ids]
    failed = sum(result["status"] == "error" for result in results)
    status = 200 if not failed else call.switches.mixed_status
    return Response.json(status, {"data": results}, rows=len(results))


def _one(call: Call, id: str, names: list[str], *, adding: bool, replace: bool) -> dict[str, Any]:
    store = call.store
    record = store.tables[call.module].live.get(id)
    if record is None:
        invalid = "the id given seems to be invalid"
        return Refusal("INVALID_DATA", {"id": id}, invalid).body()
    held: tuple[str, ...] = record.values.get("Tag", ())
    if adding:
        defined = [store.define_tag(call.module, name) for name in names]
        tags_now = tuple(dict.fromkeys([*(() if replace else held), *defined]))
    else:
        gone = {name.casefold() for name in names}
        tags_now = tuple(name for name in held if name.casefold() not in gone)
    now, user = store.clock.seconds(), call.account.current_user.id
    changed = record.changed({**record.values, "Tag": tags_now}, modified=now, modified_by=user)
    # That tagging moves Modified_Time is assumed.
    store.write(call.module, changed)
    return _result({"id": id, "tags": list(tags_now)}, "tags updated successfully")


def _given(call: Call) -> list[dict[str, Any]]:
    body = call.request.json() if call.request.body else None
    given = body.get("tags") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given:
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "tags", "json_path": "$.tags"})
    for number, item in enumerate(given):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise Refusal("INVALID_DATA", {"json_path": f"$.tags[{number}].name"})
    return given


def _result(details: dict[str, Any], message: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}
