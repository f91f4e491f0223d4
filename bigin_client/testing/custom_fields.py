"""Custom fields: one of every data type, and as many more as a test asks for.

Names follow bigin-api.md 1.4: letters, digits, single underscores, a letter first.
"""

from __future__ import annotations

from typing import Final

from bigin_client.testing.fields import Field, PickValue

#: Two more fields that metadata may mark unique per module ([bigin-doc help]); one is used.
UNIQUE_CUSTOM_FIELD: Final = "Customer_Number"

_SHOWN: Final = (True, False, False, False)


def _picks(*pairs: tuple[str, str]) -> list[PickValue]:
    return [PickValue(actual, display) for actual, display in pairs]


def of_every_type() -> list[Field]:
    """A custom field of each data type of bigin-api.md section 2."""
    return [
        Field(UNIQUE_CUSTOM_FIELD, "text", length=40, unique=True, custom=True),
        Field("Custom_Text", "text", custom=True),
        Field("Custom_Notes", "textarea", length=2_000, filterable=False, sortable=False,
              custom=True),
        Field("Custom_Email", "email", custom=True),
        Field("Custom_Phone", "phone", custom=True),
        Field("Custom_Website", "website", custom=True),
        Field("Custom_Integer", "integer", custom=True),
        Field("Custom_Bigint", "bigint", custom=True),
        Field("Custom_Double", "double", decimal_place=4, custom=True),
        Field("Custom_Decimal", "decimal", custom=True),
        Field("Custom_Currency", "currency", custom=True),
        Field("Custom_Percent", "percent", custom=True),
        Field("Custom_Boolean", "boolean", custom=True),
        Field("Custom_Date", "date", custom=True),
        Field("Custom_DateTime", "datetime", custom=True),
        Field("Custom_Picklist", "picklist", custom=True,
              picklist=_picks(("gold", "Gold ★"), ("silver", "Silver"), ("bronze", "Bronze"))),
        Field("Custom_MultiSelect", "multiselectpicklist", custom=True, sortable=False,
              picklist=_picks(("red", "Red"), ("green", "Green"), ("blue;ish", "Blue; or so"))),
        Field("Custom_Lookup", "lookup", lookup="Products", custom=True),
        Field("Custom_User", "userlookup", custom=True),
        Field("Custom_MultiUser", "multiuserlookup", custom=True, sortable=False),
        Field("Custom_MultiLookup", "multiselectlookup", lookup="Accounts", custom=True,
              sortable=False),
        Field("Custom_File", "fileupload", custom=True, sortable=False, filterable=False),
        Field("Custom_Image", "imageupload", custom=True, sortable=False, filterable=False),
        Field("Custom_Formula", "formula", custom=True, kept=True, read_only=True, view=_SHOWN),
        Field("Custom_Serial", "autonumber", custom=True, kept=True, read_only=True, view=_SHOWN),
    ]  # fmt: skip


#: Types of the padding that `padding` repeats.
_PADDING: Final = ("text", "integer", "currency", "boolean", "date", "datetime", "double")


def padding(count: int, first: int = 1) -> list[Field]:
    """``count`` more custom fields of plain types, ``Extra_1`` and on."""
    return [
        Field(f"Extra_{number}", _PADDING[number % len(_PADDING)], custom=True)
        for number in range(first, first + count)
    ]


def unknown_type() -> Field:
    """A field of a data type that no document names (switch ``unknown_data_types``)."""
    return Field("Custom_Hologram", "hologram", json_type="string", custom=True)
