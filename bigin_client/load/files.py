"""The files about a load's rows: rejects, outcomes, plan, before-images; and its report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fsspec

from bigin_client import timestamps
from bigin_client.load.options import RunOptions
from bigin_client.load.results import LoadReport, Outcome, RowOutcome
from bigin_client.load.rows import Row
from bigin_client.rejects import Reject, RowFile, is_local

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

_PLAN_ACTIONS: Final = {
    Outcome.CREATED: "create",
    Outcome.UPDATED: "update",
    Outcome.UNCHANGED: "unchanged",
    Outcome.DELETED: "delete",
    Outcome.SKIPPED: "skip",
    Outcome.REJECTED: "reject",
    Outcome.UNKNOWN: "reject",
    Outcome.SUPERSEDED: "superseded",
}


class Files:
    """Writes a line for each row into the files that a run's options name.

    Args:
        options: Their paths.

    Attributes:
        keeps_before: Records are kept as they were before they are written over.

    Raises:
        SettingsError: A file cannot be written.
    """

    def __init__(self, options: RunOptions) -> None:
        dry = options.dry_run
        self.keeps_before = options.before_path is not None
        self._rejects = _open(options.rejects_path)
        self._outcomes = _open(options.outcomes_path)
        self._before = None if dry else _open(options.before_path)
        self._plan = _open(options.plan_path, fresh=True) if dry else None

    def note(self, loader: Loader, row: Row, outcome: RowOutcome) -> None:
        """Write what became of a row."""
        if outcome.is_refusal and self._rejects is not None:
            self._rejects.write(
                Reject(
                    stream=loader.stream,
                    module=loader.module.api_name,
                    mode=loader.options.mode,
                    row=row.source,
                    key=outcome.key,
                    code=outcome.code or "UNKNOWN_ERROR",
                    field=outcome.field,
                    reason=outcome.reason or "",
                    outcome="unknown" if outcome.outcome is Outcome.UNKNOWN else "rejected",
                    id=outcome.id,
                    attempt=row.attempts,
                ).to_dict()
            )
        self._plan_line(
            loader,
            outcome.row_number,
            _PLAN_ACTIONS[outcome.outcome],
            outcome.id,
            key=outcome.key,
            changes=outcome.changes,
        )
        if self._outcomes is not None:
            self._outcomes.write(
                {
                    "stream": loader.stream,
                    "row_number": outcome.row_number,
                    "row_key": row.row_key,
                    "key": outcome.key,
                    "id": outcome.id,
                    "outcome": outcome.outcome.value,
                    "code": outcome.code,
                    "at": timestamps.to_text(timestamps.now()),
                }
            )

    def plan_deletions(self, loader: Loader, ids: Iterable[str]) -> None:
        """Enter records into the plan that mirror mode deletes; no row is behind them."""
        for record_id in ids:
            self._plan_line(loader, None, _PLAN_ACTIONS[Outcome.DELETED], record_id)

    def _plan_line(
        self,
        loader: Loader,
        row_number: int | None,
        action: str,
        record_id: str | None,
        *,
        key: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        if self._plan is not None:
            self._plan.write(
                {
                    "stream": loader.stream,
                    "row_number": row_number,
                    "action": action,
                    "key": key,
                    "id": record_id,
                    "changes": dict(changes or {}),
                }
            )

    def keep_before(self, loader: Loader, records: Iterable[Mapping[str, Any]]) -> None:
        """Keep what records hold now; safe before the write that changes them."""
        if self._before is None:
            return
        at = timestamps.to_text(timestamps.now())
        for record in records:
            self._before.write(
                {
                    "stream": loader.stream,
                    "module": loader.module.api_name,
                    "id": record["id"],
                    "before": {k: v for k, v in record.items() if k != "id"},
                    "at": at,
                }
            )
        self._before.sync()

    def sync(self) -> None:
        """Make all lines written so far safe."""
        for file in (self._rejects, self._outcomes, self._plan):
            if file is not None:
                file.sync()

    def close(self) -> None:
        """Sync and close."""
        for file in (self._rejects, self._outcomes, self._plan, self._before):
            if file is not None:
                file.close()


def _open(path: str | None, *, fresh: bool = False) -> RowFile | None:
    return None if path is None else RowFile(path, fresh=fresh)


def write_report(path: str, report: LoadReport) -> None:
    """Write the report as JSON, readable by its owner only."""
    data = json.dumps(report.to_dict(), indent=2).encode() + b"\n"
    if not is_local(path):
        with fsspec.open(path, "wb") as file:
            file.write(data)
        return
    target = Path(path.removeprefix("file://")).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
