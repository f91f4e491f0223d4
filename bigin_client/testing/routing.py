"""Which operation a method and path mean, and which scopes it needs.

Paths are those of bigin-api.md sections 2 and 3; what it treats as absent (mass update, timeline,
change of owner) answers 404 like any unknown path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bigin_client.testing.refusals import Refusal
from bigin_client.testing.wire import Request

#: Prefixes behind the host (9.1; bigin-api.md 3.11).
API: Final = "zoho-bigin/bigin/v2"
BULK: Final = "zoho-bigin/bigin/bulk/v2"


@dataclass(frozen=True)
class Route:
    """What a path means.

    Attributes:
        operation: Name, as in the request log.
        module: First segment where that is a module.
        parts: Variable parts.
        scopes: Pairs of a scope word and an operation of it; ``{module}`` stands for the module.
    """

    operation: str
    module: str = ""
    parts: tuple[str, ...] = ()
    scopes: tuple[tuple[str, str], ...] = ()


#: Rows from which on a write is a big one ([crm°]; the source only says "big").
_BIG_WRITE: Final = 11


def demanding(request: Request, route: Route) -> bool:
    """Whether a call counts towards the sub-concurrency (bigin-api.md section 5).

    These are lists by ``cvid`` or with a sort, and big writes [code, docs read 2026-08].
    """
    if route.operation == "list":
        return "cvid" in request.query or "sort_by" in request.query
    if route.operation not in ("insert", "update", "upsert"):
        return False
    return len(request.rows() or ()) >= _BIG_WRITE


_READ: Final = (("{module}", "read"),)
_CREATE: Final = (("{module}", "create"),)
_UPDATE: Final = (("{module}", "update"),)
_DELETE: Final = (("{module}", "delete"),)

#: Shape of the path → method → (operation, scopes). ``*`` is an id, ``#`` a related list's word.
_MODULE_PATHS: Final[dict[str, dict[str, tuple[str, tuple[tuple[str, str], ...]]]]] = {
    "": {
        "GET": ("list", _READ),
        "POST": ("insert", _CREATE),
        "PUT": ("update", _UPDATE),
        "DELETE": ("delete", _DELETE),
    },
    "upsert": {"POST": ("upsert", _CREATE + _UPDATE)},
    "deleted": {"GET": ("deleted", (*_READ, ("deleted", "read")))},
    "search": {"GET": ("search", (*_READ, ("securesearch", "read")))},
    "actions/count": {"GET": ("count", _READ)},
    "actions/add_tags": {"POST": ("add_tags", _UPDATE)},
    "actions/remove_tags": {"POST": ("remove_tags", _UPDATE)},
    "*": {
        "GET": ("get", _READ),
        "PUT": ("update", _UPDATE),
        "DELETE": ("delete", _DELETE),
    },
    "*/actions/add_tags": {"POST": ("add_tags", _UPDATE)},
    "*/actions/remove_tags": {"POST": ("remove_tags", _UPDATE)},
    "*/photo": {
        "GET": ("photo", _READ),
        "POST": ("upload_photo", _UPDATE),
        "DELETE": ("delete_photo", _UPDATE),
    },
    "*/Attachments": {
        "GET": ("attachments", (*_READ, ("attachments", "read"))),
        "POST": ("upload_attachment", (*_READ, ("attachments", "create"))),
    },
    "*/Attachments/*": {
        "GET": ("download_attachment", (*_READ, ("attachments", "read"))),
        "DELETE": ("delete_attachment", (*_READ, ("attachments", "delete"))),
    },
    "*/Notes": {
        "GET": ("notes", (*_READ, ("notes", "read"))),
        "POST": ("insert_notes", (*_READ, ("notes", "create"))),
    },
    "*/Notes/*": {
        "PUT": ("update_note", (*_READ, ("notes", "update"))),
        "DELETE": ("delete_note", (*_READ, ("notes", "delete"))),
    },
    "*/#": {
        "GET": ("related", _READ),
        "PUT": ("link", _UPDATE),
        "DELETE": ("unlink", _UPDATE),
    },
    "*/#/*": {"PUT": ("link", _UPDATE), "DELETE": ("unlink", _UPDATE)},
}

#: Paths that name no module: path → method → operation; the scope word stands beside.
_FIXED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "settings/modules": ("settings.modules", {"GET": "modules"}),
    "settings/modules/*": ("settings.modules", {"GET": "module"}),
    "settings/fields": ("settings.fields", {"GET": "fields"}),
    "settings/layouts": ("settings.layouts", {"GET": "layouts"}),
    "settings/layouts/*": ("settings.layouts", {"GET": "layout"}),
    "settings/custom_views": ("settings.custom_views", {"GET": "custom_views"}),
    "settings/related_lists": ("settings.related_lists", {"GET": "related_lists"}),
    "settings/tags": (
        "settings.tags", {"GET": "tags", "POST": "create_tags"},
    ),
    "settings/tags/*": ("settings.tags", {"PUT": "update_tag", "DELETE": "delete_tag"}),
    "settings/tags/*/actions/records_count": ("settings.tags", {"GET": "tag_count"}),
    "settings/roles": ("settings.roles", {"GET": "roles"}),
    "settings/profiles": ("settings.profiles", {"GET": "profiles"}),
    "users": ("users", {"GET": "users"}),
    "users/*": ("users", {"GET": "users"}),
    "org": ("org", {"GET": "org"}),
    "coql": ("coql", {"POST": "coql"}),
}  # fmt: skip

_BULK_PATHS: Final[dict[str, dict[str, str]]] = {
    "read": {"POST": "bulk_create"},
    "read/*": {"GET": "bulk_status"},
    "read/*/result": {"GET": "bulk_result"},
}

_SCOPE_OPERATION: Final = {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}
#: Second segments that are words, not ids.
_WORDS: Final = frozenset({"upsert", "deleted", "search", "actions"})


def classify(method: str, route: str, wrong_method_status: int = 400) -> Route:
    """The operation of a path behind `API` or `BULK`.

    Raises:
        Refusal: INVALID_URL_PATTERN or INVALID_REQUEST_METHOD.
    """
    if route.startswith(BULK + "/"):
        return _bulk(method, route[len(BULK) + 1 :], wrong_method_status)
    if not route.startswith(API + "/"):
        raise Refusal("INVALID_URL_PATTERN")
    segments = route[len(API) + 1 :].split("/")
    fixed = _fixed(method, segments, wrong_method_status)
    if fixed is not None:
        return fixed
    if segments[0] in ("settings", "actions", "__schedule_mass_update"):
        raise Refusal("INVALID_URL_PATTERN")
    return _of_module(method, segments, wrong_method_status)


def _fixed(method: str, segments: list[str], status: int) -> Route | None:
    for pattern, (word, methods) in _FIXED.items():
        parts = _fits(pattern, segments)
        if parts is None:
            continue
        operation = methods.get(method)
        if operation is None:
            raise Refusal("INVALID_REQUEST_METHOD", status=status)
        needed = "read" if word == "coql" else _SCOPE_OPERATION[method]
        return Route(operation, "", parts, ((word, needed),))
    return None


def _fits(pattern: str, segments: list[str]) -> tuple[str, ...] | None:
    wanted = pattern.split("/")
    if len(wanted) != len(segments):
        return None
    parts = []
    for want, have in zip(wanted, segments, strict=True):
        if want == "*":
            parts.append(have)
        elif want != have:
            return None
    return tuple(parts)


def _of_module(method: str, segments: list[str], status: int) -> Route:
    module, rest = segments[0], segments[1:]
    shape, parts = _shape(rest)
    methods = _MODULE_PATHS.get(shape)
    if methods is None:
        raise Refusal("INVALID_URL_PATTERN")
    found = methods.get(method)
    if found is None:
        raise Refusal("INVALID_REQUEST_METHOD", status=status)
    operation, scopes = found
    named = tuple((word.replace("{module}", module), needed) for word, needed in scopes)
    return Route(operation, module, parts, named)


def _shape(rest: list[str]) -> tuple[str, tuple[str, ...]]:
    """The key of `_MODULE_PATHS` for what follows the module, and its variable parts."""
    if not rest:
        return "", ()
    if rest[0] in _WORDS:
        return "/".join(rest), ()
    joined = "/".join(("*", *rest[1:]))
    if joined in _MODULE_PATHS:
        return joined, (rest[0],)
    if len(rest) == 2:
        return "*/#", (rest[0], rest[1])
    if len(rest) == 3:
        if rest[1] in ("Notes", "Attachments"):
            return f"*/{rest[1]}/*", (rest[0], rest[2])
        return "*/#/*", (rest[0], rest[1], rest[2])
    return "?", ()


def _bulk(method: str, rest: str, status: int) -> Route:
    for pattern, methods in _BULK_PATHS.items():
        parts = _fits(pattern, rest.split("/"))
        if parts is None:
            continue
        operation = methods.get(method)
        if operation is None:
            raise Refusal("INVALID_REQUEST_METHOD", status=status)
        return Route(operation, "", parts, (("bulk", _SCOPE_OPERATION[method]),))
    raise Refusal("INVALID_URL_PATTERN")
