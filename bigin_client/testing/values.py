"""Checks of the values of a row, by data type (bigin-api.md sections 3.3 and 4; 9.38 to 9.54).

`Checker.row` turns a row as sent into stored values, or refuses it. The order of the checks is
assumed: mandatory fields first, then each field in the row's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bigin_client.testing.call import Call
from bigin_client.testing.catalogue import HERITAGE
from bigin_client.testing.clock import parse_datetime
from bigin_client.testing.fields import JSON_TYPES, Field
from bigin_client.testing.reading import PARENT, PARENT_MODULE_KEYS
from bigin_client.testing.refusals import RowRefusal

_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
#: Ids have 19 digits; shorter ones of older orgs exist, hence no exact length.
_ID: Final = re.compile(r"\d{15,19}")
_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Checker:
    """Checks rows of one write call.

    Args:
        call: The call.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._store = call.store
        self._switches = call.switches
        self._module = call.module
        self._fields = call.store.fields(call.module)
        self._position = 0

    def mandatory(self) -> list[str]:
        """Names of the mandatory fields (1.3; 9.14 for Pipelines)."""
        if self._module == "Pipelines" and self._switches.pipelines_mandatory == "seed":
            # The seed's Pipeline_Name is in no field list: it is checked, and then ignored.
            return ["Pipeline_Name", "Stage"]
        return [field.api_name for field in self._fields.values() if field.mandatory]

    def row(self, row: Any, position: int, *, new: bool) -> dict[str, Any]:
        """Stored values of the fields that the row sets; None clears.

        Args:
            row: As sent.
            position: Of the row in ``data``.
            new: Insert: mandatory fields must be there.

        Raises:
            RowRefusal: The row is refused.
        """
        self._position = position
        if not isinstance(row, dict):
            raise RowRefusal("INVALID_DATA", {"expected_data_type": "jsonobject"})
        row = self._disturbed(row, new=new)
        if new:
            for name in self.mandatory():
                if row.get(name) in (None, ""):
                    raise RowRefusal("MANDATORY_NOT_FOUND", self._at(name))
        values: dict[str, Any] = {}
        for name, value in row.items():
            field = self._fields.get(name)
            if field is None:
                self._unknown(name)
            elif field.kept or field.data_type == "profileimage":
                if self._switches.read_only_in_body == "NOT_ALLOWED":
                    raise RowRefusal("NOT_ALLOWED", self._at(name))
            elif field.data_type == "subform":
                values[name] = self._typed(field, value, list, "jsonarray") or []
            elif value is None or (value == "" and self._clears(field)):
                if field.mandatory and not new:
                    raise RowRefusal(self._switches.null_mandatory, self._at(name))
                values[_key(field)] = None
            else:
                values[_key(field)] = self._value(field, value, row)
        self._dependent(values, row, new=new)
        return values

    def _disturbed(self, row: dict[str, Any], *, new: bool) -> dict[str, Any]:
        """The row after faults that trim, default or override values."""
        effects = self._call.effects
        trims = effects.trim or self._switches.trims_text
        if not (trims or effects.overrides or (effects.defaults and new)):
            return row
        changed = {
            name: value.strip() if trims and isinstance(value, str) else value
            for name, value in row.items()
        }
        if new:
            for name, value in effects.defaults.items():
                if changed.get(name) is None:
                    changed[name] = value
        changed.update(effects.overrides)
        return changed

    def _at(self, name: str, **more: Any) -> dict[str, Any]:
        details: dict[str, Any] = {**more, "api_name": name}
        form = self._switches.json_path
        if form != "none":
            prefix = "$." if form.startswith("$") else ""
            details["json_path"] = f"{prefix}data[{self._position}].{name}"
        return details

    def _wrong(self, field: Field, expected: str | None = None) -> RowRefusal:
        kind = expected or field.data_type
        if self._switches.type_names == "json types":
            kind = JSON_TYPES.get(kind, kind)
        return RowRefusal("INVALID_DATA", self._at(field.api_name, expected_data_type=kind))

    def _unknown(self, name: str) -> None:
        silent = name == "id" or name.startswith("$") or name in ("se_module", "Pipeline_Name")
        if not silent and self._switches.unknown_field_in_body == "refused":
            raise RowRefusal("INVALID_DATA", self._at(name))

    def _clears(self, field: Field) -> bool:
        """Whether an empty string empties the field (11.12)."""
        if field.data_type in ("text", "textarea", "email", "phone", "website"):
            return True
        if self._switches.empty_string == "cleared":
            return True
        raise self._wrong(field)

    def _value(self, field: Field, value: Any, row: Mapping[str, Any]) -> Any:
        kind = field.data_type
        if field.api_name == "Tag":
            return self._tags(field, value)
        if field.api_name == "Pipeline" and self._module == "Pipelines":
            return self._pipeline(field, value)
        if kind == "multi_module_lookup":
            return self._parent(field, value, row)
        check = _CHECKS.get(kind)
        if check is not None:
            return check(self, field, value)
        return value

    def _typed(self, field: Field, value: Any, wanted: type, name: str) -> Any:
        if value is not None and type(value) is not wanted:
            raise self._wrong(field, name)
        return value

    def text(self, field: Field, value: Any) -> Any:
        """text, textarea, email, phone, website."""
        if not isinstance(value, str):
            if self._switches.wrong_type == "converted" and not isinstance(value, (dict, list)):
                value = str(value)
            else:
                raise self._wrong(field)
        if len(value) > field.length:
            more = {}
            if self._switches.over_long_details == "maximum_length":
                more = {"maximum_length": field.length}
            raise RowRefusal("INVALID_DATA", self._at(field.api_name, **more))
        if field.data_type == "email" and not _EMAIL.fullmatch(value):
            raise self._wrong(field)
        return value

    def picklist(self, field: Field, value: Any) -> Any:
        """picklist: the actual value (section 4, 11.12; Stage and Sub_Pipeline always)."""
        self.text(field, value)
        strict = self._module == "Pipelines" and field.api_name in ("Stage", "Sub_Pipeline")
        if strict or self._switches.unknown_picklist == "refused":
            if field.picklist and value not in field.actual_values:
                raise self._wrong(field)
        return value

    def multiselect(self, field: Field, value: Any) -> Any:
        """multiselectpicklist: an array of actual values."""
        self._typed(field, value, list, "jsonarray")
        for item in value:
            if not isinstance(item, str):
                raise self._wrong(field)
            if self._switches.unknown_picklist == "refused" and item not in field.actual_values:
                raise self._wrong(field)
        return tuple(value) or None

    def boolean(self, field: Field, value: Any) -> Any:
        """boolean: a JSON boolean."""
        if self._switches.wrong_type == "converted" and value in ("true", "false"):
            return value == "true"
        return self._typed(field, value, bool, "boolean")

    def integer(self, field: Field, value: Any) -> Any:
        """integer: a JSON number without a fraction, up to the field's digits."""
        if self._switches.wrong_type == "converted" and isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise self._wrong(field) from None
        self._typed(field, value, int, "integer")
        if len(str(abs(value))) > field.length:
            raise RowRefusal("INVALID_DATA", self._at(field.api_name, maximum_length=field.length))
        return value

    def number(self, field: Field, value: Any) -> Any:
        """currency, double, decimal, percent: a JSON number."""
        if self._switches.wrong_type == "converted" and isinstance(value, str):
            try:
                value = Decimal(value)
            except InvalidOperation:
                raise self._wrong(field) from None
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise self._wrong(field, "double" if field.data_type != "currency" else None)
        return Decimal(value)

    def bigint(self, field: Field, value: Any) -> Any:
        """bigint: digits in a string; a JSON number is refused, since it may be rounded."""
        if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,19}", value):
            raise self._wrong(field)
        return value

    def date(self, field: Field, value: Any) -> Any:
        """date: ``YYYY-MM-DD``, a day that exists."""
        match = _DATE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self._wrong(field)
        year, month, day = (int(part) for part in match.groups())
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if not (1 <= month <= 12 and 1 <= day <= _MONTHS[month - 1]):
            raise self._wrong(field)
        if month == 2 and day == 29 and not leap:
            raise self._wrong(field)
        return value

    def datetime(self, field: Field, value: Any) -> Any:
        """datetime: with an offset; kept in whole seconds."""
        zulu = self._switches.zulu_offset == "accepted"
        epoch = parse_datetime(value, zulu=zulu) if isinstance(value, str) else None
        if epoch is None:
            raise self._wrong(field)
        return epoch

    def lookup(self, field: Field, value: Any) -> Any:
        """lookup: ``{"id"}`` or a bare id of a live record; companies by name too (3.3)."""
        name = None
        if isinstance(value, dict):
            if value.get("id") is None:
                name = value.get("name")
            value = value.get("id", value.get("name"))
        if not isinstance(value, str) or not value:
            raise self._wrong(field, "jsonobject")
        by_name = field.api_name == "Account_Name" and field.lookup == "Accounts"
        if by_name and (name is not None or not _ID.fullmatch(value)):
            return self._company(value)
        table = self._store.tables.get(field.lookup)
        if table is None or value not in table.live:
            raise self._invalid_id(field)
        return value

    def _company(self, name: str) -> str:
        """The company of a name; made when there is none (bigin-api.md 3.3, [code: Nango])."""
        found = self._store.tables["Accounts"].find("Account_Name", name)
        if found:
            return found[0]
        return self._store.insert("Accounts", {"Account_Name": name})

    def _invalid_id(self, field: Field) -> RowRefusal:
        details = self._at(field.api_name)
        return RowRefusal("INVALID_DATA", details, "the id given seems to be invalid")

    def user(self, field: Field, value: Any) -> Any:
        """ownerlookup, userlookup: ``{"id"}`` or a bare id of a user."""
        if isinstance(value, dict):
            value = value.get("id")
        if not isinstance(value, str):
            raise self._wrong(field, "jsonobject")
        if self._store.user(value) is None:
            raise self._invalid_id(field)
        return value

    def several(self, field: Field, value: Any) -> Any:
        """multiselectlookup, multiuserlookup: an array of ``{"id"}``; it replaces the set."""
        self._typed(field, value, list, "jsonarray")
        check = self.user if field.data_type == "multiuserlookup" else self.lookup
        return tuple(check(field, item) for item in value) or None

    def _tags(self, field: Field, value: Any) -> Any:
        """Tag: ``[{"name"}]`` replaces the whole set ([?], section 4)."""
        self._typed(field, value, list, "jsonarray")
        names = []
        for item in value:
            name = item.get("name") if isinstance(item, dict) else None
            if not isinstance(name, str) or not name.strip():
                raise self._wrong(field, "jsonarray")
            names.append(self._store.define_tag(self._module, name))
        return tuple(dict.fromkeys(names)) or None

    def _pipeline(self, field: Field, value: Any) -> Any:
        """Pipeline: ``{"id"}`` of a layout, or the bare id (1.2)."""
        if isinstance(value, dict):
            value = value.get("id")
        if not isinstance(value, str):
            raise self._wrong(field, "jsonobject")
        if self._store.modules["Pipelines"].layout(value) is None:
            raise self._invalid_id(field)
        return value

    def _parent(self, field: Field, value: Any, row: Mapping[str, Any]) -> Any:
        """Related_To and Parent_Id, with the module's word beside them (1.4, 11.17)."""
        word = next((row[key] for key in (*PARENT_MODULE_KEYS, "se_module") if row.get(key)), None)
        if isinstance(value, dict):
            inside = value.get("module")
            if word is None and isinstance(inside, dict):
                word = inside.get("api_name")
            value = value.get("id")
        if not isinstance(value, str):
            raise self._wrong(field, "jsonobject")
        candidates: tuple[str, ...] = ("Contacts", "Accounts", "Pipelines", "Products")
        if word is not None:
            candidates = (HERITAGE.get(word, word),)
            if word == "Pipelines" and self._module != "Notes":
                # A deal is "Deals" here [code: Activepieces]; stricter than any document says.
                raise RowRefusal("INVALID_DATA", self._at("$related_module"))
        elif self._module == "Notes" or self._switches.related_module_missing != "accepted":
            key = "$se_module" if self._module == "Notes" else "$related_module"
            code = "DEPENDENT_FIELD_MISSING"
            if self._module == "Notes":
                code = "MANDATORY_NOT_FOUND"
            raise RowRefusal(code, self._at(key))
        for module in candidates:
            if module in self._store.tables and value in self._store.tables[module].live:
                return (module, value)
        raise self._invalid_id(field)

    def _dependent(self, values: dict[str, Any], row: Mapping[str, Any], *, new: bool) -> None:
        """Rules between fields: the deal's three levels, the event's two times."""
        if self._module == "Pipelines":
            self._levels(values, row, new=new)
        if self._module == "Events" and {"Start_DateTime", "End_DateTime"} <= values.keys():
            start, end = values["Start_DateTime"], values["End_DateTime"]
            if start is not None and end is not None and end <= start:
                raise RowRefusal("INVALID_DATA", self._at("End_DateTime"))

    def _levels(self, values: dict[str, Any], row: Mapping[str, Any], *, new: bool) -> None:
        touched = {"Pipeline", "Sub_Pipeline", "Stage"} & values.keys()
        if not touched:
            return
        former: Mapping[str, Any] = {}
        if not new:
            record = self._store.tables["Pipelines"].live.get(str(row.get("id")))
            former = record.values if record is not None else {}
        sub = values.get("Sub_Pipeline", former.get("Sub_Pipeline"))
        stage = values.get("Stage", former.get("Stage"))
        layout_id = values.get("Pipeline", former.get("Pipeline"))
        layouts = self._store.modules["Pipelines"].layouts
        known = {item.actual: item for layout in layouts for item in layout.sub_pipelines}
        if sub in known and stage is not None and stage not in known[sub].stages:
            if self._switches.stage_outside != "accepted":
                raise RowRefusal(self._switches.stage_outside, self._at("Stage"))
        layout = self._store.modules["Pipelines"].layout(layout_id) if layout_id else None
        if layout is not None and sub is not None:
            inside = {item.actual for item in layout.sub_pipelines}
            if sub not in inside and self._switches.sub_pipeline_outside != "accepted":
                raise RowRefusal(self._switches.sub_pipeline_outside, self._at("Sub_Pipeline"))
        if new and layout_id is None and sub in known:
            # The team pipeline that owns the sub-pipeline (assumed).
            owner = next(item for item in layouts if known[sub] in item.sub_pipelines)
            values["Pipeline"] = owner.id


def _key(field: Field) -> str:
    return PARENT if field.data_type == "multi_module_lookup" else field.api_name


_CHECKS: Final[dict[str, Callable[[Checker, Field, Any], Any]]] = {
    **dict.fromkeys(("text", "textarea", "email", "phone", "website"), Checker.text),
    "picklist": Checker.picklist,
    "multiselectpicklist": Checker.multiselect,
    "boolean": Checker.boolean,
    "integer": Checker.integer,
    **dict.fromkeys(("currency", "double", "decimal", "percent"), Checker.number),
    "bigint": Checker.bigint,
    "date": Checker.date,
    "datetime": Checker.datetime,
    "lookup": Checker.lookup,
    **dict.fromkeys(("ownerlookup", "userlookup"), Checker.user),
    **dict.fromkeys(("multiselectlookup", "multiuserlookup"), Checker.several),
}
