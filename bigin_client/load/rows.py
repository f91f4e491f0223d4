"""Turn an input row into what Bigin takes, or say why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from bigin_client import field_types, journal
from bigin_client.field_writes import INVALID_DATA, RefusedValueError, is_blank, is_utf8
from bigin_client.load.binding import DELETED_AT, ID, Binding
from bigin_client.load.keys import MatchKey, looks_like_id
from bigin_client.load.options import LoadOptions
from bigin_client.metadata import Field
from bigin_client.rejects import to_json

MANDATORY_NOT_FOUND: Final = "MANDATORY_NOT_FOUND"
MATCH_KEY_MISSING: Final = "MATCH_KEY_MISSING"
ROW_KEY_MISSING: Final = "ROW_KEY_MISSING"

_HALF: Final = "the text is cut within a character (a lone surrogate)"
#: Types whose values are never blank and hold no text.
_FIGURES: Final = frozenset({int, bool})
#: Keys whose values name a module; ours say Pipelines where the service says Deals.
_PARENT_KEYS: Final = ("$related_module", "$se_module")


@dataclass(frozen=True)
class Refusal:
    """Why a row is refused; never quotes the row."""

    code: str
    reason: str
    field: str | None = None
    id: str | None = None
    unknown: bool = False


@dataclass
class Row:
    """One input row on its way.

    Attributes:
        number: Position in the input, from 1.
        source: The row as read.
        tag: Whatever the caller gave with it.
        body: Field → value on the wire; None clears the field.
        record_id: The row's own ``id`` value.
        key: Digest of its match key.
        shown_key: Field → value of the match key, for files.
        row_key: Text that names the row within the input.
        is_deletion: The row says that its record was deleted at the source.
        attempts: How often it was sent.
        natural_keys: Lookup field → natural key of its record, until that is found.
        unless_changed_since: Leave the record alone if it was changed after this.
        was_unknown: An earlier run sent it, and its outcome was not known then.
        is_placed: It has its outcome, or is queued or parked: a failure elsewhere cannot lose it.
    """

    number: int
    source: Mapping[str, Any]
    tag: Any = None
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    record_id: str | None = None
    key: bytes | None = None
    shown_key: dict[str, Any] | None = field(default=None, repr=False)
    row_key: str | None = None
    is_deletion: bool = False
    attempts: int = 0
    natural_keys: dict[str, Any] = field(default_factory=dict, repr=False)
    is_placed: bool = False
    unless_changed_since: datetime | None = None
    was_unknown: bool = False


class NaturalKeys(Protocol):
    """Knows which values stand for a record by something else than its id."""

    def may_be_natural(self, field: Field) -> bool:
        """Whether values of a field may be natural keys."""
        ...

    def natural_key(self, field: Field, value: Any) -> Any:
        """Return the key to look up, None when the value is to be written as it is."""
        ...


class Shaper:
    """Checks rows of one stream against the module's metadata.

    Args:
        binding: Which column goes into which field.
        known: The module's fields.
        options: The stream's options.
        key: The match key; None in insert mode.
        lookups: Says which values are natural keys; None: none is.
    """

    def __init__(
        self,
        binding: Binding,
        known: Mapping[str, Field],
        options: LoadOptions,
        key: MatchKey | None,
        lookups: NaturalKeys | None = None,
    ) -> None:
        self._binding = binding
        self._known = known
        self._options = options
        self._key = key
        self._lookups = lookups
        self.nulls_ignored = 0
        self._mandatory = [f.api_name for f in known.values() if f.mandatory and f.creatable]
        self._only_updated = {f.api_name for f in known.values() if not f.creatable}
        self._only_created = {f.api_name for f in known.values() if not f.updatable}
        #: Column, its field, how that is written, and whether natural keys may stand for it.
        self._columns = [
            (
                column,
                f.api_name,
                f,
                field_types.of(f.api_name, f.data_type, f.json_type, f.return_type).write,
                lookups is not None and lookups.may_be_natural(f),
            )
            for column, f in binding.columns.items()
        ]

    def shape(self, row: Row) -> Refusal | None:
        """Fill in the row's body and keys; returns why it is refused, None when it is not."""
        binding = self._binding
        row.is_deletion = not is_blank(row.source.get(DELETED_AT))
        if binding.id_column is not None:
            value = row.source.get(binding.id_column)
            row.record_id = None if is_blank(value) else str(value).strip()
        refusal = self.convert(row)
        if row.is_deletion or self._options.mode == "delete":
            # A row that only names a record needs no valid values, and no parents.
            refusal = None
            key = self._key.fields if self._key is not None else ()
            row.natural_keys = {n: v for n, v in row.natural_keys.items() if n in key}
        key_refusal = None if self._key_waits(row) else self.find_key(row)
        return key_refusal or refusal

    def convert(self, row: Row) -> Refusal | None:
        """Convert all values; the first refusal is returned, the others are tried all the same."""
        refusal: Refusal | None = None
        source = row.source
        body = row.body
        for column, name, about, write, may_be_natural in self._columns:
            value = source.get(column)
            if not _is_ordinary(value):
                if is_blank(value):
                    if column in source:
                        found = self._blank(row, about)
                        refusal = refusal or found
                    continue
                if not is_utf8(value):
                    refusal = refusal or Refusal(INVALID_DATA, _HALF, name)
                    continue
            if may_be_natural and self._lookups is not None:
                natural = self._lookups.natural_key(about, value)
                if natural is not None:
                    row.natural_keys[name] = natural
                    continue
            try:
                body[name] = write(value, about)
            except RefusedValueError as error:
                refusal = refusal or Refusal(error.code, error.reason, name)
        _say_pipelines(body)
        return refusal or self._stage(body)

    def _blank(self, row: Row, about: Field) -> Refusal | None:
        if self._options.nulls == "ignore":
            self.nulls_ignored += 1
        elif about.mandatory:
            return Refusal(
                MANDATORY_NOT_FOUND, "a mandatory field cannot be cleared", about.api_name
            )
        else:
            row.body[about.api_name] = None
        return None

    def _stage(self, body: Mapping[str, Any]) -> Refusal | None:
        """Check that a Stage belongs to its Sub_Pipeline (bigin-api.md 1.2)."""
        stage, sub = body.get("Stage"), body.get("Sub_Pipeline")
        about = self._known.get("Sub_Pipeline")
        if not isinstance(stage, str) or about is None:
            return None
        allowed = next((v.maps.get("Stage") for v in about.picklist if v.actual == sub), None)
        if allowed and stage not in allowed:
            return Refusal(INVALID_DATA, "the Stage is not one of the Sub_Pipeline's", "Stage")
        return None

    def _key_waits(self, row: Row) -> bool:
        return self._key is not None and any(n in row.natural_keys for n in self._key.fields)

    def find_key(self, row: Row) -> Refusal | None:
        """Fill in the row's match key; its lookups must have been resolved."""
        if self._key is None:
            return self._find_row_key(row)
        if self._key.by_id:
            if row.record_id is None:
                return Refusal(MATCH_KEY_MISSING, "the match key is blank", ID)
            if not looks_like_id(row.record_id):
                return Refusal(INVALID_DATA, "this is no Bigin id", ID)
            row.shown_key = {ID: row.record_id}
            row.key = self._key.digest({ID: row.record_id})
            return None
        return self._find_field_key(row, self._key)

    def _find_row_key(self, row: Row) -> Refusal | None:
        """In insert mode the row key is what tells rows apart."""
        if row.row_key is not None:
            row.key = journal.digest(row.row_key)
        elif not self._options.allow_duplicates:
            return Refusal(ROW_KEY_MISSING, "the row key is blank")
        return None

    def _find_field_key(self, row: Row, match: MatchKey) -> Refusal | None:
        columns = {n: str(self._binding.column_of(n)) for n in match.fields}
        row.shown_key = {n: row.source.get(c) for n, c in columns.items()}
        blank = [n for n, v in row.shown_key.items() if is_blank(v)]
        if blank:
            # The service would insert such a row (bigin-api.md 3.3).
            return Refusal(MATCH_KEY_MISSING, "the match key is blank", blank[0])
        if all(n in row.body for n in match.fields):
            row.key = match.digest(row.body)
            if row.key is None:
                return Refusal(MATCH_KEY_MISSING, "the match key is blank", match.fields[0])
        elif self._options.mode == "delete" or row.is_deletion:
            return Refusal(INVALID_DATA, "the match key cannot be read", match.fields[0])
        return None

    def missing_for_create(self, row: Row) -> Refusal | None:
        """Say why a row cannot become a new record: a mandatory field, or no value at all."""
        for name in self._mandatory:
            if row.body.get(name) is None and name not in row.natural_keys:
                return Refusal(MANDATORY_NOT_FOUND, "required field not found", name)
        if not row.natural_keys and all(
            v is None or n in self._only_updated for n, v in row.body.items()
        ):
            # Where no field is mandatory, the service might take it.
            return Refusal(INVALID_DATA, "none of its columns holds a value for a new record")
        return None

    def create_body(self, row: Row) -> dict[str, Any]:
        """Return what a new record is written with: no nulls, no fields that only updates take."""
        left_out = self._only_updated
        return {n: v for n, v in row.body.items() if v is not None and n not in left_out}

    def update_body(self, row: Row) -> dict[str, Any]:
        """Return what an existing record may be updated with."""
        left_out = self._only_created
        return {n: v for n, v in row.body.items() if n not in left_out}


def _say_pipelines(body: dict[str, Any]) -> None:
    """Give the name of deals as ours, where a field names a module."""
    for name in _PARENT_KEYS:
        if body.get(name) == field_types.DEALS:
            body[name] = field_types.PIPELINES


def _is_ordinary(value: Any) -> bool:
    """Whether a value is surely not blank, and any request can carry it; quick."""
    kind = type(value)
    if kind is str:
        return value != "" and value.isascii() and not value.isspace()
    return kind in _FIGURES or (kind is Decimal and value.is_finite())


def row_key_of(source: Mapping[str, Any], columns: tuple[str, ...] | None) -> str | None:
    """Return the text that names a row, None when a part of it is blank."""
    if not columns:
        return None
    values = [source.get(c) for c in columns]
    return None if any(is_blank(v) for v in values) else to_json(values).decode()
