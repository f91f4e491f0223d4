"""Match keys: which fields find a record, and when two values are the same key."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from bigin_client import field_types
from bigin_client.errors import SettingsError
from bigin_client.load.binding import ID, Binding
from bigin_client.load.compare import canonical
from bigin_client.metadata import Field

#: Ids have 19 digits (bigin-api.md 1.4); older accounts' may have a few less.
_ID_DIGITS: Final = range(15, 21)
_TEXT_KINDS: Final = frozenset({"text", "picklist", "unknown"})
_encoder = msgspec.json.Encoder()


class MatchKey:
    """The match key of one stream: ``id``, or one or several fields.

    Args:
        fields: ``("id",)`` or field API names.
        known: The module's fields.
    """

    def __init__(self, fields: Sequence[str], known: Mapping[str, Field]) -> None:
        self.fields = tuple(fields)
        self.by_id = self.fields == (ID,)
        self._known = [known[name] for name in self.fields if name != ID]
        self._types = [
            field_types.of(f.api_name, f.data_type, f.json_type, f.return_type) for f in self._known
        ]

    def __repr__(self) -> str:
        return f"MatchKey({self.fields})"

    @property
    def unique(self) -> bool:
        """Whether the service itself refuses a second record with this key."""
        return len(self._known) == 1 and self._known[0].unique

    def digest(self, values: Mapping[str, Any]) -> bytes | None:
        """Return the key of a record or body, None when a part of it is blank.

        Text is compared as the service does (bigin-api.md 3.3): without regard to case,
        unless the field says so; in one Unicode form and without outer blanks.
        """
        if self.by_id:
            record_id = values.get(ID)
            return digest(str(record_id)) if record_id else None
        parts = []
        for field, kind in zip(self._known, self._types, strict=True):
            value = canonical(kind, field, values.get(field.api_name))
            if kind.kind in _TEXT_KINDS and value is not None:
                value = unicodedata.normalize("NFC", value).strip()
                if not field.case_sensitive:
                    value = unicodedata.normalize("NFC", value.casefold())
            if not value:
                return None
            parts.append(value)
        return digest(parts)


def digest(value: object) -> bytes:
    """Return 16 bytes that stand for a value: keys stay small and unreadable in memory."""
    return hashlib.blake2b(_encoder.encode(value), digest_size=16).digest()


def looks_like_id(value: object) -> bool:
    """Whether a value has the form of a record's id."""
    text = str(value).strip()
    return text.isascii() and text.isdecimal() and len(text) in _ID_DIGITS


def choose(
    binding: Binding, match_on: Sequence[str] | None, ids: Iterable[object], stream: str
) -> tuple[str, ...]:
    """Return the fields of the match key; decided once per stream.

    Args:
        binding: The columns bound so far.
        match_on: What the user asked for.
        ids: Values of the ``id`` column in the first rows.
        stream: For the message.

    Raises:
        SettingsError: There is no safe choice; the message says what to set.
    """
    if match_on is not None:
        return _explicit(binding, match_on)
    if binding.id_column is not None:
        # One stray value is that row's reject; a column without any id is another key.
        given = [looks_like_id(i) for i in ids]
        if not given or any(given):
            return (ID,)
        raise SettingsError(
            f"{stream}: column {binding.id_column} holds no Bigin ids, so it cannot match records",
            hint=f"Say which fields do: {_line(_unique(binding) or sorted(binding.field_names()))}",
        )
    unique = _unique(binding)
    if len(unique) == 1:
        return (unique[0],)
    why = (
        f"several unique fields are given ({', '.join(unique)})"
        if unique
        else "no id and no unique field is given"
    )
    raise SettingsError(
        f"{stream}: which record a row belongs to is not clear: {why}",
        hint=f"Say which field decides: {_line(unique or sorted(binding.field_names()))}",
    )


def _explicit(binding: Binding, match_on: Sequence[str]) -> tuple[str, ...]:
    if not match_on:
        raise SettingsError("match_on names no field")
    if [n.casefold() for n in match_on] == [ID]:
        names: tuple[str, ...] = (ID,)
    else:
        found = [binding.find(n) for n in match_on]
        missing = [n for n, f in zip(match_on, found, strict=True) if f is None]
        if missing:
            raise SettingsError(
                f"match_on: {binding.module} has no field {', '.join(missing)}",
                hint=f"List them with: bigin fields {binding.module}",
            )
        names = tuple(dict.fromkeys(f.api_name for f in found if f is not None))
    absent = [n for n in names if binding.column_of(n) is None]
    if absent:
        raise SettingsError(
            f"match_on: no column of the input gives {', '.join(absent)}",
            hint='Bind one: fields: {"<column>": "' + absent[0] + '"}',
        )
    return names


def _unique(binding: Binding) -> list[str]:
    return sorted(f.api_name for f in binding.columns.values() if f.unique)


def _line(names: Sequence[str]) -> str:
    shown = names[0] if names else "<field>"
    return f'match_on: ["{shown}"]'
