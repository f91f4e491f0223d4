"""One Bigin account: what a connection of the gateway leads to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from bigin_client.testing import custom_fields
from bigin_client.testing.catalogue import standard_modules
from bigin_client.testing.clock import Clock, OrgZone
from bigin_client.testing.credits import Credits
from bigin_client.testing.fields import PickValue
from bigin_client.testing.generate import DEFAULT_SIZES, Generator
from bigin_client.testing.ids import IdSource
from bigin_client.testing.modules import CustomView, Layout, Module, SubPipeline
from bigin_client.testing.people import User, org
from bigin_client.testing.scopes import Scopes
from bigin_client.testing.store import Store
from bigin_client.testing.switches import Switches

_COMPANIES = ("Simulated Goods", "Probe & Söhne", "Nairobi Test Traders", "Fixture Oy")


class Account:
    """Store, people, scopes and credits behind one connection.

    Args:
        number: Of the account, from 0: accounts differ in ids and names.
        seed: Of the generated data.
        sizes: Records per module; ``None`` for the small default.
        field_counts: Fields per module, for modules whose number matters to a test.
        clock: The simulator's clock.
        zone: The org's time zone.
        switches: The simulator's switches.
        lock: The simulator's lock.
        edition: "free" or a paid one; it decides concurrency and credits (bigin-api.md 5).
    """

    def __init__(
        self,
        number: int,
        seed: int,
        sizes: Mapping[str, int] | None,
        field_counts: Mapping[str, int],
        clock: Clock,
        zone: OrgZone,
        switches: Switches,
        lock: threading.RLock,
        edition: str = "premier",
    ) -> None:
        self.number = number
        self.edition = edition
        self.clock = clock
        self.switches = switches
        ids = IdSource(number, seed)
        self.profiles = [
            {"name": "Administrator", "id": ids.next()},
            {"name": "Standard", "id": ids.next()},
        ]
        self.roles = [{"name": "CEO", "id": ids.next()}, {"name": "Manager", "id": ids.next()}]
        self.users = _users(ids, number, self.profiles, self.roles)
        self.zgid = str(700_000_000 + number * 1_111 + seed % 1_000)
        self.org_id = ids.next()
        modules = standard_modules()
        _prepare(modules, ids, field_counts)
        self.store = Store(modules, self.users, ids, clock, zone, switches, lock)
        self.scopes = Scopes()
        self.credits = Credits(clock, edition, licences=len(self.users))
        #: Bytes of attachments and photos, by record id.
        self.files: dict[str, tuple[str, bytes]] = {}
        self.bulk_jobs: dict[str, dict[str, Any]] = {}
        #: Calls under way, for the concurrency limit.
        self.running = 0
        #: Those of them that count towards the sub-concurrency as well.
        self.demanding = 0
        Generator(self.store, seed + 7_919 * number).fill(DEFAULT_SIZES if sizes is None else sizes)

    @property
    def current_user(self) -> User:
        """The user who authorised the connection."""
        return self.users[0]

    @property
    def concurrency(self) -> int:
        """Simultaneous calls allowed (bigin-api.md section 5)."""
        return 5 if self.edition == "free" else 10

    def describe_org(self) -> dict[str, Any]:
        """The object of ``GET org``."""
        company = _COMPANIES[self.number % len(_COMPANIES)]
        zone = self.store.zone.name
        return org(
            self.zgid, self.org_id, company, zone, self.users[0], len(self.users), self.edition
        )

    def module_ids(self) -> dict[str, str]:
        """Id of each module."""
        return {name: module.id for name, module in self.store.modules.items()}


def _users(
    ids: IdSource, number: int, profiles: list[dict[str, str]], roles: list[dict[str, str]]
) -> list[User]:
    people = (
        ("Grace", "O'Malley", "active", True, 0),
        ("Łukasz", "Nowak", "active", True, 1),
        ("", "集計", "active", False, 1),
        ("Former", "Colleague", "disabled", True, 1),
    )
    return [
        User(
            ids.next(),
            first,
            last,
            f"user{position}.{number}@example.com",
            str(60_000_000_000 + number * 1_000 + position),
            profiles[role],
            roles[role],
            status,
            confirmed,
        )
        for position, (first, last, status, confirmed, role) in enumerate(people)
    ]


def _prepare(modules: list[Module], ids: IdSource, field_counts: Mapping[str, int]) -> None:
    """Ids for everything, custom fields, Team Pipelines, custom views."""
    by_name = {module.api_name: module for module in modules}
    unknown = [name for name in field_counts if name not in by_name]
    if unknown:
        raise ValueError(f"no such module: {', '.join(unknown)}")
    for module in modules:
        module.id = ids.next()
    _team_pipelines(by_name["Pipelines"], ids)
    for module in modules:
        extra = custom_fields.of_every_type() if module.api_name == "Contacts" else []
        if module.api_name in ("Accounts", "Pipelines"):
            chosen = ("Custom_Text", "Custom_Currency", "Custom_Boolean", "Custom_DateTime")
            extra = [item for item in custom_fields.of_every_type() if item.api_name in chosen]
        wanted = field_counts.get(module.api_name)
        if wanted is not None:
            room = wanted - len(module.fields)
            if room < 0:
                raise ValueError(
                    f"{module.api_name} has {len(module.fields)} standard fields, not {wanted}"
                )
            extra = extra[:room]
            extra += custom_fields.padding(room - len(extra))
        module.fields.update((item.api_name, item) for item in extra)
        for item in module.fields.values():
            item.id = ids.next()
            for value in item.picklist:
                value.id = ids.next()
        if module.api_supported and module.generated_type == "default":
            module.views = _views(module, ids)
        if module.api_name != "Pipelines" and module.api_supported:
            module.layouts = [Layout(ids.next(), "Standard")]


def _team_pipelines(module: Module, ids: IdSource) -> None:
    """Three Team Pipelines; what a sub-pipeline is called differs from what it is (1.2)."""
    module.layouts = [
        Layout(ids.next(), "Sales Pipeline", [
            SubPipeline("Sales Pipeline Standard", "Sales Pipeline Standard",
                        ["Qualification", "Needs Analysis", "Closed Won", "Closed Lost"]),
            SubPipeline("Customer Onboarding Standard", "All Leads",
                        ["New", "Kick-off", "Live", "Closed Lost"]),
        ]),
        Layout(ids.next(), "Partner Pipeline", [
            SubPipeline("Partner Pipeline Standard", "Partners, all",
                        ["Identified", "Signed", "Closed Lost"]),
        ]),
        Layout(ids.next(), 'Renewals "EMEA"', [
            SubPipeline("Renewals EMEA Standard", 'Renewals "EMEA" Standard',
                        ["Upcoming", "In Negotiation", "Renewed", "Churned"]),
        ]),
    ]  # fmt: skip
    stages: dict[str, PickValue] = {}
    subs: list[PickValue] = []
    for layout in module.layouts:
        for sub in layout.sub_pipelines:
            subs.append(PickValue(sub.actual, sub.display, stages=list(sub.stages)))
            for stage in sub.stages:
                stages.setdefault(stage, PickValue(stage))
    module.fields["Sub_Pipeline"].picklist = subs
    module.fields["Stage"].picklist = list(stages.values())


def _views(module: Module, ids: IdSource) -> list[CustomView]:
    views = [CustomView(ids.next(), f"All {module.plural}")]
    if module.api_name == "Contacts":
        views.append(CustomView(ids.next(), "Opted out", "Email_Opt_Out", True))
    if module.api_name == "Pipelines":
        views.append(CustomView(ids.next(), "Lost", "Stage", "Closed Lost"))
    return views
