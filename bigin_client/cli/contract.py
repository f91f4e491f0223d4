"""`bigin doctor --contract`: the examination on the screen."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Final, TextIO

import click

from bigin_client import console
from bigin_client.cli.context import Context, plain, print_json
from bigin_client.client import BiginClient
from bigin_client.contract import NEEDS_WRITES, Finding, Report, Statement, Verdict, run
from bigin_client.errors import BiginError

#: Upper bounds of what an examination sends and spends; a test holds them.
READ_REQUESTS: Final = 120
READ_CREDITS: Final = 100
WRITE_REQUESTS: Final = 210
WRITE_CREDITS: Final = 180

_INDENT: Final = " " * 29


def examine(context: Context, *, allow_writes: bool, yes: bool) -> int:
    """Run the examination and print what was found; returns the exit code.

    Statements that do not hold are findings, no failure: the exit code is 0.
    """
    with context.client() as client:
        _say(textwrap.fill(_costs(allow_writes=allow_writes), _width(sys.stderr)))
        if allow_writes and not yes:
            _ask(client)
        report = Report()
        try:
            run(
                client,
                allow_writes=allow_writes,
                report=report,
                on_finding=None if context.as_json else _show,
            )
        finally:
            for item in report.left_behind:
                _say(f"not removed: {item}")
    if context.as_json:
        print_json(report.to_dict())
    else:
        _summary(report)
    if report.stopped_by is not None:
        raise report.stopped_by
    return console.ExitCode.STREAM_FAILED if report.left_behind else console.ExitCode.DONE


def _costs(*, allow_writes: bool) -> str:
    if not allow_writes:
        return f"Reads only: at most {READ_REQUESTS} requests and {READ_CREDITS} credits."
    return (
        f"At most {WRITE_REQUESTS} requests and {WRITE_CREDITS} credits, and a minute or two. "
        "Some 40 records named 'bigin-contract …' are made in Contacts, Accounts, Products, "
        "Pipelines, Tasks, Events and Notes, and a tag and a connection of the gateway; they are "
        "removed again and stay in the recycle bin. No other record is changed; workflows do not "
        "run."
    )


def _ask(client: BiginClient) -> None:
    """Ask before anything is written, naming the account."""
    try:
        organisation = str(client.org().get("id"))
    except BiginError as error:
        organisation = f"not readable ({error.code})"
    click.confirm(
        f"Write to organisation {organisation}, connection {client.transport.connection_id}?",
        abort=True,
        err=True,
    )


def _width(stream: TextIO) -> int:
    return shutil.get_terminal_size().columns if stream.isatty() else 10_000


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(statement: Statement, finding: Finding) -> None:
    if finding.observed == NEEDS_WRITES:
        return  # counted at the end
    refuted = finding.verdict is Verdict.REFUTED
    word = finding.verdict.value.upper() if refuted else finding.verdict.value
    _print(f"{word:<15}{statement.number:<14}", statement.text)
    if finding.observed:
        _print(_INDENT, f"{'observed' if refuted else 'note'}: {finding.observed}")
    for item in finding.evidence if refuted else ():
        _print(_INDENT, item)


def _print(head: str, text: str) -> None:
    width = _width(sys.stdout)
    click.echo(
        textwrap.fill(
            plain(text),
            width,
            initial_indent=head,
            subsequent_indent=_INDENT,
            break_long_words=True,
        )
    )


def _summary(report: Report) -> None:
    counts = ", ".join(f"{report.count(v)} {v.value}" for v in Verdict)
    click.echo()
    for statement, finding in report.findings:
        if finding.verdict is Verdict.REFUTED:
            _print(f"refuted: {statement.number:<14}", f"{statement.text}: {finding.observed}")
    unasked = sum(f.observed == NEEDS_WRITES for _, f in report.findings)
    if unasked:
        click.echo(f"{unasked} of the statements not checkable need --allow-writes")
    click.echo(f"{counts}; {report.requests} requests, {report.credits} credits")
