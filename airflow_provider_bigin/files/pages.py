"""The page about a run, for a task whose author asked for one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_bigin.files.storage import at
from bigin_client import BiginClient, report_html
from bigin_client.errors import BiginError, RejectedRecordsError
from bigin_client.files.storage import make_parent

log = logging.getLogger(__name__)


class Page:
    """Follows one run, and writes the page about it at the end, whatever came of it.

    Args:
        path: Local path or object storage URL; None: there is no page.
        conn_id: Airflow connection of the store.
        client: The account; used for this run alone.

    Raises:
        SettingsError: Airflow knows no such store, or there can be no such folder; nothing was
            sent yet.
    """

    def __init__(self, path: str | None, conn_id: str | None, client: BiginClient) -> None:
        self._path = None if path is None else at(path, conn_id)
        if self._path is not None:
            make_parent(self._path)
        transport = client.transport
        self._curve = report_html.Curve(
            lambda: transport.requests_sent, lambda: transport.credits.used
        )

    def advance(self, rows: int) -> None:
        """Count rows that have ended."""
        self._curve.advance(rows)

    def write_extract(
        self, module: str, summary: Mapping[str, Any], error: BiginError | None
    ) -> None:
        """Write the page of an extract; an empty summary is that of a failed one."""
        row = {
            "module": module,
            "status": "ok" if error is None else "failed",
            "records": summary.get("rows"),
            "deletions": summary.get("deleted_rows"),
            "credits": summary.get("credits", {}).get("used"),
            "warnings": summary.get("warnings", ()),
            "reason": None if error is None else str(error),
        }
        self._write(lambda: report_html.export_page([row], self._curve), error)

    def write_load(
        self, stream: str, summary: Mapping[str, Any], error: BiginError | None, *, resumed: bool
    ) -> None:
        """Write the page of a load.

        Args:
            stream: Name of the input.
            summary: Counts of all tries.
            error: What the task will raise.
            resumed: There was a try before, whose rows are counted too.
        """
        status = "rejects" if summary["rejects_by_code"] else "ok"
        if error is not None and not isinstance(error, RejectedRecordsError):
            status = "failed"
        report = {**summary, "status": status, "streams": {stream: summary}}
        said = [] if error is None else [str(error)]
        if resumed:
            said.append("The counts are those of all tries; the curves show the last one.")
        self._write(lambda: report_html.load_page(report, self._curve, said), error)

    def _write(self, render: Callable[[], str], error: BiginError | None) -> None:
        if self._path is None:
            return
        self._curve.end()
        try:
            report_html.write(self._path, render())
        except (OSError, BiginError):
            if error is None:
                raise
            # What stopped the run matters more.
            log.exception("The page %s could not be written", self._path)
