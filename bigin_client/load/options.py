"""What a load is asked to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from typing_extensions import Self

from bigin_client.errors import SettingsError

LoadMode: TypeAlias = Literal["upsert", "insert", "update", "delete", "mirror"]
Compare: TypeAlias = Literal["auto", "always", "never"]
Nulls: TypeAlias = Literal["ignore", "clear"]
OnDelete: TypeAlias = Literal["ignore", "delete"]
Protect: TypeAlias = Literal["always", "when_set"]
OnMissing: TypeAlias = Literal["reject", "create", "null"]

#: Seconds in which the gateway may still apply a write whose reply was lost.
SETTLE_SECONDS: Final = 60.0

_CHOICES: Final = {
    "mode": get_args(LoadMode),
    "compare": get_args(Compare),
    "nulls": get_args(Nulls),
    "on_delete": get_args(OnDelete),
}


@dataclass(frozen=True)
class Lookup:
    """How a lookup field finds its record by a natural key.

    Attributes:
        match_on: Field of the other module that holds the key, or several: then the row's value
            is an object of them.
        on_missing: What a key without a record does: refuse the row, create the record, or
            leave the field empty.
    """

    match_on: str | tuple[str, ...]
    on_missing: OnMissing = "reject"

    @property
    def key(self) -> tuple[str, ...]:
        """The fields of the key."""
        return (self.match_on,) if isinstance(self.match_on, str) else self.match_on


@dataclass(frozen=True)
class LoadOptions:
    """How one stream is loaded (design.md section 6).

    Attributes:
        mode: ``upsert``, ``insert``, ``update``, ``delete`` or ``mirror``.
        match_on: Fields that find the existing record; None: the row's ``id``, else the one
            unique field among the columns.
        fields: Column → field API name. Other columns are bound by name, whatever the case.
        lookups: Lookup field → how its record is found.
        nulls: Leave a field alone whose value is null or blank, or clear it.
        protect: Field → ``always`` (never write over it) or ``when_set`` (fill only if empty).
        run_workflows: Let Bigin's workflows run on the records written.
        on_delete: What happens to rows with ``_sdc_deleted_at``.
        allow_cascade: Allow deleting Accounts, which takes their Contacts along.
        strict: Refuse the stream when a column is unknown or read-only.
        compare: Read the records before writing: when it is cheaper, always, or never.
        settle_seconds: How long the gateway may still apply a write whose reply was lost.
        row_key: Columns that name a row within the input.
        allow_duplicates: Let insert mode run without a row key.
        source_id: Column with the record's id in the account that the rows come from.
        mirror_scope: ``all`` or ``{Field: value}``: what mirror may delete in.
        max_delete_share: Most of the scope's records that mirror may delete.
        limit_rows: Load only the first so many rows.
        verify: Read back what was written.
    """

    mode: LoadMode = "upsert"
    match_on: tuple[str, ...] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    nulls: Nulls = "ignore"
    protect: Mapping[str, Protect] = field(default_factory=dict)
    run_workflows: bool = False
    on_delete: OnDelete = "ignore"
    allow_cascade: bool = False
    strict: bool = False
    compare: Compare = "auto"
    settle_seconds: float = SETTLE_SECONDS
    row_key: tuple[str, ...] | None = None
    allow_duplicates: bool = False
    source_id: str | None = None
    mirror_scope: str | Mapping[str, Any] | None = None
    max_delete_share: float = 0.1
    limit_rows: int | None = None
    verify: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Return options from a configuration; keys that are no option are left aside.

        Raises:
            SettingsError: A value cannot be used.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        given = {k: v for k, v in values.items() if k in known and v is not None}
        for name in ("match_on", "row_key"):
            if name in given:
                given[name] = _names(name, given[name])
        if "lookups" in given:
            given["lookups"] = {k: _lookup(k, v) for k, v in _object("lookups", given).items()}
        for name in ("fields", "protect"):
            if name in given:
                given[name] = {str(k): str(v) for k, v in _object(name, given).items()}
        return cls(**given)

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(f"{name} must be one of: {', '.join(allowed)}")
        for name, how in self.protect.items():
            if how not in get_args(Protect):
                raise SettingsError(f"protect.{name} must be always or when_set")
        if self.limit_rows is not None and self.limit_rows < 0:
            raise SettingsError("limit_rows must not be negative")
        if not 0 <= self.max_delete_share <= 1:
            raise SettingsError("max_delete_share must lie between 0 and 1")
        if self.settle_seconds < 0:
            raise SettingsError("settle_seconds must not be negative")


@dataclass(frozen=True)
class RunOptions:
    """What holds for all streams of a run.

    Attributes:
        rejects_path: File (on object storage: folder) of refused rows.
        max_rejects: Refusals allowed: a number, or a share such as ``1%``.
        plan_path: File of what a dry run would do.
        outcomes_path: File of row key, id, outcome and time of each row.
        before_path: File of what updated or deleted records held before.
        report_path: File of the report, JSON.
        report_html: File of the report as a page to look at.
        journal_path: File of inserts begun and done, on a local disk; None: one per account
            and module in the user's state folder.
        dry_run: Do everything but the writes.
    """

    rejects_path: str | None = None
    max_rejects: int | str = 0
    plan_path: str | None = None
    outcomes_path: str | None = None
    before_path: str | None = None
    report_path: str | None = None
    report_html: str | None = None
    journal_path: str | None = None
    dry_run: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Return options from a configuration; keys that are no option are left aside."""
        names = cls.__dataclass_fields__
        return cls(**{k: v for k, v in values.items() if k in names and v not in (None, "")})

    def __post_init__(self) -> None:
        count, share = parse_max_rejects(self.max_rejects)
        if (count or share) and not self.rejects_path:
            raise SettingsError(
                "max_rejects above 0 needs rejects_path: refused rows would be lost",
                hint="Set rejects_path to a file.",
            )


def parse_max_rejects(value: object) -> tuple[int, float]:
    """Return ``(count, share)`` that `max_rejects` allows: an integer, or text such as ``1%``.

    Raises:
        SettingsError: It is neither.
    """
    written = "" if isinstance(value, bool) else str(value).strip()
    try:
        if written.endswith("%"):
            share = float(written[:-1]) / 100
            if not 0 <= share <= 1:
                raise ValueError  # noqa: TRY301 - same answer as for text that is no number
            return 0, share
        count = int(written)
        if count < 0:
            raise ValueError  # noqa: TRY301 - same answer
    except ValueError:
        raise SettingsError("max_rejects must be a whole number or a share such as 1%") from None
    return count, 0.0


def _names(option: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(n.strip() for n in value.split(",") if n.strip())
    if isinstance(value, Sequence) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise SettingsError(f"{option} must be a list of names")


def _object(option: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    value = values[option]
    if not isinstance(value, Mapping):
        raise SettingsError(f"{option} must be an object")
    return value


def _lookup(name: str, value: object) -> Lookup:
    if isinstance(value, Lookup):
        return value
    if isinstance(value, str):
        return Lookup(value)
    if isinstance(value, Mapping):
        given, on_missing = value.get("match_on"), value.get("on_missing", "reject")
        names = [given] if isinstance(given, str) else given
        usable = isinstance(names, (list, tuple)) and all(isinstance(n, str) and n for n in names)
        if usable and names and on_missing in get_args(OnMissing):
            return Lookup(tuple(names), on_missing)
    raise SettingsError(
        f'lookups.{name} must look like {{"match_on": "Field", "on_missing": "reject"}}',
        hint="on_missing is reject, create or null; match_on names a field, or several.",
    )
