"""Records in the form in which the API returns them (bigin-api.md section 4).

A `Plan` knows, for one list of fields, which values go out as they are and which need work
(times in the org's offset, lookups with the target's present name, tags). A record keeps the
JSON of the last plan it was read with: a long read encodes each record once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bigin_client.testing.catalogue import module_word
from bigin_client.testing.fields import Field
from bigin_client.testing.table import Record
from bigin_client.testing.wire import encode

if TYPE_CHECKING:
    from bigin_client.testing.store import Store

#: Reads one field of a record.
Render = Callable[[Record], Any]

#: Key under which a record stores the parent of an activity, note or attachment.
PARENT = "$parent"
#: Names under which a parent's module is asked for.
PARENT_MODULE_KEYS = ("$related_module", "$se_module")
#: What attachments have besides their fields ([crm°], bigin-api.md 3.9).
FILE_KEYS = ("$file_id", "$type", "$link_url")


class Plan:
    """How to read a given list of fields of a given module."""

    __slots__ = ("booleans", "plain", "special")

    def __init__(self) -> None:
        self.plain: tuple[str, ...] = ()
        self.booleans: tuple[str, ...] = ()
        self.special: tuple[tuple[str, Render], ...] = ()

    def row(self, record: Record) -> dict[str, Any]:
        """The record as a dict: exactly the plan's fields and ``id``."""
        row: dict[str, Any] = dict(zip(self.plain, map(record.values.get, self.plain), strict=True))
        for name in self.booleans:
            if row[name] is None:
                row[name] = False
        for name, render in self.special:
            row[name] = render(record)
        row["id"] = record.id
        return row

    def encoded(self, records: Iterable[Record]) -> bytes:
        """The JSON array of these records."""
        parts = []
        for record in records:
            if record.cache_plan is not self:
                record.cache = encode(self.row(record))
                record.cache_plan = self
            parts.append(record.cache)
        return b"[" + b",".join(parts) + b"]"


class Reader:
    """Makes plans. They are thrown away when a name, tag, user or field changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._plans: dict[tuple[str, tuple[str, ...], bool], Plan] = {}
        self._built_for: tuple[Any, ...] = ()

    def plan(self, module: str, fields: Sequence[str] | None = None, *, one: bool = False) -> Plan:
        """The plan of these fields, or of every visible field.

        Args:
            module: API name.
            fields: Names; unknown ones are left out.
            one: The reader asks for a single record (subforms may show only there).
        """
        state = self._store.reading_state()
        if state != self._built_for:
            self._plans.clear()
            self._built_for = state
        names = tuple(fields) if fields is not None else tuple(self._store.fields(module))
        key = (module, names, one)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) > 200:
                self._plans.clear()
            plan = self._plans[key] = self._build(module, names, one)
        return plan

    def _build(self, module: str, names: tuple[str, ...], one: bool) -> Plan:
        plan = Plan()
        known = self._store.fields(module)
        hidden = self._store.modules[module].hidden
        plain: list[str] = []
        booleans: list[str] = []
        special: list[tuple[str, Render]] = []
        for name in names:
            field = known.get(name) or hidden.get(name)
            if field is not None:
                render = self._render(module, field, one)
                if render is not None:
                    special.append((name, render))
                    continue
                plain.append(name)
                if field.data_type == "boolean":
                    booleans.append(name)
            elif name in PARENT_MODULE_KEYS and self._store.has_parent(module):
                special.append((name, self._parent_module))
            elif name in FILE_KEYS and module == "Attachments":
                plain.append(name)
        if self._store.has_parent(module):
            word = "$se_module" if module in ("Notes", "Attachments") else "$related_module"
            if self._store.switches.activity_parent == "What_Id":
                word = "$se_module"
            always = self._store.switches.parent_module_key == "always" or one
            if always and word not in names:
                special.append((word, self._parent_module))
        plan.plain, plan.booleans, plan.special = tuple(plain), tuple(booleans), tuple(special)
        return plan

    # A plan ends with the generation it was made for, so what it has looked up stays right.

    def _lookup(self, name: str, target: str) -> Render:
        """A lookup; an empty result is not kept, the target may come."""
        reference, known = self._store.reference, dict[str, Any]()

        def lookup(record: Record) -> Any:
            id = record.values.get(name)
            if id is None:
                return None
            found = known.get(id)
            if found is None:
                found = reference(target, id)
                if found is not None:
                    known[id] = found
            return found

        return lookup

    def _tags(self, module: str) -> Render:
        tag_refs, known = self._store.tag_refs, dict[Any, Any]()

        def tags(record: Record) -> Any:
            names = record.values.get("Tag", ())
            found = known.get(names)
            if found is None:
                found = known[names] = tag_refs(module, names)
            return found

        return tags

    @staticmethod
    def _parent_module(record: Record) -> Any:
        parent = record.values.get(PARENT)
        return module_word(parent[0]) if parent else None

    def _render(self, module: str, field: Field, one: bool) -> Render | None:
        """The function for a field that does not go out as stored, else None."""
        name, store = field.api_name, self._store
        system = _SYSTEM.get(name)
        if system is not None:
            return system(store)
        if name == "Pipeline" and module == "Pipelines":
            return lambda record: store.pipeline_ref(record.values.get("Pipeline"))
        if name == "Tag":
            return self._tags(module)
        if name == "Associated_Products" and module == "Pipelines":
            if one or store.switches.subforms_in_lists:
                return lambda record: store.line_items(record.id)
            return lambda record: None
        if field.data_type == "datetime":
            text = store.zone.text

            def moment(record: Record) -> Any:
                value = record.values.get(name)
                return None if value is None else text(value)

            return moment
        if field.data_type == "lookup":
            return self._lookup(name, field.lookup)
        if field.data_type in ("ownerlookup", "userlookup"):
            users = store.user_refs()
            return lambda record: users.get(record.values.get(name))
        if field.data_type == "multi_module_lookup":
            return lambda record: store.parent_ref(module, record.values.get(PARENT))
        if field.data_type == "multiselectpicklist":
            empty: Any = [] if store.switches.empty_multiselect == "[]" else None
            return lambda record: record.values.get(name) or empty
        if field.data_type == "multiselectlookup":
            target = field.lookup

            def several(record: Record) -> Any:
                found = (store.reference(target, id) for id in record.values.get(name, ()))
                return [item for item in found if item is not None]

            return several
        if field.data_type == "multiuserlookup":
            users = store.user_refs()
            return lambda record: [users[id] for id in record.values.get(name, ())]
        return None


def _created_time(store: Store) -> Render:
    text = store.zone.text
    return lambda record: text(record.created)


def _modified_time(store: Store) -> Render:
    text = store.zone.text
    return lambda record: text(record.modified)


def _activity_time(store: Store) -> Render:
    text = store.zone.text
    return lambda record: None if record.activity is None else text(record.activity)


def _created_by(store: Store) -> Render:
    users = store.user_refs()
    return lambda record: users.get(record.created_by)


def _modified_by(store: Store) -> Render:
    users = store.user_refs()
    return lambda record: users.get(record.modified_by)


_SYSTEM: dict[str, Callable[[Any], Render]] = {
    "Created_Time": _created_time,
    "Modified_Time": _modified_time,
    "Last_Activity_Time": _activity_time,
    "Created_By": _created_by,
    "Modified_By": _modified_by,
}
