"""Between Bigin's fields and JSON Schema, both ways.

Discovery turns fields into schemas; a sync with a catalog turns the schemas back into the way
in which values are read, so that it needs no metadata request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bigin_client import field_types
from bigin_client.field_types import FieldType
from bigin_client.metadata import Field

DELETED_AT: Final = "_sdc_deleted_at"
ID: Final = {"type": "string", "title": "Record id", "description": "19 digits."}
DELETED_AT_SCHEMA: Final = {
    "type": ["string", "null"],
    "format": "date-time",
    "title": "Deleted at",
    "description": "When the record was deleted; null while it exists.",
}
#: Types whose length the service enforces (bigin-api.md 3.3, [bigin-doc]).
_BOUND: Final = frozenset({"text", "email", "phone", "website"})


def module_schema(
    types: Mapping[str, FieldType], fields: Mapping[str, Field], *, deleted_at: bool
) -> dict[str, Any]:
    """Return a module's schema: ``id`` required, the rest nullable, nothing else allowed."""
    properties: dict[str, Any] = {"id": dict(ID)}
    for name, kind in types.items():
        properties[name] = property_schema(kind, fields.get(name))
    if deleted_at:
        properties[DELETED_AT] = dict(DELETED_AT_SCHEMA)
    return {
        "type": "object",
        "properties": properties,
        "required": ["id"],
        "additionalProperties": False,
    }


def property_schema(kind: FieldType, field: Field | None) -> dict[str, Any]:
    """Return the schema of one field."""
    schema: dict[str, Any] = dict(kind.schema)
    if field is None:
        return schema
    schema["title"] = field.label
    about = [field.data_type or "unknown type"]
    if field.lookup_module:
        about.append(f"of {field.lookup_module}")
    if field.custom:
        about.append("custom")
    schema["description"] = ", ".join(about)
    if field.length and field.data_type in _BOUND and "string" in kind.schema["type"]:
        schema["maxLength"] = field.length
    return schema


def types_of(schema: Mapping[str, Any], names: Iterable[str]) -> dict[str, FieldType]:
    """Return how the chosen properties of a catalog's schema are read."""
    properties = schema.get("properties") or {}
    return {n: _type_of(properties.get(n) or {}) for n in names if n not in {"id", DELETED_AT}}


def _type_of(schema: Mapping[str, Any]) -> FieldType:
    kinds = schema.get("type") or "string"
    kind = next((k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null"), None)
    if kind == "string":
        return _STRING_FORMATS.get(str(schema.get("format")), field_types.TEXT)
    if kind == "object":
        return field_types.LOOKUP if schema.get("properties") else field_types.OBJECT
    if kind == "array":
        items = schema.get("items") or {}
        return field_types.STRINGS if "string" in (items.get("type") or ()) else field_types.ARRAY
    return _PLAIN.get(str(kind), field_types.TEXT)


_STRING_FORMATS: Final = {"date-time": field_types.DATETIME, "date": field_types.DATE}
_PLAIN: Final = {
    "integer": field_types.INTEGER,
    "number": field_types.NUMBER,
    "boolean": field_types.BOOLEAN,
}
