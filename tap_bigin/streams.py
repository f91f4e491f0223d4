"""A module as a stream: the extraction engine's pages become records and state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from bigin_client import timestamps
from bigin_client.extract import Extraction, ReadAhead, start
from bigin_client.extract.bookmarks import parse
from bigin_client.records import MODIFIED
from tap_bigin.base import BiginStream
from tap_bigin.missing import KNOWN, Comparison
from tap_bigin.schemas import DELETED_AT, types_of

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from bigin_client.extract import Summary
    from bigin_client.types import Tombstone
    from tap_bigin.tap import TapBigin

BOOKMARK: Final = "replication_key_value"
DELETED_BOOKMARK: Final = "deleted_bookmark"
FULL_READ_AT: Final = "full_read_at"
SORT_PROVED: Final = "sort_proved"
LISTED: Final = "listed_deletions"
TALLY: Final = "tally"


class ModuleStream(BiginStream):
    """The records of one module."""

    def __init__(self, tap: TapBigin, name: str, module: str, schema: dict[str, Any]) -> None:
        super().__init__(tap=tap, name=name, schema=schema)
        self.module = module
        self.primary_keys = ("id",)
        if MODIFIED in schema["properties"]:
            self.replication_key = MODIFIED
        self._extraction: Extraction | None = None
        self._comparison: Comparison | None = None

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

    @property
    @override
    def requests(self) -> int:
        return 0 if self._extraction is None else self._extraction.source.requests

    @override
    def pages(self) -> Iterable[Sequence[Record]]:
        if self.ABORT_AT_RECORD_COUNT is None:
            self._tap.read_ahead()
        extraction = self.extraction
        full, everything = self._reads_in_full, self._since()[0] is None
        if self._comparison is None:
            self.stream_state.pop(KNOWN, None)
        self._tap.report.reading(self.name, extraction.summary)
        for page in extraction.records():
            yield self._living(page.records)
            if self._comparison is not None:
                self._comparison.written(page.records)
            self._keep(page.bookmark)
        self._remember(extraction.summary)
        if self._comparison is not None:
            yield self._living(self._comparison.compare(everything=everything))
        if full:
            self._note_full_read()
        if self.deletes_as_rows:
            yield from self._deleted_rows()

    def _remember(self, summary: Summary) -> None:
        """Keep in the state what the next read is to be told."""
        if summary.listed or self.stream_state.get(LISTED):
            self.stream_state[LISTED] = summary.listed
        if summary.tally:
            self.stream_state[TALLY] = summary.tally
        if summary.sort_proved:
            self.stream_state[SORT_PROVED] = True

    def _living(self, records: Sequence[Record]) -> Sequence[Record]:
        if self.deletes_as_rows:
            for record in records:
                record[DELETED_AT] = None
        return records

    def _deleted_rows(self) -> Iterable[Sequence[Record]]:
        for tombstones in self.tombstones():
            yield [{"id": t["id"], DELETED_AT: t["deleted_time"]} for t in tombstones]

    def tombstones(self) -> Iterable[Sequence[Tombstone]]:
        """Yield the deletions; when asked for the next ones, those before are written.

        Raises:
            ScopeError, NotFoundError: The deleted feed may not be read.
        """
        if self._comparison is not None:
            yield self._comparison.gone
            self._comparison.keep()
            self.extraction.summary.tombstones += len(self._comparison.gone)
            self._state_changed()
            if not self.extraction.source.has_feed:
                return
        for page in self.extraction.deletions():
            yield page.tombstones
            self.keep_deleted(page.deleted_bookmark)

    # -- beginning -------------------------------------------------------------------------

    def _start(self) -> Extraction:
        names = [n for n in self.effective_schema.get("properties", {}) if self._is_selected(n)]
        types = types_of(self.effective_schema, names)
        since, lookback = self._since()
        view = self._tap.view_of(self.module)
        extraction = start(
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
            tally=self.stream_state.get(TALLY) or {},
        )
        if self._tap.compares_ids(self.module):
            self._comparison = Comparison(self._tap.client, extraction, view, self.stream_state)
        return extraction

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
        reach = (parse(bookmark, self.name) or 0) - (
            parse(first, "start_date", is_setting=True) or 0
        )
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
