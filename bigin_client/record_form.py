"""Records of the service in our form: ids as text, times in UTC, exact numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bigin_client import field_types
from bigin_client.field_writes import is_blank
from bigin_client.metadata import Field
from bigin_client.types import Record

log = logging.getLogger(__name__)

#: Keys that lists return only when asked for (bigin-api.md 1.4): the parent's module.
PARENT_MODULE_KEYS: Final = {
    "Tasks": ("$related_module",),
    "Events": ("$related_module",),
    "Calls": ("$related_module",),
    "Notes": ("$se_module",),
}
#: Kinds of field that not every value can be made one of.
_STRICT: Final = frozenset({"integer", "number", "boolean", "date", "datetime"})
PARENT_KEYS: Final = frozenset({"$related_module", "$se_module"})


def reader(fields: Iterable[Field]) -> Callable[[Record], Record]:
    """Return a function that turns a record of the service into ours; see `reader_of`."""
    return reader_of(
        {
            f.api_name: field_types.of(f.api_name, f.data_type, f.json_type, f.return_type)
            for f in fields
        }
    )


def reader_of(types: Mapping[str, field_types.FieldType]) -> Callable[[Record], Record]:
    """Return a function that turns a record of the service into ours.

    ``id`` first, then exactly the given fields: a value that the service left out is null, and
    a parent's module ``Deals`` becomes ``Pipelines`` (bigin-api.md 1.4). A value that cannot be
    of its field's type becomes null too, with one warning for each field.
    """
    rows: list[tuple[str, Callable[[Any], Any], type | None]] = [("id", str, str)]
    rows += [
        (n, _noting(n, t), t.kept) for n, t in types.items() if n != "id" and n not in PARENT_KEYS
    ]
    parents = [n for n in types if n in PARENT_KEYS]

    def read(raw: Record) -> Record:
        get = raw.get
        # Most values are null or what they should be: no call for those.
        record: Record = {
            name: value if (value := get(name)) is None or type(value) is kept else convert(value)
            for name, convert, kept in rows
        }
        if record["id"] is None:
            msg = "id"
            raise KeyError(msg)
        for name in parents:
            record[name] = _parent_module(raw, name)
        return record

    return read


def _noting(name: str, about: field_types.FieldType) -> Callable[[Any], Any]:
    """Return a field type's `read` that says, once, where it makes null of something."""
    convert = about.read
    if about.kind not in _STRICT:
        return convert
    said = False

    def noting(value: Any) -> Any:
        nonlocal said
        found = convert(value)
        if found is None and not said and not is_blank(value):
            said = True
            log.warning("%s: a value that is no %s is given as null", name, about.kind)
        return found

    return noting


def _parent_module(raw: Record, name: str) -> str | None:
    """Return the module of a note's or activity's parent, whichever form it comes in."""
    word = raw.get(name)
    if not isinstance(word, str):
        # v8 form (bigin-api.md 3.9): the parent's lookup names its module itself.
        parent = raw.get("Parent_Id")
        module = parent.get("module") if isinstance(parent, dict) else None
        word = module.get("api_name") if isinstance(module, dict) else None
    if not isinstance(word, str):
        return None
    return field_types.PIPELINES if word == field_types.DEALS else word
