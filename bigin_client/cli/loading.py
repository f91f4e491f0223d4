"""The work of `bigin load`: a file's rows through the load engine, and what it says of them."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import click
import msgspec
from typing_extensions import Self

from bigin_client.cli.progress import Meter
from bigin_client.client import BiginClient
from bigin_client.errors import BiginError, SettingsError
from bigin_client.files.formats import known_format
from bigin_client.files.reading import Input, Line, Unreadable, lines
from bigin_client.load import (
    LoadOptions,
    LoadReport,
    LoadRun,
    RunOptions,
    rejects_beside,
    retry_rejects,
)
from bigin_client.load.results import RowOutcome
from bigin_client.rejects import is_local

#: The file name that means standard input.
STDIN: Final = "-"
#: Code of a line that holds no row: the service's own for what it cannot read.
_UNREADABLE: Final = "INVALID_DATA"
#: Refused rows kept to be shown.
_KEPT: Final = 1_000

log = logging.getLogger(__name__)


class Rows:
    """The rows of a file, a folder, an export's manifest, or standard input.

    Args:
        path: `STDIN`, or a path or fsspec URL.
        form: ``jsonl``, ``csv`` or ``parquet``; None: what the name says.
        stdin: Standard input, in binary.

    Raises:
        SettingsError: There is no such file, or its format is not known.
    """

    def __init__(self, path: str, form: str | None, stdin: IO[bytes]) -> None:
        self._stdin = stdin
        self._form = known_format(form or "jsonl")
        self._input = None if path == STDIN else Input([path], form)
        #: For the report and the files.
        self.name = "stdin" if self._input is None else _stem(self._input.files[0].name)

    @property
    def promised(self) -> int | None:
        """Rows that the input must have, as its manifest says; None: there is none."""
        return None if self._input is None else self._input.count()

    def __iter__(self) -> Iterator[Line]:
        """Yield rows, and lines that hold none."""
        if self._input is not None:
            for _position, line in self._input.rows():
                yield line
        elif self._form != "parquet":
            yield from lines(self._stdin, self._form, zipped=False, name="standard input")
        else:
            with tempfile.TemporaryFile() as whole:  # Parquet is read from its end
                shutil.copyfileobj(self._stdin, whole)
                whole.seek(0)
                yield from lines(whole, self._form, zipped=False, name="standard input")


def _local(path: str | None) -> Path | None:
    """Return a path on this machine, None for any other."""
    if path is None or not is_local(path):
        return None
    return Path(path.removeprefix("file://")).expanduser()


def _stem(name: str) -> str:
    return name.partition(".")[0] or name


@dataclass(frozen=True)
class Refused:
    """Why a row was, or would be, refused; `number` is its position in the input, from 1."""

    number: int
    code: str
    field: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.code} {self.field or ''}".rstrip() + f": {self.reason}"


@dataclass(frozen=True)
class Planned:
    """What would become of one row.

    Attributes:
        number: Position in the input, from 1.
        action: create, update, unchanged, delete, skip, reject or superseded.
        key: What finds the record.
        changes: Field → value that would be written.
        why: Why it is refused.
    """

    number: int
    action: str
    key: Mapping[str, Any]
    changes: Mapping[str, Any]
    why: Refused | None


class Load:
    """One load, with its plan and its refused rows where they can be shown.

    Args:
        client: The account.
        files: Files and limits, as the user gave them.
        meter: Shows how far it is.
    """

    def __init__(self, client: BiginClient, files: RunOptions, meter: Meter) -> None:
        self._client = client
        self._meter = meter
        self._folder = tempfile.TemporaryDirectory(prefix="bigin-load-")
        self._plan = Path(self._folder.name, "plan.jsonl")
        self._plan = _local(files.plan_path) or self._plan
        self._files = files
        if files.dry_run and files.plan_path is None:
            self._files = replace(files, plan_path=str(self._plan))
        #: Where refused rows are kept.
        self.rejects_path = files.rejects_path
        #: The first refused rows, for people, in the order of their outcomes.
        self.refused: list[Refused] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._folder.cleanup()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            told = "stopped; the same command goes on, and settles first what was under way"
            click.echo(f"bigin: {told}", err=True)

    def load(
        self, rows: Rows, module: str, stream: str, options: LoadOptions, expected: int | None
    ) -> LoadReport:
        """Load rows; what stops the load is in the report.

        Args:
            rows: The input.
            module: API name.
            stream: Name of the input.
            options: How it is loaded.
            expected: Rows that the whole input has, for mirror mode; None: not known.

        Raises:
            SettingsError: The load is refused before its first write.
        """
        self._meter.begin(stream, options.limit_rows or rows.promised)
        with LoadRun(self._client, self._files) as run:
            loader = run.stream(stream, module, options)
            for line in self._read(islice(rows, options.limit_rows), run, stream):
                if isinstance(line, Unreadable):
                    done = loader.refuse_unread(line.row, _UNREADABLE, line.reason)
                else:
                    done = loader.add(line)
                self._note(done)
                self._meter.advance(1)
                if loader.has_stopped:
                    break
            if loader.mirror is not None and expected is not None and not run.report.failures:
                if loader.report.rows == expected:
                    loader.mirror.declare_complete(f"{expected} rows, as expected")
                else:
                    log.error("%d rows were expected, %d came", expected, loader.report.rows)
            run.end_input()
            self._note(loader.settle())
            return run.close()

    @staticmethod
    def _read(rows: Iterable[Line], run: LoadRun, stream: str) -> Iterator[Line]:
        """Yield rows; of an input that breaks off, what came before is loaded and accounted for."""
        try:
            yield from rows
        except SettingsError as error:
            run.fail(error, stream)

    def retry(
        self, path: str, options: Mapping[str, Any], *, overwrite_newer: bool, look: bool
    ) -> LoadReport:
        """Load a rejects file again.

        Args:
            path: The file, or the folder of its parts.
            options: What the file does not say.
            overwrite_newer: Write over records that were changed since.
            look: Only plan, and leave the user's files alone.

        Raises:
            SettingsError: The file cannot be used.
        """
        self._meter.begin(_stem(Path(path).name))
        files = self._files
        told = Path(self._folder.name, "refused.jsonl")
        if look:
            files = RunOptions(
                dry_run=True, plan_path=str(self._plan), rejects_path=str(told),
                journal_path=files.journal_path,
            )  # fmt: skip
        elif files.rejects_path is None:
            kept = str(told) if files.dry_run else rejects_beside(path)
            files = replace(files, rejects_path=kept)
        if not look:
            self.rejects_path = files.rejects_path
        refused = _local(files.rejects_path) or told
        seen = refused.stat().st_size if refused.exists() else 0
        try:
            report = retry_rejects(
                self._client, path, files, options, overwrite_newer=overwrite_newer
            )
        except BiginError as error:
            if error.report is None:
                raise
            report = error.report
        if refused.exists():
            with refused.open("rb") as file:
                file.seek(seen)
                for line in islice(file, _KEPT):
                    row = msgspec.json.decode(line)
                    self.refused.append(Refused(0, row["code"], row["field"], row["reason"]))
        return report

    def plan(self, most: int) -> tuple[list[Planned], int]:
        """Return the first planned rows that would not stay unchanged, and how many there are."""
        reasons = iter(self.refused)
        found: list[Planned] = []
        count = 0
        if not self._plan.is_file():
            return [], 0
        with self._plan.open("rb") as file:
            for line in file:
                row = msgspec.json.decode(line)
                if row["action"] == "unchanged":
                    continue
                count += 1
                why = next(reasons, None) if row["action"] == "reject" else None
                if len(found) < most:
                    key, changes = row["key"] or {}, row["changes"] or {}
                    found.append(Planned(row["row_number"], row["action"], key, changes, why))
        return sorted(found, key=lambda row: row.number), count

    def _note(self, done: Iterable[RowOutcome]) -> None:
        room = _KEPT - len(self.refused)
        self.refused += [
            Refused(row.row_number, row.code or "", row.field, row.reason or "")
            for row in islice((r for r in done if r.is_refusal), room)
        ]
