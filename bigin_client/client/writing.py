"""The writing half of a client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from bigin_client.batches import MAX_RECORDS, RowResult, WriteKind
from bigin_client.client.base import ClientBase
from bigin_client.load import LoadReport, RunOptions, load_rows
from bigin_client.types import Record, RecordId


class Writing(ClientBase):
    """Loads, and single writes with a result per row."""

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
        report_html: str | None = None,
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
            report_html: File of the report as a page to look at.
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
            report_html=report_html,
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
