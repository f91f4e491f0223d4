"""How far an extract has read: a watermark that only moves forward, and windows without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_bigin.state.stores import Store
from bigin_client import timestamps
from bigin_client.errors import WindowError


@dataclass(frozen=True)
class Watermark:
    """Where the next extract begins.

    Attributes:
        cursor: The engine's bookmark; None: nothing was read yet.
        deleted_cursor: That of the deleted feed.
    """

    cursor: str | None = None
    deleted_cursor: str | None = None


class Watermarks:
    """The watermark of one key.

    Args:
        store: Where it is kept.
        key: Connection, DAG, task and module.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    @property
    def where(self) -> str:
        """For people: where it is kept."""
        return self._store.where

    def read(self) -> Watermark:
        """Return the watermark."""
        value = self._store.get(self._key) or {}
        return Watermark(value.get("cursor"), value.get("deleted_cursor"))

    def advance(self, new: Watermark, run_id: str) -> Watermark:
        """Move it forward, never back, and return what it is now.

        It is read again first: another run may have moved it meanwhile.
        """
        value = self._store.get(self._key) or {}
        now = Watermark(
            _later(value.get("cursor"), new.cursor),
            _later(value.get("deleted_cursor"), new.deleted_cursor),
        )
        self._store.set(
            self._key,
            {
                **value,
                "cursor": now.cursor,
                "deleted_cursor": now.deleted_cursor,
                "run_id": run_id,
                "updated_at": timestamps.to_text(timestamps.now()),
            },
        )
        return now


def _later(old: str | None, new: str | None) -> str | None:
    if old is None or new is None:
        return old or new
    return new if timestamps.parse(new) > timestamps.parse(old) else old


@dataclass(frozen=True)
class Window:
    """``start <= Modified_Time < end``, in UTC."""

    start: datetime
    end: datetime

    def to_dict(self) -> dict[str, str]:
        """Return it for summaries and manifests."""
        return {"start": timestamps.to_text(self.start), "end": timestamps.to_text(self.end)}


class Windows:
    """The windows of one key that were read, so that a gap is noticed.

    Args:
        store: Where they are kept.
        key: Connection, DAG, task and module.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def check(self, window: Window, how_to_fill: str) -> None:
        """Refuse a window that leaves a gap behind an earlier one.

        Args:
            window: About to be read.
            how_to_fill: What to do, with ``{start}`` and ``{end}`` of the gap.

        Raises:
            WindowError: Changes between an earlier window and this one were never read.
        """
        before = [w for w in self._read() if w.start < window.start]
        if not before:
            return
        reached = max(w.end for w in before)
        if reached < window.start:
            gap = Window(reached, window.start).to_dict()
            raise WindowError(
                f"changes from {gap['start']} to {gap['end']} were never read",
                hint=how_to_fill.format(**gap),
            )

    def note(self, window: Window, run_id: str) -> None:
        """Remember that a window was read."""
        merged: list[Window] = []
        for known in sorted([*self._read(), window], key=lambda w: w.start):
            if merged and known.start <= merged[-1].end:
                merged[-1] = Window(merged[-1].start, max(merged[-1].end, known.end))
            else:
                merged.append(known)
        self._store.set(self._key, {"windows": [w.to_dict() for w in merged], "run_id": run_id})

    def _read(self) -> list[Window]:
        value: dict[str, Any] = self._store.get(self._key) or {}
        return [
            Window(timestamps.parse(w["start"]), timestamps.parse(w["end"]))
            for w in value.get("windows", [])
        ]
