"""Records in the form in which the API returns them (bigin-api.md section 4).

Every field is a function of one stored value: a time in the org's offset, a lookup with the
target's present name, tags. A `Plan` knows these functions for one list of fields. A record keeps
the JSON of what depends on it alone (see `testing.cells`), the plan that of the other values it
has met, so that a page of 200 records of 40 fields costs about half a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final

from bigin_client.testing.catalogue import module_word
from bigin_client.testing.cells import Content, Kind, Layout
from bigin_client.testing.fields import Field
from bigin_client.testing.table import Record
from bigin_client.testing.wire import encode

if TYPE_CHECKING:
    from bigin_client.testing.store import Store

#: The value that the API shows for a stored one; None leaves it as it is.
Render = Callable[[Any], Any]

#: Key under which a record stores the parent of an activity, note or attachment.
PARENT = "$parent"
#: Names under which a parent's module is asked for.
PARENT_MODULE_KEYS = ("$related_module", "$se_module")
#: What attachments have besides their fields ([crm°], bigin-api.md 3.9).
FILE_KEYS = ("$file_id", "$type", "$link_url")

#: Fields that the service keeps outside of a record's values.
_ATTRIBUTES: Final = {
    "Created_Time": "created",
    "Modified_Time": "modified",
    "Last_Activity_Time": "activity",
    "Created_By": "created_by",
    "Modified_By": "modified_by",
}
#: Types that are shown neither as stored nor by what other records hold.
_CELLS: Final[dict[str, Kind]] = {"boolean": "flag", "datetime": "moment"}
#: Encoded values that a plan keeps per field; beyond that the values are mostly unique.
_KEPT: Final = 4_000


class _Rendered(dict[Any, bytes]):
    """``"name":json`` by stored value; a plan ends before what it has looked up is wrong."""

    __slots__ = ("_prefix", "_render")

    def __init__(self, name: str, render: Render | None) -> None:
        super().__init__()
        self._prefix = encode(name) + b":"
        self._render = render

    def __missing__(self, value: Any) -> bytes:
        made = self._prefix + encode(value if self._render is None else self._render(value))
        if len(self) < _KEPT:
            self[value] = made
        return made


class Plan:
    """How to read a given list of fields of a given module.

    Args:
        values: Name, key in the record's values, rendering.
        attributes: Name, attribute of the record, rendering.
        layout: Of the module's cells.
        in_cells: Names whose JSON is to be taken from the cells.
    """

    __slots__ = ("_attributes", "_layout", "_pick", "_rendered", "_system", "_values")

    def __init__(
        self,
        values: Sequence[tuple[str, str, Render | None]],
        attributes: Sequence[tuple[str, str, Render | None]],
        layout: Layout,
        in_cells: Collection[str],
    ) -> None:
        self._values = tuple(values)
        self._attributes = tuple(attributes)
        self._layout = layout
        self._pick = _picker([*map(layout.places.__getitem__, in_cells), 0])
        self._rendered = tuple(
            (key, _Rendered(name, render)) for name, key, render in values if name not in in_cells
        )
        self._system = tuple(
            (attrgetter(attribute), _Rendered(name, render))
            for name, attribute, render in attributes
            if name not in in_cells
        )

    def row(self, record: Record) -> dict[str, Any]:
        """The record as a dict: exactly the plan's fields and ``id``."""
        get = record.values.get
        row: dict[str, Any] = {}
        for name, key, render in self._values:
            value = get(key)
            row[name] = value if render is None else render(value)
        for name, attribute, render in self._attributes:
            value = getattr(record, attribute)
            row[name] = value if render is None else render(value)
        row["id"] = record.id
        return row

    def encoded(self, records: Sequence[Record], before: bytes = b"", after: bytes = b"") -> bytes:
        """The JSON array of these records, between two pieces of the reply it belongs to."""
        try:
            rows = self._rows(records)
        except TypeError:
            # A test stored a list or dict where the service has none.
            rows = [encode(self.row(record))[1:-1] for record in records]
        if not rows:
            return before + b"[]" + after
        # Put on a row: every copy of a page costs as much as fifty of its rows.
        rows[0] = before + b"[{" + rows[0]
        rows[-1] += b"}]" + after
        return b"},{".join(rows)

    def prepare(self, records: Sequence[Record]) -> None:
        """Make the records' cells."""
        self._layout.cells(records)

    def _rows(self, records: Sequence[Record]) -> list[bytes]:
        """The JSON of each record, without its braces.

        This is where the simulator spends its time, so that nearly all of it happens in C.
        """
        stored = [record.values for record in records]
        columns: list[Iterable[bytes]] = [
            map(known.__getitem__, map(dict.get, stored, repeat(key)))
            for key, known in self._rendered
        ]
        columns += [map(known.__getitem__, map(of, records)) for of, known in self._system]
        columns.append(map(b",".join, map(self._pick, self._layout.cells(records))))
        return [*map(b",".join, zip(*columns, strict=True))]


def _picker(places: list[int]) -> Callable[[tuple[bytes, ...]], tuple[bytes, ...]]:
    """Take the cells at these places."""
    if len(places) == 1:
        # Of one place itemgetter gives the cell itself.
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places)


class Reader:
    """Makes plans. They are thrown away when a name, tag, user or field changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._plans: dict[tuple[str, tuple[str, ...], bool], Plan] = {}
        self._layouts: dict[str, Layout] = {}
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

    def prepare(self, module: str) -> None:
        """Make the cells of all records, so that their first reader does not wait for them."""
        self.plan(module).prepare(list(self._store.tables[module].live.values()))

    def _build(self, module: str, names: tuple[str, ...], one: bool) -> Plan:
        store = self._store
        known, hidden = store.fields(module), store.modules[module].hidden
        values: list[tuple[str, str, Render | None]] = []
        attributes: list[tuple[str, str, Render | None]] = []
        contents: dict[str, Content] = {}
        for name in dict.fromkeys((*names, *self._always(module, names, one))):
            field = known.get(name) or hidden.get(name)
            if field is None:
                if name in PARENT_MODULE_KEYS and store.has_parent(module):
                    values.append((name, PARENT, _parent_module))
                elif name in FILE_KEYS and module == "Attachments":
                    values.append((name, name, None))
                    contents[name] = Content("value", name)
            elif name in _ATTRIBUTES:
                attributes.append((name, _ATTRIBUTES[name], self._render(module, field, one)))
                if field.data_type == "datetime":
                    contents[name] = Content("record time", _ATTRIBUTES[name])
            elif name == "Associated_Products" and module == "Pipelines":
                shown = True if one else store.switches.subforms_in_lists
                if shown != "no key":
                    attributes.append((name, "id", store.line_items if shown else _nothing))
            else:
                key = PARENT if field.data_type == "multi_module_lookup" else name
                render = self._render(module, field, one)
                values.append((name, key, render))
                kind = _CELLS.get(field.data_type) if render else "value"
                if kind is not None:
                    contents[name] = Content(kind, key)
        return Plan(values, attributes, self._layout(module, contents), contents)

    def _layout(self, module: str, contents: Mapping[str, Content]) -> Layout:
        """The module's layout, made anew when it lacks something."""
        zone, found = self._store.zone, self._layouts.get(module)
        if found is None or not found.covers(contents, zone):
            kept = found.contents if found is not None and found.zone is zone else {}
            found = self._layouts[module] = Layout({**kept, **contents}, zone)
            # A plan of the former layout would have the records' cells made once more.
            self._plans = {key: plan for key, plan in self._plans.items() if key[0] != module}
        return found

    def _always(self, module: str, names: tuple[str, ...], one: bool) -> tuple[str, ...]:
        """The parent's module where it shows without being asked for (11.18)."""
        store = self._store
        if not store.has_parent(module):
            return ()
        if not one and store.switches.parent_module_key != "always":
            return ()
        crm = module in ("Notes", "Attachments") or store.switches.activity_parent == "What_Id"
        return ("$se_module" if crm else "$related_module",)

    def _render(self, module: str, field: Field, one: bool) -> Render | None:
        """The rendering of a field, None for a value that goes out as stored."""
        store, kind = self._store, field.data_type
        if field.api_name == "Pipeline" and module == "Pipelines":
            return store.pipeline_ref
        if field.api_name == "Tag":
            return lambda names: store.tag_refs(module, names or ())
        if kind == "boolean":
            return bool
        if kind == "datetime":
            if field.api_name in ("Created_Time", "Modified_Time"):
                return store.zone.text
            text = store.zone.text
            return lambda epoch: None if epoch is None else text(epoch)
        if kind == "lookup":
            target = field.lookup
            return lambda id: store.reference(target, id)
        if kind in ("ownerlookup", "userlookup"):
            return store.user_ref
        if kind == "multi_module_lookup":
            return lambda parent: store.parent_ref(module, parent)
        if kind == "multiselectpicklist":
            bare = store.switches.empty_multiselect == "[]"
            return lambda chosen: list(chosen or ()) or ([] if bare else None)
        if kind == "multiselectlookup":
            target = field.lookup
            return lambda ids: [
                item for id in ids or () if (item := store.reference(target, id)) is not None
            ]
        if kind == "multiuserlookup":
            return lambda ids: [store.user_ref(id) for id in ids or ()]
        return None


def _parent_module(parent: tuple[str, str] | None) -> str | None:
    return module_word(parent[0]) if parent else None


def _nothing(value: Any) -> None:
    """A subform that lists do not show."""
