"""Scopes and metadata (bigin-api.md sections 1, 2; 9.4, 9.14, 9.61; 10.3, 10.14)."""

from __future__ import annotations

from typing import Any, Final

from bigin_client import field_types
from bigin_client.account import PIPELINES
from bigin_client.contract.examination import SAMPLED, Examination, first
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Check,
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
)

_NO_SCOPE: Final = "OAUTH_SCOPE_MISMATCH"
#: Keys of bigin-api.md section 2 that the software reads.
_MODULE_KEYS: Final = {
    "api_name", "api_supported", "creatable", "deletable", "editable", "generated_type", "id",
    "module_name", "plural_label", "singular_label", "visible",
}  # fmt: skip
_FIELD_KEYS: Final = {
    "api_name", "custom_field", "data_type", "field_label", "filterable", "formula", "json_type",
    "length", "lookup", "pick_list_values", "read_only", "sortable", "system_mandatory", "unique",
    "view_type", "visible",
}  # fmt: skip
_LAYOUT_KEYS: Final = {"id", "name", "display_label", "status", "visible", "sections"}
_USER_KEYS: Final = {"id", "email", "full_name", "time_zone", "status", "Modified_Time"}
_ORG_KEYS: Final = {"id", "time_zone", "license_details", "company_name"}
_TRIO: Final = {"Deal_Name", "Sub_Pipeline", "Stage"}


@statement("9.4", "A module without scope is 401 OAUTH_SCOPE_MISMATCH, and listed all the same")
def module_without_scope(exam: Examination) -> Finding:
    """Looks at the first pages that other checks need anyway."""
    listed = [m for m in SAMPLED if m in exam.modules()]
    asked = [exam.sample(m) for m in listed]
    without = [a for a in asked if a.status in {401, 403}]
    if not without:
        raise NotCheckable("the connection may read every module that was asked for")
    wrong = [a.said for a in without if not a.refused(401, _NO_SCOPE)]
    return judged(not wrong, "; ".join(wrong), *(a.said for a in without))


def _scope(number: str, area: str, ask: Any) -> None:
    def check(exam: Examination) -> Finding:
        asked: Exchange = ask(exam)
        if asked.status in {401, 403} or asked.code == _NO_SCOPE:
            return refuted(f"{asked.status} {asked.code}", asked.said)
        if asked.status >= 400 and asked.code == "INVALID_URL_PATTERN":
            return refuted("no such path", asked.said)
        return confirmed(asked.said)

    enter: Any = statement(number, f"The connection's scopes cover {area}")
    typed: Check = check
    enter(typed)


_scope(
    "10.3a",
    "settings/fields",
    lambda e: e.get("settings/fields", {"module": "Contacts"}, scopes=True),
)
_scope(
    "10.3b",
    "settings/layouts",
    lambda e: e.get("settings/layouts", {"module": PIPELINES}, scopes=True),
)
_scope(
    "10.3c",
    "related lists",
    lambda e: e.get("settings/related_lists", {"module": "Contacts"}, scopes=True),
)
_scope("10.3d", "Notes", lambda e: e.sample("Notes"))
_scope("10.3e", "Tasks", lambda e: e.sample("Tasks"))
_scope("10.3f", "Events", lambda e: e.sample("Events"))
_scope("10.3g", "Calls", lambda e: e.sample("Calls"))
_scope(
    "10.3h", "the deleted feed", lambda e: e.get("Contacts/deleted", {"type": "all"}, scopes=True)
)
_scope(
    "10.3i", "bulk read", lambda e: e.get("/bigin/bulk/v2/read/1000000000000000001", scopes=True)
)


@statement("9.61a", "settings/modules has the documented keys; Social is there without API")
def module_shape(exam: Examination) -> Finding:
    """Same reply as everything that needs the modules."""
    modules = exam.modules()
    missing = sorted({k for m in modules.values() for k in _MODULE_KEYS - m.raw.keys()})
    if missing:
        return refuted(f"without {', '.join(missing)}")
    social = modules.get("Social")
    if social is None:
        raise NotCheckable("the account lists no module Social")
    return judged(not social.api_supported, "Social has an API", f"{len(modules)} modules")


@statement("9.61b", "settings/modules lists Associated_Products as a subform of Pipelines")
def line_items(exam: Examination) -> Finding:
    """Same reply as 9.61a."""
    module = exam.modules().get("Associated_Products")
    if module is None:
        raise NotCheckable("the account lists no module Associated_Products")
    parent = module.raw.get("parent_module")
    holds = module.generated_type == "subform" and (
        isinstance(parent, dict) and parent.get("api_name") == PIPELINES
    )
    return judged(holds, module.generated_type, f"generated_type {module.generated_type}")


@statement("9.61c", "settings/fields has the documented keys and does not list `id`")
def field_shape(exam: Examination) -> Finding:
    """One request, which other checks share."""
    asked = exam.get("settings/fields", {"module": "Contacts"})
    found = asked.reply.object().get("fields")
    if not isinstance(found, list) or not found:
        raise NotCheckable(asked.said)
    missing = sorted({k for f in found for k in _FIELD_KEYS - f.keys() if k != "json_type"})
    if missing:
        return refuted(f"without {', '.join(missing)}", asked.said)
    names = {f.get("api_name") for f in found}
    return judged("id" not in names, "lists id", f"{asked.said}, {len(found)} fields")


@statement("9.61d", "settings/layouts has the documented keys")
def layout_shape(exam: Examination) -> Finding:
    """One request, which other checks share."""
    layouts = exam.layouts()
    missing = sorted({k for item in layouts for k in _LAYOUT_KEYS - item.keys()})
    return judged(not missing, f"without {', '.join(missing)}", f"{len(layouts)} layouts")


@statement("9.61e", "users and org have the documented keys; users' info has no token keys")
def people_shape(exam: Examination) -> Finding:
    """Two requests."""
    users, org = exam.get("users", {"type": "CurrentUser"}), exam.get("org")
    body = users.reply.object()
    user = first(body.get("users") or [], users.said)
    company = first(org.reply.object().get("org") or [], org.said)
    missing = sorted((_USER_KEYS - user.keys()) | (_ORG_KEYS - company.keys()))
    tokens = [k for k in body.get("info") or {} if "token" in k]
    wrong = [f"without {m}" for m in missing] + [f"with {t}" for t in tokens]
    return judged(not wrong, ", ".join(wrong), users.said, org.said)


@statement("section 2a", "The client can place every data_type of the metadata")
def known_types(exam: Examination) -> Finding:
    """Looks at the fields of the sampled modules."""
    unknown = sorted(
        {
            f"{module}.{f.api_name} is {f.data_type}"
            for module in SAMPLED
            if module in exam.modules()
            for f in exam.fields(module).values()
            if field_types.of(f.api_name, f.data_type, f.json_type, f.return_type)
            is field_types.UNKNOWN
        }
    )
    return judged(not unknown, "; ".join(unknown))


@statement("section 2b", "Every field has a json_type")
def json_types(exam: Examination) -> Finding:
    """Same replies as section 2a."""
    without = sorted(
        f"{module}.{f.api_name}"
        for module in SAMPLED
        if module in exam.modules()
        for f in exam.fields(module).values()
        if not f.json_type
    )
    return judged(not without, f"none on {', '.join(without)}")


@statement("9.14a", "Metadata marks Deal_Name, Sub_Pipeline and Stage of Pipelines as mandatory")
def mandatory_of_deals(exam: Examination) -> Finding:
    """One request, which other checks share."""
    found = {f.api_name for f in exam.fields(PIPELINES).values() if f.mandatory}
    return judged(found >= _TRIO, ", ".join(sorted(found)) or "none")


@statement("10.14", "Every module with API that is not a subform can be read, or lacks the scope")
def readable_modules(exam: Examination) -> Finding:
    """Asks one record of each module that is not sampled: custom and linking ones."""
    wrong, seen = [], 0
    for module in exam.modules().values():
        if not module.api_supported or module.generated_type == "subform":
            continue
        if module.api_name in SAMPLED:
            asked = exam.sample(module.api_name)
        else:
            params = {"fields": "Modified_Time", "per_page": 1}
            asked = exam.get(module.api_name, params, scopes=True)
        seen += 1
        if asked.status not in {200, 204, 401, 403}:
            wrong.append(asked.said)
    return judged(not wrong, "; ".join(wrong), f"{seen} modules asked")
