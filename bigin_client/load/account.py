"""What a load reads of the account: whole modules, single records, the newest ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from bigin_client import extract, timestamps
from bigin_client.errors import BiginError
from bigin_client.load.binding import ID
from bigin_client.metadata import Metadata
from bigin_client.records import ListQuery, Records, field_groups, reader
from bigin_client.types import Record

log = logging.getLogger(__name__)

CREATED: Final = "Created_Time"
CREATED_BY: Final = "Created_By"


class Account:
    """Reads of one account, for the load engine.

    Args:
        records: Where to read.
        metadata: The account's modules and fields.
    """

    def __init__(self, records: Records, metadata: Metadata) -> None:
        self._records = records
        self._metadata = metadata
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
