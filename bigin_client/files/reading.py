"""Rows out of JSON lines, CSV or Parquet files, one at a time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, Final, cast

from upath import UPath

from bigin_client.errors import SettingsError
from bigin_client.files import storage
from bigin_client.files.formats import Format, known_format, split_suffix
from bigin_client.rejects import from_json

#: Rows of a Parquet file that are in memory at a time.
_BATCH: Final = 1_000


@dataclass(frozen=True)
class Unreadable:
    """A line that holds no row.

    Attributes:
        row: What there is of it, for the rejects file.
        reason: In plain words, without its contents.
    """

    row: Mapping[str, Any]
    reason: str


Line = Mapping[str, Any] | Unreadable


class Input:
    """The files of one input, in order.

    Args:
        paths: Files, folders or manifests of an extract. Of a folder, the files that its
            manifest lists; without one, all files of the format, by name.
        form: ``jsonl``, ``csv`` or ``parquet``; None: what the names say.
        at: Finds a path's store.

    Raises:
        SettingsError: There is no such file, or its format is not known.
    """

    def __init__(
        self, paths: Sequence[str], form: str | None = None, at: storage.Opener = storage.at
    ) -> None:
        self._form = None if form is None else known_format(form)
        self._at = at
        #: Rows by the manifests; None: a file has none.
        self._promised: int | None = 0
        self.files = [file for path in paths for file in self._find(at(path))]
        if not self.files:
            raise SettingsError("input_path names no file")

    @cached_property
    def fingerprint(self) -> list[dict[str, Any]]:
        """What tells this input from another: path, size and etag of each file."""
        return [storage.fingerprint(f) for f in self.files]

    def count(self) -> int | None:
        """Return the rows that the manifests promise; None if a file came without one."""
        return self._promised

    def row_key(self, position: int) -> str:
        """Return what names a row: its place in these very files."""
        mark = hashlib.sha256(json.dumps(self.fingerprint).encode()).hexdigest()[:16]
        return f"{mark}:{position}"

    def rows(self, skip: int = 0) -> Iterator[tuple[int, Line]]:
        """Yield ``(position, row)`` from 1, without the first `skip`."""
        position = 0
        for file in self.files:
            for line in self._lines(file):
                position += 1
                if position > skip:
                    yield position, line

    def _find(self, path: UPath) -> list[UPath]:
        if path.name.endswith("manifest.json"):
            return self._listed(path)
        if not path.exists():
            raise SettingsError(f"there is no file {path}", hint="Check the path.")
        if not path.is_dir():
            self._promised = None
            return [path]
        manifest = path / "_manifest.json"
        if manifest.exists():
            return self._listed(manifest)
        self._promised = None
        found = [p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "_"))]
        named = [p for p in found if not self._form or split_suffix(p.name)[1] == self._form]
        return sorted((p for p in named if split_suffix(p.name)[1]), key=str)

    def _listed(self, manifest: UPath) -> list[UPath]:
        try:
            files = json.loads(manifest.read_bytes())["files"]
            if self._promised is not None:
                self._promised += sum(int(f["rows"]) for f in files)
            return [self._at(f["path"]) for f in files]
        except (OSError, ValueError, KeyError, TypeError):
            raise SettingsError(f"{manifest} is no manifest of an extract") from None

    def _lines(self, file: UPath) -> Iterator[Line]:
        named, zipped = split_suffix(file.name)[1:]
        form = self._form or named
        if form is None:
            raise SettingsError(f"{file}: the format is not known", hint="Set format to jsonl.")
        with file.open("rb") as opened:
            yield from lines(opened, form, zipped=zipped, name=str(file))


def lines(stream: IO[bytes], form: Format, *, zipped: bool, name: str) -> Iterator[Line]:
    """Yield the rows of an open file, and the lines that hold none.

    Args:
        stream: Open for reading in binary; for Parquet it must be seekable.
        form: Its format.
        zipped: It is gzip.
        name: For error messages.

    Raises:
        SettingsError: The file breaks off, or is of another format.
    """
    if form == "parquet":
        yield from _parquet(stream, name)
        return
    if zipped:
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    try:
        yield from _json_lines(stream) if form == "jsonl" else _csv(stream)
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        # Nobody knows which rows are missing: that is no reject, the input is broken.
        raise SettingsError(
            f"{name} breaks off or is no {form} file ({type(error).__name__})"
        ) from None


def _json_lines(stream: IO[bytes]) -> Iterator[Line]:
    # Not `for line in stream`: the wrapper around files in Airflow 2.11 cannot be iterated over.
    for line in iter(stream.readline, b""):
        if not line.strip():
            continue
        try:
            row = from_json(line)
        except ValueError:
            yield Unreadable({"line": line.decode("utf-8", "replace").rstrip("\n")}, "no JSON")
            continue
        if isinstance(row, dict):
            yield row
        else:
            yield Unreadable({"line": row}, "no JSON object")


def _csv(stream: IO[bytes]) -> Iterator[Line]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = cells
                if len(set(header)) != len(header) or "" in header:
                    raise SettingsError("the CSV header names a column twice, or not at all")
            elif len(cells) == len(header):
                yield dict(zip(header, cells, strict=True))
            else:
                yield Unreadable(
                    {"cells": cells}, f"{len(cells)} cells where the header has {len(header)}"
                )
    except csv.Error as error:
        raise SettingsError(f"line {reader.line_num} is no CSV: {error}") from None
    finally:
        text.detach()  # the file is closed by the one who opened it


def _parquet(file: Any, name: str) -> Iterator[Line]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SettingsError(
            "Parquet needs pyarrow", hint="Run: pip install 'bigin-connectors[parquet]'"
        ) from None
    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except pa.ArrowInvalid:
        raise SettingsError(f"{name} breaks off or is no parquet file") from None
