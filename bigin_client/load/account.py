"""What a load reads of the account: whole modules, single records, the newest ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from bigin_client import coql, extract, timestamps
from bigin_client.account import Account as AboutAccount
from bigin_client.criteria import Criteria
from bigin_client.errors import BiginError, NotFoundError, PagingError, RequestError, ScopeError
from bigin_client.load.binding import ID
from bigin_client.metadata import Metadata
from bigin_client.paging import MAX_FIELDS
from bigin_client.queries import Queries
from bigin_client.records import MAX_IDS, MODIFIED, ListQuery, Records, field_groups, reader
from bigin_client.transport import Transport
from bigin_client.types import Record

log = logging.getLogger(__name__)

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

CREATED: Final = "Created_Time"
CREATED_BY: Final = "Created_By"
#: Pages of the newest records that may show less than a read by ids would.
_IDLE_PAGES: Final = 5


class TooManyError(Exception):
    """More records than are worth reading."""


class Account:
    """Reads of one account, for the load engine.

    Args:
        transport: Knows the server's clock and the credits.
        records: Where to read.
        queries: COQL.
        metadata: The account's modules and fields.
        pool: Sends requests that do not wait for each other; the transport paces them.
    """

    def __init__(
        self,
        transport: Transport,
        records: Records,
        metadata: Metadata,
        queries: Queries,
        pool: Executor,
    ) -> None:
        self._transport = transport
        self._queries = queries
        self._ids_heeded = True
        self._records = records
        self._metadata = metadata
        self._pool = pool
        self._user: str | None = None
        self._user_known = False

    def walk(self, module: str, fields: Sequence[str]) -> Iterator[list[Record]]:
        """Yield all records of a module, page by page, in our form; some may come twice.

        This is the extract engine's read, which stays complete while the account changes: a
        record that was missed here would be inserted a second time.

        Raises:
            PagingError: The read could not be proved complete.
        """
        changes = extract.start(
            self._records, self._metadata, module, self._asked(module, fields), deletes=False
        )
        for page in changes:
            if page.records:
                yield page.records

    def _asked(self, module: str, fields: Sequence[str]) -> Sequence[str]:
        """Return the fields to ask for: a list without any is refused."""
        return fields or [next(iter(self._metadata.fields(module)))]

    @property
    def credits_read(self) -> int:
        """Credits that this process has spent so far on all but writes of records."""
        return self._transport.credits.used - self._transport.credits.used_by_writes

    def count(self, module: str) -> int:
        """Return the number of records of a module (1 credit)."""
        return self._records.count(module)

    def query(self, module: str, query: coql.Query, columns: Sequence[str]) -> list[Record]:
        """Return the rows of a COQL query on one module, in our form."""
        read = self._reader(module, columns)
        return [read(row) for page in self._queries.query(query) for row in page]

    def search(self, module: str, condition: Criteria, columns: Sequence[str]) -> list[Record]:
        """Return the records that a search finds, in our form; text is compared loosely there."""
        read = self._reader(module, columns)
        pages = self._queries.search(module, criteria=condition, fields=columns)
        return [read(raw) for page in pages for raw in page]

    def oldest(self, module: str, field: str) -> list[Record]:
        """Return one page of records that no index can have missed: the oldest ids."""
        query = ListQuery(module, (field,), sort_by=ID, sort_order="asc", page_size=20)
        reply = self._records.fetch(query)
        read = self._reader(module, [field])
        return [] if reply.is_empty else [read(r) for r in reply.object().get("data") or []]

    def modified_of_late(
        self, module: str, age: timedelta, fields: Sequence[str], *, most: int
    ) -> list[Record]:
        """Return the records modified in the last `age`, by list, which shows writes at once.

        Raises:
            PagingError: The service does not sort by Modified_Time, or does not tell its time.
            TooManyError: There are more than `most`.
        """
        now = self._transport.server_now()
        if now is None:
            raise PagingError("the service does not tell its time")
        found: list[Record] = []
        for record in self._newest(module, MODIFIED, now - age, fields):
            found.append(record)
            if len(found) > most:
                raise TooManyError
        return found

    def by_ids(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """Return records by id, in our form; ids without a record are left out.

        Whether Bigin heeds ``ids`` on a list is not confirmed ([crm°]): if other records come,
        or some are missing, the rest is read one by one.
        """
        names = list(self._asked(module, fields))
        read = self._reader(module, names)
        groups = field_groups(names)
        wanted = list(dict.fromkeys(i for i in ids if i))
        found: dict[str, Record] = {}
        # A single record comes whole, whatever the number of its fields.
        parts = [wanted[i : i + MAX_IDS] for i in range(0, len(wanted), MAX_IDS)]
        listed = [p for p in parts if len(p) > len(groups)]
        for raws in self.at_once(lambda part: self._list_of(module, part, groups), listed):
            found.update({str(raw[ID]): read(raw) for raw in raws})
        rest = [i for i in wanted if i not in found]
        for record in self.at_once(lambda one: self.get(module, one, names), rest):
            if record is not None:
                found[record[ID]] = record
        return list(found.values())

    def at_once(self, ask: Callable[[_Asked], _Answer], things: Sequence[_Asked]) -> list[_Answer]:
        """Ask about several things, in parallel after the first; answers in their order.

        The first tells whether the others are to be asked at all: what it raises is raised.
        """
        if not things:
            return []
        first = ask(things[0])
        futures = [self._pool.submit(ask, thing) for thing in things[1:]]
        try:
            return [first, *(f.result() for f in futures)]
        finally:
            for future in futures:
                future.cancel()

    def _list_of(
        self, module: str, ids: Sequence[str], groups: Sequence[tuple[str, ...]]
    ) -> list[Record]:
        """Return raw records by list; those whose groups of fields disagree are left out."""
        if not self._ids_heeded:
            return []
        parts: dict[str, list[Record]] = {}
        for group in groups:
            try:
                reply = self._records.fetch(ListQuery(module, group, ids=tuple(ids)))
            except RequestError:
                self._ids_heeded = False
                return []
            data = [] if reply.is_empty else reply.object().get("data") or []
            if any(str(r[ID]) not in ids for r in data):
                self._ids_heeded = False
                log.info("%s: the service ignores ids on a list; records are read singly", module)
                return []
            for raw in data:
                parts.setdefault(str(raw[ID]), []).append(raw)
        return [
            {name: value for raw in found for name, value in raw.items()}
            for found in parts.values()
            if len(found) == len(groups) and len({r.get(MODIFIED) for r in found}) == 1
        ]

    def get(self, module: str, record_id: str, fields: Sequence[str]) -> Record | None:
        """Return one record in our form, None when it does not exist."""
        raw = self._records.get(module, record_id, fields)
        return None if raw is None else self._reader(module, fields)(raw)

    def created_since(
        self, module: str, since: datetime | None, fields: Sequence[str]
    ) -> Iterator[Record]:
        """Yield the records created since a moment by the server's clock; some may come twice.

        Read by list, which shows writes at once, never by search, whose index lags. With
        None, or where the list cannot be followed so far, the whole module is read.
        """
        names = [*dict.fromkeys([*fields, CREATED, CREATED_BY])]
        if since is not None:
            try:
                yield from self._newest(module, CREATED, since, names)
            except (PagingError, RequestError) as error:
                # For example more than page tokens reach.
                log.warning("%s: %s; reading all of it", module, error.message)
            else:
                return
        for page in self.walk(module, names):
            yield from (r for r in page if since is None or _is_since(r.get(CREATED), since))

    def _newest(
        self, module: str, order: str, since: datetime, fields: Sequence[str]
    ) -> Iterator[Record]:
        """Yield the records whose time in the field `order` is not before `since`.

        Raises:
            PagingError: The service does not sort as asked.
        """
        names = [*dict.fromkeys([*fields, order])]
        first, *others = field_groups(names, anchor=order)
        for page in self._by_time(module, order, first):
            for moment, record in page:
                if moment < since:
                    return
                whole = self.get(module, record[ID], names) if others else record
                if whole is not None:
                    yield whole

    def just_written(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """Return records that were written a moment ago; ids without a record are left out.

        They are the ones modified last: a list, newest first, shows 200 of them a credit, a read
        by ids 100 (bigin-api.md 3.1). Those that the list does not show are read by ids.
        """
        names = tuple(dict.fromkeys([*fields, MODIFIED]))
        found: dict[str, Record] = {}
        lists = MODIFIED in self._metadata.fields(module) and len(names) <= MAX_FIELDS
        if lists and len(ids) > MAX_IDS:
            try:
                self._take_newest(module, names, set(ids), found)
            except (PagingError, RequestError) as error:
                log.info("%s: %s; reading by ids", module, error.message)
        rest = [i for i in ids if i not in found]
        return [*found.values(), *self.by_ids(module, rest, fields)]

    def _take_newest(
        self, module: str, names: tuple[str, ...], wanted: set[str], found: dict[str, Record]
    ) -> None:
        """Read the newest records while that pays; takes those that are wanted into `found`."""
        idle = 0
        for page in self._by_time(module, MODIFIED, names):
            shown = {record[ID]: record for _, record in page if record[ID] in wanted}
            found.update(shown)
            # What others write meanwhile, and what is under way, stands before ours.
            idle += len(shown) < MAX_IDS
            if len(found) == len(wanted) or idle > _IDLE_PAGES:
                return

    def _by_time(
        self, module: str, order: str, fields: tuple[str, ...]
    ) -> Iterator[list[tuple[datetime, Record]]]:
        """Yield pages of records in our form with their time in the field `order`, newest first.

        Raises:
            PagingError: The service does not sort as asked.
        """
        read = self._reader(module, fields)
        before: datetime | None = None
        for page in self._records.pages(
            ListQuery(module, fields, sort_by=order, sort_order="desc")
        ):
            records = [read(raw) for raw in page]
            times = [timestamps.parse(r[order] or "") for r in records]
            for moment in times:
                if before is not None and moment > before:
                    raise PagingError(f"the service does not sort by {order}")
                before = moment
            yield list(zip(times, records, strict=True))

    def users_by_email(self) -> dict[str, str]:
        """Return e-mail in lower case → id of all users."""
        return {
            str(u["email"]).casefold(): str(u[ID])
            for u in self._records.users("AllUsers")
            if u.get("email") and u.get(ID)
        }

    def pipelines_by_name(self) -> dict[str, list[str]]:
        """Return name in lower case → ids of the Team Pipelines; none where none can be read."""
        found: dict[str, list[str]] = {}
        try:
            pipelines = AboutAccount(self._transport, self._metadata).pipelines()
        except (ScopeError, NotFoundError, RequestError) as error:
            log.warning("The Team Pipelines cannot be read (%s)", error.code or error.status)
            return found
        for pipeline in pipelines:
            found.setdefault(pipeline.name.casefold(), []).append(pipeline.id)
        return found

    def current_user(self) -> str | None:
        """Return the id of the connection's user, None when it cannot be known."""
        if not self._user_known:
            self._user_known = True
            try:
                users = list(self._records.users("CurrentUser"))
            except BiginError as error:
                log.info("The connection's user cannot be read: %s", error.code or error.status)
                users = []
            self._user = str(users[0][ID]) if len(users) == 1 and users[0].get(ID) else None
        return self._user

    def _reader(self, module: str, names: Sequence[str]) -> Any:
        return reader(self._metadata.field(module, n) for n in names)


def _is_since(moment: Any, since: datetime) -> bool:
    """Whether a time as read is not before another; one that is none may be."""
    return not isinstance(moment, str) or timestamps.parse(moment) >= since
