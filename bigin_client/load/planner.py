"""Decide what a row does, from the row and the records that its key finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bigin_client.batches import WriteKind
from bigin_client.errors import SettingsError
from bigin_client.field_writes import INVALID_DATA
from bigin_client.load.binding import ID
from bigin_client.load.index import Index, Known
from bigin_client.load.keys import MatchKey
from bigin_client.load.options import LoadOptions
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal, Row, Shaper
from bigin_client.load.writer import Item

NOT_FOUND: Final = "RECORD_NOT_FOUND"
SEVERAL: Final = "SEVERAL_RECORDS_MATCH"
CASCADE: Final = "CASCADE_NOT_ALLOWED"
#: Module whose deletion takes other records along (bigin-api.md 3.3): all linked Contacts.
CASCADING: Final = "Accounts"
#: Written together: the service wants both when one of them changes (bigin-api.md 11.17).
_TOGETHER: Final = (("Related_To", "$related_module"), ("Parent_Id", "$se_module"))


@dataclass(frozen=True)
class Ended:
    """A row that needs no write."""

    outcome: Outcome
    id: str | None = None
    code: str | None = None
    reason: str | None = None


class Planner:
    """Plans rows of one stream.

    Args:
        shaper: Knows the bodies of creations and updates.
        index: What the account holds.
        key: The match key; None in insert mode.
        options: The stream's options.
        module: API name.
    """

    def __init__(
        self, shaper: Shaper, index: Index, key: MatchKey | None, options: LoadOptions, module: str
    ) -> None:
        self._shaper = shaper
        self._index = index
        self._key = key
        self._options = options
        self._module = module

    def decide(self, row: Row, matches: Sequence[Known]) -> Item | Refusal | Ended:
        """Return the write that a row needs, or why it needs or gets none."""
        if len(matches) > 1:
            field = next(iter(row.shown_key or ()), None)
            return Refusal(SEVERAL, f"{len(matches)} records have this match key", field)
        known = matches[0] if matches else None
        if row.is_deletion or self._options.mode == "delete":
            return self._delete(row, known)
        return self._create(row) if known is None else self._update(row, known)

    def decide_blindly(self, row: Row, expected_id: str | None) -> Item | Refusal:
        """Return a write that leaves it to the service whether the record is there."""
        missing = self._shaper.missing_for_create(row)
        body = self._shaper.update_body(row)
        return missing or Item(row, "upsert", body, expected_id=expected_id)

    def _create(self, row: Row) -> Item | Refusal:
        key = self._key
        if key is not None and key.by_id:
            # The service would answer likewise; an upsert by id must never insert.
            return Refusal(INVALID_DATA, "no record has this id", ID, row.record_id)
        if self._options.mode == "update":
            field = next(iter(row.shown_key or ()), None)
            return Refusal(NOT_FOUND, "no record has this match key", field)
        missing = self._shaper.missing_for_create(row)
        if missing is not None:
            return missing
        # On a unique match key the service's own upsert may be sent twice, an insert may not.
        kind: WriteKind = "upsert" if key is not None and key.unique else "insert"
        return Item(row, kind, self._shaper.create_body(row))

    def _delete(self, row: Row, known: Known | None) -> Item | Refusal | Ended:
        if known is None:
            return Ended(Outcome.SKIPPED, row.record_id, NOT_FOUND, "there is no such record")
        if self._module == CASCADING and not self._options.allow_cascade:
            return Refusal(
                CASCADE, "deleting a company deletes its contacts; allow_cascade is off", ID,
                known.id,
            )  # fmt: skip
        return Item(row, "delete", {}, known.id)

    def _update(self, row: Row, known: Known) -> Item | Ended:
        body = self._shaper.update_body(row)
        changes = self._index.changes(known, body)
        for name, how in self._options.protect.items():
            if how == "always" or not self._index.is_empty(known, name):
                changes.pop(name, None)
        for pair in _TOGETHER:
            if any(n in changes for n in pair):
                changes.update({n: body[n] for n in pair if n in body})
        if not changes:
            return Ended(Outcome.UNCHANGED, known.id)
        return Item(row, "update", changes, known.id, modified=known.modified)


def check_guards(module: str, options: LoadOptions) -> None:
    """Refuse what would be unsafe, before anything is read or written.

    Raises:
        SettingsError: What to set.
    """
    if options.mode == "delete" and module == CASCADING and not options.allow_cascade:
        raise SettingsError(
            f"Deleting {module} also deletes their Contacts",
            hint="Set allow_cascade: true if that is meant.",
        )


def check_strict(dropped: Mapping[str, str], stream: str, module: str) -> None:
    """Refuse columns that go nowhere.

    Raises:
        SettingsError: There are such columns.
    """
    if dropped:
        listed = ", ".join(f"{c} ({why})" for c, why in sorted(dropped.items()))
        raise SettingsError(
            f"{stream}: strict is set, and these columns go into no field of {module}: {listed}",
            hint='Bind them (fields: {"<column>": "<Field>"}), take them out, or unset strict.',
        )
