"""One load per module at a time, among all that share a rate store.

Two loads that each see that a record is missing would each insert it. On one machine a lock
beside the rate file keeps the second one waiting; the system frees it when its process ends. In
Redis it is a key that lives for 60 s and is renewed: a load that was killed holds nobody up for
longer.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Any, Final, Protocol

from filelock import FileLock, Timeout

from bigin_client.errors import ServiceError
from bigin_client.rate_limit import FileStore, RedisStore, Store
from bigin_client.transport import Transport

log = logging.getLogger(__name__)

#: Seconds that a lease in Redis lives without being renewed.
LIFE: Final = 60.0
#: Seconds between two renewals, and between two looks at another load's lease.
_RENEWAL: Final = 15.0
_LOOK: Final = 1.0


class _Lock(Protocol):
    def take(self) -> bool:
        """Take it if it is free; returns whether it was."""
        ...

    def renew(self) -> bool:
        """Keep it; returns False when it is another's now."""
        ...

    def free(self) -> None:
        """Let others have it."""
        ...


class _Unusable(Exception):  # noqa: N818 - never leaves this file
    """The store cannot hold leases; the message holds no secret."""


class Lease:
    """The right to load into one module of one account.

    Args:
        transport: Has the rate store, waits, and knows the connection.
        module: API name.

    Attributes:
        is_held: Whether other loads are kept out.
        is_lost: It could not be renewed in time: another load may have begun.
    """

    def __init__(self, transport: Transport, module: str) -> None:
        self._transport = transport
        self._module = module
        name = re.sub(r"\W", "_", f"{transport.connection_id}-{module}")
        self._lock = _lock_in(transport.rate_store, name)
        self._stop = threading.Event()
        self.is_lost = False
        self._renewed_at = 0.0
        self.is_held = False

    def acquire(self) -> None:
        """Take the lease, or say that this store has none.

        Raises:
            ServiceError: Another load held it for all of `max_wait`; nothing was sent.
        """
        if self._lock is None:
            self._warn("it is this process's memory")
            return
        try:
            self._wait(self._lock)
        except _Unusable as why:
            self._warn(str(why))
            return
        self.is_held = True
        if isinstance(self._lock, _RedisLock):
            self._renewed_at = time.monotonic()
            threading.Thread(target=self._renew, name="bigin-lease", daemon=True).start()

    def check(self) -> None:
        """Make sure that no other load has begun since.

        Raises:
            ServiceError: The lease could not be renewed in time.
        """
        if self.is_lost:
            raise ServiceError(
                f"{self._module}: the lease on this module was lost, another load may have it",
                processed=False,
                hint="Is Redis out of reach, or was this machine asleep? Run again.",
            )

    def release(self) -> None:
        """Let other loads have the module."""
        self._stop.set()
        if self.is_held and self._lock is not None and not self.is_lost:
            self.is_held = False
            self._lock.free()

    def _warn(self, why: str) -> None:
        # Without pacing it is a simulator on this machine.
        paced = self._transport.settings.requests_per_second > 0
        log.log(
            logging.WARNING if paced else logging.INFO,
            "%s: another load into this module at the same time would go unnoticed: the "
            "rate_limit_store cannot be shared (%s)",
            self._module,
            why,
        )

    def _wait(self, lock: _Lock) -> None:
        deadline = time.monotonic() + self._transport.settings.max_wait
        said = False
        while not lock.take():
            if time.monotonic() >= deadline:
                raise ServiceError(
                    f"Another load into {self._module} is under way",
                    processed=False,
                    hint="Two loads into one module at a time could double records: "
                    "run again later.",
                )
            if not said:
                said = True
                log.warning("%s: waiting for another load into it to end", self._module)
            self._transport.pause(min(_LOOK, max(0.0, deadline - time.monotonic())))

    def _renew(self) -> None:
        while self._lock is not None and not self._stop.wait(_RENEWAL):
            try:
                self.is_lost = not self._lock.renew()
            except _Unusable:
                self.is_lost = time.monotonic() - self._renewed_at > LIFE - _RENEWAL
            else:
                self._renewed_at = time.monotonic()
            if self.is_lost:
                return


def _lock_in(store: Store, name: str) -> _Lock | None:
    if isinstance(store, FileStore):
        return _FileLock(store, name)
    if isinstance(store, RedisStore):
        return _RedisLock(store, name)
    return None


class _FileLock:
    """A lock file beside the rate file."""

    def __init__(self, store: FileStore, name: str) -> None:
        self._lock = FileLock(str(store.path.with_name(f"lease-{name}.lock")))

    def take(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise _Unusable(type(error).__name__) from None
        return True

    def renew(self) -> bool:
        return True

    def free(self) -> None:
        self._lock.release()


class _RedisLock:
    """A key with an end of life, as redis-py keeps it."""

    def __init__(self, store: RedisStore, name: str) -> None:
        self._errors: Any
        self._lock, self._errors = store.lock(f"bigin-connectors:lease:{name}", LIFE)

    def take(self) -> bool:
        try:
            return bool(self._lock.acquire(blocking=False))
        except self._errors as error:
            raise _Unusable(type(error).__name__) from None

    def renew(self) -> bool:
        """A lease that ended meanwhile is taken again if it is still free."""
        from redis.exceptions import LockError  # noqa: PLC0415 - an extra, there by now

        try:
            return bool(self._lock.reacquire())
        except LockError:
            self._lock.local.token = None
            return self.take()
        except self._errors as error:
            raise _Unusable(type(error).__name__) from None

    def free(self) -> None:
        try:
            self._lock.release()
        except self._errors:
            log.info("The lease could not be given back; it ends in %.0f s", LIFE)
