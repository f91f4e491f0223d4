"""A module as a stream: the extraction engine's pages become records and state."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from bigin_client import timestamps
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    CancelledError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    RateLimitedError,
    SettingsError,
)
from bigin_client.extract import Extraction, ReadAhead, start
from bigin_client.extract.bookmarks import parse
from bigin_client.records import MODIFIED
from tap_bigin.schemas import DELETED_AT, types_of

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

    from bigin_client.types import Tombstone
    from tap_bigin.tap import TapBigin

#: Failures that end the whole run: the next stream would meet them too.
ENDS_THE_RUN: Final = (
    AuthenticationError,
    CancelledError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    RateLimitedError,
    SettingsError,
)
#: Seconds between two progress lines, and between two STATE messages.
PROGRESS_SECONDS: Final = 30.0
STATE_SECONDS: Final = 60.0
BOOKMARK: Final = "replication_key_value"
DELETED_BOOKMARK: Final = "deleted_bookmark"
FULL_READ_AT: Final = "full_read_at"
SORT_PROVED: Final = "sort_proved"
LISTED: Final = "listed_deletions"


class BiginStream(Stream):
    """What all streams of this tap share.

    One stream that cannot be read does not stop the others: its failure is noted, and the run
    fails at the end.
    """

    #: The engine emits exactly the schema's fields in the schema's types; the SDK's own walk
    #: over every value would take longer than everything else together.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    _tap: TapBigin

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        limit = self.ABORT_AT_RECORD_COUNT
        try:
            for number, record in enumerate(self.rows(), 1):
                yield record
                if number == limit:  # --test: ask for no further page
                    return
        except ENDS_THE_RUN:
            raise
        except BiginError as error:
            self._tap.failed(self.name, error)

    @abstractmethod
    def rows(self) -> Iterable[Record]:
        """Yield the stream's records and keep its state.

        Raises:
            BiginError: The stream could not be read.
        """

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """BATCH messages are not offered."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """The engine's bookmarks need no ceiling."""

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        # The SDK compares bookmarks record by record, as texts; ours come from the engine, at
        # the end of each page.
        return

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        # The engine gives exactly the selected properties, so the SDK's search for deselected
        # ones is needed only where a property inside of one is deselected.
        if self._has_nested_selection:
            yield from super()._generate_record_messages(record)
            return
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(
                    stream=stream_map.stream_alias,
                    record=mapped,
                    version=self._stream_version,
                    time_extracted=timestamps.now(),
                )

    @cached_property
    def _has_nested_selection(self) -> bool:
        return any(len(at) > 2 and not taken for at, taken in self.mask.items())  # noqa: PLR2004

    def _state_changed(self) -> None:
        self.state_manager.is_flushed = False
        self._tap.flush()
        if time.monotonic() - self._tap.state_written_at >= STATE_SECONDS:
            self._write_state_message()
            self._tap.state_written_at = time.monotonic()


class ModuleStream(BiginStream):
    """The records of one module."""

    def __init__(self, tap: TapBigin, name: str, module: str, schema: dict[str, Any]) -> None:
        super().__init__(tap=tap, name=name, schema=schema)
        self.module = module
        self.primary_keys = ("id",)
        if MODIFIED in schema["properties"]:
            self.replication_key = MODIFIED
        self._extraction: Extraction | None = None

    @property
    @override
    def is_sorted(self) -> bool:
        """State may be written amid the stream: it holds only what the engine calls safe."""
        return True

    @property
    def deletes_as_rows(self) -> bool:
        """Whether deletions come as records of this stream."""
        return self.config.get("deletes") == "rows" and self._is_selected(DELETED_AT)

    def read_ahead(self, ahead: ReadAhead) -> None:
        """Begin this stream's requests."""
        self.extraction.read_ahead(ahead)

    @property
    def extraction(self) -> Extraction:
        """This run's extraction of the module; made when first asked for."""
        if self._extraction is None:
            self._extraction = self._start()
        return self._extraction

    @override
    def rows(self) -> Iterable[Record]:
        started = time.monotonic()
        told = started
        if self.ABORT_AT_RECORD_COUNT is None:
            self._tap.read_ahead()
        extraction = self.extraction
        full = self._reads_in_full
        mark = {DELETED_AT: None} if self.deletes_as_rows else {}
        for page in extraction.records():
            for record in page.records:
                record.update(mark)
                yield record
            self._keep(page.bookmark)
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                self._tap.tell_progress(self.name, extraction.summary, told - started)
        if extraction.summary.listed or self.stream_state.get(LISTED):
            self.stream_state[LISTED] = extraction.summary.listed
        if extraction.summary.sort_proved:
            self.stream_state[SORT_PROVED] = True
        if full:
            self._note_full_read()
        if self.deletes_as_rows:
            yield from self._deleted_rows()
        self._tap.read(self.name, extraction.summary)

    def _deleted_rows(self) -> Iterable[Record]:
        for page in self.extraction.deletions():
            for tombstone in page.tombstones:
                yield {"id": tombstone["id"], DELETED_AT: tombstone["deleted_time"]}
            self.keep_deleted(page.deleted_bookmark)

    # -- beginning -------------------------------------------------------------------------

    def _start(self) -> Extraction:
        names = [n for n in self.effective_schema.get("properties", {}) if self._is_selected(n)]
        types = types_of(self.effective_schema, names)
        since, lookback = self._since()
        view = (self.config.get("views") or {}).get(self.module) or {}
        return start(
            self._tap.client.records,
            self._tap.client.metadata,
            self.module,
            types=types,
            since=since,
            deleted_since=self.deleted_since(),
            deletes=self.deletes_as_rows or self._tap.reads_deletions,
            lookback_seconds=lookback,
            cvid=view.get("cvid"),
            pipeline_id=view.get("pipeline_id"),
            sort_proved=bool(self.stream_state.get(SORT_PROVED)),
            listed=self.stream_state.get(LISTED),
        )

    def _is_selected(self, name: str) -> bool:
        return bool(self.mask.get(("properties", name), True))

    def _since(self) -> tuple[str | None, int]:
        """Return where to begin, and how many seconds to go back from there."""
        lookback = int(self.config.get("lookback_seconds") or 0)
        first = self._tap.start_date
        if self.replication_method != "INCREMENTAL":
            return None, 0
        bookmark = None if self._is_due_in_full else self.bookmark
        if bookmark is None:
            return first, 0
        if first is None:
            return bookmark, lookback
        reach = (parse(bookmark, self.name) or 0) - (parse(first, "start_date") or 0)
        return (bookmark, min(lookback, reach)) if reach >= 0 else (first, 0)

    @property
    def bookmark(self) -> str | None:
        """The state's bookmark; None: this stream has not been read."""
        value = self.stream_state.get(BOOKMARK)
        return None if value is None else str(value)

    @property
    def _reads_in_full(self) -> bool:
        return self._since()[0] in (None, self._tap.start_date)

    @property
    def _is_due_in_full(self) -> bool:
        days = self.config.get("full_refresh_days")
        if not days:
            return False
        last = parse(self.stream_state.get(FULL_READ_AT), f"{FULL_READ_AT} of {self.name}")
        return last is None or timestamps.now().timestamp() - last >= days * 86_400

    # -- state -----------------------------------------------------------------------------

    def _keep(self, bookmark: str | None) -> None:
        """Note a page's bookmark, now that its records are written."""
        if bookmark is None or self.replication_method != "INCREMENTAL":
            self._tap.flush()
            return
        known = parse(self.bookmark, f"The bookmark of {self.name}")
        if known is None or (parse(bookmark, self.name) or 0) >= known:
            self.stream_state.update({"replication_key": MODIFIED, BOOKMARK: bookmark})
        self._state_changed()

    def _note_full_read(self) -> None:
        if self.config.get("full_refresh_days"):
            self.stream_state[FULL_READ_AT] = timestamps.to_text(timestamps.now())

    def deleted_since(self) -> str | None:
        """Return the bookmark of this module's deletions."""
        value = self._deleted_state().get(self._deleted_key)
        return self._tap.start_date if value is None else str(value)

    @property
    def has_read_deletions(self) -> bool:
        """Whether an earlier run could read the deletions of this module."""
        return self._deleted_key in self._deleted_state()

    def keep_deleted(self, bookmark: str | None) -> None:
        """Note how far the deletions were read, now that they are written."""
        if bookmark is not None:
            self._deleted_state()[self._deleted_key] = bookmark
            self._state_changed()

    @property
    def _deleted_key(self) -> str:
        return DELETED_BOOKMARK if self.config.get("deletes") == "rows" else self.module

    def _deleted_state(self) -> dict[str, Any]:
        if self.config.get("deletes") == "rows":
            return self.stream_state
        return self._tap.deleted_bookmarks()


def tombstone_row(module: str, tombstone: Tombstone) -> Record:
    """Return a deletion as a record of the stream `deleted_records`."""
    return {
        "module": module,
        "id": tombstone["id"],
        "deleted_time": tombstone["deleted_time"],
        "type": tombstone["type"] or None,
        "deleted_by": tombstone["deleted_by"],
    }
