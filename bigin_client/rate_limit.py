"""Even pacing of requests, shared by all threads and, with a file or Redis, by processes.

The pace is a GCRA with no burst: each request reserves the next free moment. After a 429 the
rate is halved and then climbs back evenly (additive increase, multiplicative decrease). No
library was found that paces evenly, shares its state between processes and adapts.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import platformdirs
from filelock import FileLock, Timeout

from bigin_client.errors import SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A stored moment further ahead than this is not believed (a clock was set back).
MAX_AHEAD: Final = 10.0
#: Nobody reserves further ahead than this, so that a stored moment stays believable.
MAX_RESERVATION: Final = 5.0
#: Seconds in which the rate climbs from nothing to the configured one after a 429.
RECOVERY: Final = 60.0
LOCK_TIMEOUT: Final = 1.0


class State(msgspec.Struct):
    """What all users of one key share; times are seconds since the epoch."""

    #: The first moment that nobody has reserved yet.
    free_at: float = 0.0
    #: Nobody sends before this: the service asked for a pause.
    paused_until: float = 0.0
    #: Share of the configured rate that a 429 left, and when that was.
    share: float = 1.0
    lowered_at: float = 0.0


class Store(Protocol):
    """Keeps one `State`; `update` runs a change under a lock."""

    def update(self, change: Callable[[State], T]) -> T:
        """Apply `change` to the state in place and return its result."""
        ...


class StoreError(Exception):
    """The shared store cannot be used; the message holds no secret."""


class MemoryStore:
    """For the threads of one process."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()

    def update(self, change: Callable[[State], T]) -> T:
        """See `Store`."""
        with self._lock:
            return change(self._state)


class FileStore:
    """For the processes of one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(str(path) + ".lock", timeout=LOCK_TIMEOUT)
        self._own = threading.Lock()

    def update(self, change: Callable[[State], T]) -> T:
        """See `Store`.

        Raises:
            StoreError: The file is locked for too long, unwritable or damaged.
        """
        try:
            with self._own:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with self._lock:
                    state = self._read()
                    result = change(state)
                    # A process that is killed here must not leave half a file.
                    fresh = self.path.with_suffix(".tmp")
                    fresh.write_bytes(msgspec.json.encode(state))
                    fresh.replace(self.path)
                    return result
        except Timeout:
            msg = f"{self.path} stayed locked for {LOCK_TIMEOUT:g} s"
            raise StoreError(msg) from None
        except OSError as error:
            msg = f"{self.path} cannot be used: {type(error).__name__}"
            raise StoreError(msg) from None

    def _read(self) -> State:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return State()
        if not content:
            return State()
        try:
            return msgspec.json.decode(content, type=State)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            msg = f"{self.path} is damaged; delete it"
            raise StoreError(msg) from None


class RedisStore:
    """For the processes of several machines. Needs the extra ``[redis]``."""

    def __init__(self, url: str, name: str) -> None:
        try:
            import redis  # noqa: PLC0415 - an extra
        except ImportError:
            msg = "rate_limit_store is redis://…, but the redis client is not installed"
            raise SettingsError(msg, hint="pip install 'bigin-connectors[redis]'") from None
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, msgspec.MsgspecError)
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=LOCK_TIMEOUT, socket_connect_timeout=LOCK_TIMEOUT
        )
        self._name = f"bigin-connectors:rate:{name}"

    def update(self, change: Callable[[State], T]) -> T:
        """See `Store`; optimistic, tried again when another process was quicker.

        Raises:
            StoreError: Redis is out of reach or holds something else under our name.
        """

        def transaction(pipe: Any) -> T:
            content = pipe.get(self._name)
            state = msgspec.json.decode(content, type=State) if content else State()
            result = change(state)
            pipe.multi()
            pipe.set(self._name, msgspec.json.encode(state), ex=3600)
            return result

        try:
            result: T = self._redis.transaction(transaction, self._name, value_from_callable=True)
        except self._errors as error:
            msg = f"the Redis rate store cannot be used: {type(error).__name__}"
            raise StoreError(msg) from None
        return result


def open_store(where: str | None, *, base_url: str, api_key: str) -> Store:
    """Return the store that the setting ``rate_limit_store`` names.

    Args:
        where: ``memory``, a path, ``redis://…``, or None for a file in the user's cache
            folder. The names used hold a hash of the key, never the key.
        base_url: The gateway; each has a limit of its own.
        api_key: The key whose limit is shared.
    """
    name = hashlib.sha256(f"{base_url}\n{api_key}".encode()).hexdigest()[:16]
    if where == "memory":
        return MemoryStore()
    if where and where.startswith(("redis://", "rediss://", "unix://")):
        return RedisStore(where, name)
    if where:
        return FileStore(Path(where).expanduser())
    return FileStore(
        Path(platformdirs.user_cache_dir("bigin-connectors", appauthor=False)) / f"rate-{name}.json"
    )


class Pacer:
    """Gives each request its moment.

    Args:
        rate: Requests per second; 0 means no pacing.
        store: Where the state lives. One that fails is replaced by memory, said once.
        clock: Seconds since the epoch, the same on all sharing machines.
        sleep: Waits; raises to stop the wait.
    """

    def __init__(
        self,
        rate: float,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None],
    ) -> None:
        self._rate = rate
        self._store = store
        self._clock = clock
        self._sleep = sleep

    def wait(self) -> None:
        """Return when the next request may be sent."""
        if self._rate <= 0:
            return
        while True:
            delay, reserved = self._update(self._reserve)
            if delay > 0:
                self._sleep(delay)
            if reserved:
                return

    def slow_down(self, pause: float = 0.0) -> None:
        """Note a 429: halve the rate for a while and let nobody send for `pause` seconds."""
        if self._rate > 0:
            self._update(lambda state: self._lower(state, pause))

    def _reserve(self, state: State) -> tuple[float, bool]:
        now = self._clock()
        interval = 1.0 / (self._rate * self._share(state, now))
        if state.free_at > now + MAX_AHEAD + interval:
            msg = f"the stored time lies {state.free_at - now:.0f} s ahead"
            raise StoreError(msg)
        start = max(now, state.free_at, state.paused_until)
        if start - now > MAX_RESERVATION + interval:
            return MAX_RESERVATION, False
        state.free_at = start + interval
        return start - now, True

    def _lower(self, state: State, pause: float) -> None:
        now = self._clock()
        state.paused_until = max(state.paused_until, now + pause)
        if now - state.lowered_at >= 1.0:  # replies to one burst count once
            state.share = max(self._share(state, now) / 2, 0.05)
            state.lowered_at = now

    @staticmethod
    def _share(state: State, now: float) -> float:
        return min(1.0, state.share + max(0.0, now - state.lowered_at) / RECOVERY)

    def _update(self, change: Callable[[State], T]) -> T:
        try:
            return self._store.update(change)
        except StoreError as error:
            log.warning(
                "Request pacing is not shared with other processes any more: %s. "
                "This process paces itself.",
                error,
            )
            self._store = MemoryStore()
            return self._store.update(change)
