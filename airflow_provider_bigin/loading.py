"""One load: rows into a module, with a checkpoint that outlives a try; the operators' work.

The input is taken in stretches. When all rows of a stretch are settled, the checkpoint says so,
with what became of them, and a later try goes on behind them. What is in flight within a stretch
stands in the mirrored journal (`state.journal`), which a later try settles first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

from airflow_provider_bigin.files.pages import Page
from airflow_provider_bigin.files.sources import RowSource
from airflow_provider_bigin.files.uploads import Uploads
from airflow_provider_bigin.state.journal import MirroredJournal
from airflow_provider_bigin.state.progress import Progress
from airflow_provider_bigin.state.stores import Store
from bigin_client import BiginClient, timestamps
from bigin_client.errors import BiginError, RejectedRecordsError, SettingsError
from bigin_client.files.reading import Line, Unreadable
from bigin_client.journal import digest
from bigin_client.load import Loader, LoadOptions, LoadRun, Outcome, RowOutcome, RunOptions
from bigin_client.load.inserting import ALREADY_INSERTED
from bigin_client.load.options import parse_max_rejects
from bigin_client.load.rows import row_key_of

log = logging.getLogger(__name__)

#: Rows that one step of the checkpoint covers; inserts, which stand in the mirror each, fewer.
STRETCH: Final = 5_000
INSERT_STRETCH: Final = 500
_PROGRESS: Final = 30.0
#: Code of a row that is no row; ours, the service never sees it.
UNREADABLE: Final = "UNREADABLE_ROW"


@dataclass(frozen=True)
class Files:
    """Files and limits of a load; see the operators' arguments.

    Attributes:
        keep_ids: Say in the summary which record each row became, None for a refused one.
        expected_rows: Rows that the whole input has; None: what the input itself can prove.
    """

    rejects_path: str | None = None
    max_rejects: int | str = 0
    plan_path: str | None = None
    outcomes_path: str | None = None
    before_path: str | None = None
    report_html: str | None = None
    journal_path: str | None = None
    dry_run: bool = False
    keep_ids: bool = False
    storage_conn_id: str | None = None
    expected_rows: int | None = None


class Load:
    """Does one load.

    Args:
        client: The account; used for this load alone, its counters say what it cost.
        module: API name or alias.
        options: How rows are loaded.
        files: Files and limits.
        stream: Name of the input, in files and in the journal: other tasks' rows may have the
            same keys.
        store: Where the checkpoint is kept; None: nowhere.
        key: The checkpoint's key.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: BiginClient,
        module: str,
        options: LoadOptions,
        files: Files,
        *,
        stream: str,
        store: Store | None,
        key: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._page = Page(files.report_html, files.storage_conn_id, client)
        self._module = client.metadata.module(module).api_name
        self._options = options
        self._files = files
        self._stream = stream
        self._store = None if files.dry_run else store
        self._key = key
        self._clock = clock
        self._began = clock()
        self._said = self._began
        self._journal: MirroredJournal | None = None
        self._uploads = Uploads(None)
        # The engine refuses max_rejects without a file; the count itself is ours, because it
        # spans all tries.
        RunOptions(rejects_path=files.rejects_path, max_rejects=files.max_rejects)

    def run(self, source: RowSource, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Load; return the summary of all tries.

        Args:
            source: The input.
            tell: Given the summary before an error is raised.

        Raises:
            RejectedRecordsError: More rows were refused than allowed, in all tries together.
            BiginError: The load stopped; a later try goes on.
        """
        progress = self._resume(source)
        page = partial(self._page.write_load, self._stream, resumed=progress.position > 0)
        raised: BiginError | None = None
        with self._new_run(source, progress) as run:
            loader = run.stream(self._stream, self._module, self._options)
            if self._options.mode == "insert" and not self._options.row_key:
                named = source.row_key(1) is not None
                loader.row_key = ("(position)",) if named else None
            try:
                if progress.finished:
                    self._look_again(run, loader, source, progress)
                else:
                    self._load(run, loader, source, progress)
                run.close()
            except BiginError as error:
                raised = error
                raise
            finally:
                progress.requests += self._client.transport.requests_sent
                progress.credits += self._client.transport.credits.used
                progress.predicted += run.credits_predicted
                progress.seconds += self._clock() - self._began
                summary = self._summary(progress, loader)
                tell(summary)
                if raised is not None:
                    page(summary, raised)
            self._save(progress)
            failure = run.stopped or loader.failure or self._judge(progress, summary)
            page(summary, failure)
            if failure is not None:
                raise failure
            if self._store is not None:
                self._store.delete(self._key)
            if self._journal is not None:
                self._journal.load_is_done()
        return summary

    # -- checkpoint ------------------------------------------------------------------------

    def _resume(self, source: RowSource) -> Progress:
        fresh = Progress(input=source.fingerprint)
        value = None if self._store is None else self._store.get(self._key)
        if value is None:
            return fresh
        before = Progress.from_dict(value)
        if self._options.mode == "mirror":
            # What the input does not have is deleted: all its rows must be seen in one go.
            log.info("A mirror is loaded from the start of its input in each try")
            return fresh
        if before.input is None or before.input != fresh.input:
            log.warning("The input is not surely that of the try before: loading it from its start")
            return fresh
        log.info("Going on behind row %d, where the try before ended", before.position)
        return before

    def _save(self, progress: Progress) -> None:
        if self._store is not None:
            self._store.set(self._key, progress.to_dict())

    @contextmanager
    def _new_run(self, source: RowSource, progress: Progress) -> Iterator[LoadRun]:
        files = self._files
        # A row that is looked at again stands in the rejects file already.
        rejects_path = None if progress.finished else files.rejects_path
        self._uploads = Uploads(files.storage_conn_id)
        options = RunOptions(
            rejects_path=self._uploads.local(rejects_path),
            plan_path=self._uploads.local(files.plan_path),
            outcomes_path=self._uploads.local(files.outcomes_path),
            before_path=self._uploads.local(files.before_path),
            journal_path=files.journal_path,
            dry_run=files.dry_run,
        )
        with ExitStack() as stack:
            stack.enter_context(self._uploads)
            if self._store is not None:
                self._journal = MirroredJournal(
                    self._client.transport.connection_id or "",
                    self._module,
                    store=self._store,
                    key=f"{self._key}/journal",
                    bodies=lambda keys: self._bodies(
                        source, progress.position, keys, run.loaders[self._stream]
                    ),
                    sealing=self._options.mode == "insert" and source.fingerprint is None,
                    path=files.journal_path,
                    max_wait=self._client.settings.max_wait,
                )
                stack.callback(self._journal.close)
            run = stack.enter_context(LoadRun(self._client, options, journal=self._journal))
            yield run

    def _bodies(
        self, source: RowSource, position: int, keys: set[bytes], loader: Loader
    ) -> dict[bytes, dict[str, Any]]:
        """Find out again what the rows would send that a killed try had in flight."""
        if self._options.mode != "insert":
            # They are found by their match key; what they hold does not matter.
            return {k: {} for k in keys}
        rows: dict[bytes, Mapping[str, Any]] = {}
        for number, row in source.rows(skip=position):
            if isinstance(row, Unreadable):
                continue
            name = self._row_key(source, number, row)
            if name is not None and (key := digest(name)) in keys:
                rows.setdefault(key, row)
                if len(rows) == len(keys):
                    break
        bodies = loader.insert_bodies(list(rows.values()))
        return {k: b for k, b in zip(rows, bodies, strict=True) if b is not None}

    def _row_key(self, source: RowSource, position: int, row: Mapping[str, Any]) -> str | None:
        return row_key_of(row, self._options.row_key) or source.row_key(position)

    # -- rows ------------------------------------------------------------------------------

    def _load(self, run: LoadRun, loader: Loader, source: RowSource, progress: Progress) -> None:
        rows = source.rows(skip=progress.position)
        # Counted before it is read: rows that come later are no part of this input.
        expected = self._expected(source) if loader.mirror is not None else None
        limit = self._options.limit_rows
        if limit is not None:
            rows = islice(rows, max(0, limit - progress.position))
        size = INSERT_STRETCH if self._options.mode == "insert" else STRETCH
        while not loader.has_stopped:
            stretch = islice(rows, size)
            first = next(stretch, None)
            if first is None:
                progress.finished = True
                break
            self._load_stretch(run, loader, source, _with(first, stretch), progress)
        if loader.mirror is not None and expected is not None:
            if loader.report.rows == expected:
                loader.mirror.declare_complete(f"{expected} rows, as expected")
            else:
                log.error("%d rows were expected, %d came", expected, loader.report.rows)

    def _expected(self, source: RowSource) -> int | None:
        if self._files.expected_rows is None:
            return source.count()
        try:
            return int(self._files.expected_rows)
        except ValueError:
            raise SettingsError("expected_rows must be a whole number") from None

    def _load_stretch(
        self,
        run: LoadRun,
        loader: Loader,
        source: RowSource,
        rows: Iterable[tuple[int, Line]],
        progress: Progress,
    ) -> None:
        done: dict[int, RowOutcome] = {}
        last = progress.position
        for position, row in rows:
            last = position
            for outcome in self._add(loader, source, position, row):
                done[outcome.tag[0]] = outcome
            self._say(last)
            if loader.has_stopped:
                break
        done.update(self._settle(loader))
        run.sync_files()
        self._uploads.send()
        # The place moves up to the first row whose turn never came; what was written behind it
        # is found again by its key, and counted then.
        for position in range(progress.position + 1, last + 1):
            if position not in done or not done[position].handled:
                break
            self._count(progress, position, self._of_all_tries(done[position]))
            progress.position = position
        self._save(progress)
        if self._journal is not None and progress.position == last:
            self._journal.stretch_is_saved()

    def _add(self, loader: Loader, source: RowSource, position: int, row: Line) -> list[RowOutcome]:
        """Give a row to the engine; one that cannot be read ends as a reject."""
        if isinstance(row, Unreadable):
            ended = loader.refuse_unread(row.row, UNREADABLE, row.reason, tag=(position, None))
        else:
            name = self._row_key(source, position, row) if self._options.mode == "insert" else None
            ended = loader.add(row, tag=(position, name), row_key=name)
        self._page.advance(len(ended))
        return ended

    def _settle(self, loader: Loader) -> dict[int, RowOutcome]:
        """Give every row so far its outcome; returns those of them by position."""
        ended = loader.settle()
        self._page.advance(len(ended))
        return {o.tag[0]: o for o in ended}

    def _of_all_tries(self, row: RowOutcome) -> RowOutcome:
        """Return the outcome as the tries together brought it about."""
        _position, name = row.tag
        ours = (
            row.code == ALREADY_INSERTED
            and name is not None
            and self._journal is not None
            and self._journal.was_inserted_before(name)
        )
        return replace(row, outcome=Outcome.CREATED, code=None) if ours else row

    def _look_again(
        self, run: LoadRun, loader: Loader, source: RowSource, progress: Progress
    ) -> None:
        """Load the refused rows once more: the try before was complete but for them.

        What is unknown stays so: such a row may have been written.
        """
        again = {p: (c, o) for p, c, o in progress.refused or () if o == Outcome.REJECTED.value}
        if not again:
            return
        log.info("The try before refused %d rows; looking at them again", len(again))
        done: dict[int, RowOutcome] = {}
        for position, row in source.rows():
            if position in again:
                done.update((o.tag[0], o) for o in self._add(loader, source, position, row))
        done.update(self._settle(loader))
        run.sync_files()
        handled = {p: o for p, o in done.items() if o.handled}
        progress.refused = [r for r in progress.refused or () if r[0] not in handled]
        for position, outcome in handled.items():
            progress.uncount(*again[position])
            self._count(progress, position, outcome)

    def _count(self, progress: Progress, position: int, row: RowOutcome) -> None:
        progress.count(position, row)
        if self._files.keep_ids:
            progress.ids[str(position)] = None if row.is_refusal else row.id

    def _say(self, position: int) -> None:
        if self._clock() - self._said >= _PROGRESS:
            self._said = self._clock()
            log.info("%s: %d rows read so far", self._module, position)

    # -- the end ---------------------------------------------------------------------------

    def _summary(self, progress: Progress, loader: Loader) -> dict[str, Any]:
        deleted = loader.report.mirror_deleted
        outcomes = {o.value: progress.outcomes[o.value] for o in Outcome}
        return {
            "module": self._module,
            "mode": self._options.mode,
            "dry_run": self._files.dry_run,
            "rows": sum(outcomes.values()),
            "outcomes": outcomes,
            "rejects_by_code": dict(sorted((+progress.rejects_by_code).items())),
            "requests": progress.requests,
            "credits": {"predicted": progress.predicted, "used": progress.credits},
            "seconds": round(progress.seconds, 3),
            "run_workflows": self._options.run_workflows,
            "rejects_path": self._files.rejects_path,
            "plan_path": self._files.plan_path,
            "outcomes_path": self._files.outcomes_path,
            "report_html": self._files.report_html,
            **({} if deleted is None else {"mirror_deleted": deleted}),
            **({"ids": list(progress.ids.values())} if self._files.keep_ids else {}),
            "finished_at": timestamps.to_text(timestamps.now()),
        }

    def _judge(self, progress: Progress, summary: dict[str, Any]) -> RejectedRecordsError | None:
        """Return what the task fails with if more was refused than allowed."""
        count, share = parse_max_rejects(self._files.max_rejects)
        allowed = max(count, int(share * summary["rows"]))
        refused = progress.refusals
        if refused <= allowed:
            return None
        codes = ", ".join(f"{n} {code}" for code, n in summary["rejects_by_code"].items())
        where = self._files.rejects_path
        return RejectedRecordsError(
            f"{refused} of {summary['rows']} rows into {self._module} were refused ({codes}); "
            f"{allowed} allowed. All others were {'checked' if summary['dry_run'] else 'written'}",
            summary=summary,
            hint=f"See {where}." if where else "Set rejects_path to see the rows.",
        )


def _with(first: tuple[int, Line], rest: Iterator[tuple[int, Line]]) -> Iterator[tuple[int, Line]]:
    yield first
    yield from rest
