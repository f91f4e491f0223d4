"""Records in the form in which the API returns them (bigin-api.md section 4).

Every field is a function of one stored value: a time in the org's offset, a lookup with the
target's present name, tags. A `Plan` knows these functions for one list of fields. It keeps the
JSON of values it has met, and a record keeps the JSON of the last plan it was read with, so that
a page of 200 records costs a millisecond or two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from bigin_client.testing.catalogue import module_word
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
_TIMES: Final = frozenset({"created", "modified", "activity"})
#: Types whose stored values are lists or dicts: they cannot be looked up.
_UNHASHABLE: Final = frozenset(
    {"RRULE", "ALARM", "event_reminder", "participants", "fileupload", "imageupload"}
)
#: Encoded values that a plan keeps per field; beyond that the values are mostly unique.
_KEPT: Final = 4_000


class _Encoded(dict[Any, bytes]):
    """``"name":json`` by stored value; a plan ends before what it has looked up is wrong.

    Equal numbers of different spelling (10, 10.0) share the spelling of the first one met.
    """

    __slots__ = ("prefix", "render")

    def __init__(self, name: str, render: Render | None) -> None:
        super().__init__()
        self.prefix = encode(name) + b":"
        self.render = render

    def __missing__(self, value: Any) -> bytes:
        made = self.prefix + encode(value if self.render is None else self.render(value))
        if len(self) < _KEPT:
            self[value] = made
        return made


class Plan:
    """How to read a given list of fields of a given module.

    Args:
        values: Name, key in the record's values, rendering.
        attributes: Name, attribute of the record, rendering.
        opaque: Names whose values go out as they are and cannot be looked up.
        unique: Names whose values go out as they are and are met once.
        text: Writes a time.
    """

    __slots__ = (
        "_alone", "_attributes", "_opaque", "_shared", "_system", "_text", "_times", "_values",
    )  # fmt: skip

    def __init__(
        self,
        values: Sequence[tuple[str, str, Render | None]],
        attributes: Sequence[tuple[str, str, Render | None]],
        opaque: Sequence[str],
        unique: Collection[str],
        text: Callable[[int], str],
    ) -> None:
        self._values = tuple(values)
        self._attributes = tuple(attributes)
        self._opaque = tuple(opaque)
        # What no two records share is not worth keeping.
        self._alone = tuple((encode(name) + b":", name) for name in (*unique, *opaque))
        self._shared = tuple(
            (_Encoded(name, render), key) for name, key, render in values if name not in unique
        )
        self._system = tuple(
            (_Encoded(name, render), attrgetter(attribute))
            for name, attribute, render in attributes
            if attribute not in _TIMES
        )
        self._times = tuple(
            (encode(name) + b":", attrgetter(attribute))
            for name, attribute, _ in attributes
            if attribute in _TIMES
        )
        self._text = text

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
        for name in self._opaque:
            row[name] = get(name)
        row["id"] = record.id
        return row

    def encoded(self, records: Sequence[Record], before: bytes = b"", after: bytes = b"") -> bytes:
        """The JSON array of these records, between two pieces of the reply it belongs to."""
        unread = [record for record in records if record.cache_plan is not self]
        if unread:
            try:
                made = self._made(unread)
            except TypeError:
                # A test stored a list or dict where the service has none.
                made = [encode(self.row(record)) for record in unread]
            for record, line in zip(unread, made, strict=True):
                record.cache, record.cache_plan = line, self
        rows = [record.cache for record in records] or [b""]
        # Put on a row: every copy of a page costs as much as fifty of its rows.
        rows[0] = before + b"[" + rows[0]
        rows[-1] += b"]" + after
        return b",".join(rows)

    def _made(self, records: Sequence[Record]) -> list[bytes]:
        """The JSON of each record, put together from columns.

        This is where the simulator spends its time: a column is made in C as far as it goes,
        at half the cost of going through each record's fields.
        """
        stored = [record.values for record in records]
        get = dict.get
        columns: list[list[bytes]] = [
            [*map(encoded.__getitem__, map(get, stored, repeat(key)))]
            for encoded, key in self._shared
        ]
        columns += [[*map(encoded.__getitem__, map(of, records))] for encoded, of in self._system]
        columns += [
            [prefix + text for text in map(encode, map(get, stored, repeat(name)))]
            for prefix, name in self._alone
        ]
        columns += self._timed(records)
        columns.append([f'"id":"{record.id}"}}'.encode() for record in records])
        columns[0] = [b"{" + first for first in columns[0]]
        return [*map(b",".join, zip(*columns, strict=True))]

    def _timed(self, records: Sequence[Record]) -> Iterator[list[bytes]]:
        """The columns of times; a record's are often equal, and are then written once."""
        text = self._text
        former: list[int | None] = [None] * len(records)
        made = [b"null"] * len(records)
        for prefix, of in self._times:
            epochs: list[int | None] = [*map(of, records)]
            made = [
                known
                if epoch == before
                else (b"null" if epoch is None else f'"{text(epoch)}"'.encode())
                for epoch, before, known in zip(epochs, former, made, strict=True)
            ]
            former = epochs
            yield [prefix + value for value in made]


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
        store = self._store
        known, hidden = store.fields(module), store.modules[module].hidden
        values: list[tuple[str, str, Render | None]] = []
        attributes: list[tuple[str, str, Render | None]] = []
        opaque: list[str] = []
        for name in dict.fromkeys((*names, *self._always(module, names, one))):
            field = known.get(name) or hidden.get(name)
            if field is None:
                if name in PARENT_MODULE_KEYS and store.has_parent(module):
                    values.append((name, PARENT, _parent_module))
                elif name in FILE_KEYS and module == "Attachments":
                    values.append((name, name, None))
            elif name in _ATTRIBUTES:
                attributes.append((name, _ATTRIBUTES[name], self._render(module, field, one)))
            elif name == "Associated_Products" and module == "Pipelines":
                shown = one or store.switches.subforms_in_lists
                attributes.append((name, "id", store.line_items if shown else _nothing))
            elif field.data_type in _UNHASHABLE:
                opaque.append(name)
            else:
                key = PARENT if field.data_type == "multi_module_lookup" else name
                values.append((name, key, self._render(module, field, one)))
        marked = store.modules[module].unique_fields
        unique = [name for name, _, render in values if name in marked and render is None]
        return Plan(values, attributes, opaque, unique, store.zone.text)

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
