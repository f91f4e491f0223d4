"""Definition of a module, and its object in ``settings/modules`` (bigin-api.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bigin_client.testing.fields import Field


@dataclass
class SubPipeline:
    """A sub-pipeline of a Team Pipeline: what it is called, what it really is, its stages."""

    actual: str
    display: str
    stages: list[str]


@dataclass
class Layout:
    """A layout; on Pipelines each one is a Team Pipeline (bigin-api.md 1.2)."""

    id: str
    name: str
    sub_pipelines: list[SubPipeline] = field(default_factory=list)


@dataclass
class CustomView:
    """A custom view: a filter that ``cvid`` names."""

    id: str
    name: str
    field: str = ""
    value: Any = None


@dataclass
class Module:
    """One module of an account.

    Attributes:
        match_field: System-defined field of upsert's duplicate check ([bigin-doc help]).
        hidden: CRM-heritage fields that only search returns.
        related: Related lists: path word → (module, field of that module that points here).
    """

    api_name: str
    singular: str
    plural: str
    fields: dict[str, Field]
    id: str = ""
    module_name: str = ""
    generated_type: str = "default"
    visible: bool = True
    visibility: int = 1
    api_supported: bool = True
    creatable: bool = True
    editable: bool = True
    deletable: bool = True
    triggers_supported: bool = True
    filter_supported: bool = True
    parent_module: str = ""
    display: str = "Name"
    match_field: str = ""
    hidden: dict[str, Field] = field(default_factory=dict)
    layouts: list[Layout] = field(default_factory=list)
    views: list[CustomView] = field(default_factory=list)
    related: dict[str, tuple[str, str]] = field(default_factory=dict)
    deleted_feed: bool = False

    def __post_init__(self) -> None:
        self.module_name = self.module_name or self.api_name
        for item in self.fields.values():
            item.display_field = item.api_name == self.display

    @property
    def unique_fields(self) -> list[str]:
        """Fields that metadata marks unique."""
        return [item.api_name for item in self.fields.values() if item.unique]

    def layout(self, layout_id: str) -> Layout | None:
        """The layout of an id."""
        return next((item for item in self.layouts if item.id == layout_id), None)

    def describe(
        self, number: int, module_ids: dict[str, str], profiles: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """The module's object in ``settings/modules``."""
        parent = (
            {"api_name": self.parent_module, "id": module_ids.get(self.parent_module, "")}
            if self.parent_module
            else {}
        )
        able = self.api_supported
        return {
            "access_type": "org_based",
            "actual_plural_label": self.plural,
            "actual_singular_label": self.singular,
            "api_name": self.api_name,
            "api_supported": able,
            "arguments": [],
            "business_card_field_limit": 5,
            "convertable": False,
            "creatable": self.creatable,
            "deletable": self.deletable,
            "description": None,
            "editable": self.editable,
            "email_parser_supported": self.api_name in ("Contacts", "Accounts", "Pipelines"),
            "emailTemplate_support": self.api_name in ("Contacts", "Accounts", "Pipelines"),
            "feeds_required": False,
            "filter_supported": self.filter_supported,
            "generated_type": self.generated_type,
            "global_search_supported": able and self.visibility == 1,
            "has_more_profiles": False,
            "id": self.id,
            "inventory_template_supported": False,
            "isBlueprintSupported": self.api_name == "Pipelines",
            "modified_by": None,
            "modified_time": None,
            "module_name": self.module_name,
            "parent_module": parent,
            "plural_label": self.plural,
            "presence_sub_menu": False,
            "private_profile": None,
            "profile_count": len(profiles),
            "profiles": profiles,
            "public_fields_configured": False,
            "quick_create": self.api_name in ("Contacts", "Accounts", "Products"),
            "scoring_supported": False,
            "sequence_number": number,
            "show_as_tab": self.visible,
            "singular_label": self.singular,
            "triggers_supported": self.triggers_supported,
            "viewable": able,
            "visibility": self.visibility,
            "visible": self.visible,
            "web_link": None,
            "webform_supported": self.api_name == "Contacts",
        }
