"""Read records: a page, a list, one, the deleted feed, a count; users and the organisation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, cast

from bigin_client import timestamps
from bigin_client.credits import VIEW_READ
from bigin_client.criteria import Criteria
from bigin_client.errors import PagingError, ServiceError, SettingsError
from bigin_client.list_query import MAX_IDS, MODIFIED, ListQuery, field_groups, moment
from bigin_client.metadata import Metadata
from bigin_client.paging import PAGE_SIZE, iter_pages, read_body, read_count
from bigin_client.record_form import PARENT_KEYS, PARENT_MODULE_KEYS, reader, reader_of
from bigin_client.reply import Reply
from bigin_client.transport import Transport
from bigin_client.types import (
    Approved,
    DeletedKind,
    Record,
    RecordId,
    SortOrder,
    Tombstone,
)

# Where the rest of the package finds all that belongs to reading records.
__all__ = [
    "MAX_IDS",
    "MODIFIED",
    "PARENT_KEYS",
    "PARENT_MODULE_KEYS",
    "ListQuery",
    "Records",
    "field_groups",
    "moment",
    "reader",
    "reader_of",
]

log = logging.getLogger(__name__)


class Records:
    """Reads of one account.

    Args:
        transport: Where to send the requests.
        metadata: The account's modules and fields.
    """

    def __init__(self, transport: Transport, metadata: Metadata) -> None:
        self._transport = transport
        self._metadata = metadata

    @property
    def transport(self) -> Transport:
        """What sends the requests."""
        return self._transport

    # -- lists -----------------------------------------------------------------------------

    def fetch(self, query: ListQuery, token: str | None = None, *, decode: bool = False) -> Reply:
        """Send one list request.

        204 and 304 (`Reply.is_empty`) mean that there is nothing.

        Args:
            query: The question.
            token: Page token; None: the first page.
            decode: Decode the reply at once. False: a page that waits takes less memory as bytes.

        Raises:
            ScopeError: The connection may not read the module.
            RequestError: The service refused the question, for example the sort.
        """
        return self._transport.bigin(
            "GET",
            query.module,
            params=query.params(token),
            headers=query.headers(),
            cost=VIEW_READ if query.cvid else 1,
            module=query.module,
            decode=decode,
        )

    def pages(self, query: ListQuery) -> Iterator[list[Record]]:
        """Yield the raw records of each page, by token; see `paging.iter_pages`."""

        def fetch(token: str | None) -> dict[str, Any] | None:
            reply = self.fetch(query, token, decode=True)
            return None if reply.is_empty else reply.object()

        return iter_pages(fetch)

    def iterate(
        self,
        module: str,
        fields: Sequence[str] | None = None,
        *,
        sort_by: str | None = None,
        sort_order: SortOrder | None = None,
        cvid: str | None = None,
        pipeline_id: str | None = None,
        modified_since: datetime | str | None = None,
        page_size: int = PAGE_SIZE,
        approved: Approved | None = None,
        ids: Sequence[RecordId] | None = None,
    ) -> Iterator[Record]:
        """Yield the records of a module; see `BiginClient.list_records`."""
        if ids is not None and not 0 < len(ids) <= MAX_IDS:
            raise SettingsError(f"A list takes 1 to {MAX_IDS} ids, not {len(ids)}")
        if cvid and (sort_by or sort_order):
            raise SettingsError("A custom view brings its own order: cvid goes without sort_by")
        if not 1 <= page_size <= PAGE_SIZE:
            raise SettingsError(f"page_size is 1 to {PAGE_SIZE}, not {page_size}")
        if sort_order and not sort_by:
            sort_by = "id"  # the default; sort_order alone may be refused (bigin-api.md 11.3)
        since = moment(modified_since, "modified_since")
        known = self._metadata.fields(module)
        names = list(known) if fields is None else [f for f in fields if f != "id"]
        chosen = [self._metadata.field(module, n) for n in names]
        anchor = MODIFIED if MODIFIED in known else None
        # A list must name a field; id alone is got by asking for any other, too.
        asked = names or [anchor or next(iter(known), "id")]
        if since is not None and anchor and anchor not in asked:
            asked = [*asked, anchor]  # it shows whether the header was heeded
        keep = _Asked(module, None if ids is None else frozenset(ids), since)
        groups = field_groups(asked, anchor=anchor)
        first, *others = (
            ListQuery(
                module=module,
                fields=group,
                sort_by=sort_by,
                sort_order=sort_order,
                cvid=cvid,
                pipeline_id=pipeline_id,
                modified_since=since,
                page_size=page_size,
                approved=approved,
                ids=None if ids is None else tuple(ids),
            )
            for group in groups
        )
        read = reader(chosen)
        if not others:
            for page in self.pages(first):
                yield from map(read, keep(page))
            return
        rest = [self.pages(q) for q in others]
        for page in self.pages(first):
            parts = [next(pages, []) for pages in rest]
            for raw in self.complete(module, names, keep(page), parts, anchor=anchor):
                yield read(raw)

    def complete(
        self,
        module: str,
        fields: Sequence[str],
        rows: Sequence[Record],
        parts: Sequence[Sequence[Record]],
        *,
        anchor: str | None = MODIFIED,
        get: Callable[[RecordId], Record | None] | None = None,
    ) -> Iterator[Record]:
        """Yield whole records from the field groups of one page.

        Args:
            module: Their module.
            fields: All fields wanted.
            rows: The page of the first group: it decides which records there are.
            parts: The same stretch, as each other group showed it; order and surplus are of
                no account.
            anchor: Field in every group. A record that is missing in a group, or whose anchor
                differs there, was changed between the requests: it is read whole by id. One
                that is gone by then is left out; the deleted feed will tell.
            get: Reads such a record instead of `Records.get`, for example to count requests.
        """
        if not parts:
            yield from rows
            return
        by_id = [{r["id"]: r for r in part} for part in parts]
        for row in rows:
            whole = dict(row)
            for part in by_id:
                other = part.get(row["id"])
                if other is None or (anchor and other.get(anchor) != row.get(anchor)):
                    fresh = get(row["id"]) if get else self.get(module, row["id"], fields)
                    if fresh is not None:
                        yield fresh
                    break
                whole.update(other)
            else:
                yield whole

    # -- single records --------------------------------------------------------------------

    def get(
        self, module: str, record_id: RecordId, fields: Sequence[str] | None = None
    ) -> Record | None:
        """Return one record as the service sends it, None when it does not exist (204).

        Args:
            module: API name.
            record_id: 19 digits.
            fields: Names to return; None: whatever the service gives without being asked.
                With several groups of fields, the record is read again until the groups agree.
        """
        if fields is None:
            return self._get(module, record_id, None)
        first, *others = field_groups(fields, anchor=None)
        if not others:
            return self._get(module, record_id, first)
        has_anchor = MODIFIED in fields or MODIFIED in self._metadata.fields(module)
        anchor = MODIFIED if has_anchor else None
        for _ in range(3):
            whole: Record = {}
            marks = set()
            for group in field_groups(fields, anchor=anchor):
                part = self._get(module, record_id, group)
                if part is None:
                    return None
                marks.add(part.get(anchor) if anchor else None)
                whole.update(part)
            if len(marks) == 1:
                return whole
        msg = f"{module} {record_id} changes faster than it can be read"
        raise PagingError(msg, hint="Run again.")

    def _get(self, module: str, record_id: str, fields: Sequence[str] | None) -> Record | None:
        reply = self._transport.bigin(
            "GET",
            f"{module}/{record_id}",
            params={"fields": ",".join(fields)} if fields else None,
            module=module,
        )
        if reply.is_empty:
            return None
        data = reply.object().get("data")
        if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
            msg = f"GET {module}/{record_id}: the reply does not hold one record"
            raise ServiceError(msg, request_id=reply.request_id)
        return data[0]

    # -- deletions -------------------------------------------------------------------------

    def deleted_pages(
        self, module: str, since: datetime | None = None, kind: DeletedKind = "all"
    ) -> Iterator[tuple[Reply, list[Tombstone]]]:
        """Yield the replies of the deleted feed and what they hold; an empty feed has one.

        Args:
            module: One of `metadata.WITH_DELETED_FEED`.
            since: Sent as If-Modified-Since. Whether the service heeds it is not known
                (bigin-api.md 11.14), so older tombstones may come too.
            kind: Which deletions.

        Raises:
            PagingError: The feed repeats itself.
            RequestError: It goes on past what page numbers reach.

        Source: bigin-api.md 3.4; row shape [crm-doc].
        """
        headers = {"If-Modified-Since": timestamps.to_text(since)} if since else None
        page, before = 1, set[str]()
        while True:
            reply = self._transport.bigin(
                "GET",
                f"{module}/deleted",
                params={"type": kind, "page": page, "per_page": PAGE_SIZE},
                headers=headers,
                module=module,
            )
            if reply.is_empty:
                yield reply, []
                return
            data, info = read_body(reply.object(), "deleted")
            ids = {r["id"] for r in data}
            if ids and ids == before:
                msg = f"{module}/deleted: the same page came twice"
                raise PagingError(msg)
            before = ids
            yield reply, [_tombstone(module, r) for r in data]
            if not info["more_records"]:
                return
            page += 1

    def count(
        self,
        module: str,
        *,
        criteria: Criteria | str | None = None,
        cvid: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        word: str | None = None,
    ) -> int:
        """Return the number of records of a module; see `BiginClient.count_records`."""
        chosen = {"criteria": criteria, "email": email, "phone": phone, "word": word}
        params = {k: str(v) for k, v in {**chosen, "cvid": cvid}.items() if v}
        if len(params.keys() & chosen.keys()) > 1:
            raise SettingsError(f"A count takes at most one of {', '.join(chosen)}")
        path = f"{module}/actions/count"
        reply = self._transport.bigin("GET", path, params=params or None, module=module)
        return read_count(reply, f"GET {path}")

    # -- account ---------------------------------------------------------------------------

    def users(self, kind: str = "AllUsers") -> Iterator[dict[str, Any]]:
        """Yield users, with times in UTC; ``CurrentUser`` is the cheapest check of a connection.

        Args:
            kind: AllUsers, ActiveUsers, DeactiveUsers, ConfirmedUsers, NotConfirmedUsers,
                DeletedUsers, ActiveConfirmedUsers, AdminUsers, ActiveConfirmedAdmins or
                CurrentUser (bigin-api.md section 2).
        """
        page, before = 1, list[Any]()
        while True:
            reply = self._transport.bigin(
                "GET", "users", params={"type": kind, "page": page, "per_page": PAGE_SIZE}
            )
            if reply.is_empty:
                return
            body = reply.object()
            users = body.get("users")
            if not isinstance(users, list):
                msg = "GET users: the reply holds no users"
                raise ServiceError(msg, request_id=reply.request_id)
            if users and users == before:
                raise PagingError("GET users: the same page came twice")
            before = users
            yield from map(_user, users)
            # info has no token keys here ([rec]); a single page may come without info.
            info = body.get("info")
            if not users or not isinstance(info, dict) or not info.get("more_records"):
                return
            page += 1

    def user(self, user_id: RecordId) -> dict[str, Any] | None:
        """Return one user, None when there is none (1 credit; bigin-api.md section 2, [rec])."""
        reply = self._transport.bigin("GET", f"users/{user_id}")
        found = [] if reply.is_empty else reply.object().get("users")
        if not isinstance(found, list):
            raise ServiceError("GET users: the reply holds no users", request_id=reply.request_id)
        return _user(found[0]) if found else None

    def org(self) -> dict[str, Any]:
        """Return the organisation: id, company_name, time_zone, license_details (edition)."""
        reply = self._transport.bigin("GET", "org")
        found = reply.object().get("org")
        if not isinstance(found, list) or not found or not isinstance(found[0], dict):
            msg = "GET org: the reply holds no organisation"
            raise ServiceError(msg, request_id=reply.request_id)
        return cast("dict[str, Any]", found[0])


#: A user's times; keys mix cases (bigin-api.md section 2, [rec]).
_USER_TIMES: Final = ("created_time", "Modified_Time")


def _user(user: dict[str, Any]) -> dict[str, Any]:
    return user | {k: timestamps.in_utc(user[k]) for k in _USER_TIMES if user.get(k)}


class _Asked:
    """Leaves out what was not asked for: the service may ignore ``ids`` and the header.

    Args:
        module: For the log.
        ids: Those asked for ([crm°]); None: all.
        since: What If-Modified-Since said ([crm-doc]); None: nothing.
    """

    def __init__(
        self, module: str, ids: frozenset[RecordId] | None, since: datetime | None
    ) -> None:
        self._module = module
        self._ids = ids
        self._since = since and since.replace(microsecond=0)
        self._said = False

    def __call__(self, page: Sequence[Record]) -> Sequence[Record]:
        """Return the rows of a page that were asked for."""
        if self._ids is not None:
            page = [r for r in page if r["id"] in self._ids]
        if self._since is None:
            return page
        recent = [r for r in page if not _is_older(r.get(MODIFIED), self._since)]
        if len(recent) < len(page) and not self._said:
            self._said = True
            log.warning(
                "%s: If-Modified-Since is ignored: what is older is left out here", self._module
            )
        return recent


def _is_older(modified: object, since: datetime) -> bool:
    return isinstance(modified, str) and timestamps.parse(modified) < since


def _tombstone(module: str, row: dict[str, Any]) -> Tombstone:
    when = row.get("deleted_time")
    try:
        deleted_time = timestamps.normalise(str(when))
    except ValueError:
        msg = f"{module}/deleted: entry {row['id']} has no deleted_time"
        raise PagingError(msg) from None
    by = row.get("deleted_by")
    return {
        "id": str(row["id"]),
        "deleted_time": deleted_time,
        "type": str(row.get("type") or ""),
        "deleted_by": by if isinstance(by, dict) else None,
        "display_name": row.get("display_name"),
    }
