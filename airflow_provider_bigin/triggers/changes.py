"""Wait for a change in a module: once for a sensor, or for ever, to start DAGs by an asset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import airflow.triggers.base
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_bigin.triggers.base import (
    SUCCESS,
    TRANSIENT,
    BiginPollTrigger,
    Poller,
    event_of,
)
from airflow_provider_bigin.waiting import ChangeLook, newest_change

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger
else:
    # Airflow 2.11 has no event triggers; common-compat's own name for them is younger than the
    # version that is required of it.
    BaseEventTrigger = getattr(airflow.triggers.base, "BaseEventTrigger", BaseTrigger)


class BiginRecordsChangedTrigger(BiginPollTrigger, BaseEventTrigger):
    """Wait until records of a module have changed.

    For a sensor (`once`), it yields one event with ``latest``, the newest Modified_Time. In an
    ``AssetWatcher`` it goes on for ever and yields an event at each change:

    .. code-block:: python

        contacts = Asset(
            "bigin://acme/Contacts",
            watchers=[
                AssetWatcher(
                    name="contacts",
                    trigger=BiginRecordsChangedTrigger(module="Contacts"),
                )
            ],
        )
        with DAG(..., schedule=[contacts], max_active_runs=1): ...

    A watcher keeps the newest time it has seen in the asset's state store, so that a triggerer
    that is restarted neither misses a change nor repeats one for long. What was changed before
    its first look starts nothing. A deletion is no change of a record.

    :param module: API name or alias.
    :param since: ISO time: only later changes count. None: for a sensor any record, for a
        watcher what comes after its first look.
    :param once: One event, then the end.

    See `BiginPollTrigger` for the other parameters. Every look costs one API credit: a
    ``poll_interval`` of 60 s takes 1,440 a day.
    """

    look_type = ChangeLook

    def __init__(self, *, once: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # BaseTrigger, which has no cooperative __init__, may leave this to its subclass.
        self.asset_state_store = None
        self.once = once

    @property
    def _wanted(self) -> ChangeLook:
        return cast("ChangeLook", self._look)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        path, arguments = super().serialize()
        return path, {**arguments, "once": self.once}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, or one at each change."""
        if self.once:
            yield event_of(await self._wait())
            return
        poller = self.poller()
        try:
            async for event in self._watch(poller):
                yield event
        finally:
            poller.close()

    async def _watch(self, poller: Poller) -> AsyncIterator[TriggerEvent]:
        seen = await self._remembered() or self._wanted.since
        failures = 0
        while True:
            try:
                latest = await self._newest(poller, seen)
            except TRANSIENT as error:
                failures += 1
                allowed = self.max_consecutive_failures
                if allowed is not None and failures > allowed:
                    raise
                self.log.warning("Look %d in a row failed: %s", failures, error)
            else:
                failures = 0
                if latest is not None and (seen is None or latest > seen):
                    if seen is not None:
                        # First the event, then the memory: a restart in between repeats it.
                        yield event_of(
                            {
                                "status": SUCCESS,
                                "module": self._wanted.module,
                                "since": seen,
                                "latest": latest,
                            }
                        )
                    seen = latest
                    await self._remember(latest)
            await asyncio.sleep(self.poll_interval)

    async def _newest(self, poller: Poller, seen: str | None) -> str | None:
        client = await poller.client()

        def look() -> str | None:
            from bigin_client import timestamps

            since = None if seen is None else timestamps.normalise(seen)
            # An empty module: whatever comes will be new.
            return newest_change(client, self._wanted.module, since) or timestamps.from_seconds(0)

        return await poller.call(look)

    @property
    def _key(self) -> str:
        return f"{self.bigin_conn_id}/{self.connection_id or ''}/{self._wanted.module}/seen"

    async def _remembered(self) -> str | None:
        if self.asset_state_store is None:
            return None
        kept = await self.asset_state_store.aget(self._key)
        return kept if isinstance(kept, str) else None

    async def _remember(self, latest: str) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(self._key, latest)
