"""What the simulator remembers of each request. Never the key, never a row's content."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from bigin_client.testing.wire import Request, encode

#: Headers that tests and the audit look at.
KEPT: Final[tuple[str, ...]] = (
    "user-agent", "maton-connection", "if-modified-since", "if-unmodified-since", "content-type",
    "accept-encoding", "content-length",
)  # fmt: skip


@dataclass
class LogEntry:
    """One request and its reply.

    Attributes:
        at: Moment by the simulator's clock.
        monotonic: The same by `time.monotonic`, for rates.
        method: HTTP method.
        path: Behind ``/zoho-bigin/bigin/v2/``; elsewhere the whole path.
        operation: "list", "insert", "connections" and so on; "" when no path matched.
        module: API name, or "".
        params: Query parameters.
        status: HTTP status; 0 when no reply was sent.
        code: Code of a refusal, of the request or of its first refused row.
        rows: Rows in the reply.
        body_rows: Rows or ids in the request.
        credits: What the call cost.
        connection_id: The connection that served it.
        headers: Those of `KEPT`; ``authorization`` only says whether one came.
        faults: Kinds of the faults that struck.
        retry_after: Of the reply.
        delivered: The reply was sent whole.
        digest: Of method, path, parameters and body: equal requests have equal digests.
        row_digests: Of the rows of an insert or upsert.
        created: Ids of the records that the request made, by position.
        running: Calls of the account under way, this one included.
        demanding: Those of them that count towards the sub-concurrency; 0 if this one does not.
        seconds: Until the reply was ready to be sent.
    """

    at: datetime
    monotonic: float
    method: str
    path: str
    operation: str = ""
    module: str = ""
    params: dict[str, str] = field(default_factory=dict)
    status: int = 0
    code: str | None = None
    rows: int = 0
    body_rows: int = 0
    credits: int = 0
    connection_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    retry_after: str | None = None
    delivered: bool = True
    digest: str = ""
    row_digests: tuple[str, ...] = ()
    created: dict[int, str] = field(default_factory=dict)
    running: int = 0
    demanding: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON values."""
        shown = asdict(self)
        shown["at"] = self.at.isoformat()
        shown["created"] = {str(position): id for position, id in self.created.items()}
        return shown


def kept_headers(request: Request) -> dict[str, str]:
    """Headers worth keeping; of the key only that there was one."""
    found: dict[str, str] = {
        name: request.headers[name] for name in KEPT if name in request.headers
    }
    if "authorization" in request.headers:
        found["authorization"] = "present"
    return found


def request_digest(request: Request) -> str:
    """Equal for equal requests."""
    digest = hashlib.blake2b(digest_size=12)
    digest.update(f"{request.method} {request.path} {sorted(request.query.items())}".encode())
    digest.update(request.headers.get("if-modified-since", "").encode())
    digest.update(request.body)
    return digest.hexdigest()


def row_digests(rows: list[Any]) -> tuple[str, ...]:
    """One digest per row, equal for equal content whatever the order of its keys."""
    found = []
    for row in rows:
        ordered = dict(sorted(row.items())) if isinstance(row, dict) else row
        found.append(hashlib.blake2b(encode(ordered), digest_size=10).hexdigest())
    return tuple(found)
