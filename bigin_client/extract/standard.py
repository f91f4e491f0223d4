"""The fields of a module whose metadata the connection may not read.

Without the scope for ``settings/fields`` one record read whole tells the names, and
bigin-api.md 1.4 the types of the standard ones; what is left is read as nullable text.
"""

from __future__ import annotations

from typing import Final

from bigin_client import field_types
from bigin_client.field_types import FieldType
from bigin_client.records import PARENT_MODULE_KEYS
from bigin_client.types import Record

_EVERYWHERE: Final = {
    "Owner": "ownerlookup",
    "Created_Time": "datetime",
    "Modified_Time": "datetime",
    "Created_By": "ownerlookup",
    "Modified_By": "ownerlookup",
    "Description": "textarea",
}
_BY_MODULE: Final[dict[str, dict[str, str]]] = {
    "Contacts": {
        **dict.fromkeys(
            ("First_Name", "Last_Name", "Full_Name", "Email", "Phone", "Mobile", "Home_Phone"),
            "text",
        ),
        **dict.fromkeys(("Title", "Mailing_Street", "Mailing_City", "Mailing_State"), "text"),
        **dict.fromkeys(("Mailing_Country", "Mailing_Zip"), "text"),
        "Account_Name": "lookup",
        "Email_Opt_Out": "boolean",
        "Last_Activity_Time": "datetime",
        "Unsubscribed_Mode": "picklist",
        "Unsubscribed_Time": "datetime",
        "Tag": "tag",
    },
    "Accounts": {
        **dict.fromkeys(("Account_Name", "Phone", "Website", "Billing_Street"), "text"),
        **dict.fromkeys(
            ("Billing_City", "Billing_State", "Billing_Code", "Billing_Country"), "text"
        ),
        "Last_Activity_Time": "datetime",
        "Tag": "tag",
    },
    "Products": {
        **dict.fromkeys(("Product_Name", "Product_Code", "Product_Category"), "text"),
        "Product_Active": "boolean",
        "Unit_Price": "currency",
        "Last_Activity_Time": "datetime",
        "Tag": "tag",
    },
    "Pipelines": {
        **dict.fromkeys(("Deal_Name", "Sub_Pipeline", "Stage"), "text"),
        "Pipeline": "lookup",
        "Amount": "currency",
        "Closing_Date": "date",
        "Account_Name": "lookup",
        "Contact_Name": "lookup",
        "Secondary_Contacts": "multiselectlookup",
        "Associated_Products": "subform",
        "Tag": "tag",
    },
    "Tasks": {
        **dict.fromkeys(("Subject", "Status", "Priority"), "text"),
        "Due_Date": "date",
        "Recurring_Activity": "RRULE",
        "Remind_At": "ALARM",
        "Related_To": "lookup",
        "Tag": "tag",
    },
    "Events": {
        **dict.fromkeys(("Event_Title", "Venue"), "text"),
        "Start_DateTime": "datetime",
        "End_DateTime": "datetime",
        "All_day": "boolean",
        "Participants": "subform",
        "Remind_At": "multireminder",
        "Recurring_Activity": "RRULE",
        "Related_To": "lookup",
        "Tag": "tag",
    },
    "Calls": {
        **dict.fromkeys(("Call_Type", "Subject", "Call_Agenda", "Dialled_Number"), "text"),
        "Call_Start_Time": "datetime",
        "Call_Duration": "double",
        "Reminder": "text",
        "Contact_Name": "lookup",
        "Related_To": "lookup",
        "Tag": "tag",
    },
    "Notes": {**dict.fromkeys(("Note_Title", "Note_Content"), "text"), "Parent_Id": "lookup"},
}


def types_of(module: str, whole: Record | None) -> dict[str, FieldType]:
    """Return field API name → how it is read, as far as it can be known.

    Args:
        module: API name.
        whole: One record read without naming fields, None when the module holds none.
    """
    standard = {**_EVERYWHERE, **_BY_MODULE.get(module, {})}
    types = {name: field_types.of(name, kind) for name, kind in standard.items()}
    for name in whole or {}:
        if name != "id" and not name.startswith("$") and name not in types:
            types[name] = field_types.of(name, "")
    if whole is not None:
        # A standard field that the account has not got is left out.
        types = {n: t for n, t in types.items() if n in whole}
    for name in PARENT_MODULE_KEYS.get(module, ()):
        types[name] = field_types.TEXT
    return types
