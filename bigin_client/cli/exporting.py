"""The work of `bigin export`: modules into files, and the place to go on from."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgspec

from bigin_client import extract, timestamps
from bigin_client.cli.progress import Meter
from bigin_client.client import BiginClient
from bigin_client.errors import ENDS_A_RUN, BiginError, NotFoundError, ScopeError, SettingsError
from bigin_client.extract.ahead import MEGABYTE
from bigin_client.extract.start import choose_types, known_types
from bigin_client.field_types import FieldType
from bigin_client.files import storage
from bigin_client.files.formats import FileForm
from bigin_client.files.output import Output, Place
from bigin_client.report_html import Curve

#: Bytes of pages that may wait while others are written.
_WAITING: Final = 64 * MEGABYTE
_STATE_VERSION: Final = 1


@dataclass(frozen=True)
class Mark:
    """Where the next export of a module begins.

    Attributes:
        bookmark: The engine's, of records; None: everything.
        deleted_bookmark: That of deletions.
        sort_proved: As `extract.Summary` says.
        listed: The same.
        tally: The same.
    """

    bookmark: str | None = None
    deleted_bookmark: str | None = None
    sort_proved: bool = False
    listed: dict[str, str] = field(default_factory=dict)
    tally: dict[str, Any] = field(default_factory=dict)


class State:
    """The marks of one connection's modules, in a JSON file.

    Args:
        path: Local path or fsspec URL; need not exist yet.
        connection_id: Whose records they are.

    Raises:
        SettingsError: It is no such file, or another connection's.
    """

    def __init__(self, path: str, connection_id: str) -> None:
        self._path = storage.at(path)
        self._connection = connection_id
        self._marks: dict[str, Mark] = {}
        if not self._path.exists():
            return
        try:
            found = msgspec.json.decode(self._path.read_bytes())
            owner, marks = str(found["connection_id"]), found["modules"]
            self._marks = {str(n): msgspec.convert(m, Mark) for n, m in marks.items()}
        except (OSError, KeyError, TypeError, AttributeError, msgspec.MsgspecError):
            raise SettingsError(
                f"{path} is no state of an export", hint="Name another file, or remove it."
            ) from None
        if owner != connection_id:
            raise SettingsError(
                f"{path} belongs to connection {owner}, not to {connection_id}",
                hint="Keep a state file for each connection.",
            )

    def get(self, module: str) -> Mark:
        """Return a module's mark."""
        return self._marks.get(module, Mark())

    def keep(self, module: str, mark: Mark) -> None:
        """Remember a module's mark, on disk at once."""
        self._marks[module] = mark
        content = {
            "version": _STATE_VERSION,
            "connection_id": self._connection,
            "modules": {name: asdict(m) for name, m in sorted(self._marks.items())},
        }
        data = msgspec.json.format(msgspec.json.encode(content), indent=2)
        storage.write_whole(self._path, data + b"\n", mode=0o600)


@dataclass(frozen=True)
class Request:
    """What is exported; see `bigin export`.

    Attributes:
        modules: API names.
        named: They were asked for by name: one that cannot be read is a failure.
    """

    modules: Sequence[str]
    named: bool
    folder: str
    form: FileForm
    fields: Sequence[str] | None
    deletes: bool
    cvid: str | None
    pipeline_id: str | None
    max_rows_per_file: int | None
    lookback_seconds: float


class Export:
    """Exports modules, one after the other; their requests run ahead together.

    Args:
        client: The account.
        request: What to export.
        state: Where the last export ended; None: everything is exported.
        meter: Shows how far it is.
        curve: Keeps how it goes on, for the report.
    """

    def __init__(
        self,
        client: BiginClient,
        request: Request,
        state: State | None,
        meter: Meter,
        curve: Curve,
    ) -> None:
        self._client = client
        self._request = request
        self._state = state
        self._meter = meter
        self._curve = curve
        self._stamp = f"{timestamps.now():%Y%m%dT%H%M%S%fZ}"
        self.codes: list[int] = []

    def run(self) -> list[dict[str, Any]]:
        """Export all modules; returns a row for each.

        One that cannot be read does not stop the others: its row says why.

        Raises:
            BiginError: What the next module would meet too.
        """
        ahead = extract.ReadAhead(_WAITING)
        rows = []
        try:
            begun = [(name, self._begin(name, ahead)) for name in self._request.modules]
            for name, work in begun:
                rows.append(self._export(name, work))
        finally:
            ahead.stop()
        return rows

    def _begin(
        self, module: str, ahead: extract.ReadAhead
    ) -> tuple[dict[str, FieldType], extract.Extraction] | BiginError:
        request, client = self._request, self._client
        mark = self._state.get(module) if self._state else Mark()
        try:
            known = known_types(client.records, client.metadata, module)
            types = known if request.fields is None else choose_types(module, request.fields, known)
            pages = extract.start(
                client.records,
                client.metadata,
                module,
                request.fields,
                types=types if request.fields is None else None,
                since=mark.bookmark,
                deleted_since=mark.deleted_bookmark,
                deletes=request.deletes,
                lookback_seconds=request.lookback_seconds,
                cvid=request.cvid,
                pipeline_id=request.pipeline_id,
                sort_proved=mark.sort_proved,
                listed=mark.listed,
                tally=mark.tally if self._state else None,
            )
        except ENDS_A_RUN:
            raise
        except BiginError as error:
            return error
        pages.read_ahead(ahead)
        return types, pages

    def _export(
        self, module: str, work: tuple[dict[str, FieldType], extract.Extraction] | BiginError
    ) -> dict[str, Any]:
        if isinstance(work, BiginError):
            return self._failed(module, work)
        try:
            return self._copy(module, *work)
        except ENDS_A_RUN:
            raise
        except BiginError as error:
            return self._failed(module, error)

    def _copy(
        self, module: str, types: dict[str, FieldType], pages: extract.Extraction
    ) -> dict[str, Any]:
        request = self._request
        name = f"{module}.{self._stamp}" if self._state else module
        path = f"{request.folder.rstrip('/')}/{name}{request.form.suffix}"
        mark = self._state.get(module) if self._state else Mark()
        bookmark, deleted = mark.bookmark, mark.deleted_bookmark
        self._meter.begin(module, self._total(module, mark))
        with Output(
            Place.choose(path, ""),
            request.form,
            types,
            max_rows_per_file=request.max_rows_per_file,
            token=f"{socket.gethostname()}-{os.getpid()}",
        ) as output:
            for page in pages:
                for record in page.records:
                    output.write(record)
                for tombstone in page.tombstones:
                    output.write_tombstone({"module": module, **tombstone})
                bookmark = page.bookmark or bookmark
                deleted = page.deleted_bookmark or deleted
                self._meter.advance(len(page.records))
                self._curve.advance(len(page.records))
            manifest = output.place(
                {
                    "module": module,
                    "mode": "changes" if mark.bookmark else "full",
                    "window": {"start": mark.bookmark, "end": bookmark},
                }
            )
        summary = pages.summary
        if self._state:
            kept = (summary.sort_proved, dict(summary.listed), dict(summary.tally))
            self._state.keep(module, Mark(bookmark, deleted, *kept))
        return {
            "module": module,
            "status": "ok",
            "records": manifest["rows"],
            "deletions": manifest["deleted_rows"],
            "credits": summary.credits,
            "files": [f["path"] for f in (*manifest["files"], *manifest["deleted_files"])],
            "bookmark": bookmark,
            "warnings": summary.warnings,
            "reason": None,
        }

    def _total(self, module: str, mark: Mark) -> int | None:
        """Ask how many records there are; only who sees the bar pays for the question."""
        whole = mark.bookmark is None and not self._request.pipeline_id
        if not (self._meter.is_bar and whole):
            return None
        try:
            return self._client.count_records(module, cvid=self._request.cvid)
        except ENDS_A_RUN:
            raise
        except BiginError:
            return None  # a bar without an end will do

    def _failed(self, module: str, error: BiginError) -> dict[str, Any]:
        # Where all modules are wanted, one that the connection may not read is no surprise:
        # the list of modules holds such (bigin-api.md 1.1).
        started = self._state is not None and self._state.get(module).bookmark is not None
        definite = isinstance(error, (ScopeError, NotFoundError))
        left_out = definite and not self._request.named and not started
        if not left_out:
            self.codes.append(error.exit_code)
        return {
            "module": module,
            "status": "left out" if left_out else "failed",
            "records": None,
            "deletions": None,
            "credits": None,
            "files": [],
            "bookmark": None,
            "warnings": [],
            "reason": str(error),
        }
