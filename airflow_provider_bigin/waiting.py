"""What sensors and triggers look for: one look, the same in a worker and in the triggerer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bigin_client.errors import ConnectionUnavailableError, SettingsError

if TYPE_CHECKING:
    from bigin_client import BiginClient

# A watcher's trigger is made whenever its DAG file is parsed: the client is imported when looking.

#: The field that moves with each change.
MODIFIED: Final = "Modified_Time"


class Look(ABC):
    """Something to look for. JSON-like, so that a trigger can be stored."""

    @abstractmethod
    def once(self, client: BiginClient) -> dict[str, Any] | None:
        """Return what was found, None if it is not there yet.

        Raises:
            BiginError: A `ServiceError` or `RateLimitedError` may pass; others will not.
        """


@dataclass(frozen=True)
class RecordLook(Look):
    """Records that match criteria, or one record.

    Attributes:
        min_count: How many there must be.
        max_xcom_records: How many ids to return.
    """

    module: str
    criteria: str | None = None
    record_id: str | None = None
    min_count: int = 1
    max_xcom_records: int = 100

    def once(self, client: BiginClient) -> dict[str, Any] | None:
        """Return ``{"ids": […], "count": n}``."""
        if (self.criteria is None) == (self.record_id is None):
            raise SettingsError("give either criteria or record_id")
        if self.record_id is not None:
            found = client.get_record(self.module, self.record_id, [MODIFIED]) is not None
            ids = [self.record_id] if found else []
        else:
            records = client.search_records(self.module, criteria=self.criteria, fields=[MODIFIED])
            wanted = max(self.min_count, self.max_xcom_records)
            ids = [str(r["id"]) for r in islice(records, wanted)]
        if len(ids) < self.min_count:
            return None
        return {"ids": ids[: self.max_xcom_records], "count": len(ids)}


@dataclass(frozen=True)
class ChangeLook(Look):
    """A record that changed after a time.

    Attributes:
        since: ISO time; None: any record will do.
    """

    module: str
    since: str | None = None

    def once(self, client: BiginClient) -> dict[str, Any] | None:
        """Return ``{"latest": newest Modified_Time}``."""
        from bigin_client import timestamps

        since = None if self.since is None else timestamps.normalise(self.since)
        latest = newest_change(client, self.module, since)
        if latest is None or (since is not None and latest <= since):
            return None
        return {"latest": latest}


def newest_change(client: BiginClient, module: str, since: str | None) -> str | None:
    """Return the newest Modified_Time of a module, None when it holds no record.

    One record is asked for (1 credit). If-Modified-Since is not relied on: a service that
    ignored it would seem to change for ever. If the sort is not echoed, the extract engine
    finds out in its own ways.
    """
    from bigin_client import timestamps
    from bigin_client.records import ListQuery

    api_name = client.metadata.module(module).api_name
    query = ListQuery(api_name, (MODIFIED,), sort_by=MODIFIED, sort_order="desc", page_size=1)
    reply = client.records.fetch(query)
    if reply.is_empty:
        return None
    body = reply.object()
    if body.get("info", {}).get("sort_by") == MODIFIED:
        times = [r.get(MODIFIED) for r in body.get("data", [])]
        return max((timestamps.normalise(t) for t in times if t), default=None)
    pages = client.extract(api_name, [MODIFIED], since=since, deletes=False, lookback_seconds=0)
    return max((r[MODIFIED] for page in pages for r in page.records if r[MODIFIED]), default=None)


@dataclass(frozen=True)
class ConnectionLook(Look):
    """A connection of the Maton account that is ACTIVE."""

    awaited_id: str

    def once(self, client: BiginClient) -> dict[str, Any] | None:
        """Return ``{"connection_id": …}``; a failed connection will never be ACTIVE."""
        from bigin_client.connections import ACTIVE, FAILED
        from bigin_client.refusals import REAUTHORISE

        status = client.connections.get(self.awaited_id).get("status")
        if status == FAILED:
            raise ConnectionUnavailableError(
                f"Connection {self.awaited_id} is FAILED", hint=REAUTHORISE
            )
        return {"connection_id": self.awaited_id} if status == ACTIVE else None
