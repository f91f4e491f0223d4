"""Send batches: several in flight, refusals narrowed to the row, nothing sent blindly twice."""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bigin_client import field_types, timestamps
from bigin_client.batches import Batches, RowResult, WriteKind
from bigin_client.credits import of_write
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    ScopeError,
    ServiceError,
    SettingsError,
)
from bigin_client.load.rows import Refusal, Row
from bigin_client.transport import Transport

log = logging.getLogger(__name__)

#: Codes of a row's result that say that the service stumbled, not that the row is bad.
TRANSIENT: Final = frozenset({"INTERNAL_ERROR", "INTERNAL_SERVER_ERROR", "TOO_MANY_REQUESTS"})
#: A unique field's value is another record's.
DUPLICATE: Final = "DUPLICATE_DATA"
#: Fields whose values name a module: the service says Deals (bigin-api.md 1.4).
_PARENT_KEYS: Final = ("$related_module", "$se_module")


_PRECONDITION_FAILED: Final = 412
#: Refusals before anything was done.
_NOT_PROCESSED: Final = (
    AuthenticationError,
    CreditsExhaustedError,
    NotFoundError,
    RateLimitedError,
    ScopeError,
    SettingsError,
)


class Fate(enum.Enum):
    """How a write of one row ended."""

    #: The service gave a result for the row.
    ANSWERED = "answered"
    #: The row may or may not have been written.
    UNCLEAR = "unclear"
    #: The row alone was refused by the request as such.
    REFUSED = "refused"
    #: The row was surely not written.
    NOT_SENT = "not sent"


@dataclass
class Item:
    """One row in a batch.

    Attributes:
        row: The row.
        kind: How it is written.
        body: What is written.
        record_id: To which record; None where the service finds or makes it.
        expected_id: In a dry run the record that the service would find.
        modified: When that record was changed last, as far as it is known.
    """

    row: Row
    kind: WriteKind
    body: dict[str, Any] = field(repr=False)
    record_id: str | None = None
    expected_id: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Guard:
    """A date to be sent as If-Unmodified-Since; see `lost_updates`."""

    since: datetime
    is_probe: bool = False

    def headers(self) -> dict[str, str]:
        """Return the request headers."""
        return {"If-Unmodified-Since": timestamps.to_text(self.since)}


@dataclass
class Sent:
    """An item and what became of it."""

    item: Item
    fate: Fate
    result: RowResult | None = None
    refusal: Refusal | None = None


@dataclass
class BatchReply:
    """What became of a batch.

    Attributes:
        sent: One entry per item.
        started: When it was sent, by the server's clock; None when that is not known.
        failure: Why the load cannot go on, None when it can.
        guard: What it was sent with.
        conflict: Refused because a record was changed since; None: it was not.
    """

    sent: list[Sent]
    started: datetime | None
    failure: BiginError | None = None
    guard: Guard | None = None
    conflict: BiginError | None = None


class Writer:
    """Writes batches of one module in background threads.

    Args:
        transport: Knows the server's clock.
        batches: Where to write.
        pool: Runs the requests; the transport paces them.
        module: API name.
        match_on: ``duplicate_check_fields`` of upserts: a unique field.
        run_workflows: Let workflows run.
        max_in_flight: Batches sent before one must have come back.
    """

    def __init__(
        self,
        transport: Transport,
        batches: Batches,
        pool: ThreadPoolExecutor,
        *,
        module: str,
        match_on: Sequence[str] | None,
        run_workflows: bool,
        max_in_flight: int,
    ) -> None:
        self._transport = transport
        self._batches = batches
        self._pool = pool
        self._module = module
        self._match_on = match_on
        self._run_workflows = run_workflows
        self._max_in_flight = max_in_flight
        self._flying: set[Future[BatchReply]] = set()
        self.credits_predicted = 0

    @property
    def in_flight(self) -> int:
        """Batches that have not come back."""
        return len(self._flying)

    def submit(self, kind: WriteKind, items: Sequence[Item], guard: Guard | None = None) -> None:
        """Send a batch of up to 100 items in the background."""
        for item in items:
            item.row.attempts += 1
        self.predict(kind, len(items))
        self._flying.add(self._pool.submit(self._guarded, kind, list(items), guard))

    def predict(self, kind: WriteKind, rows: int) -> None:
        """Count what a batch costs."""
        self.credits_predicted += 1 if kind == "delete" else of_write(rows)

    def collect(self, *, everything: bool = False) -> list[BatchReply]:
        """Return the batches that came back; waits for one when too many are in flight.

        Args:
            everything: Wait for all.
        """
        replies: list[BatchReply] = []
        while self._flying:
            must_wait = everything or len(self._flying) >= self._max_in_flight
            done, self._flying = wait(
                self._flying,
                timeout=None if must_wait else 0,
                return_when=FIRST_COMPLETED,
            )
            replies += [f.result() for f in done]
            if not done or (not everything and len(self._flying) < self._max_in_flight):
                break
        return replies

    def _guarded(self, kind: WriteKind, items: list[Item], guard: Guard | None) -> BatchReply:
        reply = self._send(kind, items, guard)
        reply.guard = guard
        return reply

    def _send(self, kind: WriteKind, items: list[Item], guard: Guard | None = None) -> BatchReply:
        started = self._transport.server_now()
        try:
            results = self._batches.write(
                kind,
                self._module,
                [_on_the_wire(i) for i in items],
                match_on=self._match_on if kind == "upsert" else None,
                run_workflows=self._run_workflows,
                safe_to_repeat=kind != "insert",
                headers=guard.headers() if guard is not None else None,
            )
        except (RequestError, ConnectionUnavailableError) as error:
            if guard is not None and error.status == _PRECONDITION_FAILED:
                sent = [Sent(i, Fate.NOT_SENT) for i in items]
                return BatchReply(sent, started, conflict=error)
            if isinstance(error, RequestError):
                return self._refused(kind, items, error, started)
            return self._stopped(items, error, started)
        except ServiceError as error:
            # An insert that may have been processed is looked for; all else ends the load.
            unclear = error.processed
            fate = Fate.UNCLEAR if unclear else Fate.NOT_SENT
            failure = None if unclear and kind == "insert" else error
            return BatchReply([Sent(i, fate) for i in items], started, failure)
        except BiginError as error:
            return self._stopped(items, error, started)
        return BatchReply(
            [
                Sent(item, Fate.ANSWERED if result.answered else Fate.UNCLEAR, result)
                for item, result in zip(items, results, strict=True)
            ],
            started,
        )

    @staticmethod
    def _stopped(items: list[Item], error: BiginError, started: datetime | None) -> BatchReply:
        # Anything but a plain refusal may hide that the request had been sent.
        unclear = not isinstance(error, _NOT_PROCESSED) and not 400 <= (error.status or 0) < 500  # noqa: PLR2004
        fate = Fate.UNCLEAR if unclear else Fate.NOT_SENT
        return BatchReply([Sent(i, fate) for i in items], started, error)

    def _refused(
        self, kind: WriteKind, items: list[Item], error: RequestError, started: datetime | None
    ) -> BatchReply:
        """Halve a batch that was refused as a whole until the bad row stands alone."""
        if len(items) == 1:
            name = error.details.get("api_name")
            refusal = Refusal(
                error.code or f"HTTP_{error.status}",
                "the service refused the row",
                name if isinstance(name, str) else None,
            )
            return BatchReply([Sent(items[0], Fate.REFUSED, refusal=refusal)], started)
        log.info("%s: a batch of %d was refused as a whole; halving it", self._module, len(items))
        middle = len(items) // 2
        first = self._send(kind, items[:middle])
        if first.failure is not None:
            rest = [Sent(i, Fate.NOT_SENT) for i in items[middle:]]
            return BatchReply([*first.sent, *rest], started, first.failure)
        second = self._send(kind, items[middle:])
        return BatchReply([*first.sent, *second.sent], started, second.failure)


def _on_the_wire(item: Item) -> dict[str, Any]:
    body = item.body
    for name in _PARENT_KEYS:
        if body.get(name) == field_types.PIPELINES:
            body = {**body, name: field_types.DEALS}
    return body if item.record_id is None else {"id": item.record_id, **body}
