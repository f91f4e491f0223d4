"""How records show users, other records, tags and Team Pipelines (bigin-api.md section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bigin_client.testing.catalogue import module_word
from bigin_client.testing.clock import Clock
from bigin_client.testing.ids import IdSource
from bigin_client.testing.modules import Module
from bigin_client.testing.people import User
from bigin_client.testing.reading import Reader
from bigin_client.testing.switches import Switches
from bigin_client.testing.table import Record, Table


class References:
    """The part of the store that resolves ids into what readers see."""

    modules: dict[str, Module]
    tables: dict[str, Table]
    users: list[User]
    ids: IdSource
    clock: Clock
    switches: Switches
    reader: Reader
    #: Tag definitions by module, then by name without case: {name, id, color_code, ...}.
    tags: dict[str, dict[str, dict[str, Any]]]

    def display(self, module: str, record: Record) -> str:
        """The name under which lookups show a record."""
        definition = self.modules[module]
        value = record.values.get(definition.display)
        if module == "Associated_Products":
            reference = self.reference("Products", value)
            return str(reference["name"]) if reference else ""
        return "" if value is None else str(value)

    def reference(self, module: str, id: str | None) -> dict[str, Any] | None:
        """``{name, id}`` of a lookup's target; the name is the present one (9.49)."""
        if id is None:
            return None
        table = self.tables.get(module)
        if table is None:
            return None
        record = table.live.get(id)
        if record is None:
            if self.switches.lookup_to_deleted == "null":
                return None
            gone = table.gone.get(id)
            return {"name": self.display(module, gone.record) if gone else None, "id": id}
        return {"name": self.display(module, record), "id": id}

    def parent_ref(self, child: str, parent: tuple[str, str] | None) -> dict[str, Any] | None:
        """``{name, id}`` of an activity's or note's parent."""
        if parent is None:
            return None
        found = self.reference(parent[0], parent[1])
        if found is not None and child == "Notes" and self.switches.notes_parent == "v8":
            module = self.modules[parent[0]]
            found["module"] = {"api_name": module_word(parent[0]), "id": module.id}
        return found

    def user(self, id: str | None) -> User | None:
        """A user by id."""
        return next((user for user in self.users if user.id == id), None)

    def user_ref(self, id: str | None, *, email: bool = True) -> dict[str, Any] | None:
        """``{name, id, email}`` of a user; ``{name, id}`` in write results [rec]."""
        for user in self.users:
            if user.id == id:
                found = {"name": user.full_name, "id": user.id}
                if email:
                    found["email"] = user.email
                return found
        return None

    def pipeline_ref(self, layout_id: str | None) -> Any:
        """A Team Pipeline as ``Pipeline`` shows it."""
        if layout_id is None:
            return None
        if self.switches.pipeline_read == "id":
            return layout_id
        layout = self.modules["Pipelines"].layout(layout_id)
        return {"name": layout.name if layout else None, "id": layout_id}

    def tag_refs(self, module: str, names: Iterable[str]) -> list[dict[str, Any]]:
        """Tags of a record: ``{name, id, color_code}``."""
        known = self.tags.get(module, {})
        found = (known.get(name.casefold()) for name in names)
        return [
            {"name": tag["name"], "id": tag["id"], "color_code": tag["color_code"]}
            for tag in found
            if tag is not None
        ]

    def define_tag(self, module: str, name: str) -> str:
        """Make sure that a tag exists (9.51) and return its name as defined."""
        known = self.tags.setdefault(module, {})
        tag = known.get(name.casefold())
        if tag is None:
            now = self.clock.seconds()
            tag = {
                "name": name, "id": self.ids.next(), "color_code": None, "created_time": now,
                "modified_time": now, "by": self.users[0].id,
            }  # fmt: skip
            known[name.casefold()] = tag
        return str(tag["name"])

    def line_items(self, deal: str) -> list[dict[str, Any]]:
        """Subform rows of a deal, each with an id of its own (bigin-api.md section 4)."""
        table = self.tables["Associated_Products"]
        plan = self.reader.plan("Associated_Products")
        return [plan.row(table.live[id]) for id in table.find("Parent_Id", deal)]
