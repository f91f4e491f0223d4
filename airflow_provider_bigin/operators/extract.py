"""`BiginExtractToFileOperator`: a module's records, or their changes, into files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import Asset, Context
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_bigin import metrics
from airflow_provider_bigin.operators.base import (
    BiginOperator,
    is_last_try,
    map_index_of,
    run_id_of,
)
from bigin_client import timestamps
from bigin_client.errors import SettingsError, WindowError

if TYPE_CHECKING:
    from airflow_provider_bigin.state.stores import Store
    from airflow_provider_bigin.state.windows import Window

MODES: Final = ("watermark", "window", "full")
#: Holds the watermarks of all extracts that name no asset and no file. An inlet, not an outlet:
#: a task may keep state with it, and no event goes out. Assets have no state before 3.3.
#: Without a scheme: one would make Airflow load every provider's URI handlers at parse time.
WATERMARKS: Final = [Asset(name="bigin_watermarks")] if AIRFLOW_V_3_3_PLUS else []


class BiginExtractToFileOperator(BiginOperator):
    """Write the records of a module, or what changed since the last run, into files.

    Modes:

    - ``watermark`` (default): everything that changed since the last successful run of this
      task, whenever that was. The watermark is kept in Airflow's asset state store (3.3 and
      later) or in ``state_path``, and moves only after the files are in place. Use
      ``max_active_runs=1``.
    - ``window``: ``window_start <= Modified_Time < window_end``, for backfills. The bounds
      come from the run's data interval if not given. Modified_Time is the *latest* change: a
      window that is read again later no longer holds what has changed since.
    - ``full``: every record.

    A record may come more than once (a changed record in one run, a look-back overlap between
    runs): the last row of an ``id`` is the valid one.

    .. seealso:: ``docs/airflow.md`` for the layout of the files and the manifest.

    :param module: API name or alias; use ``.expand(module=…)`` for several.
    :param output_path: Local path or object storage URL. A name that ends in ``.jsonl``,
        ``.csv`` or ``.parquet`` (``.gz`` behind it) is the file itself; else a folder, in
        which each module and run, or window, gets a folder of its own.
    :param format: ``jsonl``, ``csv`` or ``parquet``; default: what the name says, else jsonl.
    :param compression: ``gzip`` or None.
    :param fields: Field names; None: every readable field.
    :param mode: See above.
    :param window_start: ISO time, for mode ``window``.
    :param window_end: ISO time, for mode ``window``.
    :param state_path: JSON file, or folder, for watermark and windows. Default: the asset
        state store.
    :param asset: Outlet whose event says what was written, and whose state store keeps the
        watermark. In a mapped task name it in ``outlets`` too.
    :param storage_conn_id: Airflow connection of the object store that holds these files.
    :param max_rows_per_file: Records in one part; None: one file.
    :param include_deleted: Also write the deletions, into files named ``deleted``.
    :param lookback_seconds: Overlap with what was read before.
    :param lag_seconds: Age that a window's end must have before the window is read.
    :param check_gaps: Fail when an earlier window was not read. One that another run is reading
        at the moment is no gap, so that a backfill may run several at a time.
    :param cvid: Custom view to read instead of the module (3 credits a page).
    :param pipeline_id: Team Pipeline to read; Pipelines only.
    :param report_html: Write a page about the run, to look at; also when it fails. In a mapped
        task put ``{{ task.module }}`` into its name.
    """

    template_fields: Sequence[str] = (
        *BiginOperator.template_fields,
        "module",
        "output_path",
        "fields",
        "window_start",
        "window_end",
        "state_path",
        "cvid",
        "pipeline_id",
        "report_html",
    )
    template_fields_renderers = {"fields": "json"}  # noqa: RUF012 - Airflow's form

    def __init__(
        self,
        *,
        module: str,
        output_path: str,
        format: str | None = None,  # noqa: A002 - what every front end calls it
        compression: str | None = None,
        fields: Sequence[str] | None = None,
        mode: str = "watermark",
        window_start: str | None = None,
        window_end: str | None = None,
        state_path: str | None = None,
        asset: Asset | None = None,
        storage_conn_id: str | None = None,
        max_rows_per_file: int | None = None,
        include_deleted: bool = False,
        lookback_seconds: float = 300,
        lag_seconds: float = 10,
        check_gaps: bool = True,
        cvid: str | None = None,
        pipeline_id: str | None = None,
        report_html: str | None = None,
        inlets: Any = WATERMARKS,
        **kwargs: Any,
    ) -> None:
        super().__init__(inlets=inlets, **kwargs)
        self.module = module
        self.output_path = output_path
        self.format = format
        self.compression = compression
        self.fields = fields
        self.mode = mode
        self.window_start = window_start
        self.window_end = window_end
        self.state_path = state_path
        self.asset = asset
        self.storage_conn_id = storage_conn_id
        self.max_rows_per_file = max_rows_per_file
        self.include_deleted = include_deleted
        self.lookback_seconds = lookback_seconds
        self.lag_seconds = lag_seconds
        self.check_gaps = check_gaps
        self.cvid = cvid
        self.pipeline_id = pipeline_id
        self.report_html = report_html
        if asset is not None and asset not in self.outlets:
            self.outlets.append(asset)

    def perform(self, context: Context) -> dict[str, Any]:
        """Extract; returns the summary (rows, paths, window, watermark, …)."""
        from airflow_provider_bigin.extracting import Extract, Request
        from bigin_client.files.formats import FileForm

        if self.mode not in MODES:
            raise SettingsError(f"mode must be one of: {', '.join(MODES)}")
        request = Request(
            module=self.module,
            output_path=self.output_path,
            mode=self.mode,
            run={
                "dag_id": self.dag_id,
                "task_id": self.task_id,
                "run_id": run_id_of(context),
                "map_index": map_index_of(context),
            },
            form=FileForm.choose(self.output_path, self.format, self.compression),
            fields=self.fields,
            window=self._window(context) if self.mode == "window" else None,
            storage_conn_id=self.storage_conn_id,
            max_rows_per_file=self.max_rows_per_file,
            include_deleted=self.include_deleted,
            lookback_seconds=self.lookback_seconds,
            lag_seconds=self.lag_seconds,
            check_gaps=self.check_gaps,
            cvid=self.cvid,
            pipeline_id=self.pipeline_id,
            report_html=self.report_html,
            last_try=is_last_try(context),
        )
        store = None if self.mode == "full" else self._store(context)
        summary = Extract(self.hook.get_conn(), request, store).run()
        self.log.info(
            "%s: %d records, %d deletions (%s, %d requests)",
            summary["module"],
            summary["rows"],
            summary["deleted_rows"],
            summary["strategy"],
            summary["requests"],
        )
        self._announce(context, summary)
        return summary

    def _window(self, context: Context) -> Window:
        from airflow_provider_bigin.extracting import EMPTY_WINDOW
        from airflow_provider_bigin.state.windows import Window

        start = self.window_start or context.get("data_interval_start")
        end = self.window_end or context.get("data_interval_end")
        if start is None or end is None:
            raise WindowError("this run has no data interval", hint=EMPTY_WINDOW)
        return Window(_moment("window_start", start), _moment("window_end", end))

    def _store(self, context: Context) -> Store | None:
        from airflow_provider_bigin.state.stores import FileStore, asset_store

        if self.state_path:
            return FileStore(
                self.state_path, self.storage_conn_id, shared=map_index_of(context) >= 0
            )
        named = [self.asset] if self.asset is not None else []
        store = asset_store(context, [*named, *WATERMARKS])
        if store is None and self.mode == "watermark":
            raise SettingsError(
                "mode='watermark' has nowhere to keep the watermark",
                hint="Set state_path; or, on Airflow 3.3 and later, leave the operator's inlets "
                "alone or name an asset in its outlets and as asset=….",
            )
        if store is None:
            self.log.warning("Gaps between windows are not noticed: set state_path to have it.")
        return store

    def _announce(self, context: Context, summary: dict[str, Any]) -> None:
        """Push the watermark, and tell the consumers of the outlets what was written."""
        metrics.count(summary["module"], rows_read=summary["rows"])
        self.hook.note_read(summary["module"])
        self.hook.note_files([*summary["path"], *summary["deleted_path"]])
        if summary["watermark"] is not None:
            context["ti"].xcom_push(key="watermark", value=summary["watermark"])
        told = {
            n: summary[n]
            for n in ("module", "mode", "rows", "deleted_rows", "window", "watermark", "manifest")
        }
        for outlet in self.outlets:
            if isinstance(outlet, Asset) and "outlet_events" in context:
                context["outlet_events"][outlet].extra = told


def _moment(name: str, value: str | datetime) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(timestamps.UTC)
    try:
        return timestamps.parse(value)
    except ValueError:
        raise WindowError(
            f"{name} {value[:40]!r} is not a date and time",
            hint="The form is 2026-11-24T00:00:00+00:00.",
        ) from None
