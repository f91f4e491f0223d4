"""Rows that tests hand to the store, in the API's write or read form, turned into stored values.

Nothing is checked here: a test may store what the service would refuse.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bigin_client.testing.catalogue import HERITAGE
from bigin_client.testing.clock import parse_datetime, to_epoch
from bigin_client.testing.fields import Field, PickValue
from bigin_client.testing.reading import PARENT

if TYPE_CHECKING:
    from bigin_client.testing.store import Store

#: What the service keeps about every record, apart from its values.
SYSTEM: Final = frozenset(
    {"id", "Created_Time", "Modified_Time", "Created_By", "Modified_By", "Last_Activity_Time"}
)


def stored(store: Store, module: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The stored values of a row; None stays, to clear a field."""
    values: dict[str, Any] = {}
    fields = store.fields(module)
    for name, value in row.items():
        field = fields.get(name)
        if field is None or name in SYSTEM:
            if name in ("$related_module", "$se_module"):
                continue
            if name not in SYSTEM and not name.startswith("$"):
                raise KeyError(f"{module} has no field {name}")
            continue
        key = PARENT if field.data_type == "multi_module_lookup" else name
        values[key] = None if value is None else _one(store, module, field, value, row)
    return values


def _one(store: Store, module: str, field: Field, value: Any, row: Mapping[str, Any]) -> Any:
    kind = field.data_type
    if field.data_type == "multi_module_lookup":
        word = str(row.get("$related_module") or row.get("$se_module") or "Contacts")
        return (HERITAGE.get(word, word), _id_of(value))
    if field.api_name == "Tag":
        names = [item["name"] if isinstance(item, Mapping) else item for item in value]
        return tuple(store.define_tag(module, name) for name in names)
    if kind in ("lookup", "ownerlookup", "userlookup") or field.api_name == "Pipeline":
        return _id_of(value)
    if kind == "multiselectpicklist":
        return tuple(value)
    if kind in ("multiselectlookup", "multiuserlookup"):
        return tuple(_id_of(item) for item in value)
    if kind == "datetime":
        if isinstance(value, datetime):
            return to_epoch(value)
        return parse_datetime(value) if isinstance(value, str) else value
    return value


def _id_of(value: Any) -> str:
    return str(value["id"]) if isinstance(value, Mapping) else str(value)


def copied(field: Field) -> Field:
    """A field like this one, with an id of its own to come."""
    return Field(**{**vars(field), "picklist": list(field.picklist)})


def field_of(given: Field | Mapping[str, Any]) -> Field:
    """A field from its definition, or from a mapping with its arguments (the admin surface)."""
    if isinstance(given, Field):
        return given
    values = dict(given)
    picks = [
        item
        if isinstance(item, PickValue)
        else PickValue(**item)
        if isinstance(item, Mapping)
        else PickValue(str(item))
        for item in values.pop("picklist", ())
    ]
    return (
        Field(**values, picklist=picks, custom=True)
        if "custom" not in values
        else Field(**values, picklist=picks)
    )


def own(row: dict[str, Any]) -> dict[str, Any]:
    """The row with objects of its own inside."""
    for name, value in row.items():
        if type(value) in (dict, list):
            row[name] = copy.deepcopy(value)
    return row
