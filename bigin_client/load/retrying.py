"""Load the rows of a rejects file again, after the cause was mended.

The file may have been edited: each line's ``row`` counts, its ``module`` and ``mode`` say where
it goes, and the names in its ``key`` how its record is found. The same row on several lines
(several runs added to the file) is loaded once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import fsspec

from bigin_client import timestamps
from bigin_client.errors import SettingsError
from bigin_client.load.binding import ID
from bigin_client.load.options import LoadOptions, RunOptions
from bigin_client.load.results import LoadReport, Outcome
from bigin_client.load.run import Client, LoadRun
from bigin_client.rejects import from_json, is_local, to_json

log = logging.getLogger(__name__)

#: What the `outcome` of a line says: surely not written, or sent, and nobody could tell.
REJECTED: Final = Outcome.REJECTED.value
UNKNOWN: Final = Outcome.UNKNOWN.value


@dataclass(frozen=True)
class Refused:
    """One line of a rejects file."""

    stream: str
    module: str
    mode: str
    row: dict[str, Any]
    key: dict[str, Any] | None
    at: datetime | None
    outcome: str = REJECTED

    def __repr__(self) -> str:
        return f"Refused({self.stream}, {self.module}, {self.mode})"


def read_rejects(path: str) -> Iterator[Refused]:
    """Yield the lines of a rejects file, or of all parts in a folder, each row once.

    Raises:
        SettingsError: The file cannot be read, or a line is not one of a rejects file.
    """
    seen = set()
    for name, number, line in _lines(path):
        if not line.strip():
            continue
        refused = _line(name, number, line)
        same = to_json([refused.stream, refused.module, refused.mode, refused.row])
        if same not in seen:
            seen.add(same)
            yield refused


def retry_rejects(
    client: Client,
    path: str,
    files: RunOptions,
    options: Mapping[str, Any],
    *,
    overwrite_newer: bool = False,
) -> LoadReport:
    """Load what a rejects file holds; what is refused again goes to a new file.

    Args:
        client: The account.
        path: The rejects file, or the folder of its parts.
        files: Where refused rows go now; None: beside `path`, with the time in the name.
        options: As for the first load, where the file does not say them: ``fields``,
            ``lookups``, ``row_key``, …
        overwrite_newer: Write over records that were changed after their row was refused.
            Otherwise such rows are skipped (``RECORD_CHANGED_SINCE``).

    Raises:
        SettingsError: The file cannot be used.
        BiginError: The load stopped; the report is in the exception's ``report``.
    """
    rows = list(read_rejects(path))
    if files.rejects_path is None and not files.dry_run:
        files = replace(files, rejects_path=rejects_beside(path))
    with LoadRun(client, files) as run:
        for refused in rows:
            found = run.metadata.module(refused.module)
            known = run.metadata.fields(found.api_name)
            chosen = {"match_on": _match_on(refused, known), **options, "mode": refused.mode}
            loader = run.stream(refused.stream, found.api_name, LoadOptions.from_mapping(chosen))
            loader.add(
                refused.row,
                unless_changed_since=None if overwrite_newer else refused.at,
                was_unknown=refused.outcome == UNKNOWN,
            )
        report = run.close()
    error = run.stopped or next((x.failure for x in run.loaders.values() if x.failure), None)
    if error is not None:
        error.report = report
        raise error
    return report


def _match_on(refused: Refused, known: Mapping[str, Any]) -> list[str] | None:
    """Return the match key that the line shows: the names in ``key``."""
    names = list(refused.key or ())
    return names if names and all(n == ID or n in known for n in names) else None


def rejects_beside(path: str) -> str:
    """Return where the rows of a rejects file go that are refused again."""
    stamp = f"{timestamps.now():%Y%m%dT%H%M%S}"
    base = path.rstrip("/").removesuffix(".jsonl")
    return f"{base}-{stamp}.jsonl" if is_local(path) else f"{base}-{stamp}"


def _lines(path: str) -> Iterator[tuple[str, int, bytes]]:
    names = [path]
    try:
        if not is_local(path):
            names = sorted(f.path for f in fsspec.open_files(f"{path.rstrip('/')}/*.jsonl"))
            opened = [fsspec.open(f"{path.split('://', maxsplit=1)[0]}://{n}", "rb") for n in names]
        else:
            place = Path(path.removeprefix("file://")).expanduser()
            opened = [place.open("rb")]
        for name, one in zip(names, opened, strict=True):
            with one as file:
                for number, line in enumerate(file, 1):
                    yield name, number, line
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None


def _line(name: str, number: int, line: bytes) -> Refused:
    try:
        found = from_json(line)
        at = found.get("at")
        return Refused(
            str(found["stream"]),
            str(found["module"]),
            str(found["mode"]),
            dict(found["row"]),
            found.get("key"),
            timestamps.parse(at) if at else None,
            str(found.get("outcome") or REJECTED),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SettingsError(
            f"{name}, line {number}: not a line of a rejects file",
            hint="Each line is a JSON object with stream, module, mode and row.",
        ) from None
