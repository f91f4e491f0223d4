"""What a load reads of the account: whole modules, single records, the newest ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bigin_client import timestamps
from bigin_client.errors import BiginError, PagingError, RequestError
from bigin_client.load.binding import ID
from bigin_client.metadata import Metadata
from bigin_client.records import ListQuery, Records, field_groups, reader
from bigin_client.transport import Transport
from bigin_client.types import Record

log = logging.getLogger(__name__)

CREATED: Final = "Created_Time"
CREATED_BY: Final = "Created_By"
#: Walks of a module before it is given up that one counts right.
_WALKS: Final = 3


class Account:
    """Reads of one account, for the load engine.

    Args:
        transport: Knows the server's clock.
        records: Where to read.
        metadata: The account's modules and fields.
    """

    def __init__(self, transport: Transport, records: Records, metadata: Metadata) -> None:
        self._transport = transport
        self._records = records
        self._metadata = metadata
        self._user: str | None = None
        self._user_known = False

    def walk(self, module: str, fields: Sequence[str]) -> Iterator[list[Record]]:
        """Yield all records of a module, page by page, in our form; some may come twice.

        Raises:
            PagingError: The walk could not be proved complete. A record that it missed would
                be inserted a second time.
        """
        # A list without fields is refused; an id alone is asked for with any field.
        fields = fields or [next(iter(self._metadata.fields(module)))]
        for attempt in range(1, _WALKS + 1):
            started = self._transport.server_now() or timestamps.now()
            page: list[Record] = []
            for record in self._records.iterate(module, fields, sort_by=ID, sort_order="asc"):
                page.append(record)
                if len(page) == 200:  # noqa: PLR2004 - about a page
                    yield page
                    page = []
            if page:
                yield page
            if not self._deleted_since(module, started):
                return
            # A token may be an offset: a deletion then hides an unread record (bigin-api.md 7.10).
            log.info("%s: records were deleted during walk %d; walking again", module, attempt)
        raise PagingError(
            f"{module}: records are deleted all the time, so that no walk is surely complete",
            hint="Run again when the account is quiet.",
        )

    def _deleted_since(self, module: str, moment: datetime) -> bool:
        # The clocks of both sides may differ by some seconds.
        since = moment - timedelta(seconds=30)
        try:
            for page in self._records.deleted(module, since):
                return any(timestamps.parse(t["deleted_time"]) >= since for t in page)
        except (RequestError, LookupError):
            return False  # no feed (Notes): nothing to go by
        return False

    def get(self, module: str, record_id: str, fields: Sequence[str]) -> Record | None:
        """Return one record in our form, None when it does not exist."""
        raw = self._records.get(module, record_id, fields)
        return None if raw is None else self._reader(module, fields)(raw)

    def created_since(
        self, module: str, since: datetime | None, fields: Sequence[str]
    ) -> list[Record]:
        """Return the records created since a moment by the server's clock, in our form.

        Read by list, which shows writes at once, never by search, whose index lags. With
        None, or when the service does not sort as asked, the whole module is returned.
        """
        names = [*dict.fromkeys([*fields, CREATED, CREATED_BY])]
        if since is None:
            return [r for page in self.walk(module, names) for r in page]
        found: list[Record] = []
        anchor = CREATED
        read = self._reader(module, names)
        first, *others = field_groups(names, anchor=anchor)
        before: datetime | None = None
        query = ListQuery(module, first, sort_by=CREATED, sort_order="desc")
        for page in self._records.pages(query):
            for raw in page:
                record = read(raw)
                created = timestamps.parse(record[CREATED] or "")
                if before is not None and created > before:
                    log.warning("%s: the service does not sort by %s", module, CREATED)
                    return self.created_since(module, None, fields)
                before = created
                if created < since:
                    return found
                if others:
                    whole = self.get(module, record[ID], names)
                    if whole is None:
                        continue
                    record = whole
                found.append(record)
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
