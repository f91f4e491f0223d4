"""``settings/...``, users and org (bigin-api.md section 2; 9.61)."""

from __future__ import annotations

from typing import Any

from bigin_client.testing.call import Call
from bigin_client.testing.modules import Layout, Module
from bigin_client.testing.paging import PER_PAGE, numbered
from bigin_client.testing.people import USER_TYPES, User
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.wire import Response


def modules(call: Call) -> Response:
    """``settings/modules``: every module, those without scope too (9.4)."""
    account = call.account
    shown = [
        module.describe(number, account.module_ids(), account.profiles)
        for number, module in enumerate(call.store.modules.values(), start=1)
    ]
    return Response.json(200, {"modules": shown}, rows=len(shown))


def module(call: Call) -> Response:
    """``settings/modules/{api_name}``: an array of one."""
    found = call.store.modules.get(call.parts[0])
    if found is None:
        raise Refusal("INVALID_MODULE", {"resource_path_index": 2})
    account = call.account
    number = list(call.store.modules).index(found.api_name) + 1
    shown = found.describe(number, account.module_ids(), account.profiles)
    return Response.json(200, {"modules": [shown]}, rows=1)


def asked_module(call: Call) -> Module:
    """The module of the ``module`` parameter.

    Raises:
        Refusal: REQUIRED_PARAM_MISSING or INVALID_MODULE.
    """
    name = call.query.get("module")
    if not name:
        raise Refusal("REQUIRED_PARAM_MISSING", {"param_name": "module"})
    found = call.store.modules.get(name)
    if found is None or not found.api_supported:
        raise Refusal("INVALID_MODULE", {"param_name": "module"})
    call.module = name
    return found


def fields(call: Call) -> Response:
    """``settings/fields?module=``; ``id`` is not among them."""
    found = asked_module(call)
    effects = call.effects
    account = call.account
    shown = [
        field.describe(account.module_ids(), account.profiles)
        for field in call.store.fields(found.api_name).values()
        if field.api_name not in effects.missing_fields
    ]
    if call.switches.missing_json_type:
        for item in shown:
            if item["data_type"] == "formula":
                del item["json_type"]
    shown += effects.extra_fields
    if not shown:
        return Response.empty()
    return Response.json(200, {"fields": shown}, rows=len(shown))


def layouts(call: Call) -> Response:
    """``settings/layouts?module=``: on Pipelines the Team Pipelines (1.2)."""
    found = asked_module(call)
    shown = [_layout(call, found, layout) for layout in found.layouts]
    if not shown:
        return Response.empty()
    return Response.json(200, {"layouts": shown}, rows=len(shown))


def layout(call: Call) -> Response:
    """``settings/layouts/{id}?module=``."""
    found = asked_module(call)
    one = found.layout(call.parts[0])
    if one is None:
        return Response.empty()
    return Response.json(200, {"layouts": [_layout(call, found, one)]}, rows=1)


def _layout(call: Call, module: Module, layout: Layout) -> dict[str, Any]:
    account = call.account
    inside = {sub.actual for sub in layout.sub_pipelines}
    stages = {stage for sub in layout.sub_pipelines for stage in sub.stages}
    shown = []
    for field in call.store.fields(module.api_name).values():
        described = field.describe(account.module_ids(), account.profiles)
        values = {"Sub_Pipeline": inside, "Stage": stages}.get(field.api_name)
        if values is not None and module.api_name == "Pipelines":
            described["pick_list_values"] = [
                item for item in described["pick_list_values"] if item["actual_value"] in values
            ]
        shown.append(described)
    section = {
        "display_label": f"{module.singular} Information",
        "name": f"{module.singular} Information",
        "api_name": f"{module.singular}_Information",
        "sequence_number": 1,
        "type": "used",
        "fields": shown,
    }
    return {
        "id": layout.id,
        "name": layout.name,
        "display_label": layout.name,
        "status": "active",
        "visible": True,
        "sections": [section],
        "profiles": account.profiles,
    }


def custom_views(call: Call) -> Response:
    """``settings/custom_views?module=``; the id is ``cvid``."""
    found = asked_module(call)
    shown = [
        {
            "id": view.id,
            "name": view.name,
            "display_value": view.name,
            "system_name": None if view.field else "ALLVIEWS",
            "system_defined": not view.field,
            "default": not view.field,
            "sort_by": None,
            "sort_order": None,
            "criteria": {
                "comparator": "equal",
                "field": {"api_name": view.field},
                "value": view.value,
            }
            if view.field
            else None,
        }
        for view in found.views
    ]
    if not shown:
        return Response.empty()
    return Response.json(200, {"custom_views": shown}, rows=len(shown))


def related_lists(call: Call) -> Response:
    """``settings/related_lists?module=``; ``api_name`` is the path word."""
    found = asked_module(call)
    ids = call.account.module_ids()
    shown = [
        {
            "id": str(int(found.id) + number),
            "sequence_number": str(number),
            "display_label": word,
            "api_name": word,
            "name": word,
            "module": {"api_name": target, "id": ids.get(target, "")},
            "type": "default",
            "visible": True,
        }
        for number, (word, (target, _)) in enumerate(found.related.items(), start=1)
    ]
    if not shown:
        return Response.empty()
    return Response.json(200, {"related_lists": shown}, rows=len(shown))


def roles(call: Call) -> Response:
    """``settings/roles``."""
    shown = [{"display_label": role["name"], **role} for role in call.account.roles]
    return Response.json(200, {"roles": shown}, rows=len(shown))


def profiles(call: Call) -> Response:
    """``settings/profiles``."""
    shown = [{"display_label": profile["name"], **profile} for profile in call.account.profiles]
    return Response.json(200, {"profiles": shown}, rows=len(shown))


def users(call: Call) -> Response:
    """``users`` and ``users/{id}``: no token keys in info [rec]."""
    account, zone = call.account, call.store.zone
    created = zone.text(1_672_574_400)
    # Milliseconds, as in the recorded replies.
    offset = zone.offset_seconds(call.store.clock.seconds()) * 1_000
    current = account.current_user.id
    if call.parts:
        chosen = [user for user in account.users if user.id == call.parts[0]]
        if not chosen:
            return Response.empty()
    else:
        kind = call.query.get("type", "AllUsers")
        if kind not in USER_TYPES:
            raise Refusal("INVALID_DATA", {"param_name": "type"})
        chosen = [user for user in account.users if user.matches(kind, current)]
    per_page = call.number("per_page", PER_PAGE)
    if per_page > PER_PAGE:
        raise Refusal("INVALID_DATA", {"param_name": "per_page", "maximum_length": PER_PAGE})

    def describe(user: User) -> dict[str, Any]:
        return user.describe(zone.name, offset, created, account.users[0], current)

    return numbered(chosen, call.number("page", 1), per_page, describe, "users")


def org(call: Call) -> Response:
    """``org``: an array of one."""
    return Response.json(200, {"org": [call.account.describe_org()]}, rows=1)
