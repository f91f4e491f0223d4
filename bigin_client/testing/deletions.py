"""Deletions: cascades, the recycle bin, and what the deleted feed lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bigin_client.testing.clock import OrgZone
from bigin_client.testing.reading import PARENT
from bigin_client.testing.references import References
from bigin_client.testing.table import Deleted

DAY: Final = 86_400


class Deletions(References):
    """The part of the store that takes records away."""

    zone: OrgZone
    generation: int

    def remove(
        self,
        module: str,
        ids: Sequence[str],
        at: int,
        by: str,
        permanent: bool = False,
        *,
        cascade: bool | None = None,
        listed: bool = True,
    ) -> None:
        """Delete live records and what hangs on them (9.48, 11.11)."""
        table, removed = self.tables[module], set()
        for id in ids:
            record = table.remove(id, self.clock.timestamp())
            if record is not None:
                removed.add(id)
                table.gone[id] = Deleted(record, at, by, permanent, listed)
        if not removed:
            return
        self.generation += 1
        cascades = self.switches.cascade_contacts if cascade is None else cascade
        if module == "Accounts" and cascades:
            children = [
                record.id
                for record in self.tables["Contacts"].live.values()
                if record.values.get("Account_Name") in removed
            ]
            self.remove(
                "Contacts", children, at, by, permanent, listed=self.switches.cascade_in_feed
            )
        if module == "Pipelines":
            rows = [
                record.id
                for record in self.tables["Associated_Products"].live.values()
                if record.values.get("Parent_Id") in removed
            ]
            self.remove("Associated_Products", rows, at, by, permanent)
        if module not in ("Notes", "Attachments") and self.switches.notes_of_deleted == "deleted":
            for child in ("Notes", "Attachments"):
                hanging = [
                    record.id
                    for record in self.tables[child].live.values()
                    if (parent := record.values.get(PARENT))
                    and parent[0] == module
                    and parent[1] in removed
                ]
                self.remove(child, hanging, at, by, permanent)

    def kind(self, gone: Deleted) -> str:
        """Whether a deletion is "recycle" or "permanent", by the clock (9.59)."""
        age = self.clock.seconds() - gone.at
        past = age >= self.switches.recycle_days * DAY
        return "permanent" if gone.permanent or past else "recycle"

    def listed_deletions(self, module: str) -> list[Deleted]:
        """Deletions that the feed still lists, newest first."""
        now, switches = self.clock.seconds(), self.switches
        found = []
        for gone in self.tables[module].gone.values():
            days = switches.permanent_days + (0 if gone.permanent else switches.recycle_days)
            if gone.listed and now - gone.at < days * DAY:
                found.append(gone)
        return sorted(found, key=lambda gone: (gone.at, gone.record.id), reverse=True)

    def deleted_row(self, module: str, gone: Deleted) -> dict[str, Any]:
        """A row of the deleted feed ([crm-doc], bigin-api.md 3.4)."""
        return {
            "deleted_by": self.user_ref(gone.by, email=False),
            "id": gone.record.id,
            "display_name": self.display(module, gone.record),
            "type": self.kind(gone),
            "created_by": self.user_ref(gone.record.created_by, email=False),
            "deleted_time": self.zone.text(gone.at),
        }
