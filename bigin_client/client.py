"""`BiginClient`: one account, one door."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any

from typing_extensions import Self

from bigin_client import timestamps
from bigin_client.account import Account
from bigin_client.batches import MAX_RECORDS, Batches, RowResult, WriteKind
from bigin_client.bulk import Bulk
from bigin_client.connections import Connections
from bigin_client.coql import Query
from bigin_client.criteria import Criteria
from bigin_client.extract import Extraction
from bigin_client.extract import start as start_extraction
from bigin_client.load import LoadReport, RunOptions, load_rows
from bigin_client.metadata import Field, Metadata, Module
from bigin_client.paging import PAGE_SIZE
from bigin_client.queries import Queries
from bigin_client.records import Records, moment, reader
from bigin_client.related import Related
from bigin_client.settings import Settings
from bigin_client.transport import Transport
from bigin_client.types import Approved, Record, RecordId, SortOrder, Tombstone


class BiginClient:
    """A Bigin account, reached through the Maton gateway.

    Use it as a context manager::

        with BiginClient(Settings.from_env()) as client:
            for record in client.list_records("Contacts", ["Last_Name", "Email"]):
                ...

    Args:
        settings: Key, connection, limits. None: from the environment.
        front_end: Who is asking, for the User-Agent.

    All methods may raise `bigin_client.errors.BiginError`.
    """

    def __init__(self, settings: Settings | None = None, *, front_end: str = "client") -> None:
        self.settings = settings or Settings.from_env()
        self.transport = Transport(self.settings, front_end=front_end)
        self.connections = Connections(self.transport)
        self.transport.resolve_connection = self.connections.resolve
        self.metadata = Metadata(self.transport)
        self.records = Records(self.transport, self.metadata)
        self.batches = Batches(self.transport)
        self.queries = Queries(self.transport)
        self.related = Related(self.transport)
        self.account = Account(self.transport, self.metadata)
        self.bulk = Bulk(self.transport)

    def __repr__(self) -> str:
        return f"BiginClient({self.settings.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()

    # -- metadata --------------------------------------------------------------------------

    def modules(self) -> list[Module]:
        """Return the account's modules, parents first (1 credit, the first time).

        Modules that the connection has no scope for are among them: only a read tells
        (bigin-api.md 1.1 [code]).
        """
        return list(self.metadata.modules().values())

    def fields(self, module: str) -> list[Field]:
        """Return the fields of a module (1 credit, the first time); ``id`` is not among them.

        Args:
            module: API name or alias.

        Raises:
            ScopeError: The connection may not read these settings.

        Source: bigin-api.md section 2 [rec].
        """
        return list(self.metadata.fields(self.metadata.module(module).api_name).values())

    def users(self, type: str = "AllUsers") -> list[dict[str, Any]]:  # noqa: A002 - the service's word
        """Return users (1 credit for each 200).

        Args:
            type: AllUsers, ActiveUsers, DeactiveUsers, ConfirmedUsers, NotConfirmedUsers,
                DeletedUsers, ActiveConfirmedUsers, AdminUsers, ActiveConfirmedAdmins or
                CurrentUser, the cheapest check of a connection.

        Returns:
            ``[{"id": …, "full_name": …, "email": …, "role": {"name", "id"}, "status": "active",
            "time_zone": "Africa/Nairobi", …}]`` as the service sends them.

        Source: bigin-api.md section 2 [rec]; the types [bigin-doc].
        """
        return list(self.records.users(type))

    def org(self) -> dict[str, Any]:
        """Return the organisation (1 credit).

        Returns:
            ``{"id": …, "company_name": …, "time_zone": …, "license_details": {"paid_type":
            "free", …}, …}``: the edition decides about credits and concurrency.

        Source: bigin-api.md section 2 [rec].
        """
        return self.records.org()

    # -- reads -----------------------------------------------------------------------------

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
            modified_since: Sent as If-Modified-Since; not confirmed for Bigin.
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
        self, module: str, *, criteria: Criteria | str | None = None, cvid: str | None = None
    ) -> int:
        """Return the number of records of a module (1 credit).

        Args:
            module: API name or alias.
            criteria: Count only what meets them, as in `search_records`.
            cvid: Count only what a custom view shows.

        Source: bigin-api.md 3.7 [code]; the reply holds a number or a text.
        """
        api_name = self.metadata.module(module).api_name
        return self.records.count(api_name, criteria=criteria, cvid=cvid)

    def deleted_records(
        self, module: str, since: datetime | str | None = None
    ) -> Iterator[Tombstone]:
        """Yield the deletions since a time; at most the feed's retention (60 days or so).

        Args:
            module: Any module but Notes (no feed).
            since: Older ones are left out, whatever the service sends; without an offset, UTC.

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
        for _reply, tombstones in self.records.deleted_pages(api_name):
            for tombstone in tombstones:
                if start is None or timestamps.parse(tombstone["deleted_time"]) >= start:
                    yield tombstone

    def _fields(self, module: str, names: Sequence[str]) -> list[Field]:
        return [self.metadata.field(module, n) for n in names if n != "id"]

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

    # -- load ------------------------------------------------------------------------------

    def load(
        self,
        module: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        stream: str | None = None,
        rejects_path: str | None = None,
        max_rejects: int | str = 0,
        plan_path: str | None = None,
        outcomes_path: str | None = None,
        report_path: str | None = None,
        before_path: str | None = None,
        journal_path: str | None = None,
        expected_rows: int | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> LoadReport:
        """Load rows into a module; every row ends in exactly one outcome.

        Args:
            module: API name or alias.
            rows: Column → value, read one at a time.
            stream: Name of the input in report and files; None: the module's API name.
            rejects_path: File of refused rows (folder on object storage); added to.
            max_rejects: Refusals allowed: a number, or a share such as ``"1%"``. More make
                the report's ``too_many_rejects`` true.
            plan_path: File of what a dry run would do.
            outcomes_path: File of each row's outcome.
            report_path: File of the report.
            before_path: File of what updated or deleted records held before.
            expected_rows: Rows that a whole input has; mirror mode deletes only if they came.
            journal_path: File of inserts begun and done; see `bigin_client.journal`.
            dry_run: Do everything but the writes.
            options: As in `bigin_client.load.LoadOptions`: mode, match_on, fields, nulls, …

        Returns:
            The report; refused rows are counted in it.

        Raises:
            SettingsError: The load is refused before its first write.
            BiginError: The load stopped; the report is in the exception's ``report``.
        """
        api_name = self.metadata.module(module).api_name
        files = RunOptions(
            rejects_path=rejects_path,
            max_rejects=max_rejects,
            plan_path=plan_path,
            outcomes_path=outcomes_path,
            report_path=report_path,
            before_path=before_path,
            journal_path=journal_path,
            dry_run=dry_run,
        )
        return load_rows(
            self,
            api_name,
            rows,
            stream=stream or api_name,
            files=files,
            options=options,
            expected_rows=expected_rows,
        )

    # -- writes ----------------------------------------------------------------------------

    def insert_records(
        self, module: str, rows: Iterable[Record], *, run_workflows: bool = True
    ) -> Iterator[RowResult]:
        """Insert rows; nothing is sent before the results are asked for.

        A request whose outcome is unclear is never sent again; `load` settles such rows.

        Args:
            module: API name or alias.
            rows: ``{"Last_Name": "Ng", "Account_Name": {"id": …}, …}``, as the service takes them
                (bigin-api.md section 4); sent by 100, at 1 credit per 10.
            run_workflows: False keeps workflows from running (``trigger: []``).

        Yields:
            A result per row, in input order. Rows beside a refused one are written.

        Raises:
            ServiceError: With ``processed`` true, the last batch may have been written.
            RequestError: A batch was refused as a whole; nothing of it was written.

        Source: bigin-api.md 3.3: [rec] for the results, [crm°] for their order and for mixed
        batches.
        """
        return self._write("insert", module, rows, run_workflows=run_workflows)

    def update_records(
        self, module: str, rows: Iterable[Record], *, run_workflows: bool = True
    ) -> Iterator[RowResult]:
        """Update rows by their ``id``; nothing is sent before the results are asked for.

        A request whose outcome is unclear is sent again: the effect is the same.

        Args:
            module: API name or alias.
            rows: ``{"id": …, field: value, …}``: absent fields are left alone, null clears
                (bigin-api.md section 4 [code]). By 100, at 1 credit per 10.
            run_workflows: False keeps workflows from running.

        Yields:
            A result per row, in input order; an unknown id is refused as ``INVALID_DATA``.

        Raises:
            SettingsError: A row has no usable id; nothing of its batch was sent.
        """
        return self._write("update", module, rows, run_workflows=run_workflows)

    def upsert_records(
        self,
        module: str,
        rows: Iterable[Record],
        match_on: Sequence[str] | None = None,
        *,
        run_workflows: bool = True,
    ) -> Iterator[RowResult]:
        """Insert or update rows by the service's own duplicate check.

        Nothing is sent before the results are asked for. A request whose outcome is unclear is
        not sent again: only on a unique field would that be safe, and `load` knows.

        Args:
            module: API name or alias.
            rows: A row without a value in any of the fields is inserted (bigin-api.md 3.3
                [code]); matching ignores case [bigin-doc help]. By 100, at 1 credit per 10.
            match_on: ``duplicate_check_fields``; None: the module's unique fields.
            run_workflows: False keeps workflows from running.

        Yields:
            A result per row, in input order; ``action`` is ``insert`` or ``update`` [rec]. A row
            that changes nothing moves Modified_Time all the same [rec].

        Raises:
            ServiceError: With ``processed`` true, the last batch may have been written.
        """
        return self._write("upsert", module, rows, match_on=match_on, run_workflows=run_workflows)

    def delete_records(
        self, module: str, ids: Iterable[RecordId], *, run_workflows: bool = True
    ) -> Iterator[RowResult]:
        """Delete records by id; nothing is sent before the results are asked for.

        Deleting Accounts takes their Contacts along (bigin-api.md 3.3 [code]).

        Args:
            module: API name or alias.
            ids: 19 digits each; by 100, at 1 credit a request.
            run_workflows: False: ``wf_trigger=false``.

        Yields:
            A result per id, in input order. One that is deleted already is refused
            (``INVALID_DATA``); not so when it was this call whose first reply was lost.

        Raises:
            SettingsError: An id is blank or holds other characters; nothing of its batch was
                sent.
        """
        return self._write("delete", module, ({"id": i} for i in ids), run_workflows=run_workflows)

    def _write(
        self,
        kind: WriteKind,
        module: str,
        rows: Iterable[Record],
        *,
        match_on: Sequence[str] | None = None,
        run_workflows: bool,
    ) -> Iterator[RowResult]:
        api_name = self.metadata.module(module).api_name
        remaining, start = iter(rows), 0
        while batch := list(islice(remaining, MAX_RECORDS)):
            for result in self.batches.write(
                kind, api_name, batch, match_on=match_on, run_workflows=run_workflows
            ):
                yield RowResult(**{**vars(result), "index": start + result.index})
            start += len(batch)
