"""Questions to a module's list: which fields, which records, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE
from bigin_client.types import Approved, SortOrder

MODIFIED: Final = "Modified_Time"
#: Ids that one list may name (bigin-api.md 3.1, [crm°]).
MAX_IDS: Final = 100


@dataclass(frozen=True)
class ListQuery:
    """One question to a module's list; with another page token, the same question goes on.

    Every parameter is repeated beside a token: what the service does with one that is left
    out is not known (bigin-api.md 11.4).
    """

    module: str
    fields: tuple[str, ...]
    sort_by: str | None = None
    sort_order: SortOrder | None = None
    modified_since: datetime | None = None
    cvid: str | None = None
    pipeline_id: str | None = None
    page_size: int = PAGE_SIZE
    #: At most 100 records by id; [crm°], so a caller checks that it was heeded.
    ids: tuple[str, ...] | None = None
    approved: Approved | None = None

    def params(self, token: str | None) -> dict[str, str | int]:
        """Return the query parameters; a token never goes with a page number."""
        params: dict[str, str | int] = {
            "fields": ",".join(self.fields),
            "per_page": self.page_size,
        }
        optional: dict[str, str | None] = {
            "sort_by": self.sort_by,
            "sort_order": self.sort_order,
            "cvid": self.cvid,
            "pipeline_id": self.pipeline_id,
            "approved": self.approved,
            "ids": ",".join(self.ids) if self.ids else None,
            "page_token": token,
        }
        params.update({name: value for name, value in optional.items() if value is not None})
        return params

    def headers(self) -> dict[str, str]:
        """Return the request headers."""
        if self.modified_since is None:
            return {}
        return {"If-Modified-Since": timestamps.to_text(self.modified_since)}


def field_groups(fields: Sequence[str], *, anchor: str | None = MODIFIED) -> list[tuple[str, ...]]:
    """Split fields into groups that one request may ask for.

    Args:
        fields: API names. ``id`` always comes back and is never asked for: whether it counts
            towards the 50 is not known (bigin-api.md 11.5).
        anchor: Field that every group carries so that a record's parts can be seen to belong
            together; None when the module has none.

    Returns:
        One group when 50 fields are enough, else groups of 49 and the anchor.
    """
    names = [f for f in dict.fromkeys(fields) if f != "id"]
    if len(names) <= MAX_FIELDS:
        return [tuple(names)]
    rest = [f for f in names if f != anchor]
    size = MAX_FIELDS - (1 if anchor else 0)
    chunks = [rest[i : i + size] for i in range(0, len(rest), size)]
    return [tuple([*chunk, anchor] if anchor else chunk) for chunk in chunks]


def moment(value: datetime | str | None, name: str) -> datetime | None:
    """Return an argument that is a time as an instant; without an offset it is UTC.

    Raises:
        SettingsError: The text is no time.
    """
    if isinstance(value, str):
        try:
            return timestamps.parse(value)
        except ValueError:
            raise SettingsError(
                f"{name} is not a time", hint="Write 2026-11-24T12:00:00+00:00."
            ) from None
    if value is not None and value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    return value
