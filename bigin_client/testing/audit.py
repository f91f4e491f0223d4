"""What a good client must not do, read off the request log.

Each rule is a function over the log's entries; `RULES` names them. A finding is no proof of a
bug (two equal rows may be meant), it is a request to look.

Where a rule needs time, real time and the simulator's clock both count: a test that jumps the
clock instead of waiting is not blamed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

from bigin_client.testing.paging import BOUND, BY_NUMBER, PER_PAGE
from bigin_client.testing.request_log import LogEntry

#: Seconds that a client must leave before it repeats a request that failed.
MIN_RETRY: Final = 0.05
#: Requests to a module after its scope was refused, or with a key that was refused.
MAX_REPEATS: Final = 3

_WRITES: Final = ("insert", "update", "upsert", "delete", "insert_notes")
_PAGED: Final = ("list", "related", "notes", "attachments")


@dataclass(frozen=True)
class Limits:
    """What the gateway and the account allow."""

    rate: int | None
    concurrency: int


@dataclass(frozen=True)
class Violation:
    """A request that breaks a rule.

    Attributes:
        rule: Name in `RULES`.
        request: The log entry.
        explanation: In plain words.
    """

    rule: str
    request: LogEntry
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """The violation as JSON values."""
        return {
            "rule": self.rule,
            "request": self.request.to_dict(),
            "explanation": self.explanation,
        }


Finding = tuple[LogEntry, str]
Rule = Callable[[Sequence[LogEntry], Limits], Iterator[Finding]]


def duplicate_insert(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """The same row was created twice, in two requests."""
    made: dict[tuple[str, str], str] = {}
    for entry in log:
        if entry.operation not in ("insert", "upsert", "insert_notes"):
            continue
        for position, id in entry.created.items():
            if position >= len(entry.row_digests):
                continue
            key = (entry.module, entry.row_digests[position])
            first = made.setdefault(key, id)
            if first != id:
                yield entry, f"row {position} created {id}, the same content as {first}"


def blind_resend(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """An insert was sent again after an unclear end without a look at the module."""
    unclear: dict[str, LogEntry] = {}
    for entry in log:
        if entry.operation in ("insert", "insert_notes"):
            if entry.digest and entry.digest in unclear:
                yield entry, "an insert that may have taken effect was sent again blindly"
            refused = entry.status == 429
            if not refused and (not entry.delivered or entry.status >= 500 or not entry.status):
                unclear[entry.digest] = entry
        elif entry.operation in ("list", "get", "search", "coql"):
            read = entry.module
            unclear = {key: old for key, old in unclear.items() if old.module != read}


def page_with_token(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """Page and page_token were sent together."""
    for entry in log:
        if {"page", "page_token"} <= entry.params.keys():
            yield entry, "page must not be sent beside page_token"


def too_many_fields(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """More than 50 names in fields."""
    for entry in log:
        names = entry.params.get("fields", "").split(",")
        if len(names) > 50:
            yield entry, f"{len(names)} fields; 50 are allowed"


def missing_fields(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A list was asked for without fields."""
    for entry in log:
        if entry.operation in _PAGED and not entry.params.get("fields"):
            if "page_token" not in entry.params:
                yield entry, "lists need fields"


def too_many_rows(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """More than 100 rows or ids in a write."""
    for entry in log:
        if entry.operation in _WRITES and entry.body_rows > 100:
            yield entry, f"{entry.body_rows} rows; 100 are allowed"


def deep_page(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A page number past 2,000 rows."""
    for entry in log:
        page, size = entry.params.get("page", "1"), entry.params.get("per_page", str(PER_PAGE))
        if page.isdigit() and size.isdigit() and entry.operation in (*_PAGED, "search"):
            if int(page) * int(size) > BY_NUMBER and "page_token" not in entry.params:
                yield entry, f"page {page} of {size} rows lies past {BY_NUMBER} rows"


def changed_with_token(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A parameter differs from the chain's earlier requests."""
    chains: dict[str, LogEntry] = {}
    last: dict[str, LogEntry] = {}
    for entry in log:
        if entry.operation not in _PAGED:
            continue
        token = entry.params.get("page_token")
        if token is None:
            last[entry.path] = entry
            continue
        first = chains.get(token) or last.get(entry.path)
        if first is None:
            continue
        differing = [name for name in BOUND if first.params.get(name) != entry.params.get(name)]
        header = "if-modified-since"
        if first.headers.get(header) != entry.headers.get(header):
            differing.append(header)
        # Walkers of one path may overlap: blame only what no recent chain explains.
        if differing and entry.code == "TOKEN_BOUND_DATA_MISMATCH":
            yield entry, f"beside the token {', '.join(differing)} changed"
        chains[token] = entry


def lone_sort_order(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """sort_order without sort_by."""
    for entry in log:
        if "sort_order" in entry.params and "sort_by" not in entry.params:
            yield entry, "sort_order needs sort_by"


def cvid_with_sort(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """Cvid with sort_by."""
    for entry in log:
        if {"cvid", "sort_by"} <= entry.params.keys():
            yield entry, "cvid and sort_by exclude each other"


def missing_connection(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A request to Bigin without Maton-Connection."""
    for entry in log:
        if entry.operation != "connections" and "maton-connection" not in entry.headers:
            yield entry, "Maton-Connection has to pin the connection"


def limit_zero(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """limit=0 on /connections, which means none."""
    for entry in log:
        if entry.operation == "connections" and entry.params.get("limit") == "0":
            yield entry, "limit=0 lists nothing"


def early_retry(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """The same request again before Retry-After, or at once after a failure."""
    failed: dict[str, LogEntry] = {}
    for entry in log:
        before = failed.pop(entry.digest, None)
        if before is not None:
            wanted = _wanted_wait(before)
            waited = max(
                entry.monotonic - before.monotonic - before.seconds,
                (entry.at - before.at).total_seconds() - before.seconds,
            )
            if waited + 0.01 < wanted:
                yield entry, f"sent again after {waited:.2f} s; {wanted:.2f} s were due"
        if entry.status in (429, 500, 502, 503, 504) or not entry.status:
            failed[entry.digest] = entry


def _wanted_wait(entry: LogEntry) -> float:
    if entry.retry_after is None:
        return MIN_RETRY
    if entry.retry_after.isdigit():
        return float(entry.retry_after)
    try:
        until = parsedate_to_datetime(entry.retry_after)
    except ValueError:
        return MIN_RETRY
    return max(0.0, (until - entry.at.astimezone(timezone.utc)).total_seconds())


def rate(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """More requests in a second than the gateway allows."""
    if limits.rate is None:
        return
    start = 0
    for number, entry in enumerate(log):
        while log[start].monotonic <= entry.monotonic - 1.0:
            start += 1
        if number - start + 1 > limits.rate:
            yield entry, f"{number - start + 1} requests in a second; {limits.rate} are allowed"


def concurrency(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """More simultaneous calls than the edition allows."""
    for entry in log:
        if entry.running > limits.concurrency:
            yield entry, f"{entry.running} calls at a time; {limits.concurrency} are allowed"


def refused_scope(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A path asked for again and again after OAUTH_SCOPE_MISMATCH."""
    refused: dict[tuple[str, str], int] = defaultdict(int)
    for entry in log:
        if entry.code == "OAUTH_SCOPE_MISMATCH":
            key = (entry.module, entry.operation)
            refused[key] += 1
            if refused[key] > MAX_REPEATS:
                yield entry, f"{entry.operation} of {entry.module} was refused {refused[key]} times"


def refused_key(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """Requests that go on with a key that the gateway refused."""
    refused = 0
    for entry in log:
        if entry.status == 401 and entry.code is None:
            refused += 1
            if refused > MAX_REPEATS:
                yield entry, f"the key was refused {refused} times"


def expired_token(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """The same token again after it had expired."""
    expired: set[str] = set()
    for entry in log:
        token = entry.params.get("page_token")
        if token is None:
            continue
        if token in expired:
            yield entry, "the token had expired before"
        if entry.code == "EXPIRED_VALUE":
            expired.add(token)


def repeated_delete(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """Ids deleted again although the first deletion was answered well."""
    done: set[tuple[str, str]] = set()
    for entry in log:
        if entry.operation != "delete":
            continue
        ids = entry.params.get("ids", entry.path.rsplit("/", 1)[-1]).split(",")
        again = [id for id in ids if (entry.module, id) in done]
        if again:
            yield entry, f"{len(again)} ids had been deleted before"
        if entry.delivered and entry.status == 200:
            done.update((entry.module, id) for id in ids)


def key_in_url(log: Sequence[LogEntry], limits: Limits) -> Iterator[Finding]:
    """A key in the query, where logs of proxies keep it."""
    for entry in log:
        if {"api_key", "apikey", "key", "token", "access_token"} & entry.params.keys():
            yield entry, "keys belong into the Authorization header"


#: Every rule by its name.
RULES: Final[dict[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        duplicate_insert, blind_resend, page_with_token, too_many_fields, missing_fields,
        too_many_rows, deep_page, changed_with_token, lone_sort_order, cvid_with_sort,
        missing_connection, limit_zero, early_retry, rate, concurrency, refused_scope,
        refused_key, expired_token, repeated_delete, key_in_url,
    )
}  # fmt: skip


def audit(
    log: Sequence[LogEntry], limits: Limits, rules: Sequence[str] | None = None
) -> list[Violation]:
    """The violations of all rules, or of those named, in the log's order.

    A request that never reached the gateway's checks counts like any other.
    """
    chosen = RULES if rules is None else {name: RULES[name] for name in rules}
    found = [
        Violation(name, entry, text)
        for name, rule in chosen.items()
        for entry, text in rule(log, limits)
    ]
    return sorted(found, key=lambda item: item.request.monotonic)
