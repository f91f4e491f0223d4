"""What an extraction hands over: pages of changes, and a summary at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bigin_client.types import Record, Tombstone


@dataclass(frozen=True)
class ChangePage:
    """Some changes of one module, in our form: times in UTC, exact decimals, ids as text.

    Attributes:
        module: API name.
        records: ``{"id": …, field: value, …}``, whole records only.
        tombstones: Deletions, always after the module's records.
        bookmark: Where the next read may begin once this page is stored
            (``2026-11-24T12:00:00+00:00``); None: nothing is safe yet, keep the old one.
        deleted_bookmark: The same for the deleted feed.
    """

    module: str
    records: list[Record] = field(repr=False)
    tombstones: list[Tombstone] = field(repr=False)
    bookmark: str | None
    deleted_bookmark: str | None


@dataclass
class Summary:
    """How an extraction went; complete once its iterator has ended.

    Attributes:
        module: API name.
        strategy: How it was read: ``newest page``, ``seek``, ``descend``, ``by id``.
        reason: Why not the usual way; None when it was.
        rows: Records handed over.
        tombstones: Deletions handed over.
        requests: List, get and feed requests (without retries and metadata).
        credits: What they cost by the rules of bigin-api.md section 5.
        null_cursors: Records without a Modified_Time.
        seconds: From the first to the last request.
        warnings: What a person should know, a line each.
        sort_proved: The service was seen to sort by Modified_Time; an incremental read that is
            told so saves a request in modules whose records are never edited.
        listed: The newest deletions in the feed, id → time; an incremental read that is given
            them notices restorations that move no Modified_Time.
        tally: The service's count and what has changed since; an incremental read that is given
            it compares them once a day.
        complete: The iterator ended by itself: every change was handed over.
    """

    module: str
    strategy: str = ""
    reason: str | None = None
    rows: int = 0
    tombstones: int = 0
    requests: int = 0
    credits: int = 0
    null_cursors: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    sort_proved: bool = False
    listed: dict[str, str] = field(default_factory=dict)
    tally: dict[str, Any] = field(default_factory=dict)
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the summary for a report."""
        return {k: v for k, v in vars(self).items() if k not in {"sort_proved", "listed", "tally"}}
