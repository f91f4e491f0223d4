"""How far an extract has read: a watermark that only moves forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_bigin.state.stores import Store
from bigin_client import timestamps


@dataclass(frozen=True)
class Watermark:
    """Where the next extract begins.

    Attributes:
        cursor: The engine's bookmark; None: nothing was read yet.
        deleted_cursor: That of the deleted feed.
        listed: The deletions that the last read saw, id → time: one that the feed lists no more
            was restored.
        sort_proved: The service was seen to sort by Modified_Time.
    """

    cursor: str | None = None
    deleted_cursor: str | None = None
    listed: Mapping[str, str] = field(default_factory=dict)
    sort_proved: bool = False


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
        return Watermark(
            value.get("cursor"),
            value.get("deleted_cursor"),
            value.get("listed") or {},
            bool(value.get("sort_proved")),
        )

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
                "listed": dict(new.listed),
                "sort_proved": new.sort_proved,
                "run_id": run_id,
                "updated_at": timestamps.to_text(timestamps.now()),
            },
        )
        return now


def _later(old: str | None, new: str | None) -> str | None:
    if old is None or new is None:
        return old or new
    return new if timestamps.parse(new) > timestamps.parse(old) else old
