"""The org, its users, roles and profiles (bigin-api.md section 2, users and org: [rec])."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

#: Values of ``type`` of ``GET users`` ([bigin-doc]) as tests on (active, confirmed, admin).
USER_TYPES: Final = (
    "AllUsers", "ActiveUsers", "DeactiveUsers", "ConfirmedUsers", "NotConfirmedUsers",
    "DeletedUsers", "ActiveConfirmedUsers", "AdminUsers", "ActiveConfirmedAdmins", "CurrentUser",
)  # fmt: skip


@dataclass
class User:
    """One user of the org."""

    id: str
    first_name: str
    last_name: str
    email: str
    zuid: str
    profile: dict[str, str]
    role: dict[str, str]
    status: str = "active"
    confirmed: bool = True

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def admin(self) -> bool:
        """Whether the profile is the administrators'."""
        return self.profile["name"] == "Administrator"

    def matches(self, kind: str, current: str) -> bool:
        """Whether ``GET users?type=kind`` lists the user."""
        active = self.status == "active"
        return {
            "AllUsers": self.status != "deleted",
            "ActiveUsers": active,
            "DeactiveUsers": self.status == "disabled",
            "ConfirmedUsers": self.confirmed and self.status != "deleted",
            "NotConfirmedUsers": not self.confirmed and self.status != "deleted",
            "DeletedUsers": self.status == "deleted",
            "ActiveConfirmedUsers": active and self.confirmed,
            "AdminUsers": self.admin and self.status != "deleted",
            "ActiveConfirmedAdmins": active and self.confirmed and self.admin,
            "CurrentUser": self.id == current,
        }[kind]

    def describe(
        self, zone: str, offset: int, created: str, first: User, current: str
    ) -> dict[str, Any]:
        """The user's object; key spelling is mixed in the real replies too [rec]."""
        made_by = {"name": first.full_name, "id": first.id}
        return {
            "country": None, "name_format": "Salutation,First Name,Last Name",
            "language": "en_US", "id": self.id, "state": None, "fax": None,
            "country_locale": "en_US", "zip": None, "created_time": created,
            "time_format": "hh:mm a", "offset": offset,
            "profile": self.profile, "created_by": made_by, "zuid": self.zuid,
            "full_name": self.full_name, "phone": None, "dob": None,
            "status": self.status, "role": self.role, "customize_info": {
                "notes_desc": None, "show_right_panel": None, "bc_view": None, "show_home": False,
                "show_detail_view": True, "unpin_recent_item": None,
            },
            "city": None, "signature": None, "category": "regular_user",
            "date_format": "MM/dd/yyyy", "confirm": self.confirmed,
            "decimal_separator": "Period", "number_separator": "Comma", "locale": "en_US",
            "time_zone": zone, "website": None, "Isonline": self.id == current,
            "Modified_By": made_by, "Modified_Time": created, "default_tab_group": "0",
            "theme": {
                "normal_tab": {"font_color": "#FFFFFF", "background": "#222222"},
                "selected_tab": {"font_color": "#FFFFFF", "background": "#222222"},
                "new_background": None, "background": "#F3F0EB", "screen": "fixed",
                "type": "default",
            },
            "email": self.email, "alias": None, "street": None, "mobile": None,
            "first_name": self.first_name or None, "last_name": self.last_name,
            "$current_shift": None, "Preferred_Currency__s": None, "status_reason__s": None,
            }  # fmt: skip


def org(
    zgid: str, org_id: str, company: str, zone: str, owner: User, licences: int, edition: str
) -> dict[str, Any]:
    """The one object of ``GET org``."""
    free = edition == "free"
    return {
        "id": org_id, "zgid": zgid, "company_name": company, "alias": None, "time_zone": zone,
        "currency": "US Dollar - USD", "currency_symbol": "$", "currency_locale": "en_US",
        "iso_code": "USD", "mc_status": False, "country": "United States", "country_code": "US",
        "state": None, "city": None, "street": None, "zip": None, "phone": None, "mobile": None,
        "fax": None, "website": None, "description": None, "employee_count": None,
        "primary_email": owner.email, "primary_zuid": owner.zuid, "domain_name": f"org{zgid}",
        "gapps_enabled": False, "translation_enabled": False, "hipaa_compliance_enabled": False,
        "hierarchy_preferences": {"type": "Role_Hierarchy"},
        "license_details": {
            "paid": not free, "paid_type": "free" if free else edition, "paid_expiry": None,
            "trial_type": "biginpremier" if free else None, "trial_expiry": None,
            "users_license_purchased": licences, "portal_users_license_purchased": 0,
        },
    }  # fmt: skip
