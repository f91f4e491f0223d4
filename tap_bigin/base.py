"""What all streams of this tap share: pages of records become messages, failures are noted."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from bigin_client import timestamps
from bigin_client.errors import ENDS_A_RUN, BiginError
from tap_bigin.flattened import Fit
from tap_bigin.writer import Writer

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

    from tap_bigin.tap import TapBigin

#: Seconds between two STATE messages.
STATE_SECONDS: Final = 60.0
#: Records handed over at once where the service does not say what a page is.
PAGE: Final = 200


class BiginStream(Stream):
    """A stream that gives its records page by page.

    One stream that cannot be read does not stop the others: its failure is noted, and the run
    fails at the end.
    """

    #: The engine emits exactly the schema's fields in the schema's types; the SDK's own walk
    #: over every value would take longer than everything else together.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    #: Write whole pages where that gives the same lines as the SDK's way, record by record.
    page_wise: ClassVar[bool] = True
    _tap: TapBigin

    @abstractmethod
    def pages(self) -> Iterable[Sequence[Record]]:
        """Yield the stream's records; when asked for the next page, the one before is written.

        Raises:
            BiginError: The stream could not be read.
        """

    @property
    def requests(self) -> int:
        """Requests sent for this stream so far, as far as they are counted by stream."""
        return 0

    def _noted_pages(self) -> Iterator[Sequence[Record]]:
        """Yield the pages; a failure of this stream alone is noted, not raised."""
        self._tap.progress.begin(self)
        try:
            for page in self.pages():
                self._tap.progress.count(self.name, len(page))
                yield page
        except ENDS_A_RUN:
            raise
        except BiginError as error:
            self._tap.failed(self.name, error)
        finally:
            self._tap.progress.end(self.name)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        limit, number = self.ABORT_AT_RECORD_COUNT, 0
        for page in self._noted_pages():
            for record in page:
                number += 1
                yield record
                if number == limit:  # --test: ask for no further page
                    return

    # -- messages --------------------------------------------------------------------------

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # The SDK's loop costs more than reading does. Without maps, flattening and choices
        # inside of properties it comes to this; a test compares the lines of both.
        writer = self._tap.message_writer
        if not (
            self.page_wise
            and self._is_plain
            and write_messages
            and isinstance(writer, Writer)
            and self.ABORT_AT_RECORD_COUNT is None
        ):
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        written = 0
        with self.get_record_counter() as counter, self.get_sync_timer():
            self._write_starting_replication_value(context)
            for page in self._noted_pages():
                writer.write_records(self.name, page, self._stream_version)
                self.state_manager.is_flushed = False
                counter.increment(len(page))
                before, written = written, written + len(page)
                if before // self.STATE_MSG_FREQUENCY != written // self.STATE_MSG_FREQUENCY:
                    self._write_state_message()
            self._finalize_state(self.get_context_state(context))
        self._write_state_message()

    @cached_property
    def _is_plain(self) -> bool:
        """Whether a record's message holds the record as it is."""
        return (
            self.selected
            and not self._has_nested_selection
            and not self.config.get("flattening_enabled")
            and [type(m) for m in self.stream_maps] == [SameRecordTransform]
            and self.stream_maps[0].stream_alias == self.name
        )

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        # The engine gives exactly the selected properties, so the SDK's search for deselected
        # ones is needed only where a property inside of one is deselected.
        if self._has_nested_selection:
            for message in super()._generate_record_messages(record):
                if fit := self._fits.get(message.stream):
                    message.record = fit(message.record)
                yield message
            return
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                fit = self._fits.get(stream_map.stream_alias)
                yield RecordMessage(
                    stream=stream_map.stream_alias,
                    record=fit(mapped) if fit else mapped,
                    version=self._stream_version,
                    time_extracted=timestamps.now(),
                )

    @cached_property
    def _fits(self) -> dict[str, Fit]:
        """Stream's name → what makes its flattened records fit; empty without flattening."""
        if not self.config.get("flattening_enabled"):
            return {}
        separator = self.config.get("flattening_separator")
        return {
            m.stream_alias: Fit(m.stream_alias, m.transformed_schema["properties"], separator)
            for m in self.stream_maps
        }

    @cached_property
    def _has_nested_selection(self) -> bool:
        return any(len(at) > 2 and not taken for at, taken in self.mask.items())  # noqa: PLR2004

    def _is_selected(self, name: str) -> bool:
        return bool(self.mask.get(("properties", name), True))

    # -- what the SDK does otherwise -------------------------------------------------------

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

    def _state_changed(self) -> None:
        self.state_manager.is_flushed = False
        self._tap.flush()
        if time.monotonic() - self._tap.state_written_at >= STATE_SECONDS:
            self._write_state_message()
            self._tap.state_written_at = time.monotonic()


def in_pages(rows: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the rows of a small stream in pages."""
    page: list[Record] = []
    for row in rows:
        page.append(row)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
