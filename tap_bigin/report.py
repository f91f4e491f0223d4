"""What the tap tells a person: progress, failures, and a summary at the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigin_client import BiginClient
    from bigin_client.errors import BiginError
    from bigin_client.extract import Summary


class Report:
    """Collects how the streams went.

    Args:
        logger: Where it is told.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._log = logger
        self._summaries: dict[str, Summary] = {}
        self._rows: dict[str, int] = {}
        #: Stream → why it could not be read.
        self.failures: dict[str, BiginError] = {}

    def failed(self, stream: str, error: BiginError) -> None:
        """Note a failure and tell it at once."""
        self.failures[stream] = error
        self._log.error("%s could not be read: %s", stream, error)

    def read(self, stream: str, summary: Summary) -> None:
        """Note how a module was read."""
        self._summaries[stream] = summary

    def rows(self, stream: str, rows: int) -> None:
        """Note how many rows an account stream had."""
        self._rows[stream] = rows

    def progress(self, stream: str, summary: Summary, seconds: float, left: int | None) -> None:
        """Say how far a stream is."""
        self._log.info(
            "%s: %d rows so far, %.0f a second, %d requests%s",
            stream,
            summary.rows,
            summary.rows / max(seconds, 0.001),
            summary.requests,
            "" if left is None else f", {left} credits left",
        )

    def end(self, client: BiginClient | None) -> None:
        """Tell the summary: a line for each stream, and the totals."""
        for stream, rows in self._rows.items():
            self._log.info("%s: %d rows", stream, rows)
        for stream, s in self._summaries.items():
            self._log.info(
                "%s: %d rows, %d deletions, read by %s, %d requests, %d credits, %.1f s%s",
                stream,
                s.rows,
                s.tombstones,
                s.strategy,
                s.requests,
                s.credits,
                s.seconds,
                f", {s.null_cursors} without Modified_Time" if s.null_cursors else "",
            )
        for stream, error in self.failures.items():
            self._log.info("%s: not read (%s)", stream, error.code or type(error).__name__)
        if client is not None:
            self._log.info(
                "In all: %d requests, %d credits",
                client.transport.requests_sent,
                client.transport.credits.used,
            )
