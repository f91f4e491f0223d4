"""Which windows of an extract were read, so that a gap between them is noticed.

Backfills run windows side by side. No store here can compare and set, so a window has an entry
of its own, by its end, which is where its successor begins: no other window writes there. The
list of all windows, which says what lies further back, may lose an entry to another task; that
is why it is only asked when there is no such entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from airflow_provider_bigin.state.stores import Store
from bigin_client import timestamps
from bigin_client.errors import WindowError

#: How long a window that was begun holds the place of one that was read. A task that was killed
#: does not take its word back.
_BELIEVED: Final = timedelta(days=1)
#: Entries of their own that are kept behind the newest window; the list knows the older ones.
_KEPT: Final = 64


@dataclass(frozen=True)
class Window:
    """``start <= Modified_Time < end``, in UTC."""

    start: datetime
    end: datetime

    def to_dict(self) -> dict[str, str]:
        """Return it for summaries and manifests."""
        return {"start": timestamps.to_text(self.start), "end": timestamps.to_text(self.end)}


class Windows:
    """The windows of one key.

    Args:
        store: Where they are kept.
        key: Connection, DAG, task and module.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def gap_before(self, window: Window) -> Window | None:
        """Return what was never read between an earlier window and this one; None: nothing.

        A neighbour that is being read at this moment leaves no gap: its own run shows whether
        it succeeds.
        """
        neighbour = self._store.get(self._key_of(window.start))
        if neighbour is not None and _counts(neighbour):
            return None
        before = [w for w in self._read() if w.start < window.start]
        reached = max((w.end for w in before), default=window.start)
        return Window(reached, window.start) if reached < window.start else None

    def begin(self, window: Window, run_id: str) -> None:
        """Say that a window is being read."""
        known = self._store.get(self._key_of(window.end))
        if known is None or not known.get("read"):
            self._put(window, run_id, read=False)

    def give_up(self, window: Window) -> None:
        """Take back that a window is being read: no other try of it will come."""
        known = self._store.get(self._key_of(window.end))
        if known is not None and not known.get("read"):
            self._store.delete(self._key_of(window.end))

    def note(self, window: Window, run_id: str) -> None:
        """Remember that a window was read."""
        self._put(window, run_id, read=True)
        merged: list[Window] = []
        for known in sorted([*self._read(), window], key=lambda w: w.start):
            if merged and known.start <= merged[-1].end:
                merged[-1] = Window(merged[-1].start, max(merged[-1].end, known.end))
            else:
                merged.append(known)
        self._store.set(self._key, {"windows": [w.to_dict() for w in merged], "run_id": run_id})
        long_ago = window.end - _KEPT * (window.end - window.start)
        self._store.delete(self._key_of(long_ago))

    def _put(self, window: Window, run_id: str, *, read: bool) -> None:
        now = timestamps.to_text(timestamps.now())
        value = {**window.to_dict(), "read": read, "run_id": run_id, "at": now}
        self._store.set(self._key_of(window.end), value)

    def _key_of(self, end: datetime) -> str:
        return f"{self._key}/{timestamps.to_text(end)}"

    def _read(self) -> list[Window]:
        value: dict[str, Any] = self._store.get(self._key) or {}
        return [
            Window(timestamps.parse(w["start"]), timestamps.parse(w["end"]))
            for w in value.get("windows", [])
        ]


def refuse_gap(gap: Window, how_to_fill: str) -> WindowError:
    """Return the error for a gap.

    Args:
        gap: What was never read.
        how_to_fill: What to do, with ``{start}`` and ``{end}``.
    """
    shown = gap.to_dict()
    return WindowError(
        f"changes from {shown['start']} to {shown['end']} were never read",
        hint=how_to_fill.format(**shown),
    )


def _counts(entry: dict[str, Any]) -> bool:
    """Whether an entry speaks for its window: it was read, or begun not long ago."""
    return bool(entry.get("read")) or timestamps.now() - timestamps.parse(entry["at"]) < _BELIEVED
