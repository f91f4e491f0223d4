"""Columns of the input → fields of the module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bigin_client.errors import SettingsError
from bigin_client.metadata import Field
from bigin_client.records import PARENT_MODULE_KEYS

ID: Final = "id"
#: Marks a row whose record was deleted at the source (Singer convention).
DELETED_AT: Final = "_sdc_deleted_at"
_SDC: Final = "_sdc_"


class Binding:
    """Which column goes into which field; grows as new columns show up.

    Args:
        module: API name.
        fields: The module's fields.
        mapping: Column → field, as the user gave it.

    Attributes:
        columns: Column → field.
        dropped: Column → why it goes nowhere.
        id_column: The column with Bigin ids, if there is one.

    Raises:
        SettingsError: The mapping names a field that does not exist or cannot be written, or
            two columns for one field.
    """

    def __init__(
        self, module: str, fields: Mapping[str, Field], mapping: Mapping[str, str]
    ) -> None:
        self.module = module
        self.columns: dict[str, Field] = {}
        self.dropped: dict[str, str] = {}
        self.id_column: str | None = None
        self._fields = {**fields, **_parent_module_fields(module, fields)}
        self._by_name = {name.casefold(): f for name, f in self._fields.items()}
        self._mapping = dict(mapping)
        self._seen: set[str] = set()
        for column, name in self._mapping.items():
            self._check(column, name)

    def _check(self, column: str, name: str) -> None:
        if name.casefold() == ID:
            return
        field = self._by_name.get(name.casefold())
        if field is None:
            raise SettingsError(
                f"fields: {self.module} has no field {name} (column {column})",
                hint=f"List them with: bigin fields {self.module}",
            )
        if not field.writable:
            raise SettingsError(f"fields: {self.module}.{name} cannot be written")
        twice = [c for c, n in self._mapping.items() if n.casefold() == name.casefold()]
        if len(twice) > 1:
            raise SettingsError(f"fields: {name} is given by several columns: {', '.join(twice)}")

    def find(self, name: str) -> Field | None:
        """Return a field by API name, whatever the case."""
        return self._by_name.get(name.casefold())

    def field_names(self) -> set[str]:
        """Return the API names of the bound fields."""
        return {f.api_name for f in self.columns.values()}

    def column_of(self, field: str) -> str | None:
        """Return the column of a field; ``id`` is one too."""
        if field == ID:
            return self.id_column
        return next((c for c, f in self.columns.items() if f.api_name == field), None)

    def extend(self, columns: Iterable[str]) -> bool:
        """Bind columns not seen before; returns whether there were any.

        Raises:
            SettingsError: Two columns are meant for one field.
        """
        new = [c for c in columns if c not in self._seen]
        if not new:
            return False
        self._seen.update(new)
        # Explicit ones first, then exact names, so that a mere namesake never takes a field.
        rank = {True: 0}
        for column in sorted(
            new, key=lambda c: rank.get(c in self._mapping, 1 if c in self._fields else 2)
        ):
            self._bind(column)
        return True

    def _bind(self, column: str) -> None:
        explicit = self._mapping.get(column)
        name = explicit or column
        if explicit is None and column.casefold().startswith(_SDC):
            return
        if name.casefold() == ID:
            if self.id_column is None:
                self.id_column = column
            else:
                self._taken(column, ID, self.id_column)
            return
        field = self._by_name.get(name.casefold())
        if field is None:
            self.dropped[column] = "no such field"
        elif not field.writable:
            self.dropped[column] = "read-only"
        elif (other := self.column_of(field.api_name)) is not None:
            self._taken(column, field.api_name, other)
        else:
            self.columns[column] = field

    def _taken(self, column: str, field: str, other: str) -> None:
        if other not in self._mapping:
            raise SettingsError(
                f"Columns {other} and {column} both belong to {self.module}.{field}",
                hint=f'Choose one: fields: {{"{other}": "{field}"}}',
            )
        self.dropped[column] = f"{field} is given by {other}"


def _parent_module_fields(module: str, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return the keys that name a parent's module; the metadata does not list them."""
    return {
        key: Field(key, key, "text", "string", writable=True, creatable=True, updatable=True)
        for key in PARENT_MODULE_KEYS.get(module, ())
        if key not in fields
    }
