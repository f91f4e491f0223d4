"""What became of rows: outcomes, counts, the report."""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

#: Exit codes (design.md section 13): wrong settings, nothing sent; more rejects than allowed;
#: a stream failed.
EXIT_SETTINGS: Final = 2
EXIT_REJECTS: Final = 5
EXIT_STREAM: Final = 6


class Outcome(str, enum.Enum):
    """Where each input row ends, exactly once."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DELETED = "deleted"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class RowOutcome:
    """What became of one row.

    Attributes:
        row_number: Position in the stream's input, from 1.
        outcome: Where it ended.
        key: Field → value that found, or names, the record.
        id: The record's id, if known.
        code: Why it was refused or skipped.
        field: The field at fault.
        reason: In plain words, without values of the row.
        changes: Field → value that was, or would be, written.
        handled: False when the load stopped before the row's turn: it must come again.
        tag: Whatever the caller gave with the row.
    """

    row_number: int
    outcome: Outcome
    key: Mapping[str, Any] | None = None
    id: str | None = None
    code: str | None = None
    field: str | None = None
    reason: str | None = None
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    handled: bool = True
    tag: Any = None

    @property
    def is_refusal(self) -> bool:
        """Whether the row belongs in the rejects file."""
        return self.outcome in {Outcome.REJECTED, Outcome.UNKNOWN}


@dataclasses.dataclass
class StreamReport:
    """Counts of one stream; the outcomes add up to the rows."""

    module: str
    mode: str
    rows: int = 0
    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    rejects_by_code: Counter[str] = dataclasses.field(default_factory=Counter)
    nulls_ignored: int = 0
    run_workflows: bool = False
    columns_dropped: dict[str, str] = dataclasses.field(default_factory=dict)
    failure: str | None = None
    #: Rows whose turn never came.
    not_handled: int = 0
    #: Records read back, and field → records that hold something else; None: not asked for.
    verified: tuple[int, Counter[str]] | None = None
    #: Records that mirror mode deleted; they are no rows of the input.
    mirror_deleted: int | None = None

    @property
    def refused(self) -> int:
        """Rows that were refused or whose fate is unknown."""
        return self.outcomes[Outcome.REJECTED.value] + self.outcomes[Outcome.UNKNOWN.value]

    def count(self, row: RowOutcome) -> None:
        """Count a row's outcome."""
        self.outcomes[row.outcome.value] += 1
        self.not_handled += not row.handled
        if row.is_refusal:
            self.rejects_by_code[row.code or "UNKNOWN_ERROR"] += 1

    def skip(self) -> None:
        """Count a row of a stream that failed before it had a module."""
        self.rows += 1
        self.outcomes[Outcome.SKIPPED.value] += 1

    def to_dict(self) -> dict[str, Any]:
        """Return the stream's entry of the report."""
        entry: dict[str, Any] = {
            "module": self.module,
            "mode": self.mode,
            "rows": self.rows,
            "outcomes": {o.value: self.outcomes[o.value] for o in Outcome},
            "rejects_by_code": dict(sorted(self.rejects_by_code.items())),
        }
        if self.verified is not None:
            records, differences = self.verified
            entry["verified"] = {"records": records, "differences": dict(differences)}
        if self.mirror_deleted is not None:
            entry["mirror_deleted"] = self.mirror_deleted
        return entry

    def summary(self) -> str:
        """Return one line for people."""
        counts = ", ".join(
            f"{self.outcomes[o.value]} {o.value}" for o in Outcome if self.outcomes[o.value]
        )
        notes = []
        if self.nulls_ignored:
            notes.append(f"{self.nulls_ignored} nulls ignored")
        if self.mirror_deleted is not None:
            notes.append(f"{self.mirror_deleted} records deleted that the input does not have")
        if self.verified is not None:
            notes.append(f"{self.verified[0]} read back, {sum(self.verified[1].values())} differ")
        notes.append("workflows run" if self.run_workflows else "workflows not run")
        what = "1 row" if self.rows == 1 else f"{self.rows} rows"
        where = self.module or "no module"
        line = f"{what} into {where} ({self.mode}): {counts or 'nothing to do'}"
        return f"{line}; {'; '.join(notes)}"


@dataclasses.dataclass
class LoadReport:
    """What a load did (design.md section 13).

    Attributes:
        dry_run: Nothing was written.
        seconds: Duration.
        requests: Requests sent.
        credits_predicted: Credits that the plan expected, reads included.
        credits_used: Credits spent.
        streams: Name → counts.
        failures: Exit code and message of everything that failed.
        too_many_rejects: More rows were refused than `max_rejects` allows.
    """

    dry_run: bool = False
    seconds: float = 0.0
    requests: int = 0
    credits_predicted: int = 0
    credits_used: int = 0
    streams: dict[str, StreamReport] = dataclasses.field(default_factory=dict)
    failures: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    too_many_rejects: bool = False

    @property
    def rows(self) -> int:
        """Rows read, all streams."""
        return sum(s.rows for s in self.streams.values())

    @property
    def refused(self) -> int:
        """Rows refused or of unknown fate, all streams."""
        return sum(s.refused for s in self.streams.values())

    @property
    def written(self) -> int:
        """Records written, all streams."""
        kinds = (Outcome.CREATED, Outcome.UPDATED, Outcome.DELETED)
        return sum(s.outcomes[o.value] for s in self.streams.values() for o in kinds)

    @property
    def status(self) -> str:
        """``ok``, ``rejects`` (if there is any) or ``failed``."""
        if self.failures:
            return "failed"
        return "rejects" if self.refused else "ok"

    @property
    def exit_codes(self) -> list[int]:
        """The exit codes that apply (`bigin_client.console.worst` picks one)."""
        codes = [code for code, _ in self.failures]
        if self.written:
            # "Nothing was sent" would be wrong: other streams were loaded.
            codes = [EXIT_STREAM if code == EXIT_SETTINGS else code for code in codes]
        return [*codes, EXIT_REJECTS] if self.too_many_rejects else codes

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "status": self.status,
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "credits": {"predicted": self.credits_predicted, "used": self.credits_used},
            "streams": {name: s.to_dict() for name, s in self.streams.items()},
        }
