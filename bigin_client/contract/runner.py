"""Runs the statements in order and adds up what was found."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bigin_client.client import BiginClient
from bigin_client.contract.examination import Examination, why
from bigin_client.contract.statements import (
    STATEMENTS,
    Finding,
    NotCheckable,
    Statement,
    Verdict,
)
from bigin_client.contract.workshop import Workshop
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    CancelledError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
    NotFoundError,
    RequestError,
    ScopeError,
)

#: These end the examination: nothing that is asked afterwards would be answered.
_FATAL = (AuthenticationError, CancelledError, ConnectionUnavailableError, CreditsExhaustedError)

#: Why a statement was not asked where nothing may be written.
NEEDS_WRITES: Final = "needs --allow-writes"


@dataclass
class Report:
    """What an examination found.

    Attributes:
        findings: Statement and finding, in the table's order.
        requests: Requests sent.
        credits: Credits spent, by the rules of bigin-api.md section 5.
        left_behind: ``Module id`` of what was made and could not be removed.
        stopped_by: The error that ended the examination early.
    """

    findings: list[tuple[Statement, Finding]] = field(default_factory=list)
    requests: int = 0
    credits: int = 0
    left_behind: list[str] = field(default_factory=list)
    stopped_by: BiginError | None = None

    def count(self, verdict: Verdict) -> int:
        """Return how many statements got this verdict."""
        return Counter(f.verdict for _, f in self.findings)[verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON: no record contents."""
        return {
            "statements": [
                {
                    "number": s.number,
                    "text": s.text,
                    "verdict": f.verdict.value,
                    "observed": f.observed,
                    "evidence": list(f.evidence),
                }
                for s, f in self.findings
            ],
            "summary": {
                **{v.name.lower(): self.count(v) for v in Verdict},
                "requests": self.requests,
                "credits": self.credits,
                "left_behind": self.left_behind,
            },
        }


def run(
    client: BiginClient,
    *,
    allow_writes: bool = False,
    report: Report | None = None,
    on_finding: Callable[[Statement, Finding], None] | None = None,
    wait: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Examine an account.

    Args:
        client: The account.
        allow_writes: Make records, and remove them again, however the examination ends.
        report: Filled as the examination goes on, so that it is known after an interruption.
        on_finding: Told of each finding as it comes.
        wait: Waits so many seconds; None: the transport's own wait, which `cancel` ends.
        clock: Seconds, for measuring waits.

    Raises:
        BiginError: The key or the connection is no good: nothing could be examined.
    """
    exam = Examination(client, wait=wait or client.transport.pause, clock=clock)
    # A bad key or connection shows here, before anything else; a missing scope is a finding.
    with contextlib.suppress(NotFoundError, RequestError, ScopeError):
        client.users("CurrentUser")
    report = Report() if report is None else report
    workshop = Workshop(exam) if allow_writes else None
    exam.workshop = workshop
    try:
        for item in STATEMENTS:
            finding = _finding(exam, item, report)
            exam.findings[item.number] = finding
            report.findings.append((item, finding))
            if on_finding:
                on_finding(item, finding)
    finally:
        if workshop is not None:
            report.left_behind = workshop.clear()
        report.requests, report.credits = exam.requests, exam.credits
    return report


def _finding(exam: Examination, item: Statement, report: Report) -> Finding:
    reason = _obstacle(exam, item, report)
    if reason or item.check is None:
        return Finding(Verdict.NOT_CHECKABLE, reason)
    try:
        return item.check(exam)
    except NotCheckable as obstacle:
        reason = str(obstacle)
    except _FATAL as error:
        report.stopped_by = error
        reason = why(error)
    except BiginError as error:
        reason = f"no answer: {why(error)}"
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A service that answers otherwise than any document says must not end the examination.
        reason = f"a reply of an unexpected form ({type(error).__name__} in {item.check.__name__})"
    return Finding(Verdict.NOT_CHECKABLE, reason)


def _obstacle(exam: Examination, item: Statement, report: Report) -> str:
    """Return why a statement is not even tried; empty when it is."""
    if item.check is None:
        return item.why_not
    if report.stopped_by is not None:
        return f"stopped earlier: {why(report.stopped_by)}"
    if item.writes and exam.workshop is None:
        return NEEDS_WRITES
    broken = [number for number in item.depends if not exam.holds(number)]
    return f"rests on {', '.join(broken)}, not confirmed" if broken else ""
