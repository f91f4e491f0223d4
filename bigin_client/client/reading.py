"""The reading half of a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bigin_client import timestamps
from bigin_client.client.base import ClientBase
from bigin_client.coql import Query
from bigin_client.criteria import Criteria
from bigin_client.extract import Extraction
from bigin_client.extract import start as start_extraction
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import moment, reader
from bigin_client.types import Approved, DeletedKind, Record, RecordId, SortOrder, Tombstone


class Reading(ClientBase):
    """Lists, single records, searches, counts, deletions, extraction."""

    def list_records(
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
        """Yield the records of a module, page by page, by token.

        For a copy that must be complete while the account changes, use `extract`: a chain of
        tokens may skip a record when another is deleted meanwhile (bigin-api.md 7.10).

        Args:
            module: API name or alias.
            fields: Names; None: every readable field. More than 50 are read in groups, and
                a record whose groups disagree is read whole.
            sort_by: ``id``, ``Created_Time`` or ``Modified_Time``; others may be refused.
            sort_order: ``asc`` or ``desc``; without `sort_by`, by ``id``.
            cvid: Custom view (3 credits a page); not with `sort_by`.
            pipeline_id: Team Pipeline; Pipelines only.
            modified_since: Only what was modified since. Sent as If-Modified-Since, which is not
                confirmed for Bigin: what comes all the same and is older is left out here.
            page_size: 1 to 200.
            approved: Records awaiting approval: ``true`` leaves them out (the service's default),
                ``false`` wants only them, ``both`` all (accepted live).
            ids: Only these, 1 to 100 ([crm°]: the others are left out here, too).

        Yields:
            ``{"id": …, field: value, …}`` with times in UTC and exact decimals; without
            `sort_by` newest id first. 1 credit a page.

        Raises:
            SettingsError: No such field, or arguments that exclude each other; nothing was sent.
            ScopeError: The connection may not read the module.
            PagingError: Records were announced that cannot be reached.
            RequestError: Beyond 100,000 records (``PAGINATION_LIMIT_EXCEEDED``), or after 24
                hours (``EXPIRED_VALUE``).

        Source: bigin-api.md 3.1: fields and reply [rec]; tokens [maton]; sort and header
        [crm-doc].
        """
        return self.records.iterate(
            self.metadata.module(module).api_name,
            fields,
            sort_by=sort_by,
            sort_order=sort_order,
            cvid=cvid,
            pipeline_id=pipeline_id,
            modified_since=modified_since,
            page_size=page_size,
            approved=approved,
            ids=ids,
        )

    def get_record(
        self, module: str, record_id: RecordId, fields: Sequence[str] | None = None
    ) -> Record | None:
        """Return one record, None when it does not exist (any more).

        Args:
            module: API name or alias.
            record_id: 19 digits, as text.
            fields: Names; None: every readable field. More than 50 are read in groups, again
                until the groups agree.

        Returns:
            As `list_records` gives it. 1 credit for each 50 fields.

        Raises:
            PagingError: The record changes faster than it can be read.

        Source: bigin-api.md 3.2 [rec]; 204 for a deleted or unknown id [code].
        """
        api_name = self.metadata.module(module).api_name
        names = list(self.metadata.fields(api_name)) if fields is None else list(fields)
        chosen = self._fields(api_name, names)
        raw = self.records.get(api_name, record_id, names)
        return None if raw is None else reader(chosen)(raw)

    def search_records(
        self,
        module: str,
        *,
        criteria: Criteria | str | None = None,
        email: str | None = None,
        phone: str | None = None,
        word: str | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Record]:
        """Yield the records that a search finds, at most 2,000 (bigin-api.md 3.5).

        The search index lags 10 to 20 seconds behind writes, ``equals`` is loose on text, and
        deletions are not seen at once: use `list_records` or `extract` where that matters.

        Args:
            module: API name or alias.
            criteria: Built by `bigin_client.criteria`, or as the service reads it.
            email: Any e-mail field.
            phone: Any phone field.
            word: Two characters or more.
            fields: Names; None: every readable field.

        Yields:
            Records as `list_records` does.

        Raises:
            SettingsError: Not exactly one of the four was given.
            ScopeError: The connection may not search (scope ZohoSearch.securesearch.READ).
            PagingError: More than 2,000 records match.
        """
        api_name = self.metadata.module(module).api_name
        known = self.metadata.fields(api_name)
        chosen = list(known.values()) if fields is None else self._fields(api_name, fields)
        read = reader(chosen)
        for page in self.queries.search(
            api_name, criteria=criteria, email=email, phone=phone, word=word, fields=fields
        ):
            for raw in page:
                yield read(raw)

    def query(self, coql: Query | str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a COQL query as the service sends them, at most 10,000.

        Args:
            coql: Built by `bigin_client.coql`, or a text; one with a LIMIT of its own is sent
                once, as it is.

        Source: bigin-api.md 3.6 [bigin-doc]. Scope ZohoBigin.coql.READ.
        """
        for page in self.queries.query(coql):
            yield from page

    def count_records(
        self,
        module: str,
        *,
        criteria: Criteria | str | None = None,
        cvid: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        word: str | None = None,
    ) -> int:
        """Return the number of records of a module (1 credit).

        Args:
            module: API name or alias.
            criteria: Count only what meets them; at most one of this and the last three, as in
                `search_records`.
            cvid: Count only what a custom view shows.
            email: Any e-mail field.
            phone: Any phone field.
            word: Two characters or more.

        Source: bigin-api.md 3.7 [code]; the reply holds a number or a text.
        """
        return self.records.count(
            self.metadata.module(module).api_name,
            criteria=criteria,
            cvid=cvid,
            email=email,
            phone=phone,
            word=word,
        )

    def deleted_records(
        self, module: str, since: datetime | str | None = None, *, kind: DeletedKind = "all"
    ) -> Iterator[Tombstone]:
        """Yield the deletions since a time; at most the feed's retention (60 days or so).

        Args:
            module: Any module but Notes (no feed).
            since: Older ones are left out, whatever the service sends; without an offset, UTC.
            kind: ``recycle`` (can be restored), ``permanent`` or ``all``.

        Yields:
            ``{"id": …, "deleted_time": …, "type": "recycle" or "permanent", "deleted_by": …,
            "display_name": …}``, in the service's order. 1 credit for each 200.

        Raises:
            NotFoundError: The module has no feed.
            RequestError: The feed is longer than page numbers reach (2,000).

        Source: bigin-api.md 3.4 [bigin-doc]; row and header [crm-doc].
        """
        start = moment(since, "since")
        # If-Modified-Since is not sent: misread by hours it would hide deletions (11.14).
        api_name = self.metadata.module(module).api_name
        for _reply, tombstones in self.records.deleted_pages(api_name, kind=kind):
            for tombstone in tombstones:
                if start is None or timestamps.parse(tombstone["deleted_time"]) >= start:
                    yield tombstone

    def extract(
        self,
        module: str,
        fields: Sequence[str] | None = None,
        *,
        since: str | None = None,
        deleted_since: str | None = None,
        deletes: bool = True,
        lookback_seconds: float = 300,
        cvid: str | None = None,
        pipeline_id: str | None = None,
        page_size: int = PAGE_SIZE,
        listed: Mapping[str, str] | None = None,
        tally: Mapping[str, Any] | None = None,
    ) -> Extraction:
        """Return a module's changes since a bookmark; see `bigin_client.extract`.

        Args:
            module: API name or alias.
            fields: Names; None: every readable field.
            since: ``page.bookmark`` of the read before; None: everything.
            deleted_since: ``page.deleted_bookmark`` of the read before; None: all deletions
                that are still listed.
            deletes: Read the deleted feed after the records (1 credit a page).
            lookback_seconds: Subtracted from both bookmarks.
            cvid: Custom view to read instead (3 credits a page, whole each time).
            pipeline_id: Team Pipeline to read; Pipelines only.
            page_size: Up to 200.
            listed: ``summary.listed`` of the read before: notices restorations that move no
                Modified_Time.
            tally: ``summary.tally`` of the read before: once a day the service's count is
                compared with the changes since (1 credit).

        Returns:
            An iterator of `extract.ChangePage`, with a `summary` once it has ended.
        """
        return start_extraction(
            self.records,
            self.metadata,
            module,
            fields,
            since=since,
            deleted_since=deleted_since,
            deletes=deletes,
            lookback_seconds=lookback_seconds,
            cvid=cvid,
            pipeline_id=pipeline_id,
            page_size=page_size,
            listed=listed,
            tally=tally,
        )
