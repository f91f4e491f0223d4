"""One extract: from a module's changes to files in place; the operator's work.

Order of the end: files in place, manifest, then state. A task that dies in between reads the
same changes again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from airflow_provider_bigin.failures import PERMANENT
from airflow_provider_bigin.files import storage
from airflow_provider_bigin.files.pages import Page
from airflow_provider_bigin.state.stores import Store
from airflow_provider_bigin.state.watermarks import Watermark, Watermarks
from airflow_provider_bigin.state.windows import Window, Windows, refuse_gap
from bigin_client import BiginClient, extract, timestamps
from bigin_client.errors import BiginError, SettingsError, WindowError
from bigin_client.extract.start import choose_types, known_types
from bigin_client.field_types import FieldType
from bigin_client.files.formats import FileForm
from bigin_client.files.output import Output, Place, safe_name
from bigin_client.records import MODIFIED
from bigin_client.types import Record

log = logging.getLogger(__name__)

#: Seconds between two lines of progress.
_PROGRESS: Final = 30.0
#: Seconds after which a gap is looked at again: the window before may have begun at the same time.
_SECOND_LOOK: Final = 10.0


@dataclass(frozen=True)
class Request:
    """What an extract is asked to do; see `BiginExtractToFileOperator`.

    Attributes:
        run: dag_id, task_id, run_id, map_index of the task instance.
        window: For mode ``window``.
        last_try: No other try will follow this one.
    """

    module: str
    output_path: str
    mode: str
    run: Mapping[str, Any]
    form: FileForm
    fields: Sequence[str] | None = None
    window: Window | None = None
    storage_conn_id: str | None = None
    max_rows_per_file: int | None = None
    include_deleted: bool = False
    lookback_seconds: float = 300
    lag_seconds: float = 10
    check_gaps: bool = True
    cvid: str | None = None
    pipeline_id: str | None = None
    report_html: str | None = None
    last_try: bool = True


@dataclass(frozen=True)
class Start:
    """Where an extract begins and what it keeps.

    Attributes:
        since: The engine's bookmark to read from; None: everything.
        deleted_since: That of the deleted feed.
        before: What else the last read left for this one.
        keep: Which times (of changes, of deletions) belong into the files; None: all.
    """

    since: str | None
    deleted_since: str | None
    before: Watermark = field(default_factory=Watermark)
    keep: Callable[[str | None], bool] | None = None


class Extract:
    """Does one extract.

    Args:
        client: The account.
        request: What to do.
        store: Where watermark and windows are kept; None: nowhere (mode ``full``, or windows
            whose gaps nobody checks).
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: BiginClient,
        request: Request,
        store: Store | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._request = request
        self._store = store
        self._clock = clock
        self._page = Page(request.report_html, request.storage_conn_id, client)
        self._module = client.metadata.module(request.module).api_name
        connection = client.transport.connection_id
        run = request.run
        self._key = f"{connection}/{run['dag_id']}/{run['task_id']}/{self._module}"

    def run(self) -> dict[str, Any]:
        """Read, write, put in place, remember; return the summary."""
        try:
            summary = self._run_or_give_up()
        except BiginError as error:
            self._page.write_extract(self._module, {}, error)
            raise
        self._page.write_extract(self._module, summary, None)
        return summary

    def _run_or_give_up(self) -> dict[str, Any]:
        """Do it; a window that failed for good is read no more."""
        window = self._request.window
        if window is None or self._store is None:
            return self._run()
        read = final = False
        try:
            summary = self._run()
            read = True
        except PERMANENT:
            final = True
            raise
        finally:
            # A task that ran out of time, too, raises what is no Exception.
            if not read and (final or self._request.last_try):
                Windows(self._store, self._windows_key).give_up(window)
        return summary

    def _run(self) -> dict[str, Any]:
        request = self._request
        at = partial(storage.at, conn_id=request.storage_conn_id)
        place = Place.choose(request.output_path, self._partition(), at)
        start = self._start(place)
        types = self._types()
        hidden = request.mode == "window" and MODIFIED not in types
        if hidden:
            types[MODIFIED] = known_types(
                self._client.records, self._client.metadata, self._module
            )[MODIFIED]
        pages = extract.start(
            self._client.records,
            self._client.metadata,
            self._module,
            types=types,
            since=start.since,
            deleted_since=start.deleted_since,
            deletes=request.include_deleted,
            lookback_seconds=request.lookback_seconds,
            cvid=request.cvid,
            pipeline_id=request.pipeline_id,
            sort_proved=start.before.sort_proved,
            listed=start.before.listed,
        )
        columns = {n: t for n, t in types.items() if not (hidden and n == MODIFIED)}
        # One try at a time writes for a task instance, so a later one takes over its drafts.
        token = "-".join(str(v) for v in request.run.values())
        with Output(
            place,
            request.form,
            columns,
            max_rows_per_file=request.max_rows_per_file,
            token=token,
        ) as output:
            reached = self._copy(pages, output, start, hidden=hidden)
            manifest = output.place(self._about(start, reached))
        return self._finish(manifest, place, pages.summary, start, reached)

    # -- what to read ----------------------------------------------------------------------

    def _types(self) -> dict[str, FieldType]:
        known = known_types(self._client.records, self._client.metadata, self._module)
        wanted = self._request.fields
        chosen = dict(known) if wanted is None else choose_types(self._module, wanted, known)
        if self._request.mode == "window" and MODIFIED not in known:
            raise SettingsError(
                f"{self._module} has no {MODIFIED}, so it has no windows",
                hint="Use mode='full'.",
            )
        return chosen

    def _partition(self) -> str:
        """Return the folder below the user's: a run or window overwrites nothing but itself."""
        request = self._request
        if request.mode == "window" and request.window is not None:
            return f"module={self._module}/window={request.window.start:%Y%m%dT%H%M%SZ}"
        if request.mode == "full":
            return f"module={self._module}/full"
        return f"module={self._module}/run={safe_name(str(request.run['run_id']))}"

    def _start(self, place: Place) -> Start:
        request = self._request
        if request.mode == "full":
            return Start(None, None)
        if request.mode == "window" and request.window is not None:
            return self._window_start(request.window)
        if self._store is None:
            raise SettingsError("a watermark needs a place to be kept")
        mark = Watermarks(self._store, self._key).read()
        start = Start(mark.cursor, mark.deleted_cursor, mark)
        before = place.read_manifest()
        if before is not None and before.get("mode") == "watermark":
            start = self._cover(start, before)
        return start

    def _cover(self, start: Start, before: Mapping[str, Any]) -> Start:
        """Begin no later than what lies at the place already, if it is this run's own.

        A run that is cleared, or that died after its watermark was saved, would otherwise
        replace its files by those changes alone that came later.
        """
        run = before.get("run", {})
        mine = before.get("module") == self._module and all(
            run.get(n) == self._request.run[n] for n in ("dag_id", "task_id", "run_id")
        )
        if not mine:
            log.warning(
                "%s: what run %s found is replaced; name a folder, or put {{ run_id }} into the "
                "name, to keep it",
                self._request.output_path,
                run.get("run_id"),
            )
            return start
        window = before.get("window") or {}
        return replace(
            start,
            since=_earlier(start.since, window.get("start")),
            deleted_since=_earlier(start.deleted_since, window.get("deleted_start")),
        )

    def _window_start(self, window: Window) -> Start:
        if window.end <= window.start:
            raise WindowError(f"the window {_shown(window)} is empty", hint=EMPTY_WINDOW)
        self._enter(window)
        self._wait_for_lag(window.end)
        lookback = timedelta(seconds=self._request.lookback_seconds)
        first = timestamps.to_text(window.start - lookback)
        last = timestamps.to_text(window.end)
        since = timestamps.to_text(window.start)
        return Start(since, since, keep=lambda time: time is None or first <= time < last)

    def _enter(self, window: Window) -> None:
        """Refuse a window behind a gap; else say that it is being read."""
        if self._store is None:
            return
        windows = Windows(self._store, self._windows_key)
        gap = windows.gap_before(window) if self._request.check_gaps else None
        if gap is not None:
            self._client.transport.pause(_SECOND_LOOK)
            gap = windows.gap_before(window)
        if gap is not None:
            raise refuse_gap(gap, self._how_to_fill())
        windows.begin(window, str(self._request.run["run_id"]))

    @property
    def _windows_key(self) -> str:
        return f"{self._key}/windows"

    def _how_to_fill(self) -> str:
        dag = self._request.run["dag_id"]
        return (
            f"Run: airflow backfill create --dag-id {dag} --from-date {{start}} --to-date {{end}}; "
            "then clear this task. mode='watermark' has no such gaps; check_gaps=False ignores "
            "this one."
        )

    def _wait_for_lag(self, end: datetime) -> None:
        """Let a window's last changes become visible before it is read.

        Both clocks count: the service's may be ahead of ours or behind.
        """
        served = self._client.transport.server_now()
        now = timestamps.now() if served is None else max(served, timestamps.now())
        missing = (end - now).total_seconds() + self._request.lag_seconds
        if missing > self._request.lag_seconds + 1:
            raise WindowError(
                f"the window ends at {timestamps.to_text(end)}, which is in the future",
                hint="Changes until then would be missed: end the window at or before now.",
            )
        if missing > 0:
            log.info("Waiting %.0f s for the window's last changes", missing)
            self._client.transport.pause(missing)

    # -- copy ------------------------------------------------------------------------------

    def _copy(
        self, pages: extract.Extraction, output: Output, start: Start, *, hidden: bool
    ) -> Watermark:
        reached = Watermark()
        said = self._clock()
        for page in pages:
            for record in page.records:
                self._write(output, record, start, hidden=hidden)
            for tombstone in page.tombstones:
                if start.keep is None or start.keep(tombstone["deleted_time"]):
                    output.write_tombstone({"module": self._module, **tombstone})
            reached = Watermark(
                page.bookmark or reached.cursor, page.deleted_bookmark or reached.deleted_cursor
            )
            self._page.advance(len(page.records))
            if self._clock() - said >= _PROGRESS:
                said = self._clock()
                log.info("%s: %d records so far", self._module, output.rows)
        return reached

    @staticmethod
    def _write(output: Output, record: Record, start: Start, *, hidden: bool) -> None:
        if start.keep is None or start.keep(record.get(MODIFIED)):
            if hidden:
                record = {n: v for n, v in record.items() if n != MODIFIED}
            output.write(record)

    def _about(self, start: Start, reached: Watermark) -> dict[str, Any]:
        """Return what the manifest says beside the files."""
        return {
            "module": self._module,
            "mode": self._request.mode,
            "run": dict(self._request.run),
            "window": self._window(start, reached),
            "lookback_seconds": self._request.lookback_seconds,
        }

    def _window(self, start: Start, reached: Watermark) -> dict[str, Any]:
        if self._request.window is not None and self._request.mode == "window":
            return {**self._request.window.to_dict(), "deleted_start": start.deleted_since}
        return {"start": start.since, "end": reached.cursor, "deleted_start": start.deleted_since}

    def _finish(
        self,
        manifest: Mapping[str, Any],
        place: Place,
        summary: extract.Summary,
        start: Start,
        reached: Watermark,
    ) -> dict[str, Any]:
        request, run_id = self._request, str(self._request.run["run_id"])
        watermark = None
        if request.mode == "watermark" and self._store is not None:
            reached = replace(reached, listed=summary.listed, sort_proved=summary.sort_proved)
            watermark = Watermarks(self._store, self._key).advance(reached, run_id).cursor
            log.info("%s: watermark %s in %s", self._module, watermark, self._store.where)
        elif request.mode == "window" and request.window is not None and self._store is not None:
            Windows(self._store, self._windows_key).note(request.window, run_id)
        window = self._window(start, reached)
        return {
            "module": self._module,
            "mode": request.mode,
            "rows": manifest["rows"],
            "deleted_rows": manifest["deleted_rows"],
            "requests": summary.requests,
            "credits": {"used": summary.credits},
            "seconds": round(summary.seconds, 3),
            "strategy": summary.strategy,
            "warnings": list(summary.warnings),
            "path": [f["path"] for f in manifest["files"]],
            "deleted_path": [f["path"] for f in manifest["deleted_files"]],
            "manifest": str(place.manifest),
            "report_html": request.report_html,
            "format": manifest["format"],
            "window": {"start": window["start"], "end": window["end"]},
            "watermark": watermark,
        }


#: What to do about a window without width (airflow-provider.md 5.1).
EMPTY_WINDOW: Final = (
    "Cron schedules of Airflow 3 give runs whose interval has no width: schedule with "
    "CronDataIntervalTimetable(cron, timezone=…), or set window_start and window_end, or use "
    "mode='watermark'."
)


def _earlier(one: str | None, other: str | None) -> str | None:
    """Return the earlier of two bookmarks; None means the beginning of time."""
    if one is None or other is None:
        return None
    return min(one, other, key=timestamps.parse)


def _shown(window: Window) -> str:
    shown = window.to_dict()
    return f"{shown['start']} to {shown['end']}"
