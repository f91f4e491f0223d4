"""The files of one extract: written under draft names, put in place together, described.

Nothing that was there before is touched until everything is written. The manifest comes last:
who reads through it sees the old files or the new ones. A rerun writes the same names again,
and removes those of its first try that it does not need any more.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final

from typing_extensions import Self
from upath import UPath

from bigin_client import timestamps
from bigin_client.files import storage
from bigin_client.files.formats import (
    Columns,
    FileForm,
    RowWriter,
    split_suffix,
    writer,
)
from bigin_client.types import Record

MANIFEST_VERSION: Final = 1
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+=-]+")


@dataclass(frozen=True)
class Place:
    """Where an extract's files go.

    Attributes:
        folder: Their folder.
        stem: Beginning of their names.
        manifest: The file that describes them.
        suffix: Ending of the file that the user named; None: a folder was named.
    """

    folder: UPath
    stem: str
    manifest: UPath
    suffix: str | None

    @classmethod
    def choose(cls, output_path: str, partition: str, at: storage.Opener = storage.at) -> Place:
        """Return the place that a path asks for.

        Args:
            output_path: A file, if it ends in a known format; else a folder, in which each
                module and window, or run, gets a folder of its own (`partition`), so that no
                run overwrites what another one found.
            partition: For example ``module=Contacts/window=20261123T000000Z``.
            at: Finds a path's store.
        """
        stem, form, _ = split_suffix(output_path)
        if form is not None:
            file = at(output_path)
            name = split_suffix(file.name)[0]
            # With the ending: x.csv and x.jsonl may stand side by side.
            manifest = file.parent / f"{file.name}.manifest.json"
            return cls(file.parent, name, manifest, file.name.removeprefix(name))
        folder = at(stem.rstrip("/") or "/") / partition
        return cls(folder, "part", folder / "_manifest.json", None)

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest of what is there now, None if there is none that can be read."""
        try:
            found = json.loads(self.manifest.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def safe_name(text: str) -> str:
    """Return a text as one part of a path; a run id holds colons and more."""
    return _UNSAFE.sub("-", text).strip("-.") or "none"


@dataclass
class _Part:
    draft: UPath
    final: UPath
    rows: int = 0
    bytes: int = 0


@dataclass
class _Series:
    """Parts of one kind of record."""

    stem: str
    form: FileForm
    columns: Columns
    max_rows: int | None
    always: bool
    parts: list[_Part] = field(default_factory=list)
    file: IO[bytes] | None = None
    writer: RowWriter | None = None

    @property
    def rows(self) -> int:
        return sum(p.rows for p in self.parts)


class Output:
    """Writes the files of one extract.

    Args:
        place: Where they go.
        form: Of records; tombstones are always JSON lines.
        columns: Field → type, in the order of columns.
        max_rows_per_file: Records in one part; None: no limit.
        token: Part of the draft names; the same for all tries of a task instance, so that a
            try that was killed leaves nothing for ever.
    """

    def __init__(
        self,
        place: Place,
        form: FileForm,
        columns: Columns,
        *,
        max_rows_per_file: int | None,
        token: str,
    ) -> None:
        self._place = place
        self._token = safe_name(token)
        self._stack = ExitStack()
        self._records = _Series(place.stem, form, columns, max_rows_per_file, always=True)
        self._tombstones = _Series(
            f"{place.stem}{place.suffix}.deleted" if place.suffix else "deleted",
            FileForm("jsonl", form.compression),
            {},
            max_rows_per_file,
            always=False,
        )
        storage.make_parent(place.manifest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None:
            self.discard()

    @property
    def rows(self) -> int:
        """Records written."""
        return self._records.rows

    @property
    def deleted_rows(self) -> int:
        """Tombstones written."""
        return self._tombstones.rows

    def write(self, record: Record) -> None:
        """Add a record."""
        self._add(self._records, record)

    def write_tombstone(self, tombstone: dict[str, Any]) -> None:
        """Add a deletion."""
        self._add(self._tombstones, tombstone)

    def place(self, about: dict[str, Any]) -> dict[str, Any]:
        """Put the files in place and return the manifest.

        Args:
            about: What the manifest says beside the files: module, window, run, …
        """
        for series in (self._records, self._tombstones):
            if series.always and not series.parts:
                self._open(series)
            self._finish(series)
            if len(series.parts) == 1 and self._place.suffix:
                series.parts[0].final = self._name(series, None)
        before = self._place.read_manifest() or {}
        for series in (self._records, self._tombstones):
            for part in series.parts:
                storage.move(part.draft, part.final)
        manifest = {
            "version": MANIFEST_VERSION,
            **about,
            "format": self._records.form.format,
            "compression": self._records.form.compression,
            "rows": self.rows,
            "deleted_rows": self.deleted_rows,
            "files": _listed(self._records),
            "deleted_files": _listed(self._tombstones),
            "fields": [
                {"name": n, "type": t.kind, "json_schema": t.schema}
                for n, t in self._records.columns.items()
            ],
            "written_at": timestamps.to_text(timestamps.now()),
        }
        data = json.dumps(manifest, indent=2).encode() + b"\n"
        storage.write_whole(self._place.manifest, data)
        self._remove_surplus(before, manifest)
        return manifest

    def discard(self) -> None:
        """Remove the drafts; what was in place before stays."""
        for series in (self._records, self._tombstones):
            with suppress(Exception):
                self._finish(series)
            for part in series.parts:
                with suppress(OSError):
                    storage.remove(part.draft)

    # -- parts -----------------------------------------------------------------------------

    def _add(self, series: _Series, row: dict[str, Any]) -> None:
        full = series.parts and series.max_rows and series.parts[-1].rows >= series.max_rows
        if series.writer is None or full:
            self._finish(series)
            self._open(series)
        if series.writer is not None:
            series.writer.write(row)
        series.parts[-1].rows += 1

    def _open(self, series: _Series) -> None:
        final = self._name(series, len(series.parts))
        draft = final.parent / f".{final.name}.{self._token}.tmp"
        series.parts.append(_Part(draft, final))
        series.file = storage.create(draft)
        series.writer = writer(series.form, series.file, series.columns)

    def _finish(self, series: _Series) -> None:
        if series.writer is None or series.file is None:
            return
        opened, file = series.writer, series.file
        series.writer = series.file = None
        try:
            opened.close()
        finally:
            file.close()
        series.parts[-1].bytes = series.parts[-1].draft.stat().st_size

    def _name(self, series: _Series, number: int | None) -> UPath:
        suffix = series.form.suffix
        if series is self._records and self._place.suffix:
            suffix = self._place.suffix
        counted = series.stem if number is None else f"{series.stem}-{number:05d}"
        return self._place.folder / f"{counted}{suffix}"

    def _remove_surplus(self, before: dict[str, Any], manifest: dict[str, Any]) -> None:
        """Remove what an earlier try of the same place wrote and this one did not."""
        listed = (*before.get("files", []), *before.get("deleted_files", []))
        kept = {f["path"] for f in (*manifest["files"], *manifest["deleted_files"])}
        for name in {f["path"].rpartition("/")[2] for f in listed if f["path"] not in kept}:
            storage.remove(self._place.folder / name)


def _listed(series: _Series) -> list[dict[str, Any]]:
    return [{"path": str(p.final), "rows": p.rows, "bytes": p.bytes} for p in series.parts]
