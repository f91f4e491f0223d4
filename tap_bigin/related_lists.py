"""Related lists as streams: ``Contacts_Products`` and the like, asked for by `related_lists`.

Linking two records moves no Modified_Time (bigin-api.md 7.3, [rec]), so no bookmark can tell
which lists have changed: every run asks for the list of every parent record.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from bigin_client import BiginClient, field_types, timestamps
from bigin_client.errors import NotFoundError, PagingError, RequestError, ScopeError
from bigin_client.extract import Summary, start
from bigin_client.extract.start import known_types
from bigin_client.field_types import FieldType
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED, PARENT_KEYS, field_groups, reader_of
from tap_bigin.base import BiginStream
from tap_bigin.modules import Choice, LeftOut
from tap_bigin.schemas import ID, property_schema, types_of
from tap_bigin.streams import ModuleStream

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from bigin_client.metadata import Field
    from tap_bigin.tap import TapBigin

log = logging.getLogger("tap-bigin")

PARENT_ID: Final = "parent_id"
#: Names of fields start with a letter (bigin-api.md 1.4), so none is called like this.
READ_AT: Final = "_read_at"
OWN: Final = frozenset({PARENT_ID, READ_AT})
ATTACHMENTS: Final = "Attachments"
#: What an attachment has where its fields cannot be listed (bigin-api.md 3.9, [crm°]).
_ATTACHMENT: Final = {
    "File_Name": field_types.TEXT,
    "Size": field_types.TEXT,
    "Owner": field_types.LOOKUP,
    "Created_Time": field_types.DATETIME,
    "Modified_Time": field_types.DATETIME,
}
#: Tries to read a list of more than 50 fields, in several requests, with no change between them.
TRIES: Final = 3
#: Parents that ``--test`` asks for their list: all may be empty.
PARENTS_TESTED: Final = 20


@dataclass(frozen=True)
class RelatedList:
    """A related list that the account has.

    Attributes:
        parent: Module whose records have the list.
        word: Its API name, the last word of the path.
        target: Module of the records in it.
    """

    parent: str
    word: str
    target: str

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return f"{self.parent}_{self.word}"


# -- discovery -----------------------------------------------------------------------------


def discover(
    client: BiginClient,
    choice: Choice,
    parents: Sequence[str],
    left_out: Sequence[LeftOut],
) -> Iterator[tuple[RelatedList, dict[str, Any]]]:
    """Yield the chosen related lists of the parents, with their schemas.

    Costs a credit a parent, and one for each target whose fields are not known yet.

    Args:
        client: The account.
        choice: The setting `related_lists`.
        parents: Readable modules that are streams.
        left_out: Modules without permission: lists of their records are left out too, unless
            asked for by name.

    Raises:
        SettingsError: A list was asked for by name that the account does not have.
    """
    found = {r.stream: r for parent in parents for r in _lists_of(client, choice, parent)}
    choice.check(found)
    named = {n.casefold() for n in choice.named}
    forbidden = {u.name for u in left_out if isinstance(u.error, ScopeError)}
    for related in found.values():
        if not choice.takes(related.stream):
            continue
        if related.target in forbidden and related.stream.casefold() not in named:
            log.warning("%s is left out: %s may not be read", related.stream, related.target)
            continue
        yield related, _schema(client, related)


def _lists_of(client: BiginClient, choice: Choice, parent: str) -> Iterator[RelatedList]:
    """Yield the lists of records of a module; other lists (e-mails, history) have no such."""
    modules = client.metadata.modules()
    try:
        rows = client.account.related_lists(parent)
    except (ScopeError, NotFoundError) as refusal:
        log.warning(
            "The related lists of %s cannot be asked for (%s): only those named like a module "
            "are known",
            parent,
            refusal.code or refusal.status,
        )
        rows = [
            {"api_name": m.api_name, "module": m.api_name}
            for m in modules.values()
            if f"{parent}_{m.api_name}".casefold() in {n.casefold() for n in choice.named}
        ]
    for row in rows:
        word, target = row.get("api_name"), row.get("module")
        target = target.get("api_name") if isinstance(target, dict) else target
        target = field_types.PIPELINES if target == field_types.DEALS else target
        if word and target in modules and modules[target].api_supported:
            yield RelatedList(parent, str(word), str(target))


def _schema(client: BiginClient, related: RelatedList) -> dict[str, Any]:
    types, fields = _fields_of(client, related.target)
    properties: dict[str, Any] = {
        # The catalog is all that a sync knows, so the parent's module stands in it.
        PARENT_ID: {"type": "string", "title": related.parent, "description": "Whose list it is."},
        "id": dict(ID),
    }
    for name, kind in types.items():
        if name.casefold() == PARENT_ID or name in PARENT_KEYS:
            continue  # a note's or attachment's parent is the record that was asked
        properties[name] = property_schema(kind, fields.get(name))
    properties[READ_AT] = {
        "type": ["string", "null"],
        "format": "date-time",
        "title": "Read at",
        "description": "When the run began to read the stream: an older row is no longer linked.",
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [PARENT_ID, "id"],
        "additionalProperties": False,
    }


def _fields_of(
    client: BiginClient, target: str
) -> tuple[Mapping[str, FieldType], Mapping[str, Field]]:
    try:
        fields = client.metadata.fields(target)
    except (ScopeError, NotFoundError):
        fields = {}
    if not fields and target == ATTACHMENTS:
        return _ATTACHMENT, {}
    return known_types(client.records, client.metadata, target), fields


# -- the stream ----------------------------------------------------------------------------


class RelatedStream(BiginStream):
    """The records of one related list, for each record of the parent module.

    Args:
        tap: Its client and settings.
        name: ``Contacts_Products``: the parent module and the list.
        schema: As `discover` made it; its ``parent_id`` names the parent module.
    """

    def __init__(self, tap: TapBigin, name: str, schema: dict[str, Any]) -> None:
        super().__init__(tap=tap, name=name, schema=schema)
        self._reads: _ListReader | None = None
        self.primary_keys = (PARENT_ID, "id")
        self.parent = str(schema["properties"][PARENT_ID].get("title") or "")
        self.word = name.removeprefix(f"{self.parent}_")

    @property
    @override
    def requests(self) -> int:
        return 0 if self._reads is None else self._reads.requests

    @override
    def pages(self) -> Iterable[Sequence[Record]]:
        chosen = [n for n in self.effective_schema["properties"] if self._is_selected(n)]
        types = types_of(self.effective_schema, [n for n in chosen if n not in OWN])
        self._reads = reads = _ListReader(self._tap.client, self.parent, self.word, types)
        mark = {READ_AT: timestamps.to_text(timestamps.now())} if READ_AT in chosen else {}
        summary = Summary(self.parent, strategy="a request a parent")
        self._tap.report.reading(self.name, summary)
        began = time.monotonic()
        try:
            for parent_id, rows in self._in_order(reads, self._parents(reads)):
                yield [{PARENT_ID: parent_id, **row, **mark} for row in rows]
                summary.rows += len(rows)
        finally:
            summary.requests, summary.credits = reads.requests, reads.credits
            summary.seconds = time.monotonic() - began

    def _parents(self, reads: _ListReader) -> Iterator[str]:
        """Yield the ids of all parents, in full: see the module's docstring."""
        stream = self._tap.streams.get(self.parent)
        if isinstance(stream, ModuleStream):
            has_modified = MODIFIED in stream.schema["properties"]
        else:
            has_modified = MODIFIED in self._tap.client.metadata.fields(self.parent)
        view = self._tap.view_of(self.parent)
        extraction = start(
            self._tap.client.records,
            self._tap.client.metadata,
            self.parent,
            types={MODIFIED: field_types.DATETIME} if has_modified else {},
            deletes=False,
            cvid=view.get("cvid"),
            pipeline_id=view.get("pipeline_id"),
        )
        seen = set()
        for page in extraction.records():
            for record in page.records:
                if record["id"] not in seen:
                    seen.add(record["id"])
                    yield record["id"]
        reads.requests += extraction.summary.requests
        reads.credits += extraction.summary.credits

    def _in_order(
        self, reads: _ListReader, parents: Iterable[str]
    ) -> Iterator[tuple[str, list[Record]]]:
        """Yield each parent's rows, several requests under way at the same time."""
        workers = self._tap.client.settings.max_concurrency
        ahead = 4 * workers
        if self.ABORT_AT_RECORD_COUNT is not None:  # --test: no request more than it takes
            ahead, parents = 1, itertools.islice(parents, PARENTS_TESTED)
        waiting: deque[tuple[str, Future[list[Record]]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="bigin-related")
        try:
            for parent_id in parents:
                waiting.append((parent_id, pool.submit(reads.read, parent_id)))
                if len(waiting) >= ahead:
                    first, rows = waiting.popleft()
                    yield first, rows.result()
            for first, rows in waiting:
                yield first, rows.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _ListReader:
    """Reads one parent's list, whole. Safe to use from several threads."""

    def __init__(
        self, client: BiginClient, parent: str, word: str, types: Mapping[str, FieldType]
    ) -> None:
        self._client = client
        self._parent = parent
        self._word = word
        self._read: Callable[[Record], Record] = reader_of(types)
        names = [n for n in types if n != "id"] or ["Created_Time"]
        self._anchor = MODIFIED if MODIFIED in names else None
        self._lock = threading.Lock()
        self._groups = field_groups(names, anchor=self._anchor)
        #: About how many requests were sent: a list's pages are counted by its rows.
        self.requests = 0
        self.credits = 0

    def read(self, parent_id: str) -> list[Record]:
        """Return the rows of a parent's list.

        Raises:
            PagingError: The list of more than 50 fields changes faster than it can be read.
        """
        for _ in range(TRIES):
            try:
                parts = [self._part(parent_id, group) for group in self._groups]
            except (RequestError, NotFoundError):
                # A parent that is gone by now has no list; how that is said is not known.
                if self._client.records.get(self._parent, parent_id, ["Created_Time"]) is None:
                    return []
                raise
            first, *others = parts
            if all(p.keys() == first.keys() for p in others) and self._agree(first, others):
                rows = [{k: v for p in parts for k, v in p[i].items()} for i in first]
                return [self._read(r) for r in rows]
        msg = f"{self._parent}/{parent_id}/{self._word} changes faster than it can be read"
        raise PagingError(msg, hint="Run again, or select fewer fields.")

    def _agree(self, first: dict[str, Record], others: Sequence[dict[str, Record]]) -> bool:
        at = self._anchor
        return at is None or all(
            p[i].get(at) == r.get(at) for i, r in first.items() for p in others
        )

    def _part(self, parent_id: str, group: tuple[str, ...]) -> dict[str, Record]:
        related = self._client.related
        found = related.raw_records(self._parent, parent_id, self._word, group)
        rows = {str(r["id"]): r for r in found}
        with self._lock:
            self.requests += (sent := max(1, -(-len(rows) // PAGE_SIZE)))
            self.credits += sent
        return rows
