"""What the account holds: modules and fields, read once and kept.

The shapes are those of bigin-api.md section 2 ([rec]); custom fields, custom modules and
edition differences make the account itself the only truth, so nothing is hard-coded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bigin_client.errors import NotFoundError, ServiceError, SettingsError
from bigin_client.transport import Transport

#: What people call a module → its API name (bigin-api.md 1.1). Compared in lower case.
ALIASES: Final = {
    "companies": "Accounts",
    "company": "Accounts",
    "deals": "Pipelines",
    "deal": "Pipelines",
}
#: Parents first: a child loaded in this order finds its parent.
PARENTS_FIRST: Final = (
    "Accounts",
    "Contacts",
    "Products",
    "Pipelines",
    "Tasks",
    "Events",
    "Calls",
    "Notes",
)
#: Modules of the deleted feed (bigin-api.md 3.4, [bigin-doc]).
WITH_DELETED_FEED: Final = frozenset(
    {"Contacts", "Pipelines", "Accounts", "Products", "Tasks", "Events", "Calls"}
)
#: Written through an endpoint of its own, whatever the metadata says (bigin-api.md 2).
_OWN_ENDPOINT: Final = frozenset({"profileimage"})


@dataclass(frozen=True)
class PicklistValue:
    """One value of a picklist: what is stored, and what people see."""

    actual: str
    display: str
    #: Dependent field API name → actual values that go with this one (Stage in Sub_Pipeline).
    maps: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One field of a module.

    Attributes:
        writable: ``(view_type.create or edit) and not read_only``, plus Tag, minus
            Record_Image (bigin-api.md section 2, [rec]).
        unique: The service refuses a second record with the same value.
        case_sensitive: Whether uniqueness regards case.
        raw: The object as the service sent it.
    """

    api_name: str
    label: str
    data_type: str
    json_type: str | None
    length: int | None = None
    decimal_place: int | None = None
    mandatory: bool = False
    writable: bool = False
    creatable: bool = False
    updatable: bool = False
    unique: bool = False
    case_sensitive: bool = False
    filterable: bool = False
    custom: bool = False
    lookup_module: str | None = None
    return_type: str | None = None
    picklist: tuple[PicklistValue, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_api(cls, raw: dict[str, Any]) -> Field:
        """Read one object of ``settings/fields``; missing keys are no reason to fail."""
        view = raw.get("view_type") or {}
        api_name = str(raw["api_name"])
        data_type = str(raw.get("data_type") or "")
        read_only = bool(raw.get("read_only"))
        own = data_type in _OWN_ENDPOINT
        tag = api_name == "Tag"
        creatable = not own and (tag or (bool(view.get("create")) and not read_only))
        updatable = not own and (tag or (bool(view.get("edit")) and not read_only))
        unique = raw.get("unique") or {}
        lookup = raw.get("lookup") or {}
        target = lookup.get("module") or {}
        formula = raw.get("formula") or {}
        return cls(
            api_name=api_name,
            label=str(raw.get("field_label") or raw.get("display_label") or api_name),
            data_type=data_type,
            json_type=raw.get("json_type"),
            length=_int(raw.get("length")),
            decimal_place=_int(raw.get("decimal_place")),
            mandatory=bool(raw.get("system_mandatory")),
            writable=creatable or updatable,
            creatable=creatable,
            updatable=updatable,
            unique=bool(unique),
            case_sensitive=str(unique.get("casesensitive", "0")) not in {"0", "False", "false"},
            filterable=bool(raw.get("filterable")),
            custom=bool(raw.get("custom_field")),
            lookup_module=_module_of(target),
            return_type=formula.get("return_type"),
            picklist=tuple(_picklist(raw.get("pick_list_values"))),
            raw=raw,
        )


@dataclass(frozen=True)
class Module:
    """One module of the account.

    Attributes:
        api_supported: The API serves it at all; whether this connection may read it is
            known only from a read (bigin-api.md 1.1: modules without scope are listed).
    """

    api_name: str
    label: str
    id: str | None
    api_supported: bool
    creatable: bool
    editable: bool
    deletable: bool
    generated_type: str
    module_name: str
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_api(cls, raw: dict[str, Any]) -> Module:
        """Read one object of ``settings/modules``."""
        api_name = str(raw["api_name"])
        return cls(
            api_name=api_name,
            label=str(raw.get("plural_label") or raw.get("singular_label") or api_name),
            id=raw.get("id"),
            api_supported=bool(raw.get("api_supported", True)),
            creatable=bool(raw.get("creatable", True)),
            editable=bool(raw.get("editable", True)),
            deletable=bool(raw.get("deletable", True)),
            generated_type=str(raw.get("generated_type") or "default"),
            module_name=str(raw.get("module_name") or api_name),
            raw=raw,
        )


class Metadata:
    """Modules and fields of one account, each read once.

    Args:
        transport: Where to send the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._modules: dict[str, Module] | None = None
        self._fields: dict[str, dict[str, Field]] = {}

    def modules(self) -> dict[str, Module]:
        """Return API name → module, parents before children, the rest as the service lists it.

        Costs one credit the first time.
        """
        with self._lock:
            if self._modules is None:
                raw = self._rows("settings/modules", "modules")
                found = {m.api_name: m for m in map(Module.from_api, raw)}
                first = [n for n in PARENTS_FIRST if n in found]
                self._modules = {
                    n: found[n] for n in [*first, *(n for n in found if n not in first)]
                }
            return self._modules

    @property
    def has_modules(self) -> bool:
        """Whether the modules have been read, so that asking for one sends nothing."""
        return self._modules is not None

    def module(self, name: str) -> Module:
        """Return a module by API name, whatever the case, or by a usual name (``companies``).

        Raises:
            NotFoundError: The account has no such module.
        """
        modules = self.modules()
        if name in modules:
            return modules[name]
        wanted = name.casefold()
        for api_name in (ALIASES.get(wanted, ""), *modules):
            if api_name in modules and wanted in {api_name.casefold(), *_aliases_of(api_name)}:
                return modules[api_name]
        msg = f"The account has no module {name}"
        raise NotFoundError(msg, hint=f"It has: {', '.join(modules)}.")

    def fields(self, module: str) -> dict[str, Field]:
        """Return field API name → field of a module given by its API name.

        ``id`` is not among them: the service leaves it out of ``settings/fields`` ([rec]).
        Costs one credit the first time.

        Raises:
            ScopeError, NotFoundError: The connection may not read these settings.
        """
        with self._lock:
            known = self._fields.get(module)
        if known is None:
            raw = self._rows("settings/fields", "fields", module=module)
            known = {f.api_name: f for f in map(Field.from_api, raw) if f.api_name != "id"}
            with self._lock:
                self._fields[module] = known
        return known

    def field(self, module: str, name: str) -> Field:
        """Return one field of a module; a ``$`` key, which no metadata lists, as plain text.

        Raises:
            SettingsError: The module has no such field; nothing was read.
        """
        known = self.fields(module)
        if name in known:
            return known[name]
        if name.startswith("$"):
            return Field(api_name=name, label=name, data_type="text", json_type="string")
        raise SettingsError(f"{module} has no field {name}", hint=f"See: bigin fields {module}")

    def forget(self) -> None:
        """Read everything afresh when asked next."""
        with self._lock:
            self._modules = None
            self._fields.clear()

    def _rows(self, path: str, wrapper: str, *, module: str | None = None) -> list[dict[str, Any]]:
        params = {"module": module} if module else None
        reply = self._transport.bigin("GET", path, params=params, module=module)
        if reply.is_empty:
            return []
        rows = reply.object().get(wrapper)
        if not isinstance(rows, list):
            msg = f"GET {path}: the reply holds no {wrapper}"
            raise ServiceError(msg, status=reply.status, request_id=reply.request_id)
        return [r for r in rows if isinstance(r, dict) and r.get("api_name")]


def parents_first(names: Iterable[str]) -> list[str]:
    """Return module names sorted so that parents come before children."""
    rank = {n: i for i, n in enumerate(PARENTS_FIRST)}
    return sorted(names, key=lambda n: rank.get(n, len(rank)))


def _aliases_of(api_name: str) -> set[str]:
    return {alias for alias, target in ALIASES.items() if target == api_name}


def _module_of(target: object) -> str | None:
    if isinstance(target, dict):
        name = target.get("api_name")
        return str(name) if name else None
    return str(target) if target else None


def _int(value: object) -> int | None:
    try:
        return int(str(value)) if value not in (None, "") else None
    except ValueError:
        return None


def _picklist(values: object) -> Iterable[PicklistValue]:
    for value in values if isinstance(values, list) else []:
        if not isinstance(value, dict) or value.get("type") == "unused":
            continue
        actual = value.get("actual_value", value.get("display_value"))
        if actual is None:
            continue
        maps: dict[str, tuple[str, ...]] = {}
        for entry in value.get("maps") or []:
            if isinstance(entry, dict) and entry.get("api_name"):
                maps[str(entry["api_name"])] = tuple(
                    str(v.get("actual_value", v.get("display_value")))
                    for v in entry.get("pick_list_values") or []
                    if isinstance(v, dict)
                )
        yield PicklistValue(str(actual), str(value.get("display_value", actual)), maps)
