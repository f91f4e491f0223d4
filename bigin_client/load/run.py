"""One run of the load engine: its streams, its files, its report, its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from typing_extensions import Self

from bigin_client import timestamps
from bigin_client.batches import Batches
from bigin_client.errors import BiginError, SettingsError
from bigin_client.journal import Journal
from bigin_client.load.account import Account
from bigin_client.load.claims import Claims
from bigin_client.load.files import Files, write_report
from bigin_client.load.imagined import ImaginedAccount
from bigin_client.load.loader import Loader
from bigin_client.load.lost_updates import LostUpdates
from bigin_client.load.options import LoadOptions, RunOptions, parse_max_rejects
from bigin_client.load.relations import Relations
from bigin_client.load.results import LoadReport, Outcome, RowOutcome, StreamReport
from bigin_client.load.rows import Row
from bigin_client.load.sources import Sources
from bigin_client.metadata import Metadata
from bigin_client.queries import Queries
from bigin_client.records import Records
from bigin_client.report_html import Curve, load_page
from bigin_client.report_html import write as write_page
from bigin_client.settings import Settings
from bigin_client.transport import Transport

log = logging.getLogger(__name__)


class Client(Protocol):
    """What the engine needs of `bigin_client.client.BiginClient`."""

    settings: Settings
    transport: Transport
    metadata: Metadata
    records: Records
    queries: Queries
    batches: Batches


class LoadRun:
    """Loads one or several streams, and keeps the books.

    Use it as a context manager; `close` settles everything, writes the report and returns it.

    Args:
        client: The account.
        options: Files and limits of the run.
        journal: Used for all modules instead of the files that `options` name.

    Attributes:
        report: The counts so far.
        account: What is read.
        relations: What is known of the records that rows refer to.
        claims: Journals and leases.
        imagined: The same in a dry run, where it takes planned writes; None in a real one.
        stopped: Why no more rows are loaded, None while they are.
    """

    def __init__(
        self,
        client: Client,
        options: RunOptions | None = None,
        *,
        journal: Journal | None = None,
    ) -> None:
        self.options = options or RunOptions()
        self.transport = client.transport
        self.metadata = client.metadata
        self.batches = client.batches
        self.settings = client.settings
        self.pool = ThreadPoolExecutor(
            client.settings.max_concurrency, thread_name_prefix="bigin-load"
        )
        reads = (client.transport, client.records, client.metadata, client.queries, self.pool)
        self.imagined = ImaginedAccount(*reads) if self.options.dry_run else None
        self.account = self.imagined or Account(*reads)
        self.report = LoadReport(dry_run=self.options.dry_run)
        self.stopped: BiginError | None = None
        self._server_started_at: datetime | None = None
        self._turn: Loader | None = None
        self._switching = False
        self.loaders: dict[str, Loader] = {}
        self._began = time.monotonic()
        self._requests_before = client.transport.requests_sent
        self._credits_before = client.transport.credits.used
        self._read_before = self.account.credits_read
        self._curve = (
            Curve(
                lambda: client.transport.requests_sent - self._requests_before,
                lambda: client.transport.credits.used - self._credits_before,
            )
            if self.options.report_html
            else None
        )
        self._closed = False
        self.sources = Sources(self)
        self.lost_updates = LostUpdates()
        self._hidden: dict[str, Loader] = {}
        self._announced: set[str] = set()
        self.relations = Relations(self)
        self.claims = Claims(client.transport, self.options, client.settings.max_wait, journal)
        self.files = Files(self.options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.abandon()

    def stream(
        self, name: str, module: str | None = None, options: LoadOptions | None = None
    ) -> Loader:
        """Return the loader of a stream; the same one each time it is asked for.

        Args:
            name: Name of the input, for the report and the files.
            module: API name or alias; None: the stream's name.
            options: How to load it; only the first call's count.

        Raises:
            NotFoundError: There is no such module.
            SettingsError: The stream cannot be loaded safely as asked.
        """
        if name not in self.loaders:
            found = self.metadata.module(module or name)
            if self._server_started_at is None:
                now = self.transport.server_now()
                # Bigin's times are cut to whole seconds; so is what they are compared with.
                self._server_started_at = now and now.replace(microsecond=0)
            self.loaders[name] = Loader(self, name, found, options or LoadOptions())
        return self.loaders[name]

    def failed_stream(self, name: str, mode: str, error: BiginError) -> StreamReport:
        """Enter a stream that has no module into the books; returns its entry."""
        entry = StreamReport("", mode, failure=str(error))
        self.report.streams[name] = entry
        self.fail(error, name)
        return entry

    def hidden_stream(
        self, name: str, module: str, match_on: tuple[str, ...], settle_seconds: float
    ) -> Loader:
        """Return a loader for records that other rows need; its rows are nobody's input."""
        if name not in self._hidden:
            options = LoadOptions(match_on=match_on, settle_seconds=settle_seconds)
            found = self.metadata.module(module)
            self._hidden[name] = Loader(self, name, found, options, listed=False)
        return self._hidden[name]

    # -- parents and children --------------------------------------------------------------

    def announce(self, modules: Iterable[str]) -> None:
        """Say which modules are loaded in this run: rows wait for their records."""
        self._announced.update(modules)

    def loads(self, module: str, asking: Loader) -> bool:
        """Whether records of a module may still come in this run."""
        return module in self._announced or any(
            x.module.api_name == module for x in self.loaders.values() if x is not asking
        )

    @property
    def modules(self) -> list[str]:
        """The modules that this run loads, those announced included."""
        loaded = (x.module.api_name for x in self.loaders.values())
        return sorted({*self._announced, *loaded})

    def settle_module(self, module: str, asking: Loader) -> None:
        """Write what other streams have for a module, so that lookups find it."""
        if self._switching:
            return
        self._switching = True
        try:
            for loader in self.loaders.values():
                if loader is not asking and loader.module.api_name == module:
                    loader.settle_quietly()
        finally:
            self._switching = False

    # -- books -----------------------------------------------------------------------------

    def record(self, loader: Loader, row: Row, outcome: RowOutcome) -> None:
        """Count an outcome and write it to the files."""
        if loader.stream in self._hidden:
            loader.report.count(outcome)
            return
        if self._curve is not None:
            self._curve.advance(1)
        loader.report.count(outcome)
        if outcome.outcome is Outcome.REJECTED:
            self.relations.note_rejected(loader.module.api_name, row, outcome)
        self.files.note(loader, row, outcome)

    @property
    def rejects_are_safe(self) -> bool:
        """Whether a refused row may be passed by STATE: it is kept where the user said."""
        return self.options.rejects_path is not None

    def sync_files(self) -> None:
        """Make all lines written so far safe; before STATE passes their rows."""
        self.files.sync()

    def fail(self, error: BiginError, stream: str | None = None) -> None:
        """Note a failure; the exit code follows from it."""
        name = f"{stream}: " if stream else ""
        message = str(error) if str(error).startswith(name) else f"{name}{error}"
        log.error("%s", message)
        self.report.failures.append((error.exit_code, message))

    def stop(self, error: BiginError) -> None:
        """Load no more rows: the service, the connection or the credits gave out."""
        if self.stopped is None:
            self.stopped = error
            self.fail(error)

    @property
    def server_started_at(self) -> datetime:
        """When the run began, by the server's clock as far as it is known."""
        return self._server_started_at or timestamps.now()

    def siblings(self, loader: Loader) -> list[Loader]:
        """Return the other streams into the same module."""
        module = loader.module.api_name
        return [x for x in self.loaders.values() if x is not loader and x.module.api_name == module]

    def take_turn(self, loader: Loader) -> None:
        """Before a stream's row is taken, others into its module must be settled: input order.

        Their outcomes are kept until they are asked for.
        """
        if self._turn is loader or self._switching:
            return
        self._switching = True
        try:
            for other in self.siblings(loader):
                other.settle_quietly()
        finally:
            self._switching = False
        self._turn = loader

    def settle(self) -> None:
        """Give every row accepted so far an outcome."""
        for loader in self.loaders.values():
            loader.settle_quietly()
        self.sync_files()

    def end_input(self) -> None:
        """Say that no more rows will come: rows that wait for their parents wait no longer.

        Their outcomes are returned by the next `Loader.settle`.
        """
        self.settle()
        for loader in self._parents_first():
            loader.end_input()

    def _parents_first(self) -> list[Loader]:
        """Return the streams, those that others' rows wait for before these."""
        rest, found = list(self.loaders.values()), []
        while rest:
            waited_for = {
                x: {y.module.api_name for y in rest if y is not x} & x.waits_for for x in rest
            }
            free = next((x for x in rest if not waited_for[x]), rest[0])  # the latter: a circle
            rest.remove(free)
            found.append(free)
        return found

    def close(self) -> LoadReport:
        """Settle everything, close the files, write the report and return it."""
        if self._closed:
            return self.report
        try:
            self.end_input()
            self.settle()
        finally:
            self.abandon()
        self._finish_report()
        if self.options.report_path:
            write_report(self.options.report_path, self.report)
        if self.options.report_html and self._curve is not None:
            self._curve.end()
            said = [message for _, message in self.report.failures]
            page = load_page(self.report.to_dict(), self._curve, said)
            write_page(self.options.report_html, page)
        return self.report

    def abandon(self) -> None:
        """Close files and threads without settling anything more."""
        if self._closed:
            return
        self._closed = True
        self.pool.shutdown(wait=True, cancel_futures=True)
        for loader in [*self.loaders.values(), *self._hidden.values()]:
            loader.close()
        self.relations.close()
        if self.imagined is not None:
            self.imagined.close()
        self.claims.close()
        self.files.close()

    @property
    def credits_predicted(self) -> int:
        """Credits that this run costs, as far as it is planned.

        Reads count once they are done: how many records there are is not known before. What
        only a dry run reads does not count.
        """
        loaders = [*self.loaders.values(), *self._hidden.values()]
        read = self.account.credits_read - self._read_before
        if self.imagined is not None:
            read += self.imagined.credits_spared
        read -= sum(x.foresight.credits for x in loaders if x.foresight is not None)
        return read + sum(x.credits_predicted for x in loaders)

    def _finish_report(self) -> None:
        report = self.report
        report.seconds = time.monotonic() - self._began
        report.requests = self.transport.requests_sent - self._requests_before
        report.credits_used = self.transport.credits.used - self._credits_before
        report.credits_predicted = self.credits_predicted
        count, share = parse_max_rejects(self.options.max_rejects)
        allowed = max(count, int(share * report.rows))
        report.too_many_rejects = report.refused > allowed


def load_rows(
    client: Client,
    module: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    stream: str,
    files: RunOptions,
    options: Mapping[str, Any],
    expected_rows: int | None = None,
) -> LoadReport:
    """Load one input; see `bigin_client.client.BiginClient.load`."""
    unknown = sorted(set(options) - set(LoadOptions.__dataclass_fields__))
    if unknown:
        raise SettingsError(f"load has no option {', '.join(unknown)}")
    chosen = LoadOptions.from_mapping(options)
    with LoadRun(client, files) as run:
        loader = run.stream(stream, module, chosen)
        for row in rows if chosen.limit_rows is None else islice(rows, chosen.limit_rows):
            loader.add(row)
            if loader.has_stopped:
                break
        if loader.mirror is not None and loader.report.rows == expected_rows:
            loader.mirror.declare_complete(f"{expected_rows} rows, as expected")
        report = run.close()
    error = run.stopped or loader.failure
    if error is not None:
        error.report = report
        raise error
    return report
