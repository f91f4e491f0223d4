"""Bulk read: a whole module as one job, for 50 credits.

Opt-in: through the gateway it is undocumented whether its path and its scope are there
(maton.md A2), so a `NotFoundError` or `ScopeError` on `submit` means: read by lists instead.
Source: bigin-api.md 3.11.
"""

from __future__ import annotations

import csv
import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bigin_client.concurrency import looks
from bigin_client.errors import PagingError, RequestError, ServiceError
from bigin_client.transport import Transport

PATH: Final = "/bigin/bulk/v2/read"
#: Credits of a job (bigin-api.md section 5).
COST: Final = 50
#: Rows of one page of a job ([bigin-doc]).
MAX_ROWS: Final = 200_000
_DONE: Final = "COMPLETED"
_FAILED: Final = frozenset({"FAILURE", "FAILED"})


@dataclass(frozen=True)
class BulkJob:
    """A job.

    Attributes:
        state: ADDED, IN PROGRESS, COMPLETED or FAILURE.
        more_records: There is another page to submit a job for.
    """

    id: str
    state: str
    count: int | None = None
    more_records: bool = False


class Bulk:
    """Bulk read jobs of one account.

    Args:
        transport: Where to send the requests.
        clock: Monotonic seconds.
    """

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._clock = clock

    def read(
        self,
        module: str,
        fields: Sequence[str] = (),
        *,
        cvid: str | None = None,
        timeout: float = 3600.0,
        poll_interval: float = 10.0,
    ) -> Iterator[dict[str, str]]:
        """Yield all rows of a module: a job for each 200,000 (50 credits), waited for in turn.

        Args:
            module: API name.
            fields: Empty: all.
            cvid: Custom view.
            timeout: Seconds for each job.
            poll_interval: Seconds between two looks, a credit each.

        Yields:
            Rows as `rows` does. What changes between two jobs may be missed or come twice.

        Raises:
            NotFoundError, ScopeError: The gateway or the connection has no bulk read.
            ServiceError: A job failed or took too long.
            PagingError: A result holds another number of rows than its job says.

        Source: bigin-api.md 3.11 [bigin-doc].
        """
        page, more = 1, True
        while more:
            submitted = self.submit(module, fields, page=page, cvid=cvid)
            job = self.wait(submitted.id, timeout=timeout, poll_interval=poll_interval)
            count = 0
            if job.count != 0:
                for row in self.rows(job.id):
                    count += 1
                    yield row
            if job.count is not None and count != job.count:
                raise PagingError(
                    f"Bulk read {job.id}: {count} rows came, the job counts {job.count}",
                    hint="Run again, or read by lists.",
                )
            page, more = page + 1, job.more_records

    def submit(
        self, module: str, fields: Sequence[str] = (), *, page: int = 1, cvid: str | None = None
    ) -> BulkJob:
        """Start a job (50 credits); a request whose fate is unclear is not sent again.

        Args:
            module: API name.
            fields: Empty: all.
            page: Each holds up to 200,000 records.
            cvid: Custom view.
        """
        query: dict[str, Any] = {"module": module, "page": page}
        if fields:
            query["fields"] = list(fields)
        if cvid:
            query["cvid"] = cvid
        reply = self._transport.bigin(
            "POST",
            PATH,
            body={"query": query, "file_type": "csv"},
            idempotent=False,
            cost=COST,
            module=module,
        )
        for row in reply.row_results or []:
            details = row.get("details") if isinstance(row, dict) else None
            if isinstance(details, dict) and details.get("id"):
                return BulkJob(str(details["id"]), str(details.get("state") or "ADDED"))
        raise RequestError(f"POST {PATH}: the reply holds no job", request_id=reply.request_id)

    def status(self, job_id: str) -> BulkJob:
        """Return how far a job is (1 credit).

        Source: bigin-api.md 3.11 [bigin-doc]: ADDED, IN PROGRESS, COMPLETED, FAILURE.
        """
        reply = self._transport.bigin("GET", f"{PATH}/{job_id}")
        rows = reply.row_results
        if not rows or not isinstance(rows[0], dict):
            raise ServiceError(
                f"GET {PATH}/{job_id}: the reply holds no job", request_id=reply.request_id
            )
        result = rows[0].get("result") or {}
        return BulkJob(
            job_id,
            str(rows[0].get("state")),
            result.get("count"),
            bool(result.get("more_records")),
        )

    def wait(self, job_id: str, *, timeout: float = 3600.0, poll_interval: float = 10.0) -> BulkJob:
        """Wait until a job is done.

        Args:
            job_id: The job; it goes on even when this stops waiting.
            timeout: Seconds.
            poll_interval: Seconds between two looks, a credit each.

        Raises:
            ServiceError: It failed, or the time ran out.
        """
        state = ""
        for _ in looks(timeout, poll_interval, clock=self._clock, pause=self._transport.pause):
            job = self.status(job_id)
            state = job.state
            if state == _DONE:
                return job
            if state in _FAILED:
                raise ServiceError(f"Bulk read {job_id}: the service says {state}")
        raise ServiceError(
            f"Bulk read {job_id} is still {state} after {timeout:g} s",
            hint="Ask for its status later: results are kept for a day.",
        )

    def rows(self, job_id: str) -> Iterator[dict[str, str]]:
        """Yield the result's rows, CSV text by column; empty values are ``""``.

        A lookup's column holds the id. The file passes through a temporary file, not memory.
        """
        with tempfile.TemporaryFile() as file:
            self._transport.download(f"{PATH}/{job_id}/result", file)
            file.seek(0)
            try:
                with zipfile.ZipFile(file) as archive:
                    for name in archive.namelist():
                        with archive.open(name) as part:
                            text = io.TextIOWrapper(part, encoding="utf-8-sig", newline="")
                            yield from csv.DictReader(text)
            except zipfile.BadZipFile:
                raise ServiceError(
                    f"GET {PATH}/{job_id}/result: not a zip file", hint="Run again."
                ) from None
