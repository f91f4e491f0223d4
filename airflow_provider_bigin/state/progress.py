"""How far a load has come, over all tries of its task: what the checkpoint holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bigin_client.load import Outcome, RowOutcome

#: Refused rows whose places a checkpoint remembers, to look at them again in a later try.
MAX_REMEMBERED: Final = 5_000


@dataclass
class Progress:
    """What the tries of a task instance have done so far.

    Attributes:
        input: The input's fingerprint.
        position: Rows from the beginning that are settled.
        outcomes: Of those rows.
        rejects_by_code: Of those rows.
        refused: Positions of refused rows; None: more than are remembered.
        finished: The input was read to its end.
        ids: Record of each row, by position; only for a few rows, and when asked for.
        requests, credits, predicted, seconds: Of earlier tries.
    """

    input: Any
    position: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rejects_by_code: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] | None = field(default_factory=list)
    finished: bool = False
    ids: dict[str, str | None] = field(default_factory=dict)
    requests: int = 0
    credits: int = 0
    predicted: int = 0
    seconds: float = 0.0

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Progress:
        """Read it from a checkpoint."""
        refused = value["refused"]
        return cls(
            **{
                **value,
                "outcomes": Counter(value["outcomes"]),
                "rejects_by_code": Counter(value["rejects_by_code"]),
                "refused": None if refused is None else [(p, c, o) for p, c, o in refused],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it for a checkpoint."""
        return {
            **vars(self),
            "outcomes": dict(self.outcomes),
            "rejects_by_code": dict(self.rejects_by_code),
            "refused": None if self.refused is None else [list(r) for r in self.refused],
        }

    def count(self, position: int, row: RowOutcome) -> None:
        """Count what became of the row at a position."""
        self.outcomes[row.outcome.value] += 1
        if row.is_refusal:
            code = row.code or "UNKNOWN_ERROR"
            self.rejects_by_code[code] += 1
            if self.refused is not None:
                self.refused.append((position, code, row.outcome.value))
                if len(self.refused) > MAX_REMEMBERED:
                    self.refused = None

    def uncount(self, code: str, outcome: str) -> None:
        """Forget the refusal of a row that is looked at again."""
        self.outcomes[outcome] -= 1
        self.rejects_by_code[code] -= 1

    @property
    def refusals(self) -> int:
        """Rows refused or of unknown fate."""
        return self.outcomes[Outcome.REJECTED.value] + self.outcomes[Outcome.UNKNOWN.value]
