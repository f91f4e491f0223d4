"""The table of statements as it stands in docs/contract.md."""

from __future__ import annotations

from typing import Final

from bigin_client.contract.statements import STATEMENTS, Statement

START: Final = "<!-- statements: made by python -m bigin_client.contract, do not edit -->"
END: Final = "<!-- end of statements -->"


def how(item: Statement) -> str:
    """Return in a few words how a statement is checked."""
    if item.check is None:
        return f"not asked: {item.why_not}"
    return "writes" if item.writes else "reads"


def as_markdown() -> str:
    """Return the table, a row a statement, in the order of the checks."""
    head = ["| Number | Statement | Check | Rests on |", "|---|---|---|---|"]
    rows = [
        f"| {s.number} | {_cell(s.text)} | {_cell(how(s))} | {', '.join(s.depends)} |"
        for s in STATEMENTS
    ]
    return "\n".join([*head, *rows])


def replaced(document: str) -> str:
    """Return a document with its table made anew.

    Raises:
        ValueError: The document lacks the two marks.
    """
    before, found, rest = document.partition(START)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        msg = f"the document needs the lines {START!r} and {END!r}"
        raise ValueError(msg)
    return f"{before}{START}\n{as_markdown()}\n{END}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("$", "\\$")
