"""The target's streams: which loader a row goes to, and what a failed stream does."""

from __future__ import annotations

import logging
from typing import Any, Final

from bigin_client.errors import BiginError, NotFoundError, SettingsError
from bigin_client.load import Loader, LoadRun, RowOutcome, StreamReport
from target_bigin.config import TEST_STREAM, StreamConfigs
from target_bigin.state import StateKeeper

log = logging.getLogger(__name__)

ROW_KEY_MISSING: Final = "ROW_KEY_MISSING"
#: Exit codes of failures that concern one stream (design.md section 13).
_ONE_STREAM: Final = frozenset({2, 6})


class Streams:
    """Loaders by stream name.

    Args:
        run: The run.
        configs: The streams' settings.
        states: Told of each row's outcome.
    """

    def __init__(self, run: LoadRun, configs: StreamConfigs, states: StateKeeper) -> None:
        self._run = run
        self._configs = configs
        self._states = states
        self._loaders: dict[str, Loader] = {}
        self._keys: dict[str, list[str]] = {}
        self._failed: dict[str, tuple[BiginError, StreamReport]] = {}
        self._noted: set[str] = set()
        self._versions: dict[str, set[int | None]] = {}

    def check_named(self) -> None:
        """Look up the modules of the streams that the configuration names.

        Raises:
            SettingsError: There is no such module; nothing was read or written.
        """
        for name in self._configs.named():
            if name == TEST_STREAM:
                continue
            try:
                module = self._run.metadata.module(self._configs.of(name).module)
                self._run.announce([module.api_name])
            except NotFoundError as error:
                raise SettingsError(f"streams.{name}: {error.message}", hint=error.hint) from None

    def announce(self, stream: str, columns: list[str], key: list[str]) -> None:
        """Take a SCHEMA: columns and key properties."""
        self._keys[stream] = key
        try:
            loader = self._loaders.get(stream) or self._open(stream)
            loader.row_key = loader.options.row_key or tuple(key) or None
            loader.bind(columns)
        except BiginError as error:
            if error.exit_code not in _ONE_STREAM:
                raise
            self._fail(stream, error)

    def load(self, stream: str, row: dict[str, Any], version: int | None = None) -> None:
        """Load a row, and note the outcomes that became known."""
        self._versions.setdefault(stream, set()).add(version)
        if stream in self._failed:
            self._failed[stream][1].skip()
            self._states.block("not loaded")
            return
        loader, tag = self._loaders[stream], self._states.row()
        missing = [k for k in self._keys[stream] if k not in row]
        if missing:
            done = loader.refuse_unread(
                row, ROW_KEY_MISSING, f"the row lacks its key property {missing[0]}", tag
            )
        else:
            done = loader.add(row, tag)
        self._note(done)

    def end_input(self) -> None:
        """Load what waited for parents: no more rows will come."""
        self._run.end_input()
        self.settle()

    def settle(self) -> None:
        """Give every row so far an outcome, but those that wait for their parents."""
        for loader in self._loaders.values():
            self._note(loader.settle())
        self._run.sync_files()

    def note_version(self, stream: str, version: int) -> None:
        """Take an ACTIVATE_VERSION: for mirror mode the proof that all rows have come.

        Other modes ignore it and say so once.
        """
        loader = self._loaders.get(stream)
        if loader is not None and loader.mirror is not None:
            # Rows of another version, or without one, may not be all of this one.
            if self._versions.get(stream) == {version}:
                loader.mirror.declare_complete(f"ACTIVATE_VERSION {version}")
            return
        if stream not in self._noted:
            self._noted.add(stream)
            log.info("%s: ACTIVATE_VERSION is ignored: no record is deleted for it", stream)

    def first_failure(self) -> BiginError | None:
        """Return why a stream failed, None when none did."""
        for loader in self._loaders.values():
            if loader.failure is not None:
                return loader.failure
        return next((error for error, _ in self._failed.values()), None)

    def _open(self, stream: str) -> Loader:
        config = self._configs.of(stream)
        loader = self._run.stream(stream, config.module, config.options)
        self._loaders[stream] = loader
        return loader

    def _fail(self, stream: str, error: BiginError) -> None:
        loader = self._loaders.get(stream)
        if loader is not None:
            loader.fail(error)
            return
        # A stream without a module: its rows are counted, none is loaded.
        report = self._run.failed_stream(stream, self._configs.of(stream).options.mode, error)
        self._failed[stream] = (error, report)
        self._states.block("not loaded")

    def _note(self, outcomes: list[RowOutcome]) -> None:
        for outcome in outcomes:
            self._states.settled(outcome, rejects_are_safe=self._run.rejects_are_safe)
