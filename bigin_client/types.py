"""Shapes of replies, and names for the things that travel through the package."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

#: Field API name → value, as Bigin sends it or, after `field_types.from_api`, as we emit it.
Record: TypeAlias = dict[str, Any]

#: 19 digits, always text: as a JSON number it would lose its last digits.
RecordId: TypeAlias = str

SortOrder: TypeAlias = Literal["asc", "desc"]
Approved: TypeAlias = Literal["true", "false", "both"]
#: Deletions that can be restored, those that cannot, or both (bigin-api.md 3.4).
DeletedKind: TypeAlias = Literal["all", "recycle", "permanent"]


class Tombstone(TypedDict):
    """One deletion, from the deleted feed (bigin-api.md 3.4, [crm-doc]); times in UTC.

    ``{"id": "5723…", "deleted_time": "2026-11-24T12:00:00+00:00", "type": "recycle",
    "deleted_by": {"id": "…", "name": "…"}, "display_name": "…"}``
    """

    id: RecordId
    deleted_time: str
    type: str
    deleted_by: dict[str, Any] | None
    display_name: str | None


class ConnectionInfo(TypedDict, total=False):
    """A connection of the Maton account (maton.md A4). ``url`` is as good as a secret."""

    connection_id: str
    status: str
    app: str
    method: str
    creation_time: str
    last_updated_time: str
    url: str
    metadata: dict[str, Any]
