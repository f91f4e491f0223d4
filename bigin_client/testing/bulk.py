"""Bulk read: ``/bigin/bulk/v2/read`` (bigin-api.md 3.11). Whether the gateway routes it is open."""

from __future__ import annotations

import csv
import io
import zipfile
from decimal import Decimal
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.criteria import Condition, Group, Test, compiled
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.wire import Response

#: Rows of one job ([bigin-doc]).
PER_PAGE: Final = 200_000
#: Downloads a minute ([bigin-doc]).
DOWNLOADS: Final = 10
COST: Final = 50
MAX_CRITERIA: Final = 25


def create(call: Call) -> Response:
    """``POST read``: a job, ADDED."""
    body = call.request.json()
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, dict):
        raise Refusal("MANDATORY_NOT_FOUND", {"api_name": "query", "json_path": "$.query"})
    if body.get("file_type", "csv") != "csv":
        # ICS exists for Events; its content is documented nowhere, so it is not simulated.
        raise Refusal("FEATURE_NOT_SUPPORTED", {"api_name": "file_type"})
    named = query.get("module")
    name = named.get("api_name") if isinstance(named, dict) else named
    # "Pipelines or Deals [?]": both.
    name = "Pipelines" if name == "Deals" else name
    module = call.store.modules.get(str(name))
    if module is None or not module.api_supported:
        raise Refusal("INVALID_MODULE", {"json_path": "$.query.module"})
    if not call.account.scopes.allows(module.api_name, "read"):
        raise Refusal("OAUTH_SCOPE_MISMATCH")
    call.module, call.cost = module.api_name, COST
    fields = query.get("fields") or []
    for item in fields:
        _checked_field(call, str(item))
    if query.get("criteria"):
        _test(call, query["criteria"])
    now = call.account.clock.timestamp()
    job: dict[str, Any] = {
        "id": call.store.ids.next(), "created": now, "query": query, "module": module.api_name,
        "fields": [str(item) for item in fields], "page": int(query.get("page", 1)),
        "downloads": [], "result": None,
    }  # fmt: skip
    call.account.bulk_jobs[job["id"]] = job
    details = {
        "id": job["id"],
        "operation": "read",
        "state": "ADDED",
        "created_by": call.store.user_ref(call.account.current_user.id, email=False),
        "created_time": call.store.zone.text(int(now)),
    }
    result = {
        "status": "success",
        "code": "ADDED_SUCCESSFULLY",
        "message": "Added successfully.",
        "details": details,
    }
    return Response.json(201, {"data": [result], "info": {}}, rows=1)


def _checked_field(call: Call, name: str) -> None:
    first, _, second = name.partition(".")
    field = call.store.fields(call.module).get(first)
    inner = not second or (
        field is not None
        and field.data_type == "lookup"
        and second in call.store.fields(field.lookup)
    )
    if first != "id" and (field is None or not inner):
        raise Refusal("INVALID_DATA", {"json_path": "$.query.fields", "api_name": name})


def _test(call: Call, criteria: Any) -> Test:
    tree, number = _tree(criteria)
    if number > MAX_CRITERIA:
        raise Refusal("LIMIT_EXCEEDED", {"limit": MAX_CRITERIA, "json_path": "$.query.criteria"})
    return compiled(call.store, call.module, tree)


def _tree(node: Any) -> tuple[Condition | Group, int]:
    if not isinstance(node, dict):
        raise Refusal("INVALID_DATA", {"json_path": "$.query.criteria"})
    if "group" in node:
        inner = [_tree(member) for member in node["group"]]
        operator = str(node.get("group_operator", "and")).lower()
        return Group(operator, [tree for tree, _ in inner]), sum(count for _, count in inner)
    field = node.get("api_name") or (node.get("field") or {}).get("api_name")
    value = node.get("value")
    values = [str(item) for item in value] if isinstance(value, list) else [_text(value)]
    operator = {"equal": "equals"}.get(str(node.get("comparator")), str(node.get("comparator")))
    return Condition(str(field), operator, values), 1


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _job(call: Call) -> dict[str, Any]:
    job = call.account.bulk_jobs.get(call.parts[0])
    if job is None:
        raise Refusal("INVALID_DATA", {"id": call.parts[0]}, "the id given seems to be invalid")
    call.module = job["module"]
    return job


def _state(call: Call, job: dict[str, Any]) -> str:
    age = call.account.clock.timestamp() - job["created"]
    wait = call.switches.bulk_seconds
    if age < wait / 2:
        return "ADDED"
    return "IN PROGRESS" if age < wait else "COMPLETED"


def _result(call: Call, job: dict[str, Any]) -> tuple[list[Any], bool]:
    """Records of a completed job, taken down when it is first seen complete."""
    if job["result"] is None:
        table = call.store.tables[call.module]
        criteria = job["query"].get("criteria")
        test = _test(call, criteria) if criteria else None
        chosen = [item for item in table.live.values() if test is None or test(item)]
        start = (job["page"] - 1) * PER_PAGE
        page = chosen[start : start + PER_PAGE]
        job["result"] = (page, start + len(page) < len(chosen))
    found: tuple[list[Any], bool] = job["result"]
    return found


def status(call: Call) -> Response:
    """``GET read/{job}``: ADDED → IN PROGRESS → COMPLETED, by the clock."""
    job = _job(call)
    state = _state(call, job)
    shown: dict[str, Any] = {
        "id": job["id"],
        "operation": "read",
        "state": state,
        "query": {**job["query"], "page": job["page"]},
        "created_by": call.store.user_ref(call.account.current_user.id, email=False),
        "created_time": call.store.zone.text(int(job["created"])),
        "file_type": "csv",
    }
    if state == "COMPLETED":
        rows, more = _result(call, job)
        shown["result"] = {
            "page": job["page"],
            "count": len(rows),
            "download_url": f"/bigin/bulk/v2/read/{job['id']}/result",
            "per_page": PER_PAGE,
            "more_records": more,
        }
    return Response.json(200, {"data": [shown]}, rows=1)


def result(call: Call) -> Response:
    """``GET read/{job}/result``: a zip with one CSV."""
    job = _job(call)
    now = call.account.clock.timestamp()
    recent = [at for other in call.account.bulk_jobs.values()
              for at in other["downloads"] if at > now - 60]  # fmt: skip
    if len(recent) >= DOWNLOADS:
        raise Refusal("TOO_MANY_REQUESTS", {"limit": DOWNLOADS})
    if _state(call, job) != "COMPLETED" or now - job["created"] > 86_400:
        raise Refusal("INVALID_DATA", {"id": job["id"]}, "the result is not available")
    job["downloads"].append(now)
    rows, _ = _result(call, job)
    names = job["fields"] or list(call.store.fields(call.module))
    names = ["id", *[name for name in names if name != "id"]]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    plan = call.store.plan(call.module, [name for name in names if "." not in name])
    for record in rows:
        row = plan.row(record)
        writer.writerow([_cell(call, row, record, name) for name in names])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{job['id']}.csv", text.getvalue())
    headers = {"Content-Disposition": f"attachment; filename={job['id']}.zip"}
    return Response(200, packed.getvalue(), "application/zip", headers, rows=len(rows))


def _cell(call: Call, row: dict[str, Any], record: Any, name: str) -> str:
    first, _, second = name.partition(".")
    if second:
        field = call.store.fields(call.module)[first]
        target = call.store.tables[field.lookup].live.get(record.values.get(first))
        value = call.store.plan(field.lookup, [second]).row(target)[second] if target else None
    else:
        value = row.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, (list, tuple)):
        parts = (item.get("name") or item.get("id") if isinstance(item, dict) else item
                 for item in value)  # fmt: skip
        return ";".join(_text(part) for part in parts)
    if isinstance(value, Decimal):
        return format(value, "f")
    return _text(value)
