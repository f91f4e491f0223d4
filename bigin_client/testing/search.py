"""``GET {Module}/search``, ``.../actions/count`` (bigin-api.md 3.5, 3.7; 9.55 to 9.57)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.criteria import Test, compiled, parse
from bigin_client.testing.listing import custom_view
from bigin_client.testing.paging import BY_NUMBER, numbered, page_size
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.table import Record
from bigin_client.testing.wire import Response

#: The seven record modules and Notes ([bigin-doc]); custom modules as in the family.
MODULES: Final = (
    "Contacts", "Pipelines", "Accounts", "Products", "Tasks", "Events", "Calls", "Notes",
)  # fmt: skip
#: One is needed; of several the first counts ([crm°]).
SELECTORS: Final = ("criteria", "email", "phone", "word")
#: Shortest ``word`` ([crm°]).
MIN_WORD: Final = 2
#: CRM-heritage fields that are not null in the recorded results (bigin-api.md 1.4).
_HIDDEN_VALUES: Final[dict[str, dict[str, Any]]] = {
    "Accounts": {"Account_Number": "0"},
    "Products": {"Tax": [], "Taxable": False},
}


def search_records(call: Call) -> Response:
    """A page of what the search index finds."""
    module = call.store.modules[call.module]
    if call.module not in MODULES and module.generated_type != "custom":
        raise Refusal("INVALID_MODULE", {"resource_path_index": 0})
    test = _selected(call)
    if test is None:
        raise Refusal("EXPECTED_PARAM_MISSING", {"param_names": list(SELECTORS)})
    per_page = page_size(call)
    page = call.number("page", 1)
    if page * per_page > BY_NUMBER:
        if call.switches.search_past_2000 == "204":
            return Response.empty()
        raise Refusal("DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": BY_NUMBER})
    found = [record for record in _index(call) if test(record)]
    # "id desc" is what info says; the rows are in no order at all [rec].
    found.sort(key=lambda record: zlib.crc32(record.id.encode()))
    said = {"sort_by": "id", "sort_order": "desc"}
    return numbered(found, page, per_page, lambda record: _row(call, record), **said)


def count_records(call: Call) -> Response:
    """``{"count": n}``; with a criteria as the search index sees it (assumed)."""
    table = call.store.tables[call.module]
    test = _selected(call)
    number = len(table.live) if test is None else sum(1 for item in _index(call) if test(item))
    if "cvid" in call.query:
        view = custom_view(call, call.query["cvid"])
        if view.field:
            number = sum(
                1 for item in table.live.values() if item.values.get(view.field) == view.value
            )
    count: int | str = str(number) if call.switches.count_form == "text" else number
    return Response.json(200, {"count": count})


def _index(call: Call) -> Iterable[Record]:
    until = call.account.clock.timestamp() - call.switches.index_lag
    return call.store.tables[call.module].searchable(until).values()


def _selected(call: Call) -> Test | None:
    """The test that the request's selector means."""
    query, store = call.query, call.store
    fields = store.fields(call.module).values()
    for name in SELECTORS:
        text = query.get(name)
        if text is None:
            continue
        if name == "criteria":
            return compiled(store, call.module, parse(text))
        if name == "word":
            if len(text) < MIN_WORD:
                raise Refusal("INVALID_DATA", {"param_name": "word", "minimum_length": MIN_WORD})
            kinds: tuple[str, ...] = ("text", "textarea", "email", "phone", "website")
            return _word([item.api_name for item in fields if item.data_type in kinds], text)
        return _equal([item.api_name for item in fields if item.data_type == name], text)
    return None


def _word(names: list[str], text: str) -> Test:
    wanted = text.casefold()

    def test(record: Record) -> bool:
        values = (record.values.get(name) for name in names)
        return any(isinstance(value, str) and wanted in value.casefold() for value in values)

    return test


def _equal(names: list[str], text: str) -> Test:
    wanted = text.casefold()

    def test(record: Record) -> bool:
        values = (record.values.get(name) for name in names)
        return any(isinstance(value, str) and wanted == value.casefold() for value in values)

    return test


def _row(call: Call, record: Record) -> dict[str, Any]:
    """Every column, the hidden ones and the ``$`` keys too [rec]; or what ``fields`` asks for."""
    store, module = call.store, call.store.modules[call.module]
    if call.query.get("fields"):
        known = store.fields(call.module)
        names = [name for name in call.query["fields"].split(",") if name in known]
        return store.plan(call.module, names).row(record)
    names = [*store.fields(call.module), *module.hidden]
    row = store.plan(call.module, names, one=True).row(record)
    layout = module.layout(record.values.get("Pipeline", "")) or (
        module.layouts[0] if module.layouts else None
    )
    row.update(_HIDDEN_VALUES.get(call.module, {}))
    row["Locked__s"] = False
    row["$layout_id"] = (
        {"display_label": layout.name, "name": layout.name, "id": layout.id} if layout else None
    )
    row["$approval_state"] = "approved"
    row["$approval"] = {"delegate": False, "takeover": False, "approve": False, "reject": False,
                        "resubmit": False}  # fmt: skip
    row["$editable"] = True
    row["$state"] = "save"
    row["$currency_symbol"] = "$"
    row["$in_merge"] = False
    if call.module == "Products":
        row["$taxable"] = False
    else:
        row["$is_duplicate"] = False
        row["$zia_owner_assignment"] = "owner_recommendation_unavailable"
    return row
