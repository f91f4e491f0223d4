"""The standard modules and their fields, as bigin-api.md sections 1.1 and 1.4 list them.

Contacts are the recorded 27 fields, no ``id`` among them. What the document knows only from
third-party code ([code]) is built the same way; lengths it does not give are the family's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from bigin_client.testing.fields import Field, PickValue
from bigin_client.testing.modules import Module

#: view_type of fields that the service keeps: shown, never editable.
_SHOWN: Final = (True, False, False, False)

#: The seven modules with a deleted feed (bigin-api.md 3.4). Notes have none.
DELETED_FEED: Final = (
    "Contacts", "Pipelines", "Accounts", "Products", "Tasks", "Events", "Calls",
)  # fmt: skip

#: Words of the CRM family that leak into Bigin, and the module they mean (bigin-api.md 7.15).
HERITAGE: Final[dict[str, str]] = {"Deals": "Pipelines"}


def module_word(api_name: str) -> str:
    """The name that ``$related_module`` and ``$se_module`` carry: a deal is "Deals"."""
    return "Deals" if api_name == "Pipelines" else api_name


def _picks(values: Iterable[str]) -> list[PickValue]:
    return [PickValue(value) for value in values]


def _common(*, activity: bool, image: bool, tag: bool = True) -> list[Field]:
    """The fields that most modules share, with the recorded quirks of their flags."""
    found = [
        Field("Owner", "ownerlookup", field_read_only=True, view=(True, True, True, False)),
        Field("Created_Time", "datetime", "Created Time", kept=True, view=_SHOWN),
        Field("Modified_Time", "datetime", "Modified Time", kept=True, view=_SHOWN),
        Field("Created_By", "ownerlookup", "Created By", kept=True, view=_SHOWN),
        Field("Modified_By", "ownerlookup", "Modified By", kept=True, view=_SHOWN),
        Field(
            "Description", "textarea", filterable=False, sortable=False, searchable=True,
            length=32_000,
        ),
    ]  # fmt: skip
    if activity:
        found.append(
            Field(
                "Last_Activity_Time", "datetime", kept=True, field_read_only=True, view=_SHOWN,
            )
        )  # fmt: skip
    if tag:
        found.append(
            Field("Tag", "text", json_type="jsonarray", sortable=False, view=_SHOWN, length=2_000)
        )
    if image:
        found.append(
            Field(
                "Record_Image", "profileimage", filterable=False, sortable=False,
                searchable=False, length=255,
            )
        )  # fmt: skip
    return found


def _text(name: str, length: int, **more: Any) -> Field:
    return Field(name, "text", length=length, **more)


def _index(fields: Iterable[Field]) -> dict[str, Field]:
    return {item.api_name: item for item in fields}


def _hidden(**types: str) -> dict[str, Field]:
    """CRM-heritage fields by name and data type (bigin-api.md 1.4, last column)."""
    return {name: Field(name, kind, hidden=True, kept=True) for name, kind in types.items()}


_HIDDEN_CONTACTS: Final = (
    "Salutation Secondary_Email Department Assistant Asst_Phone Other_Phone Other_Street "
    "Other_City Other_State Other_Zip Other_Country Fax Twitter Skype_ID Date_of_Birth "
    "Lead_Source Reporting_To"
).split()
_HIDDEN_ACCOUNTS: Final = (
    "Account_Number Account_Type Account_Site SIC_Code Ticker_Symbol Industry Annual_Revenue "
    "Employees Ownership Rating Fax Parent_Account Shipping_Street Shipping_City Shipping_State "
    "Shipping_Code Shipping_Country"
).split()
_HIDDEN_PRODUCTS: Final = (
    "Tax Taxable Qty_in_Stock Qty_Ordered Qty_in_Demand Reorder_Level Usage_Unit Manufacturer "
    "Handler Commission_Rate Sales_Start_Date Sales_End_Date Support_Start_Date Support_Expiry_Date"
).split()


def contacts() -> Module:
    """Contacts: 27 fields [rec]."""
    unsubscribed: dict[str, Any] = {
        "kept": True,
        "read_only": True,
        "field_read_only": True,
        "view": _SHOWN,
    }
    fields = [
        *_common(activity=True, image=True),
        # [rec]: First_Name and Last_Name are not "viewable", only Full_Name is.
        _text("First_Name", 40, view=(False, True, True, True), quick_sequence="1"),
        _text("Last_Name", 80, mandatory=True, view=(False, True, True, True), quick_sequence="2"),
        _text("Full_Name", 120, kept=True, view=_SHOWN),
        Field("Email", "email", unique=True, view=(True, True, True, True), quick_sequence="4"),
        Field("Phone", "phone", length=50, view=(True, True, True, True), quick_sequence="5"),
        Field("Mobile", "phone"),
        Field("Home_Phone", "phone"),
        _text("Title", 100),
        Field(
            "Account_Name", "lookup", "Company Name", "Account Name", lookup="Accounts",
            view=(True, True, True, True), quick_sequence="3",
        ),
        Field("Email_Opt_Out", "boolean"),
        _text("Mailing_Street", 250),
        _text("Mailing_City", 100),
        _text("Mailing_State", 100),
        _text("Mailing_Country", 100),
        _text("Mailing_Zip", 30),
        Field(
            "Unsubscribed_Mode", "picklist",
            picklist=_picks(["Consent form", "Manual", "Unsubscribe link", "Zoho campaigns"]),
            **unsubscribed,
        ),
        Field("Unsubscribed_Time", "datetime", **unsubscribed),
        Field("Record_Creation_Source_ID__s", "bigint", kept=True, view=_SHOWN, length=19),
    ]  # fmt: skip
    return Module(
        "Contacts", "Contact", "Contacts", _index(fields), display="Full_Name",
        match_field="Email", hidden=_hidden(**dict.fromkeys(_HIDDEN_CONTACTS, "text")),
        related={
            "Products": ("Products", ""), "Pipelines": ("Pipelines", "Contact_Name"),
            "Notes": ("Notes", "Parent_Id"), "Attachments": ("Attachments", "Parent_Id"),
            "Tasks": ("Tasks", "Related_To"), "Events": ("Events", "Related_To"),
            "Calls": ("Calls", "Contact_Name"),
        },
    )  # fmt: skip


def accounts() -> Module:
    """Accounts, shown as Companies."""
    fields = [
        *_common(activity=True, image=True),
        _text("Account_Name", 200, label="Company Name", display_label="Account Name",
              mandatory=True, view=(True, True, True, True)),
        Field("Phone", "phone", length=30),
        Field("Website", "website"),
        _text("Billing_Street", 250),
        _text("Billing_City", 100),
        _text("Billing_State", 100),
        _text("Billing_Code", 30),
        _text("Billing_Country", 100),
    ]  # fmt: skip
    return Module(
        "Accounts", "Company", "Companies", _index(fields), display="Account_Name",
        match_field="Account_Name", hidden=_hidden(**dict.fromkeys(_HIDDEN_ACCOUNTS, "text")),
        related={
            "Contacts": ("Contacts", "Account_Name"), "Pipelines": ("Pipelines", "Account_Name"),
            "Notes": ("Notes", "Parent_Id"), "Attachments": ("Attachments", "Parent_Id"),
            "Tasks": ("Tasks", "Related_To"), "Events": ("Events", "Related_To"),
        },
    )  # fmt: skip


def products() -> Module:
    """Products."""
    fields = [
        *_common(activity=True, image=True),
        _text("Product_Name", 200, mandatory=True),
        _text("Product_Code", 40),
        Field("Product_Active", "boolean"),
        Field("Product_Category", "picklist",
              picklist=_picks(["Hardware", "Software", "Service", "Consulting"])),
        Field("Unit_Price", "currency"),
    ]  # fmt: skip
    return Module(
        "Products", "Product", "Products", _index(fields), display="Product_Name",
        match_field="Product_Name", hidden=_hidden(**dict.fromkeys(_HIDDEN_PRODUCTS, "text")),
        related={
            "Contacts": ("Contacts", ""), "Pipelines": ("Pipelines", ""),
            "Notes": ("Notes", "Parent_Id"), "Attachments": ("Attachments", "Parent_Id"),
        },
    )  # fmt: skip


def pipelines() -> Module:
    """Pipelines (deals). The pick lists of Sub_Pipeline and Stage come from the layouts."""
    fields = [
        *_common(activity=True, image=False),
        _text("Deal_Name", 120, mandatory=True),
        Field("Pipeline", "bigint", kept=False),
        Field("Sub_Pipeline", "picklist", mandatory=True),
        Field("Stage", "picklist", mandatory=True),
        Field("Amount", "currency"),
        Field("Closing_Date", "date"),
        Field("Account_Name", "lookup", "Company Name", "Account Name", lookup="Accounts"),
        Field("Contact_Name", "lookup", lookup="Contacts"),
        Field("Secondary_Contacts", "multiselectlookup", lookup="Contacts", sortable=False),
        Field("Associated_Products", "subform", lookup="Associated_Products", sortable=False),
    ]  # fmt: skip
    return Module(
        "Pipelines", "Pipeline", "Pipelines", _index(fields), display="Deal_Name",
        match_field="Deal_Name",
        related={
            "Products": ("Products", ""), "Contacts": ("Contacts", ""),
            "Notes": ("Notes", "Parent_Id"), "Attachments": ("Attachments", "Parent_Id"),
            "Tasks": ("Tasks", "Related_To"), "Events": ("Events", "Related_To"),
            "Calls": ("Calls", "Related_To"),
        },
    )  # fmt: skip


def tasks() -> Module:
    """Tasks."""
    fields = [
        *_common(activity=False, image=False),
        _text("Subject", 255, mandatory=True),
        Field("Due_Date", "date"),
        Field("Status", "picklist", picklist=[
            PickValue("Not Started"), PickValue("In Progress"), PickValue("Completed"),
            PickValue("Deferred"), PickValue("Waiting on someone else", "Waiting for input"),
        ]),
        Field("Priority", "picklist",
              picklist=_picks(["Highest", "High", "Normal", "Low", "Lowest"])),
        Field("Recurring_Activity", "RRULE", sortable=False),
        Field("Remind_At", "ALARM", sortable=False),
        Field("Related_To", "multi_module_lookup", sortable=False),
    ]  # fmt: skip
    return Module("Tasks", "Task", "Tasks", _index(fields), display="Subject")


def events() -> Module:
    """Events. Mandatory: title, start, end; the end is after the start [code]."""
    fields = [
        *_common(activity=False, image=False),
        _text("Event_Title", 255, mandatory=True),
        Field("Start_DateTime", "datetime", mandatory=True),
        Field("End_DateTime", "datetime", mandatory=True),
        Field("All_day", "boolean"),
        _text("Venue", 255),
        Field("Participants", "participants", sortable=False),
        Field("Remind_At", "event_reminder", sortable=False),
        Field("Recurring_Activity", "RRULE", sortable=False),
        Field("Related_To", "multi_module_lookup", sortable=False),
    ]
    return Module("Events", "Event", "Events", _index(fields), display="Event_Title")


def calls() -> Module:
    """Calls. Call_Duration is minutes, a number [code: Activepieces]."""
    fields = [
        *_common(activity=False, image=False),
        _text("Subject", 255),
        Field("Call_Start_Time", "datetime", mandatory=True),
        Field("Call_Duration", "integer", mandatory=True),
        Field("Call_Type", "picklist", mandatory=True,
              picklist=_picks(["Outbound", "Inbound", "Missed"])),
        _text("Call_Agenda", 255),
        Field("Reminder", "picklist", picklist=_picks(["None", "15 mins", "1 hour"])),
        _text("Dialled_Number", 50),
        Field("Contact_Name", "lookup", lookup="Contacts"),
        Field("Related_To", "multi_module_lookup", sortable=False),
    ]  # fmt: skip
    return Module("Calls", "Call", "Calls", _index(fields), display="Subject")


def associated_products() -> Module:
    """Associated_Products: the line items of a deal (subform of Pipelines)."""
    fields = [
        Field("Created_Time", "datetime", kept=True, view=_SHOWN),
        Field("Modified_Time", "datetime", kept=True, view=_SHOWN),
        Field("Created_By", "ownerlookup", kept=True, view=_SHOWN),
        Field("Modified_By", "ownerlookup", kept=True, view=_SHOWN),
        Field("Parent_Id", "lookup", lookup="Pipelines"),
        Field("Product", "lookup", lookup="Products", mandatory=True),
        Field("Quantity", "double"),
        Field("List_Price", "currency"),
        Field("Discount", "currency"),
        Field("Total", "currency", kept=True, view=_SHOWN),
        Field("Sequence_Number", "integer"),
    ]
    return Module(
        "Associated_Products", "Associated Product", "Associated Products", _index(fields),
        module_name="LinkingModule1", generated_type="subform", visibility=2,
        parent_module="Pipelines", triggers_supported=False, filter_supported=False,
        display="Product",
    )  # fmt: skip


def notes() -> Module:
    """Notes: no Description, no Tag; title 120, content 65,535."""
    fields = [
        *[item for item in _common(activity=False, image=False, tag=False)
          if item.api_name != "Description"],
        _text("Note_Title", 120),
        Field("Note_Content", "textarea", length=65_535, mandatory=True, sortable=False),
        Field("Parent_Id", "multi_module_lookup", mandatory=True, sortable=False),
    ]  # fmt: skip
    return Module(
        "Notes", "Note", "Notes", _index(fields), visible=False, triggers_supported=False,
        display="Note_Title",
    )  # fmt: skip


def attachments() -> Module:
    """Attachments: not editable."""
    fields = [
        *[item for item in _common(activity=False, image=False, tag=False)
          if item.api_name != "Description"],
        _text("File_Name", 255),
        Field("Size", "bigint"),
        Field("Parent_Id", "multi_module_lookup", sortable=False),
    ]  # fmt: skip
    return Module(
        "Attachments", "Attachment", "Attachments", _index(fields), visible=False,
        triggers_supported=False, editable=False, display="File_Name",
    )  # fmt: skip


def social() -> Module:
    """Social: listed, no API."""
    return Module(
        "Social", "Social", "Social", {}, api_supported=False, creatable=False, editable=False,
        deletable=False,
    )  # fmt: skip


def standard_modules() -> list[Module]:
    """All standard modules, in the order in which ``settings/modules`` returns them [rec]."""
    found = [
        contacts(), accounts(), pipelines(), tasks(), events(), calls(), products(), social(),
        associated_products(), notes(), attachments(),
    ]  # fmt: skip
    for module in found:
        module.deleted_feed = module.api_name in DELETED_FEED
    return found
