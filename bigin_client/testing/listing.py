"""``GET {Module}`` and ``GET {Module}/{id}`` (bigin-api.md 3.1, 3.2; section 9, 10 to 30)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.modules import CustomView
from bigin_client.testing.paging import HEADER, View, answer, position
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.table import Ordering, Pair, Record
from bigin_client.testing.wire import JSON_TYPE, Response

#: Names in ``fields`` (9.11).
MAX_FIELDS: Final = 50
#: Ids in ``ids`` (bigin-api.md 3.1, [crm°]).
MAX_IDS: Final = 100
#: sort_by that is always allowed ([crm-doc]).
SORTS: Final = ("id", "Created_Time", "Modified_Time")


def list_records(call: Call) -> Response:
    """A page of a module's records."""
    where = position(call)
    fields = asked_fields(call, call.module)
    sort_by, descending, echo = _sort(call)
    cvid = call.query.get("cvid")
    if cvid is not None:
        call.cost = 3
    since = modified_since(call)
    if since is False:
        return Response.empty(call.switches.not_modified_status)
    view = _view(call, sort_by, descending, since)
    table = call.store.tables[call.module]
    found = answer(call, view, table.live, call.store.plan(call.module, fields), where, echo)
    if found is not None:
        return found
    if since is not None and where.token is None:
        if not view.size:
            return Response.empty(call.switches.not_modified_status)
        return Response.empty(call.switches.modified_since_past_end)
    return Response.empty()


def asked_fields(call: Call, module: str) -> list[str]:
    """The names in ``fields`` that the module knows (9.10 to 9.13, 11.5)."""
    text = call.query.get("fields")
    if not text:
        raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "fields"})
    names = text.split(",")
    switches = call.switches
    counted = len(names)
    if switches.id_in_fields == "free":
        counted -= names.count("id")
    if counted > MAX_FIELDS and switches.too_many_fields == "refused":
        raise Refusal("LIMIT_EXCEEDED", {"param_name": "fields", "limit": MAX_FIELDS})
    known = call.store.fields(module)
    found = []
    for name in names:
        if name in known or name in call.store.dollar_keys(module):
            found.append(name)
        elif name != "id" and switches.unknown_field_in_list == "refused":
            raise Refusal("INVALID_DATA", {"param_name": "fields", "api_name": name})
    return found


def _sort(call: Call) -> tuple[str, bool, tuple[str, str]]:
    """Field and direction of the order, and what ``info`` says of it."""
    switches, query = call.switches, call.query
    sort_by, sort_order = query.get("sort_by"), query.get("sort_order")
    if sort_order is not None and sort_order not in ("asc", "desc"):
        raise Refusal("INVALID_DATA", {"param_name": "sort_order"})
    if sort_by is None and sort_order is not None:
        if switches.lone_sort_order == "refused":
            raise Refusal("EXPECTED_PARAM_MISSING", {"param_name": "sort_by"})
    if sort_by is not None:
        if "cvid" in query:
            if switches.cvid_with_sort == "refused":
                raise Refusal("AMBIGUITY_DURING_PROCESSING", {"param_names": ["cvid", "sort_by"]})
            sort_by, sort_order = None, None
        elif sort_by not in SORTS:
            field = call.store.fields(call.module).get(sort_by)
            if field is None or not field.sortable or switches.other_sort == "refused":
                raise Refusal("INVALID_DATA", {"param_name": "sort_by"})
    by, order = sort_by or "id", sort_order or "desc"
    if switches.sort == "ignored":
        return "id", True, ("id", "desc")
    if switches.sort == "ignored, echoed":
        return "id", True, (by, order)
    return by, order == "desc", (by, order)


def modified_since(call: Call) -> int | bool | None:
    """The header as seconds; None without it; False for a service that always says 304."""
    text = call.request.headers.get(HEADER)
    mode = call.switches.if_modified_since
    if text is None or mode == "ignored":
        return None
    if mode == "always 304":
        return False
    since = parse_datetime(text)
    if since is None:
        if call.switches.modified_since_bad_value == "refused":
            raise Refusal("INVALID_DATA", {"param_name": "If-Modified-Since"})
        return None
    if mode == "offset misread":
        # The offset is thrown away and the wall time read as the org's own.
        wall = parse_datetime(text[:19] + "Z")
        since = call.store.zone.local_as_instant(wall if wall is not None else since)
    return since


def _view(call: Call, sort_by: str, descending: bool, since: int | bool | None) -> View:
    """The rows that the parameters select, in order."""
    table = call.store.tables[call.module]
    keep = _filters(call)
    if sort_by in SORTS and since is None and keep is None:
        pairs = table.ordering(sort_by).pairs
        return View(pairs, 0, len(pairs), descending)
    chosen: list[Pair]
    if since is not None:
        modified = table.ordering("Modified_Time")
        low = modified.after(since, inclusive=call.switches.if_modified_since_bound == ">=")
        if sort_by == "Modified_Time" and keep is None:
            return View(modified.pairs, low, len(modified.pairs), descending)
        ids = [id for _, id in modified.pairs[low:]]
    else:
        ids = list(table.live)
    records = (table.live[id] for id in ids)
    key = _sort_key(call, sort_by)
    chosen = [(key(record), record.id) for record in records if keep is None or keep(record)]
    pairs = Ordering(chosen).pairs
    return View(pairs, 0, len(pairs), descending)


def _sort_key(call: Call, sort_by: str) -> Any:
    if sort_by == "id":
        return lambda record: 0
    if sort_by == "Created_Time":
        return lambda record: record.created
    if sort_by == "Modified_Time":
        return lambda record: record.modified
    plan = call.store.plan(call.module, [sort_by])

    def key(record: Record) -> tuple[int, Any]:
        """Empty values first; text without case; objects by name."""
        value = plan.row(record)[sort_by]
        if isinstance(value, dict):
            value = value.get("name")
        if value is None:
            return (0, "")
        if isinstance(value, str):
            return (1, value.casefold())
        return (1, float(value) if isinstance(value, Decimal) else value)

    return key


def _filters(call: Call) -> Callable[[Record], bool] | None:
    """A test for records from cvid, pipeline_id, approved and ids; None when all pass."""
    query = call.query
    tests: list[Callable[[Record], bool]] = []
    approved = query.get("approved", "true")
    if approved not in ("true", "false", "both"):
        raise Refusal("INVALID_DATA", {"param_name": "approved"})
    if approved == "false":
        tests.append(lambda record: False)
    if "pipeline_id" in query:
        wanted = query["pipeline_id"]
        if call.module != "Pipelines" or call.store.modules["Pipelines"].layout(wanted) is None:
            raise Refusal("INVALID_DATA", {"param_name": "pipeline_id"})
        tests.append(lambda record: record.values.get("Pipeline") == wanted)
    if "cvid" in query:
        view = custom_view(call, query["cvid"])
        if view.field:
            tests.append(lambda record: record.values.get(view.field) == view.value)
    if "ids" in query:
        ids = set(query["ids"].split(","))
        if len(ids) > MAX_IDS:
            raise Refusal("LIMIT_EXCEEDED", {"param_name": "ids", "limit": MAX_IDS})
        tests.append(lambda record: record.id in ids)
    if not tests:
        return None
    return lambda record: all(test(record) for test in tests)


def custom_view(call: Call, cvid: str) -> CustomView:
    """A custom view by id.

    Raises:
        Refusal: INVALID_DATA when the module has no such view.
    """
    for view in call.store.modules[call.module].views:
        if view.id == cvid:
            return view
    raise Refusal("INVALID_DATA", {"param_name": "cvid"})


def checked_id(call: Call, id: str) -> bool:
    """Whether an id may be one.

    Raises:
        Refusal: It is no number (9.30).
    """
    if id.isascii() and id.isdigit():
        return True
    if call.switches.malformed_id == "refused":
        raise Refusal(
            "INVALID_DATA", {"resource_path_index": 1}, "the id given seems to be invalid"
        )
    return False


def get_record(call: Call) -> Response:
    """One record: the wrapper ``data`` of one, no info; 204 when deleted or unknown (9.30)."""
    id = call.parts[0]
    record = call.store.tables[call.module].live.get(id) if checked_id(call, id) else None
    if record is None:
        return Response.empty()
    fields = asked_fields(call, call.module) if call.query.get("fields") else None
    plan = call.store.plan(call.module, fields, one=True)
    rows = [record]
    # Without fields the reply also has "$" keys ([?], bigin-api.md 1.4): left out, not invented.
    return Response(200, plan.encoded(rows, b'{"data":', b"}"), JSON_TYPE, rows=1)
