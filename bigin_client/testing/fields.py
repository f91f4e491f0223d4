"""Field definitions and the metadata objects that ``settings/fields`` shows of them.

Keys and quirks: bigin-api.md section 2 ([rec]). Types: the table "data_type / json_type".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

#: json_type by data_type. Source: bigin-api.md section 2; "string" where the type is unknown.
JSON_TYPES: Final[dict[str, str]] = {
    "text": "string",
    "textarea": "string",
    "email": "string",
    "phone": "string",
    "website": "string",
    "picklist": "string",
    "autonumber": "string",
    "profileimage": "string",
    "bigint": "string",
    "date": "string",
    "datetime": "string",
    "boolean": "boolean",
    "integer": "integer",
    "currency": "double",
    "double": "double",
    "percent": "double",
    "decimal": "double",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
    "userlookup": "jsonobject",
    "multiselectpicklist": "jsonarray",
    "multiselectlookup": "jsonarray",
    "multiuserlookup": "jsonarray",
    "subform": "jsonarray",
    "fileupload": "jsonarray",
    "imageupload": "jsonarray",
    "formula": "double",
    "RRULE": "jsonobject",
    "ALARM": "jsonobject",
    "event_reminder": "jsonarray",
    "multi_module_lookup": "jsonobject",
    "participants": "jsonarray",
}

#: Longest text by data_type where the field says nothing else. Source: CRM family.
LENGTHS: Final[dict[str, int]] = {
    "text": 255,
    "textarea": 32_000,
    "email": 100,
    "phone": 30,
    "website": 450,
    "picklist": 120,
    "bigint": 19,
    "date": 20,
    "datetime": 20,
    "integer": 9,
    "double": 16,
    "currency": 16,
    "decimal": 16,
    "percent": 5,
    "boolean": 5,
}

_UI_TYPES: Final[dict[str, int]] = {
    "text": 1,
    "picklist": 2,
    "textarea": 3,
    "ownerlookup": 8,
    "lookup": 10,
    "email": 25,
    "date": 24,
    "datetime": 200,
    "phone": 33,
    "boolean": 301,
}


@dataclass
class PickValue:
    """One value of a picklist; ``display`` is what the user interface shows."""

    actual: str
    display: str = ""
    id: str = ""
    type: str = "used"
    #: Values of the dependent list (Sub_Pipeline → Stage).
    stages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.display = self.display or self.actual


@dataclass
class Field:
    """One field of a module.

    Attributes:
        kept: The service keeps the value; a body cannot set it.
        hidden: CRM heritage: unknown to ``settings/fields``, present in search results.
        view: ``view_type`` flags view, edit, create, quick_create.
    """

    api_name: str
    data_type: str
    label: str = ""
    display_label: str = ""
    length: int = 0
    mandatory: bool = False
    unique: bool = False
    lookup: str = ""
    picklist: list[PickValue] = field(default_factory=list)
    custom: bool = False
    kept: bool = False
    hidden: bool = False
    read_only: bool = False
    field_read_only: bool = False
    view: tuple[bool, bool, bool, bool] = (True, True, True, False)
    filterable: bool = True
    sortable: bool = True
    searchable: bool = True
    decimal_place: int | None = None
    display_field: bool = False
    json_type: str = ""
    id: str = ""
    quick_sequence: str = ""

    def __post_init__(self) -> None:
        self.label = self.label or self.api_name.replace("_", " ")
        self.display_label = self.display_label or self.label
        self.length = self.length or LENGTHS.get(self.data_type, 255)
        self.json_type = self.json_type or JSON_TYPES.get(self.data_type, "string")
        if self.data_type in ("currency", "double", "decimal", "formula"):
            self.decimal_place = 2 if self.decimal_place is None else self.decimal_place

    @property
    def actual_values(self) -> set[str]:
        """The values that a write may use."""
        return {value.actual for value in self.picklist}

    def describe(
        self, module_ids: dict[str, str], profiles: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """The field's object in ``settings/fields``.

        Args:
            module_ids: Id of each module, for the ``lookup`` object.
            profiles: ``{name, id}`` of each profile.
        """
        shown = {
            "webhook": True,
            "address": False,
            "api_name": self.api_name,
            "association_details": None,
            "auto_number": {"prefix": "", "start_number": "1", "suffix": ""}
            if self.data_type == "autonumber"
            else {},
            "businesscard_supported": not self.kept,
            "child_fields": None,
            "colour_code_enabled_by_system": False,
            "created_source": "default",
            "created_time": None,
            "crypt": None,
            "currency": {"precision": self.decimal_place, "rounding_option": "normal"}
            if self.data_type == "currency"
            else {},
            "custom_field": self.custom,
            "data_type": self.data_type,
            "decimal_place": self.decimal_place,
            "display_field": self.display_field,
            "display_format": None,
            "display_format_properties": None,
            "display_label": self.display_label,
            "display_type": -1,
            "email_parser": {
                "fields_update_supported": not self.kept,
                "record_operations_supported": not self.kept,
            },
            "enable_colour_code": False,
            "external": None,
            "field_label": self.label,
            "field_read_only": self.field_read_only,
            "filterable": self.filterable,
            "formula": {"return_type": "double", "expression": "${Custom_Integer}*2"}
            if self.data_type == "formula"
            else {},
            "global_picklist": None,
            "history_tracking": None,
            "id": self.id,
            "json_type": self.json_type,
            "length": self.length,
            "lookup": {
                "api_name": self.api_name,
                "display_label": self.display_label,
                "id": self.id,
                "module": {
                    "api_name": self.lookup,
                    "id": module_ids.get(self.lookup, ""),
                    "crypt": None,
                },
            }
            if self.data_type == "lookup" and self.lookup
            else {},
            "mass_update": self.view[1] and not self.kept,
            "modified_time": None,
            "multi_module_lookup": {},
            "multiselectlookup": {
                "display_label": self.display_label,
                "connected_module": self.lookup,
                "api_name": self.api_name,
                "id": self.id,
            }
            if self.data_type == "multiselectlookup"
            else {},
            "parent_field": None,
            "pick_list_values": self._pick_list_values(),
            "pick_list_values_sorted_lexically": False,
            "profiles": [
                {"permission_type": "read_write", "name": item["name"], "id": item["id"]}
                for item in profiles
            ],
            "range": None,
            "read_only": self.read_only,
            "searchable": self.searchable,
            "separator": False,
            "sortable": self.sortable,
            "subform": {"module": {"api_name": self.lookup, "id": module_ids.get(self.lookup, "")}}
            if self.data_type == "subform"
            else None,
            "system_mandatory": self.mandatory,
            "tooltip": None,
            "type": "used",
            "ui_type": _UI_TYPES.get(self.data_type, 1),
            "unique": {"casesensitive": "0"} if self.unique else {},
            "view_type": {
                "view": self.view[0],
                "edit": self.view[1],
                "create": self.view[2],
                "quick_create": self.view[3],
            },
            "virtual_field": False,
            "visible": True,
        }
        if self.quick_sequence:
            shown["quick_sequence_number"] = self.quick_sequence
        if self.data_type == "picklist":
            shown["blueprint_supported"] = False
        if self.data_type == "textarea":
            shown["textarea"] = {"type": "large" if self.length > 2_000 else "small"}
        return shown

    def _pick_list_values(self) -> list[dict[str, Any]]:
        shown = []
        for number, value in enumerate(self.picklist, start=1):
            maps: list[dict[str, Any]] = []
            if value.stages:
                maps = [
                    {
                        "api_name": "Stage",
                        "pick_list_values": [
                            {"display_value": stage, "actual_value": stage, "id": value.id}
                            for stage in value.stages
                        ],
                    }
                ]
            shown.append(
                {
                    "display_value": value.display,
                    "sequence_number": number,
                    "reference_value": value.actual,
                    "colour_code": None,
                    "actual_value": value.actual,
                    "id": value.id,
                    "type": value.type,
                    "maps": maps,
                }
            )
        return shown
