"""Even pacing of requests, shared by all threads and, with a file or Redis, by processes.

The pace is a GCRA with no burst: each request reserves the next free moment. After a 429 the
rate is lowered a little, after another one soon halved, and then climbs back evenly (additive
increase, multiplicative decrease). No library was found that paces evenly, shares its state
between processes and adapts.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import platformdirs
from filelock import FileLock, Timeout

from bigin_client.errors import RateLimitedError, SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A stored moment further ahead than this is not believed (a clock was set back).
MAX_AHEAD: Final = 10.0
#: Nobody reserves further ahead than this, so that a stored moment stays believable.
MAX_RESERVATION: Final = 5.0
#: Seconds in which the rate climbs from nothing to the configured one after a 429.
RECOVERY: Final = 60.0
#: What a 429 leaves of the rate. A single one may come from a request that went late, or met
#: another on its way; one within `AGAIN` seconds of another says that the rate is not ours.
AFTER_ONE: Final = 0.9
AFTER_MORE: Final = 0.5
AGAIN: Final = 3.0
#: Share of the interval: a request that had to wait longer than this found the pace used up.
LONG: Final = 0.5
LOCK_TIMEOUT: Final = 1.0
#: Seconds between two looks at a lock that another process holds: for less than a millisecond.
LOCK_POLL: Final = 0.005
#: No pause is believed that is longer: the account's credits come back within a day.
MAX_PAUSE: Final = 86_400.0
#: Seconds after which Redis is asked for its time again.
TIME_CHECK: Final = 60.0


class State(msgspec.Struct):
    """What all users of one key share; times are seconds since the epoch."""

    #: The first moment that nobody has reserved yet.
    free_at: float = 0.0
    #: Nobody sends before this: the service asked for a pause. And when it did.
    paused_until: float = 0.0
    paused_at: float = 0.0
    #: Share of the configured rate that a 429 left, and when that was.
    share: float = 1.0
    lowered_at: float = 0.0


class Store(Protocol):
    """Keeps one `State`; `update` runs a change under a lock."""

    def now(self) -> float:
        """Return seconds since the epoch, by a clock that all users of the store share."""
        ...

    def update(self, change: Callable[[State], T]) -> T:
        """Apply `change` to the state in place and return its result."""
        ...

    def close(self) -> None:
        """Give back what is held open; a later use opens it again."""
        ...


class StoreError(Exception):
    """The shared store cannot be used; the message holds no secret."""


class MemoryStore:
    """For the threads of one process."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()

    def now(self) -> float:
        """See `Store`."""
        return time.time()

    def update(self, change: Callable[[State], T]) -> T:
        """See `Store`."""
        with self._lock:
            return change(self._state)

    def close(self) -> None:
        """See `Store`: nothing is open."""


class FileStore:
    """For the processes of one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(str(path) + ".lock", timeout=LOCK_TIMEOUT)
        self._own = threading.Lock()

    def now(self) -> float:
        """See `Store`."""
        return time.time()

    def update(self, change: Callable[[State], T]) -> T:
        """See `Store`.

        Raises:
            StoreError: The file is locked for too long, unwritable or damaged.
        """
        try:
            with self._own:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with self._lock.acquire(poll_interval=LOCK_POLL):
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
        except (OSError, NotImplementedError) as error:  # the latter: no locks on this file system
            msg = f"{self.path} cannot be used: {type(error).__name__}"
            raise StoreError(msg) from None

    def close(self) -> None:
        """See `Store`: the file is open only while it is changed."""

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
        self._errors: tuple[type[Exception], ...] = (
            redis.RedisError,
            msgspec.MsgspecError,
            UnicodeDecodeError,
        )
        self._name = f"bigin-connectors:rate:{name}"
        self._ahead = 0.0
        self._asked_at = -math.inf
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=LOCK_TIMEOUT, socket_connect_timeout=LOCK_TIMEOUT
            )
        except ValueError as error:
            fault = type(error).__name__
        else:
            return
        # Here and not above: the error's text may hold the URL, and that a password.
        msg = f"rate_limit_store is no Redis URL ({fault})"
        raise SettingsError(msg, hint="Write redis://host:6379/0.")

    def now(self) -> float:
        """See `Store`: the time of Redis, because the clocks of several machines differ."""
        if time.monotonic() - self._asked_at > TIME_CHECK:
            try:
                seconds, micros = self._redis.time()
            except self._errors as error:
                msg = f"the Redis rate store cannot be used: {type(error).__name__}"
                raise StoreError(msg) from None
            self._ahead = seconds + micros / 1e6 - time.time()
            self._asked_at = time.monotonic()
        return time.time() + self._ahead

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

    def lock(self, name: str, life: float) -> tuple[Any, tuple[type[Exception], ...]]:
        """Return redis-py's lock of a name, not taken yet, and what its methods may raise."""
        return self._redis.lock(name, timeout=life, thread_local=False), self._errors

    def close(self) -> None:
        """See `Store`."""
        self._redis.close()


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
    folder = platformdirs.user_cache_dir("bigin-connectors", appauthor=False)
    try:
        return FileStore((Path(where) if where else Path(folder, f"rate-{name}.json")).expanduser())
    except RuntimeError:  # a container's user without a home
        if where:
            raise SettingsError(
                "rate_limit_store begins with ~, but there is no home folder",
                hint="Give a full path, or memory.",
            ) from None
    log.warning(
        "There is no home folder, so request pacing is not shared with other processes. "
        "This process paces itself; set rate_limit_store to share."
    )
    return MemoryStore()


class _Turn(enum.Enum):
    OURS = "reserved"
    #: So many wait already that the moment is not reserved yet.
    QUEUED = "queued"
    PAUSED = "paused"


class Pacer:
    """Gives each request its moment.

    Args:
        rate: Requests per second; 0 means no pacing.
        store: Where the state lives. One that fails is replaced by memory, said once.
        longest_pause: Seconds; a longer one, which the service asked for, is not waited for.
        clock: Seconds since the epoch; None: the store's.
        sleep: Waits; raises to stop the wait.
    """

    def __init__(
        self,
        rate: float,
        store: Store,
        *,
        longest_pause: float = math.inf,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], None],
    ) -> None:
        self._rate = rate
        self._store = store
        self._longest_pause = longest_pause
        self._clock = clock
        self._sleep = sleep
        #: Seconds that a request may go late before it moves the next ones: half of what would
        #: let one more than the rate, rounded up, go within a second.
        self._slack = ((math.floor(rate) + 1) / rate - 1) / 2 if rate > 0 else 0.0
        #: Of the latest requests, the share that had to wait for their turn.
        self._pressure = 0.0

    @property
    def is_used_up(self) -> bool:
        """Whether nearly every request has to wait for its turn: more threads would only wait."""
        return self._pressure > 0.8  # noqa: PLR2004 - see `wait`

    def wait(self) -> None:
        """Return when the next request may be sent.

        Raises:
            RateLimitedError: The service asked for a pause (perhaps another process of this
                account) that is longer than allowed; nothing was sent.
        """
        if self._rate <= 0:
            return
        while True:
            delay, turn = self._update(self._reserve)
            if turn is _Turn.PAUSED and delay > self._longest_pause:
                raise RateLimitedError(
                    "The service asked this account to pause",
                    retry_after=math.ceil(delay),
                    hint=f"Run again in {delay:.0f} s, or raise max_wait.",
                )
            if turn is not _Turn.OURS:
                delay = min(delay, MAX_RESERVATION)
            late = self._sleep_for(delay) if delay > 0 else 0.0
            if turn is _Turn.OURS:
                waited = delay * self._rate > LONG
                self._pressure += (waited - self._pressure) / 4
                if late > self._slack:
                    self._update(partial(self._move, late - self._slack))
                return

    def _sleep_for(self, delay: float) -> float:
        """Wait; returns how much longer that took."""
        clock = self._clock or time.monotonic
        began = clock()
        self._sleep(delay)
        return clock() - began - delay

    @property
    def store(self) -> Store:
        """Where the state is kept at present."""
        return self._store

    def close(self) -> None:
        """Give back what the store holds open."""
        self._store.close()

    def slow_down(self, pause: float = 0.0) -> None:
        """Note a 429: lower the rate for a while and let nobody send for `pause` seconds."""
        if self._rate > 0:
            self._update(lambda state, now: self._lower(state, now, pause))

    def _reserve(self, state: State, now: float) -> tuple[float, _Turn]:
        """Return the seconds to wait, and what comes then."""
        interval = 1.0 / (self._rate * self._share(state, now))
        ahead = max(state.free_at - interval, state.paused_at, state.lowered_at) - now
        if ahead > MAX_AHEAD:
            msg = f"the stored time lies {ahead:.0f} s ahead"
            raise StoreError(msg)
        if state.paused_until > now:
            return state.paused_until - now, _Turn.PAUSED
        start = max(now, state.free_at)
        if start - now > MAX_RESERVATION + interval:
            return MAX_RESERVATION, _Turn.QUEUED
        state.free_at = start + interval
        return start - now, _Turn.OURS

    def _move(self, seconds: float, state: State, _now: float) -> None:
        """Let those who have no moment yet keep their distance from a request that goes late."""
        state.free_at += min(seconds, 1.0 / self._rate)

    def _lower(self, state: State, now: float, pause: float) -> None:
        if pause > 0:
            state.paused_until = max(state.paused_until, now + min(pause, MAX_PAUSE))
            state.paused_at = now
        since = now - state.lowered_at
        if since >= 1.0:  # replies to one burst count once
            factor = AFTER_MORE if since < AGAIN else AFTER_ONE
            state.share = max(self._share(state, now) * factor, 0.05)
            state.lowered_at = now

    @staticmethod
    def _share(state: State, now: float) -> float:
        return min(1.0, state.share + max(0.0, now - state.lowered_at) / RECOVERY)

    def _update(self, change: Callable[[State, float], T]) -> T:
        try:
            return self._change(change)
        except StoreError as error:
            if isinstance(self._store, MemoryStore):
                log.warning("Request pacing starts anew: %s.", error)
            else:
                log.warning(
                    "Request pacing is not shared with other processes any more: %s. "
                    "This process paces itself.",
                    error,
                )
        self._store = MemoryStore()
        return self._change(change)

    def _change(self, change: Callable[[State, float], T]) -> T:
        clock = self._clock or self._store.now
        # The clock is read under the lock: waiting for the lock takes time.
        return self._store.update(lambda state: change(state, clock()))
