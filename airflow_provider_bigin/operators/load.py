"""Load files and query results into a module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_bigin import metrics
from airflow_provider_bigin.operators.base import BiginOperator, map_index_of, run_id_of

if TYPE_CHECKING:
    from airflow_provider_bigin.files.sources import RowSource
    from airflow_provider_bigin.state.stores import Store


class BiginLoadOperator(BiginOperator):
    """Base of the load operators; a subclass says where the rows come from.

    Every row ends in exactly one outcome: created, updated, unchanged, superseded, deleted,
    skipped, rejected or unknown. Refused rows go to ``rejects_path``; more than
    ``max_rejects`` fail the task, after everything else was written, and are not retried. The
    summary is in XCom even then. A retry goes on where the try before ended, and counts its
    refusals too.

    :param module: API name or alias.
    :param mode: ``upsert``, ``insert``, ``update``, ``delete``, or ``mirror``: upsert, then
        delete the records of ``options={"mirror_scope": …}`` that the input does not have. That
        needs an input whose number of rows is known: from an extract's manifest, from the
        database, or from ``expected_rows``.
    :param match_on: Field, or fields, that find the existing record. Default: the rows' ``id``,
        else the one unique field among the columns.
    :param fields: Column → field; other columns are bound by name.
    :param lookups: Lookup field → ``{"match_on": …, "on_missing": "reject"|"create"|"null"}``.
    :param rejects_path: Refused rows, JSON lines, added to; on object storage a folder.
    :param max_rejects: Refusals allowed: a number, or a share such as ``"1%"``.
    :param dry_run: Do everything but the writes; ``plan_path`` says row by row what would be
        done.
    :param plan_path: See ``dry_run``.
    :param outcomes_path: What became of each row, JSON lines.
    :param before_path: What updated or deleted records held before, JSON lines.
    :param report_html: A page about the load, to look at; also when the task fails.
    :param expected_rows: Rows that the whole input has; for mode ``mirror``.
    :param journal_path: File on a local disk of the worker that remembers, over all runs, which
        rows mode ``insert`` has inserted; default: the load engine's own place there. Rows are
        named by ``options={"row_key": …}``, or by their place in the file.
    :param checkpoint: Keep the place in the input, and what is in flight, between tries.
    :param checkpoint_path: JSON file, or folder, for the checkpoint. Default: the task state
        store (Airflow 3.3 and later); without either, a retry begins at the start.
    :param storage_conn_id: Airflow connection of the object store that holds these files.
    :param run_workflows: Let Bigin's workflows run on what is written.
    :param options: Further options of the load engine by name: ``nulls``, ``protect``,
        ``compare``, ``on_delete``, ``allow_cascade``, ``row_key``, ``strict``, ``verify``, …
    """

    template_fields: Sequence[str] = (
        *BiginOperator.template_fields,
        "module",
        "match_on",
        "fields",
        "lookups",
        "rejects_path",
        "max_rejects",
        "plan_path",
        "outcomes_path",
        "before_path",
        "report_html",
        "expected_rows",
        "journal_path",
        "checkpoint_path",
        "options",
    )
    #: Whether the summary, and XCom ``ids``, say which record each row became.
    keep_ids = False
    template_fields_renderers = {"fields": "json", "lookups": "json", "options": "json"}  # noqa: RUF012 - Airflow's form

    def __init__(
        self,
        *,
        module: str,
        mode: str = "upsert",
        match_on: str | Sequence[str] | None = None,
        fields: Mapping[str, str] | None = None,
        lookups: Mapping[str, Any] | None = None,
        rejects_path: str | None = None,
        max_rejects: int | str = 0,
        dry_run: bool = False,
        plan_path: str | None = None,
        outcomes_path: str | None = None,
        before_path: str | None = None,
        report_html: str | None = None,
        expected_rows: int | None = None,
        journal_path: str | None = None,
        checkpoint: bool = True,
        checkpoint_path: str | None = None,
        storage_conn_id: str | None = None,
        run_workflows: bool = False,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.mode = mode
        self.match_on = match_on
        self.fields = fields
        self.lookups = lookups
        self.rejects_path = rejects_path
        self.max_rejects = max_rejects
        # BaseOperator has a method of the plain name.
        self.is_dry_run = dry_run
        self.plan_path = plan_path
        self.outcomes_path = outcomes_path
        self.before_path = before_path
        self.report_html = report_html
        self.expected_rows = expected_rows
        self.journal_path = journal_path
        self.storage_conn_id = storage_conn_id
        self.checkpoint = checkpoint
        self.checkpoint_path = checkpoint_path
        self.run_workflows = run_workflows
        self.options = options

    @abstractmethod
    def source(self, context: Context) -> RowSource:
        """Return the input."""

    def perform(self, context: Context) -> dict[str, Any]:
        """Load; returns the summary (rows, outcomes, rejects_by_code, …)."""
        from airflow_provider_bigin.loading import Files, Load
        from bigin_client.errors import SettingsError
        from bigin_client.load import LoadOptions

        own = {
            "mode": self.mode,
            "match_on": self.match_on,
            "fields": self.fields,
            "lookups": self.lookups,
            "run_workflows": self.run_workflows,
        }
        twice = sorted(own.keys() & (self.options or {}).keys())
        if twice:
            raise SettingsError(
                f"options: {', '.join(twice)} would not count, the operator has arguments of that "
                "name",
                hint=f"Write {twice[0]}=... beside options.",
            )
        given = {**(self.options or {}), **own}
        unknown = sorted(set(given) - set(LoadOptions.__dataclass_fields__))
        if unknown:
            raise SettingsError(f"a load has no option {', '.join(unknown)}")
        load = Load(
            self.hook.get_conn(),
            self.module,
            LoadOptions.from_mapping(given),
            Files(
                rejects_path=self.rejects_path,
                max_rejects=self.max_rejects,
                plan_path=self.plan_path,
                outcomes_path=self.outcomes_path,
                before_path=self.before_path,
                report_html=self.report_html,
                journal_path=self.journal_path,
                dry_run=self.is_dry_run,
                keep_ids=self.keep_ids,
                storage_conn_id=self.storage_conn_id,
                expected_rows=self.expected_rows,
            ),
            stream=f"{self.dag_id}.{self.task_id}",
            store=self._store(context),
            key=self._key(context),
        )
        told: dict[str, Any] = {}
        try:
            return load.run(self.source(context), told.update)
        finally:
            if told:
                self._announce(context, told)

    def _announce(self, context: Context, summary: dict[str, Any]) -> None:
        """Log the counts, and push them: a task that fails has no return value."""
        counts = ", ".join(f"{n} {o}" for o, n in summary["outcomes"].items() if n)
        self.log.info(
            "%s rows into %s: %s; workflows %s",
            summary["rows"],
            summary["module"],
            counts or "nothing to do",
            "run" if summary["run_workflows"] else "not run",
        )
        metrics.count(summary["module"], rows_rejected=sum(summary["rejects_by_code"].values()))
        if not summary["dry_run"]:
            self.hook.note_written(summary["module"])
        if self.keep_ids:
            context["ti"].xcom_push(key="ids", value=summary["ids"])
        context["ti"].xcom_push(key="return_value", value=summary)

    def _store(self, context: Context) -> Store | None:
        from airflow_provider_bigin.state.stores import FileStore, task_store

        if not self.checkpoint:
            return None
        if self.checkpoint_path:
            shared = map_index_of(context) >= 0
            return FileStore(self.checkpoint_path, self.storage_conn_id, shared=shared)
        return task_store(context)

    def _key(self, context: Context) -> str:
        parts = (self.dag_id, self.task_id, run_id_of(context), str(map_index_of(context)))
        return "load/" + "/".join(parts)


class BiginLoadFromFileOperator(BiginLoadOperator):
    """Load files into a module.

    :param input_path: File, folder or manifest of an extract, or a list of them (such as the
        ``path`` of an extract's summary); local or on object storage.
    :param format: ``jsonl``, ``csv`` or ``parquet``; default: what the names say.

    See `BiginLoadOperator` for the other parameters.
    """

    template_fields: Sequence[str] = (*BiginLoadOperator.template_fields, "input_path")

    def __init__(
        self,
        *,
        input_path: str | Sequence[str],
        format: str | None = None,  # noqa: A002 - what every front end calls it
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_path = input_path
        self.format = format

    def source(self, context: Context) -> RowSource:  # noqa: ARG002 - others name rows by it
        """Return the files."""
        from airflow_provider_bigin.files import storage
        from bigin_client.files.reading import Input

        paths = [self.input_path] if isinstance(self.input_path, str) else list(self.input_path)
        self.hook.note_files(paths, read=True)
        return Input(paths, self.format, partial(storage.at, conn_id=self.storage_conn_id))


class BiginLoadFromSqlOperator(BiginLoadOperator):
    """Load the rows of a query into a module, in chunks, from any SQL connection of Airflow.

    A retry runs the query again: rows that are there already are found and left alone. Mode
    ``insert`` needs ``options={"row_key": …}``.

    :param sql: Query, or the name of a ``.sql`` file; templated.
    :param sql_conn_id: Airflow connection of the database.
    :param parameters: Of the query, as its driver takes them.
    :param chunk_size: Rows fetched at a time.

    See `BiginLoadOperator` for the other parameters.
    """

    template_fields: Sequence[str] = (*BiginLoadOperator.template_fields, "sql", "parameters")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {  # noqa: RUF012 - Airflow's form
        **BiginLoadOperator.template_fields_renderers,
        "sql": "sql",
        "parameters": "json",
    }

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Any = None,
        chunk_size: int = 1_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.chunk_size = chunk_size

    def source(self, context: Context) -> RowSource:  # noqa: ARG002 - others name rows by it
        """Return the query."""
        from airflow_provider_bigin.files.sql import Query

        return Query(self.sql_conn_id, self.sql, self.parameters, self.chunk_size)
