"""Insert, update, upsert and delete (bigin-api.md 3.3; section 9, 34 to 54)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.credits import write_cost
from bigin_client.testing.listing import checked_id
from bigin_client.testing.reading import PARENT
from bigin_client.testing.refusals import Refusal, RowRefusal
from bigin_client.testing.table import Record, fold
from bigin_client.testing.values import Checker
from bigin_client.testing.wire import Response

#: Rows of one write, ids of one delete (9.37, 9.47).
MAX_ROWS: Final = 100

#: One row's work: its reply.
RowWork = Callable[[Any, int], dict[str, Any]]


def insert_records(call: Call) -> Response:
    """``POST {Module}``."""
    rows = _rows(call)
    checker = Checker(call)
    results = _each(call, rows, lambda row, at: _insert(call, checker, row, at))
    return _reply(call, results, 201)


def update_records(call: Call) -> Response:
    """``PUT {Module}`` and ``PUT {Module}/{id}``."""
    single = call.parts[0] if call.parts else None
    rows = _rows(call)
    if single is not None:
        if len(rows) != 1:
            raise Refusal(call.switches.too_many_rows_code, {"limit": 1})
        checked_id(call, single)
        rows = [{**row, "id": single} if isinstance(row, dict) else row for row in rows]
        unknown = single not in call.store.tables[call.module].live
        if unknown and call.switches.unknown_id_update == "top":
            raise Refusal("INVALID_DATA", {"id": single}, "the id given seems to be invalid")
    checker = Checker(call)
    touch = call.switches.noop_update_touches
    since = _unmodified_since(call)

    def work(row: Any, at: int) -> dict[str, Any]:
        id = row.get("id") if isinstance(row, dict) else None
        if id is None:
            raise RowRefusal(
                "MANDATORY_NOT_FOUND", {"api_name": "id", "json_path": f"$.data[{at}].id"}
            )
        record = call.store.tables[call.module].live.get(id) if isinstance(id, str) else None
        if record is None:
            raise RowRefusal("INVALID_DATA", {"id": id}, "the id given seems to be invalid")
        if since is not None and record.modified > since:
            # The family's word for the body is unknown; 412 and a body of the service's shape.
            raise Refusal("NOT_MODIFIED_CONFLICT", {"id": id}, status=412)
        return _update(call, checker, record, row, at, touch=touch)

    return _reply(call, _each(call, rows, work), 200)


def upsert_records(call: Call) -> Response:
    """``POST {Module}/upsert``."""
    rows = _rows(call)
    checks = _check_fields(call)
    checker = Checker(call)
    seen: set[tuple[str, str]] = set()

    def work(row: Any, at: int) -> dict[str, Any]:
        record, matched = _match(call, row, checks, seen, at)
        if record is None:
            result = _insert(call, checker, row, at)
            return {**result, "action": "insert", "duplicate_field": None}
        touch = call.switches.noop_upsert_touches
        result = _update(call, checker, record, row, at, touch=touch)
        return {**result, "action": "update", "duplicate_field": matched}

    results = _each(call, rows, work)
    actions = {result.get("action") for result in results if result["status"] == "success"}
    if actions == {"insert"}:
        good = call.switches.upsert_insert_status
    elif actions == {"update"}:
        good = 200
    else:
        good = call.switches.upsert_mixed_status
    return _reply(call, results, good)


def delete_records(call: Call) -> Response:
    """``DELETE {Module}?ids=`` and ``DELETE {Module}/{id}``."""
    if call.parts:
        ids = [call.parts[0]]
        checked_id(call, ids[0])
    else:
        text = call.query.get("ids")
        if not text:
            raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "ids"})
        ids = text.split(",")
    if len(ids) > MAX_ROWS:
        raise Refusal("LIMIT_EXCEEDED", {"param_name": "ids", "limit": MAX_ROWS})
    if call.query.get("wf_trigger", "true") not in ("true", "false"):
        raise Refusal("INVALID_DATA", {"param_name": "wf_trigger"})
    call.body_rows = len(ids)
    store = call.store

    def work(id: Any, at: int) -> dict[str, Any]:
        if id not in store.tables[call.module].live:
            raise RowRefusal("INVALID_DATA", {"id": id}, "the id given seems to be invalid")
        user = call.account.current_user.id
        store.remove(call.module, [id], store.clock.seconds(), user)
        return _success({"id": id}, "record deleted")

    return _reply(call, _each(call, ids, work), 200)


# --- rows -------------------------------------------------------------------------------------


def _rows(call: Call) -> list[Any]:
    body = call.request.json()
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "data", "json_path": "$.data"})
    if not rows:
        raise Refusal("INVALID_DATA", {"api_name": "data", "minimum_length": 1})
    call.body_rows = len(rows)
    if len(rows) > MAX_ROWS:
        raise Refusal(call.switches.too_many_rows_code, {"api_name": "data", "limit": MAX_ROWS})
    trigger = body.get("trigger")
    known = {"workflow", "approval", "blueprint"}
    if trigger is not None and not (isinstance(trigger, list) and set(trigger) <= known):
        raise Refusal("INVALID_DATA", {"api_name": "trigger", "expected_data_type": "jsonarray"})
    call.cost = write_cost(len(rows))
    spoilt = call.effects.refuse_batch
    if spoilt is not None:
        for position, row in enumerate(rows):
            if spoilt(row):
                raise Refusal("INVALID_DATA", {"json_path": f"$.data[{position}]"})
    return rows


def _each(call: Call, rows: list[Any], work: RowWork) -> list[dict[str, Any]]:
    """Do the rows one after the other; a refused one leaves the others alone (9.35)."""
    results = []
    for position, row in enumerate(rows):
        code = call.effects.row_errors.get(position)
        results.append(_row(work, row, position) if code is None else RowRefusal(code).body())
    return results


def _row(work: RowWork, row: Any, position: int) -> dict[str, Any]:
    try:
        return work(row, position)
    except RowRefusal as refusal:
        return refusal.body()


def _reply(call: Call, results: list[dict[str, Any]], good: int) -> Response:
    """The reply and its status (9.34 to 9.36, 11.7)."""
    failed = sum(result["status"] == "error" for result in results)
    if not failed:
        status = good
    elif failed < len(results):
        status = call.switches.mixed_status
    elif failed == 1:
        status = call.switches.single_failure_status
    else:
        status = call.switches.all_failed_status
    first = next((result["code"] for result in results if result["status"] == "error"), None)
    return Response.json(status, {"data": results}, rows=len(results), code=first)


def _success(details: dict[str, Any], message: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def write_details(call: Call, record: Record) -> dict[str, Any]:
    """The five keys of a write's details [rec]."""
    store = call.store
    return {
        "Modified_Time": store.zone.text(record.modified),
        "Modified_By": store.user_ref(record.modified_by, email=False),
        "Created_Time": store.zone.text(record.created),
        "id": record.id,
        "Created_By": store.user_ref(record.created_by, email=False),
    }


def _insert(call: Call, checker: Checker, row: Any, at: int) -> dict[str, Any]:
    values = checker.row(row, at, new=True)
    if call.switches.unique_on_insert:
        _unique(call, values, None, at)
    record = insert(call, values)
    return _success(write_details(call, record), "record added")


def insert(call: Call, values: dict[str, Any]) -> Record:
    """Store a new record of checked values, and its subform rows."""
    store, now = call.store, call.store.clock.seconds()
    user = call.account.current_user.id
    items = values.pop("Associated_Products", None)
    stored = {name: value for name, value in values.items() if value is not None}
    if "Owner" in store.fields(call.module):
        stored.setdefault("Owner", user)
    record = Record(store.ids.next(), stored, now, now, user, user, now)
    store.write(call.module, record, new=True)
    if items:
        _line_items(call, record.id, items)
    if PARENT in stored:
        _activity(call, stored[PARENT], now)
    return record


def _update(
    call: Call, checker: Checker, record: Record, row: Any, at: int, *, touch: bool
) -> dict[str, Any]:
    values = checker.row({**row, "id": record.id}, at, new=False)
    _unique(call, values, record.id, at)
    items = values.pop("Associated_Products", None)
    if items:
        _line_items(call, record.id, items)
    merged = {**record.values, **values}
    merged = {name: value for name, value in merged.items() if value is not None}
    now = call.store.clock.seconds()
    if touch or items or merged != record.values:
        user = call.account.current_user.id
        record = record.changed(merged, modified=now, modified_by=user, activity=now)
        call.store.write(call.module, record)
    return _success(write_details(call, record), "record updated")


def _unique(call: Call, values: dict[str, Any], own: str | None, at: int) -> None:
    """Refuse a value that another record holds; case does not count (9.40)."""
    table = call.store.tables[call.module]
    for field in call.store.modules[call.module].unique_fields:
        value = values.get(field)
        if value is None:
            continue
        holders = [id for id in table.find(field, value) if id != own]
        if not holders:
            continue
        holder = table.live[holders[0]]
        details: dict[str, Any] = {"api_name": field, "id": holder.id}
        if call.switches.duplicate_details == "duplicate_record":
            module = call.store.modules[call.module]
            details = {
                "api_name": field,
                "duplicate_record": {
                    "id": holder.id,
                    "Owner": call.store.user_ref(holder.values.get("Owner"), email=False),
                    "module": {"api_name": call.module, "id": module.id},
                },
                "json_path": f"$.data[{at}].{field}",
                "more_records": len(holders) > 1,
            }
        raise RowRefusal("DUPLICATE_DATA", details)


def _line_items(call: Call, deal: str, items: list[Any]) -> None:
    """Subform rows: with id updated, without added, missing kept, ``_delete`` removes (4)."""
    store, now, user = call.store, call.store.clock.seconds(), call.account.current_user.id
    table = store.tables["Associated_Products"]
    own = call.module
    call.module = "Associated_Products"
    try:
        checker = Checker(call)
        for at, item in enumerate(items):
            record = table.live.get(item.get("id", "")) if isinstance(item, dict) else None
            if record is not None and "_delete" in item:
                store.remove("Associated_Products", [record.id], now, user)
                continue
            values = checker.row(item, at, new=record is None)
            if record is None:
                values["Parent_Id"] = deal
                made = Record(store.ids.next(), values, now, now, user, user)
                store.write("Associated_Products", made, new=True)
            else:
                changed = record.changed({**record.values, **values}, modified=now)
                store.write("Associated_Products", changed)
    finally:
        call.module = own


def _activity(call: Call, parent: tuple[str, str], now: int) -> None:
    """A note or activity moves its parent's Last_Activity_Time, not its Modified_Time."""
    table = call.store.tables[parent[0]]
    record = table.live.get(parent[1])
    if record is not None:
        table.put(record.changed(activity=now), call.store.clock.timestamp())


def _unmodified_since(call: Call) -> int | None:
    text = call.request.headers.get("if-unmodified-since")
    if text is None or call.switches.if_unmodified_since == "ignored":
        return None
    return parse_datetime(text)


# --- upsert -----------------------------------------------------------------------------------


def _check_fields(call: Call) -> list[str]:
    """Fields of the duplicate check, in order (3.3; 11.8)."""
    module = call.store.modules[call.module]
    system = [module.match_field] if module.match_field else []
    body = call.request.json()
    given = body.get("duplicate_check_fields")
    if given is None or given == []:
        return system + [name for name in module.unique_fields if name not in system]
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Refusal(
            "INVALID_DATA",
            {"api_name": "duplicate_check_fields", "expected_data_type": "jsonarray"},
        )
    known = call.store.fields(call.module)
    for name in given:
        allowed = name in system or name in module.unique_fields
        if name in known and call.switches.upsert_check_field_not_unique == "accepted":
            allowed = True
        if not allowed:
            raise Refusal("INVALID_DATA", {"api_name": "duplicate_check_fields", "value": name})
    return given


def _match(
    call: Call, row: Any, checks: list[str], seen: set[tuple[str, str]], at: int
) -> tuple[Record | None, str | None]:
    """The record that an upsert row means, and the field that found it."""
    if not isinstance(row, dict):
        raise RowRefusal("INVALID_DATA", {"expected_data_type": "jsonobject"})
    table, switches = call.store.tables[call.module], call.switches
    if switches.upsert_id_in_row == "used" and isinstance(row.get("id"), str):
        record = table.live.get(row["id"])
        if record is None:
            raise RowRefusal("INVALID_DATA", {"id": row["id"]}, "the id given seems to be invalid")
        return record, "id"
    for field in checks:
        value = row.get(field)
        if isinstance(value, dict):
            value = value.get("id")
        folded = fold(value)
        if folded is None:
            continue
        if (field, folded) in seen and switches.upsert_same_key == "refused":
            raise RowRefusal(
                "DUPLICATE_DATA", {"api_name": field, "json_path": f"$.data[{at}].{field}"}
            )
        seen.add((field, folded))
        found = table.find(field, value)
        if len(found) > 1 and switches.upsert_several_matches == "error":
            details = {"api_name": field, "json_path": f"$.data[{at}].{field}"}
            raise RowRefusal("DUPLICATE_DATA", details)
        if found:
            return table.live[found[0]], field
    return None, None
