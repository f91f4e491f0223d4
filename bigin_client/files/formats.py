"""Records → JSON lines, CSV or Parquet."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Final, Literal, Protocol, cast

from bigin_client.errors import SettingsError
from bigin_client.field_types import FieldType
from bigin_client.rejects import to_json
from bigin_client.types import Record

Format = Literal["jsonl", "csv", "parquet"]
Compression = Literal["gzip"]

#: File name ending → format. A ``.gz`` behind it means gzip.
SUFFIXES: Final[Mapping[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
#: Records of one Parquet row group, held in memory.
_GROUP: Final = 10_000
#: Digits before and behind the point: every number of a CRM fits without rounding.
_DECIMAL: Final = (38, 12)

Columns = Mapping[str, FieldType]


@dataclass(frozen=True)
class FileForm:
    """How files are written and named.

    Attributes:
        format: ``jsonl``, ``csv`` or ``parquet``.
        compression: ``gzip`` or None.
    """

    format: Format
    compression: Compression | None = None

    @property
    def suffix(self) -> str:
        """Ending of the file names."""
        return f".{self.format}" + (".gz" if self.compression else "")

    @classmethod
    def choose(cls, path: str, form: str | None, compression: str | None) -> FileForm:
        """Return the form that arguments and file name ask for.

        Raises:
            SettingsError: They contradict each other, or there is no such form.
        """
        named, zipped = split_suffix(path)[1:]
        wanted = None if form is None else known_format(form)
        if compression not in (None, "gzip"):
            raise SettingsError("compression must be gzip or None")
        if named and wanted and named != wanted:
            raise SettingsError(f"the file name says {named}, format says {form}")
        if named and compression and not zipped:
            raise SettingsError("compression is gzip, but the file name does not end in .gz")
        chosen = named or wanted or "jsonl"
        if chosen == "parquet" and (compression or zipped):
            raise SettingsError("Parquet is compressed by itself: leave compression out")
        return cls(chosen, "gzip" if zipped or compression else None)


def known_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        SettingsError: There is none of that name.
    """
    for form in SUFFIXES.values():
        if form == name:
            return form
    known = ", ".join(dict.fromkeys(SUFFIXES.values()))
    raise SettingsError(f"format must be one of: {known}")


def split_suffix(path: str) -> tuple[str, Format | None, bool]:
    """Return a path without its ending, the format that it names, and whether it is gzip."""
    stem, zipped = (path[:-3], True) if path.endswith(".gz") else (path, False)
    for suffix, form in SUFFIXES.items():
        if stem.casefold().endswith(suffix):
            return stem[: -len(suffix)], form, zipped
    return path, None, False


class RowWriter(Protocol):
    """Writes records into one open file."""

    def write(self, record: Record) -> None:
        """Add a record."""
        ...

    def close(self) -> None:
        """Write the end of the file; the file itself stays open."""
        ...


def writer(form: FileForm, file: IO[bytes], columns: Columns) -> RowWriter:
    """Return the writer for a form."""
    if form.format == "parquet":
        return _Parquet(file, columns)
    kind = _JsonLines if form.format == "jsonl" else _Csv
    return kind(file, columns, zipped=form.compression == "gzip")


class _Zipped:
    """A stream into the file, through gzip if asked for."""

    def __init__(self, file: IO[bytes], *, zipped: bool) -> None:
        self._stack = contextlib.ExitStack()
        self.stream: IO[bytes] = file
        if zipped:
            # No time and no name in the header: the same records give the same bytes.
            opened = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
            self._stack.callback(opened.close)
            self.stream = cast("IO[bytes]", opened)

    def close(self) -> None:
        self._stack.close()


class _JsonLines:
    def __init__(self, file: IO[bytes], _columns: Columns, *, zipped: bool) -> None:
        self._out = _Zipped(file, zipped=zipped)

    def write(self, record: Record) -> None:
        self._out.stream.write(to_json(record) + b"\n")

    def close(self) -> None:
        self._out.close()


class _Csv:
    """A header line, then a line a record; lookups and arrays as JSON, null as nothing."""

    def __init__(self, file: IO[bytes], columns: Columns, *, zipped: bool) -> None:
        self._out = _Zipped(file, zipped=zipped)
        self._text = io.TextIOWrapper(self._out.stream, encoding="utf-8", newline="")
        self._names = ["id", *(n for n in columns if n != "id")]
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._csv.writerow(self._names)

    def write(self, record: Record) -> None:
        self._csv.writerow([_cell(record.get(n)) for n in self._names])

    def close(self) -> None:
        self._text.flush()
        self._text.detach()
        self._out.close()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (dict, list)):
        return to_json(value).decode()
    return value


class _Parquet:
    """Typed columns: exact decimals, dates, UTC times, lookups as structs."""

    def __init__(self, file: IO[bytes], columns: Columns) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise SettingsError(
                "Parquet needs pyarrow", hint="Run: pip install 'bigin-connectors[parquet]'"
            ) from None
        self._pa = pa
        self._types = {
            "id": pa.string(),
            **{n: _arrow_type(pa, t.kind) for n, t in columns.items() if n != "id"},
        }
        self._kinds = {n: t.kind for n, t in columns.items()}
        self._schema = pa.schema(list(self._types.items()))
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Record] = []

    def write(self, record: Record) -> None:
        self._rows.append(record)
        if len(self._rows) >= _GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = []
        for name, kind in self._types.items():
            cells = [_arrow_cell(r.get(name), self._kinds.get(name, "text")) for r in self._rows]
            try:
                arrays.append(self._pa.array(cells, type=kind))
            except self._pa.ArrowException:
                raise SettingsError(
                    f"the values of {name} do not fit into a Parquet column of type {kind}",
                    hint="Leave the field out (fields=…), or write jsonl.",
                ) from None
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def _arrow_type(pa: Any, kind: str) -> Any:
    types = {
        "integer": pa.int64(),
        "number": pa.decimal128(*_DECIMAL),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("ms", tz="UTC"),
        "lookup": pa.struct([(n, pa.string()) for n in ("id", "name", "email")]),
        "strings": pa.list_(pa.string()),
    }
    return types.get(kind, pa.string())


#: How a value of ours becomes one that Arrow takes.
_TO_ARROW: Final[Mapping[str, Callable[[Any], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "number": lambda value: Decimal(str(value)),
    "lookup": lambda value: {n: value.get(n) for n in ("id", "name", "email")},
    "integer": lambda value: value,
    "boolean": lambda value: value,
    "strings": lambda value: value,
}


def _arrow_cell(value: Any, kind: str) -> Any:
    """Return a cell; what has no column type of its own becomes JSON text."""
    if value is None:
        return None
    convert = _TO_ARROW.get(kind)
    if convert is not None:
        return convert(value)
    return value if isinstance(value, str) else to_json(value).decode()
