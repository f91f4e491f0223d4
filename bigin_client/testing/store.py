"""One account's records and metadata, and what a test may do to them behind the API's back.

Every public method takes the simulator's lock, so it is safe from any thread and from the hooks
between two requests. Rows go in in the write form or the read form of the API; they come out in
the read form, every field, decimals as `decimal.Decimal`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bigin_client.testing.clock import Clock, OrgZone, to_epoch
from bigin_client.testing.custom_fields import unknown_type
from bigin_client.testing.deletions import Deletions
from bigin_client.testing.fields import Field
from bigin_client.testing.ids import IdSource
from bigin_client.testing.modules import Module
from bigin_client.testing.people import User
from bigin_client.testing.reading import FILE_KEYS, PARENT_MODULE_KEYS, Plan, Reader
from bigin_client.testing.store_rows import SYSTEM, copied, field_of, own, stored
from bigin_client.testing.switches import Switches
from bigin_client.testing.table import Record, Table

_ACTIVITIES: Final = ("Tasks", "Events", "Calls")
_UNKNOWN: Final = unknown_type().api_name


class Store(Deletions):
    """Modules and records of one account.

    Args:
        modules: The modules, in the order of ``settings/modules``.
        users: The users; the first is the connection's.
        ids: Where new ids come from.
        clock: The simulator's clock.
        zone: The org's time zone.
        switches: The simulator's switches.
        lock: The simulator's lock.
    """

    def __init__(
        self,
        modules: Iterable[Module],
        users: list[User],
        ids: IdSource,
        clock: Clock,
        zone: OrgZone,
        switches: Switches,
        lock: threading.RLock,
    ) -> None:
        self.modules: dict[str, Module] = {module.api_name: module for module in modules}
        self.tables: dict[str, Table] = {name: Table() for name in self.modules}
        self.users = users
        self.ids = ids
        self.clock = clock
        self.zone = zone
        self.switches = switches
        self.lock = lock
        self.reader = Reader(self)
        #: Tag definitions by module, then by name in lower case: {name, id, color_code, ...}.
        self.tags: dict[str, dict[str, dict[str, Any]]] = {}
        #: Links without a field: (module, id, list) → {related id: time}.
        self.links: dict[tuple[str, str, str], dict[str, int]] = {}
        self.serials: dict[tuple[str, str], int] = {}
        #: Moves when a name, tag, user or field changes: what readers see of other records.
        self.generation = 0

    # --- what tests use -----------------------------------------------------------------------

    def records(self, module: str) -> list[dict[str, Any]]:
        """All live records in the read form, every field, ordered by id."""
        with self.lock:
            plan = self.reader.plan(module)
            live = self.tables[module].live
            # Copies: readers share the objects inside of rows.
            return [own(plan.row(live[id])) for id in sorted(live)]

    def get(self, module: str, id: str) -> dict[str, Any] | None:
        """One live record in the read form, or None."""
        with self.lock:
            record = self.tables[module].live.get(id)
            return None if record is None else own(self.plan(module).row(record))

    def count(self, module: str) -> int:
        """Number of live records."""
        with self.lock:
            return len(self.tables[module].live)

    def insert(
        self, module: str, row: Mapping[str, Any], at: datetime | None = None, by: str | None = None
    ) -> str:
        """Put a record in, as a user of the web interface would; returns its id.

        Nothing is checked. ``at`` is its Created_Time and Modified_Time (default: now).
        """
        with self.lock:
            when = self.clock.seconds() if at is None else to_epoch(at)
            user = by or self.users[0].id
            values = stored(self, module, row)
            values.setdefault("Owner", user)
            record = Record(self.ids.next(), values, when, when, user, user, when)
            self.write(module, record, new=True)
            return record.id

    def update(
        self,
        module: str,
        id: str,
        changes: Mapping[str, Any],
        at: datetime | None = None,
        by: str | None = None,
        touch: bool = True,
    ) -> None:
        """Change a record behind the API's back.

        Args:
            module: API name.
            id: The record.
            changes: Fields to set; None clears.
            at: The new Modified_Time (default: now).
            by: User who changes; the first one when omitted.
            touch: Move Modified_Time. False is what formulas and relations do (7.3, 7.4).
        """
        with self.lock:
            record = self.tables[module].live[id]
            values = {**record.values, **stored(self, module, changes)}
            values = {name: value for name, value in values.items() if value is not None}
            when = self.clock.seconds() if at is None else to_epoch(at)
            if touch:
                user = by or self.users[0].id
                changed = record.changed(values, modified=when, modified_by=user, activity=when)
            else:
                changed = record.changed(values)
            self.write(module, changed)

    def delete(
        self,
        module: str,
        id: str,
        permanent: bool = False,
        at: datetime | None = None,
        cascade: bool | None = None,
    ) -> None:
        """Delete a record: to the recycle bin, or for good."""
        with self.lock:
            if id not in self.tables[module].live:
                raise KeyError(id)
            when = self.clock.seconds() if at is None else to_epoch(at)
            self.remove(module, [id], when, self.users[0].id, permanent, cascade=cascade)

    def restore(self, module: str, id: str) -> None:
        """Take a record back from the recycle bin; it leaves the deleted feed."""
        with self.lock:
            gone = self.tables[module].gone[id]
            if self.kind(gone) == "permanent":
                raise KeyError(f"{id} was deleted for good")
            del self.tables[module].gone[id]
            record = gone.record
            if self.switches.restore_moves_modified_time:
                record = record.changed(modified=self.clock.seconds())
            self.tables[module].put(record, self.clock.timestamp())
            self.generation += 1

    def merge(self, module: str, survivor: str, loser: str) -> None:
        """Merge two records, as a user may: the loser goes to the deleted feed (7.13 [?])."""
        with self.lock:
            live = self.tables[module].live
            filled = {**live[loser].values, **live[survivor].values}
            self.delete(module, loser, cascade=False)
            now = self.clock.seconds()
            user = self.users[0].id
            changed = live[survivor].changed(filled, modified=now, modified_by=user)
            self.write(module, changed)

    def deleted(self, module: str) -> list[dict[str, Any]]:
        """Rows of the deleted feed, newest first."""
        with self.lock:
            return [self.deleted_row(module, gone) for gone in self.listed_deletions(module)]

    def add_module(
        self,
        api_name: str,
        fields: Iterable[Field] = (),
        generated_type: str = "custom",
        singular: str = "",
        plural: str = "",
        **more: Any,
    ) -> Module:
        """Add a module while the simulator runs ("team module", edition-dependent [?])."""
        with self.lock:
            given = list(fields)
            if not any(item.display_field or item.api_name == "Name" for item in given):
                given.insert(0, Field("Name", "text", mandatory=True, length=120))
            kept = [
                item
                for item in self.modules["Products"].fields.values()
                if item.api_name in SYSTEM or item.api_name in ("Owner", "Tag")
            ]
            number = sum(1 for item in self.modules.values() if item.generated_type == "custom")
            index = {item.api_name: copied(item) for item in (*kept, *given)}
            module = Module(
                api_name,
                singular or api_name,
                plural or api_name,
                index,
                module_name=f"CustomModule{number + 1}",
                generated_type=generated_type,
                **more,
            )
            module.id = self.ids.next()
            for item in module.fields.values():
                item.id = self.ids.next()
            self.modules[api_name] = module
            self.tables[api_name] = Table()
            self.generation += 1
            return module

    def remove_module(self, api_name: str) -> None:
        """Take a module away."""
        with self.lock:
            del self.modules[api_name]
            del self.tables[api_name]
            self.generation += 1

    def add_field(self, module: str, field: Field | Mapping[str, Any]) -> Field:
        """Add a field to a module; existing records have it empty."""
        with self.lock:
            made = field_of(field)
            made.id = made.id or self.ids.next()
            for value in made.picklist:
                value.id = value.id or self.ids.next()
            self.modules[module].fields[made.api_name] = made
            self.generation += 1
            return made

    def remove_field(self, module: str, api_name: str) -> None:
        """Take a field away; its values stay stored, unseen."""
        with self.lock:
            del self.modules[module].fields[api_name]
            self.tables[module].forget_index(api_name)
            self.generation += 1

    # --- what the service's rules use ---------------------------------------------------------

    def fields(self, module: str) -> dict[str, Field]:
        """Fields that ``settings/fields`` lists, by API name."""
        found = self.modules[module].fields
        if module == "Contacts" and self.switches.unknown_data_types != (_UNKNOWN in found):
            if self.switches.unknown_data_types:
                found[_UNKNOWN] = unknown_type()
                found[_UNKNOWN].id = self.ids.next()
            else:
                del found[_UNKNOWN]
            self.generation += 1
        if module in _ACTIVITIES:
            wanted = self.switches.activity_parent
            former = "What_Id" if wanted == "Related_To" else "Related_To"
            if former in found:
                found[wanted] = found.pop(former)
                found[wanted].api_name = wanted
                self.generation += 1
        return found

    def has_parent(self, module: str) -> bool:
        """Whether records of the module hang on a record of any module."""
        return module in ("Notes", "Attachments", *_ACTIVITIES)

    def dollar_keys(self, module: str) -> tuple[str, ...]:
        """Keys beside the fields that a list may be asked for."""
        if module == "Attachments":
            return (*PARENT_MODULE_KEYS, *FILE_KEYS)
        return PARENT_MODULE_KEYS if self.has_parent(module) else ()

    def reading_state(self) -> tuple[Any, ...]:
        """What a plan depends on besides its fields; a change makes plans stale."""
        switches = self.switches
        return (
            self.generation,
            len(self.users),
            self.zone,
            switches.activity_parent,
            switches.pipeline_read,
            switches.subforms_in_lists,
            switches.notes_parent,
            switches.lookup_to_deleted,
            switches.empty_multiselect,
            switches.parent_module_key,
        )

    def plan(self, module: str, fields: Sequence[str] | None = None, *, one: bool = False) -> Plan:
        """How to read these fields."""
        return self.reader.plan(module, fields, one=one)

    def write(self, module: str, record: Record, *, new: bool = False) -> None:
        """Put a record's new state in place; computed fields follow."""
        self.compute(module, record, new=new)
        former = self.tables[module].live.get(record.id)
        self.tables[module].put(record, self.clock.timestamp())
        renamed = former is not None and self.display(module, former) != self.display(
            module, record
        )
        if renamed or module == "Associated_Products":
            self.generation += 1

    def compute(self, module: str, record: Record, *, new: bool) -> None:
        """Full_Name, formulas and serial numbers, which the service keeps."""
        values = record.values
        if module == "Contacts":
            parts = (values.get("First_Name"), values.get("Last_Name"))
            values["Full_Name"] = " ".join(part for part in parts if part)
            if new:
                values.setdefault("Record_Creation_Source_ID__s", "0")
        for field in self.modules[module].fields.values():
            if field.data_type == "formula":
                base = values.get("Custom_Integer")
                values.pop(field.api_name, None)
                if base is not None:
                    values[field.api_name] = base * 2
            elif field.data_type == "autonumber" and new:
                key = (module, field.api_name)
                self.serials[key] = self.serials.get(key, 0) + 1
                values[field.api_name] = str(self.serials[key])
        if module == "Associated_Products":
            price, quantity = values.get("List_Price"), values.get("Quantity")
            if price is not None and quantity is not None:
                values["Total"] = price * quantity - (values.get("Discount") or 0)
