"""Write records in batches of up to 100, and pair each result with its row."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from bigin_client import timestamps
from bigin_client.credits import of_write
from bigin_client.errors import SettingsError
from bigin_client.reply import Reply, safe_details
from bigin_client.transport import Transport
from bigin_client.types import Record, RecordId

#: Records that one write may hold (bigin-api.md 3.3, [seed]).
MAX_RECORDS: Final = 100

WriteKind: TypeAlias = Literal["insert", "update", "upsert", "delete"]


@dataclasses.dataclass(frozen=True)
class RowResult:
    """What became of one row.

    Attributes:
        index: Position in the input, from 0.
        ok: The service says that it did it.
        id: The record's id; on a duplicate, the id of the record that is there already.
        action: ``insert`` or ``update`` as an upsert says (bigin-api.md 3.3, [rec]).
        code: ``SUCCESS``, or why the row was refused.
        field: API name of the field that was refused.
        details: Sizes, types, names; never values.
        modified_time: As the service says after the write, in UTC.
        created_time: Likewise; tells a record that an upsert made from one that was there.
        tries: How often the batch was sent before it was answered.
        answered: False when no result came for the row: it may or may not have been written.
    """

    index: int
    ok: bool
    id: RecordId | None = None
    action: str | None = None
    code: str | None = None
    field: str | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    modified_time: str | None = None
    created_time: str | None = None
    tries: int = 1
    answered: bool = True


class Batches:
    """Writes to one account.

    Args:
        transport: Where to send the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def write(
        self,
        kind: WriteKind,
        module: str,
        rows: Sequence[Record],
        *,
        match_on: Sequence[str] | None = None,
        run_workflows: bool = True,
        safe_to_repeat: bool | None = None,
        headers: dict[str, str] | None = None,
    ) -> list[RowResult]:
        """Send one batch of at most `MAX_RECORDS` and return a result per row, in order.

        Args:
            kind: What to do. A row of an update or a deletion needs its ``id``.
            module: API name.
            rows: Bodies as the service takes them.
            match_on: Upsert: ``duplicate_check_fields``.
            run_workflows: False: ``trigger: []`` (deletions: ``wf_trigger=false``).
            safe_to_repeat: The request may be sent twice. None: true for update and delete.
                An upsert is so only on a unique field, and its rows must all have a value.
            headers: For example If-Unmodified-Since.

        Raises:
            SettingsError: A row of an update or a deletion has no id, or a row holds a number
                that JSON has not; nothing was sent.
            ServiceError: With ``processed`` true, the rows may have been written.
            RequestError: The batch was refused as a whole; nothing was written.
        """
        if not 0 < len(rows) <= MAX_RECORDS:
            msg = f"a batch holds 1 to {MAX_RECORDS} rows, not {len(rows)}"
            raise ValueError(msg)
        repeat = kind in {"update", "delete"} if safe_to_repeat is None else safe_to_repeat
        if kind in {"update", "delete"}:
            _check_ids(rows)
        _check_numbers(rows)
        if kind == "delete":
            return self._delete(module, [str(r["id"]) for r in rows], repeat, run_workflows)
        body: dict[str, Any] = {"data": list(rows)}
        if not run_workflows:
            body["trigger"] = []
        if kind == "upsert" and match_on:
            body["duplicate_check_fields"] = list(match_on)
        reply = self._transport.bigin(
            "PUT" if kind == "update" else "POST",
            f"{module}/upsert" if kind == "upsert" else module,
            body=body,
            headers=headers,
            idempotent=repeat,
            row_errors=True,
            cost=of_write(len(rows)),
            module=module,
        )
        return pair(reply, len(rows), [r["id"] for r in rows] if kind == "update" else None)

    def _delete(
        self,
        module: str,
        ids: list[str],
        repeat: bool,  # noqa: FBT001 - passed on
        run_workflows: bool,  # noqa: FBT001 - passed on
    ) -> list[RowResult]:
        reply = self._transport.bigin(
            "DELETE",
            module,
            params={"ids": ",".join(ids), "wf_trigger": "true" if run_workflows else "false"},
            idempotent=repeat,
            row_errors=True,
            module=module,
        )
        results = pair(reply, len(ids), ids)
        if reply.maybe_repeated:
            results = [self._understood(module, i, r) for i, r in zip(ids, results, strict=True)]
        return results

    def _understood(self, module: str, record_id: str, result: RowResult) -> RowResult:
        """Read the second answer to a deletion whose first was lost.

        A record that was deleted by the first is refused by the second (bigin-api.md 3.3), so
        a refused one is asked for: gone means deleted.
        """
        if result.ok or not result.answered:
            return result
        if not self._transport.bigin("GET", f"{module}/{record_id}", module=module).is_empty:
            return result
        return dataclasses.replace(result, ok=True, id=record_id, code="SUCCESS", field=None)


def _check_ids(rows: Sequence[Record]) -> None:
    """Refuse ids that would be read as none, or as several."""
    for position, row in enumerate(rows, 1):
        record_id = str(row.get("id") or "")
        if not record_id.isascii() or not record_id.isalnum():
            raise SettingsError(
                f"Row {position} of the batch has no usable id", hint="An id is 19 digits."
            )


def _check_numbers(rows: Sequence[Record]) -> None:
    """Refuse NaN and infinity: as JSON they would become null and clear the field."""
    for position, row in enumerate(rows, 1):
        for name, value in row.items():
            if isinstance(value, (float, Decimal)) and not math.isfinite(value):
                raise SettingsError(f"Row {position} of the batch: {name} is not a finite number")


def pair(reply: Reply, count: int, expected_ids: Sequence[Any] | None = None) -> list[RowResult]:
    """Match results to rows by position, and check them by id where the row names one."""
    data = reply.row_results
    if data is None or len(data) != count:
        # Fewer or more results than rows: which belongs to which is a guess.
        return [RowResult(index=i, ok=False, answered=False) for i in range(count)]
    results = []
    for index, raw in enumerate(data):
        result = dataclasses.replace(_row_result(index, raw), tries=reply.tries)
        wanted = expected_ids[index] if expected_ids else None
        if result.ok and wanted is not None and result.id not in (None, str(wanted)):
            result = RowResult(index=index, ok=False, answered=False)
        results.append(result)
    return results


def _row_result(index: int, raw: object) -> RowResult:
    if not isinstance(raw, dict):
        return RowResult(index=index, ok=False, answered=False)
    details = raw.get("details")
    details = details if isinstance(details, dict) else {}
    shown = safe_details(details)
    ok = raw.get("status") == "success" or raw.get("code") == "SUCCESS"
    record_id = shown.get("id")
    action = raw.get("action")
    return RowResult(
        index=index,
        ok=ok,
        id=str(record_id) if record_id is not None else None,
        action=action if isinstance(action, str) else None,
        code=str(raw.get("code") or ("SUCCESS" if ok else "UNKNOWN_ERROR")),
        field=details.get("api_name") if isinstance(details.get("api_name"), str) else None,
        details=shown,
        modified_time=timestamps.in_utc(details.get("Modified_Time")) if ok else None,
        created_time=timestamps.in_utc(details.get("Created_Time")) if ok else None,
    )
