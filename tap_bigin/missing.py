"""`detect_deletes`: deletions that no feed tells of, found by comparing sets of ids.

The ids of the run before are kept in the state, about four bytes for each record. What was there
then, or came since, and is not there now was deleted; each such record is asked for by its id
before it is called so. What is there now and never came (restored without a new Modified_Time)
comes.
"""

from __future__ import annotations

import base64
import itertools
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bigin_client import BiginClient, field_types, timestamps
from bigin_client.errors import SettingsError
from bigin_client.extract import Extraction, start
from bigin_client.records import MODIFIED, reader_of

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from bigin_client.types import Tombstone

log = logging.getLogger("tap-bigin")

#: Where a module's state keeps the ids.
KNOWN: Final = "known_ids"
#: `type` of such a tombstone in the stream `deleted_records`.
MISSING: Final = "missing"


class Comparison:
    """One module's ids: before, now, and what came in this run.

    Args:
        client: The account.
        extraction: This run's; its module, fields and requests.
        view: ``cvid`` or ``pipeline_id``, if only a view is read.
        state: The module's state, in which the ids are kept under `KNOWN`:
            ``{"complete": …, "ids": [text of `encode`, …]}``. Not complete: a first read that
            is under way.

    Raises:
        SettingsError: The ids cannot be read.
    """

    def __init__(
        self,
        client: BiginClient,
        extraction: Extraction,
        view: Mapping[str, Any],
        state: dict[str, Any],
    ) -> None:
        self._client = client
        self._extraction = extraction
        self._view = view
        self._state = state
        kept = state.get(KNOWN) or {}
        self._complete = bool(kept.get("complete"))
        self._known = {i for text in kept.get("ids") or () for i in decode(text)}
        self._emitted: set[int] = set()
        self._now: set[int] = set()
        #: Deletions that were found; complete once `compare` has returned.
        self.gone: list[Tombstone] = []

    def written(self, records: Iterable[Record]) -> None:
        """Note records that came in this run and are written.

        They go into the state with their page's bookmark: after a kill they will not come again,
        but may be deleted.
        """
        ids = {int(r["id"]) for r in records}
        fresh = ids - self._known - self._emitted
        self._emitted |= ids
        if fresh:
            kept = self._state.setdefault(KNOWN, {"complete": False, "ids": []})
            kept["ids"].append(encode(fresh))

    def keep(self) -> None:
        """Note in the state what there is now, once `gone` is written."""
        self._state[KNOWN] = {"complete": True, "ids": [encode(self._now)]}

    def compare(self, *, everything: bool) -> list[Record]:
        """Find `gone`; returns records that exist but have never come.

        Args:
            everything: This run has read the whole module, so what came is what there is.
        """
        module = self._extraction.module
        self._now = set(self._emitted) if everything else set(self._ids())
        before = self._emitted | self._known
        absent = self._read(sorted(before - self._now))
        now = timestamps.to_text(timestamps.now())
        for number, record in absent:
            if record is None:
                self.gone.append(_tombstone(number, now))
            elif not self._view:
                self._now.add(number)
        if self.gone:
            log.info("%s: %d deletions found by comparing ids", module, len(self.gone))
        if not self._complete:
            log.info("%s: ids noted; deletions show from the next run on", module)
            return []
        fresh = self._read(sorted(self._now - before))
        self._now -= {n for n, record in fresh if record is None}
        return [r for _, r in fresh if r is not None]

    def _ids(self) -> Iterator[int]:
        """Yield the ids that there are now: a request for each 200."""
        source = self._extraction.source
        walk = start(
            self._client.records,
            self._client.metadata,
            source.module,
            types={MODIFIED: field_types.DATETIME} if source.modified else {},
            deletes=False,
            cvid=self._view.get("cvid"),
            pipeline_id=self._view.get("pipeline_id"),
        )
        for page in walk.records():
            yield from (int(r["id"]) for r in page.records)
        source.count(walk.summary.credits, walk.summary.requests)

    def _read(self, ids: Sequence[int]) -> list[tuple[int, Record | None]]:
        """Return records by id, whole; None: it does not exist."""
        source = self._extraction.source
        read = reader_of(source.types)
        with ThreadPoolExecutor(self._client.settings.max_concurrency) as pool:
            found = list(pool.map(source.get, map(str, ids)))
        return [(i, None if r is None else read(r)) for i, r in zip(ids, found, strict=True)]


def _tombstone(number: int, now: str) -> Tombstone:
    return {
        "id": str(number),
        "deleted_time": now,
        "type": MISSING,
        "deleted_by": None,
        "display_name": None,
    }


def encode(ids: Iterable[int]) -> str:
    """Return ids as a short text: differences, packed."""
    ordered = sorted(ids)
    steps = [b - a for a, b in itertools.pairwise([0, *ordered])]
    return base64.b64encode(zlib.compress(msgspec.msgpack.encode(steps), 9)).decode()


def decode(text: str) -> Iterator[int]:
    """Yield the ids of `encode`.

    Raises:
        SettingsError: The text is no such thing.
    """
    try:
        packed = zlib.decompress(base64.b64decode(text, validate=True))
        steps = msgspec.msgpack.decode(packed, type=list[int])
    except (ValueError, TypeError, zlib.error, msgspec.MsgspecError):
        raise SettingsError(
            f"The state's {KNOWN} cannot be read", hint="Remove it: the next run notes them anew."
        ) from None
    return itertools.accumulate(steps)
