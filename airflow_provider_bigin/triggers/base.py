"""The waiting itself: a look every so often, in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_bigin.waiting import Look
from bigin_client.errors import BiginError, RateLimitedError, ServiceError

if TYPE_CHECKING:
    from bigin_client import BiginClient

T = TypeVar("T")

#: Errors that may pass: the next look is the retry.
TRANSIENT: Final = (ServiceError, RateLimitedError)
#: Seconds that one request may take: a thread cannot be cancelled.
REQUEST_TIMEOUT: Final = 30.0

SUCCESS: Final = "success"
TIMEOUT: Final = "timeout"
ERROR: Final = "error"


class Poller:
    """A client in a thread of its own, so that neither the loop nor other triggers wait.

    Args:
        bigin_conn_id: Airflow connection.
        connection_id: Maton connection, None: that of the Airflow connection.
        requests_per_second: Its pace, None: likewise.
    """

    def __init__(
        self, bigin_conn_id: str, connection_id: str | None, requests_per_second: float | None
    ) -> None:
        self._bigin_conn_id = bigin_conn_id
        self._connection_id = connection_id
        self._requests_per_second = requests_per_second
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bigin-trigger")
        self._client: BiginClient | None = None

    async def look(self, look: Look) -> dict[str, Any] | None:
        """Look once."""
        client = await self.client()
        return await self.call(lambda: look.once(client))

    async def call(self, work: Callable[[], T]) -> T:
        """Do something in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def client(self) -> BiginClient:
        """Return the client; the Airflow connection is read once."""
        if self._client is None:
            conn = await get_async_connection(self._bigin_conn_id)

            def make() -> BiginClient:
                from airflow_provider_bigin.connection import (
                    client_from_connection,
                    settings_from_connection,
                )

                slow = settings_from_connection(conn).request_timeout
                return client_from_connection(
                    conn,
                    connection_id=self._connection_id,
                    requests_per_second=self._requests_per_second,
                    max_wait=0,
                    request_timeout=min(slow, REQUEST_TIMEOUT),
                )

            self._client = await self.call(make)
        return self._client

    def close(self) -> None:
        """Let go of the thread without waiting for it."""
        if self._client is not None:
            self._client.transport.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)


class BiginPollTrigger(BaseTrigger):
    """Look until it is there; base of the triggers that deferred sensors wait with.

    It yields one event: ``{"status": "success", …}``, ``{"status": "timeout"}`` or ``{"status":
    "error", "error_type": …, "message": …}``.

    :param bigin_conn_id: Airflow connection of type ``bigin``.
    :param connection_id: Maton connection; overrides the Airflow connection's.
    :param requests_per_second: Pace; overrides likewise.
    :param poll_interval: Seconds between two looks.
    :param deadline: When to give up, in seconds since 1970; None: never.
    :param max_consecutive_failures: Transient errors in a row that are put up with; None: any
        number, and other errors too.
    :param wanted: What to look for: the attributes of the class's `look_type`.
    """

    #: A dataclass whose values JSON can hold.
    look_type: ClassVar[type[Look]]

    def __init__(
        self,
        *,
        bigin_conn_id: str = "bigin_default",
        connection_id: str | None = None,
        requests_per_second: float | None = None,
        poll_interval: float = 60.0,
        deadline: float | None = None,
        max_consecutive_failures: int | None = 10,
        **wanted: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bigin_conn_id = bigin_conn_id
        self.connection_id = connection_id
        self.requests_per_second = requests_per_second
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.max_consecutive_failures = max_consecutive_failures
        self._look = self.look_type(**wanted)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; no secrets, they are kept in the database."""
        kind = type(self)
        return (
            f"{kind.__module__}.{kind.__qualname__}",
            {
                "bigin_conn_id": self.bigin_conn_id,
                "connection_id": self.connection_id,
                "requests_per_second": self.requests_per_second,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "max_consecutive_failures": self.max_consecutive_failures,
                **asdict(self._look),  # type: ignore[call-overload] # a dataclass, see look_type
            },
        )

    def look(self) -> Look:
        """Return what to look for."""
        return self._look

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until it is there, time is up, or it cannot come any more."""
        yield event_of(await self._wait())

    def poller(self) -> Poller:
        """Return what looks."""
        return Poller(self.bigin_conn_id, self.connection_id, self.requests_per_second)

    async def _wait(self) -> dict[str, Any]:
        poller = self.poller()
        failures = 0
        try:
            while True:
                try:
                    found = await poller.look(self.look())
                    failures = 0
                except TRANSIENT as error:
                    failures += 1
                    allowed = self.max_consecutive_failures
                    if allowed is not None and failures > allowed:
                        return as_event(error)
                    self.log.warning("Look %d in a row failed: %s", failures, error)
                    found = None
                if found is not None:
                    return {"status": SUCCESS, **found}
                if self.deadline is not None and time.time() >= self.deadline:
                    return {"status": TIMEOUT}
                await asyncio.sleep(self._pause())
        except Exception as error:  # noqa: BLE001 - the task has to be told, or it waits for ever
            return as_event(error)
        finally:
            poller.close()

    def _pause(self) -> float:
        if self.deadline is None:
            return self.poll_interval
        return max(0.0, min(self.poll_interval, self.deadline - time.time()))


def event_of(payload: dict[str, Any]) -> TriggerEvent:
    """Return an event with a payload; Airflow's class has no types."""
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]


def as_event(error: Exception) -> dict[str, Any]:
    """Return an error as an event; one that is not ours is named, but its text may hold data."""
    ours = isinstance(error, BiginError)
    return {
        "status": ERROR,
        "error_type": type(error).__name__,
        "message": str(error) if ours else f"unexpected {type(error).__name__} in the trigger",
    }


def from_event(event: dict[str, Any]) -> BiginError:
    """Return the error that an event tells of, of its own class."""
    from bigin_client import errors

    kind = getattr(errors, str(event.get("error_type")), BiginError)
    if not (isinstance(kind, type) and issubclass(kind, BiginError)):
        kind = BiginError
    made = kind.__new__(kind)
    BiginError.__init__(made, str(event.get("message", "the trigger failed")))
    return made
