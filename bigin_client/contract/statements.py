"""What a statement of the contract is, and the table of all of them.

A statement is one thing that ``bigin-api.md`` says, or assumes, about the service; its check
asks the service. A check that the account's data does not allow ends in `NotCheckable`, never in
a conclusion.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from bigin_client.contract.examination import Examination


class Verdict(str, enum.Enum):
    """What became of a statement."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        verdict: Confirmed, refuted or not checkable.
        observed: What the service did instead, in a word or two, or why nothing can be said.
        evidence: What was asked and answered: method, path, status, code; no record contents.
    """

    verdict: Verdict
    observed: str = ""
    evidence: tuple[str, ...] = ()


class NotCheckable(Exception):  # noqa: N818 - an outcome, no failure
    """The check cannot be made here; the text says why."""


Check: TypeAlias = "Callable[[Examination], Finding]"


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        number: Its place: ``9.25a`` is the first part of statement 25 of section 9 of
            bigin-api.md, ``10.3`` a question of section 10, ``11.4`` a choice of section 11,
            ``maton A5`` a section of maton.md.
        text: What is claimed. For a choice, the answer that the documents suggest.
        check: Asks the service; None where nothing can be asked.
        writes: The check needs records that the examination makes and removes.
        depends: Statements without which the check means nothing.
        why_not: Why there is no check.
    """

    number: str
    text: str
    check: Check | None = None
    writes: bool = False
    depends: tuple[str, ...] = ()
    why_not: str = ""


#: All statements in the order of their checks; filled by the modules of this package.
STATEMENTS: Final[list[Statement]] = []


def statement(
    number: str, text: str, *, writes: bool = False, depends: tuple[str, ...] = ()
) -> Callable[[Check], Check]:
    """Enter a check into the table."""

    def enter(check: Check) -> Check:
        STATEMENTS.append(Statement(number, text, check, writes=writes, depends=depends))
        return check

    return enter


def unasked(number: str, text: str, why_not: str) -> None:
    """Enter a statement that no request can settle."""
    STATEMENTS.append(Statement(number, text, why_not=why_not))


def confirmed(*evidence: str, observed: str = "") -> Finding:
    """Return the finding of a statement that holds."""
    return Finding(Verdict.CONFIRMED, observed, evidence)


def refuted(observed: str, *evidence: str) -> Finding:
    """Return the finding of a statement that does not hold."""
    return Finding(Verdict.REFUTED, observed, evidence)


def judged(holds: bool, observed: str, *evidence: str) -> Finding:  # noqa: FBT001 - the verdict
    """Return confirmed or, with what was observed, refuted."""
    return confirmed(*evidence) if holds else refuted(observed, *evidence)
