"""`bigin load`: a file's rows into a module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click
from rich.table import Table
from rich.text import Text

from bigin_client import console
from bigin_client.cli.context import (
    Context,
    json_option,
    module_of,
    pass_context,
    plain,
    print_json,
    split_names,
)
from bigin_client.cli.loading import Load, Planned, Rows
from bigin_client.cli.progress import Meter
from bigin_client.cli.sections import Sectioned
from bigin_client.load import LoadOptions, LoadReport, RunOptions
from bigin_client.load.results import Outcome

#: Rows of the plan, and refused rows, that are shown.
_SHOWN: Final = 20
_STYLES: Final = {
    "create": "green",
    "update": "yellow",
    "delete": "red",
    "reject": "bold red",
}
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Retry:
    """What --retry-rejects asks for."""

    path: str
    overwrite_newer: bool
    yes: bool


def _pairs(_ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    found = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator or not name or not text:
            raise click.BadParameter(f"{value}: expected {param.metavar}")
        found[name.strip()] = text.strip()
    return found


def _lookups(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in _pairs(ctx, param, values).items():
        key, _, on_missing = text.partition(":")
        found[name] = {"match_on": split_names(key), "on_missing": on_missing or "reject"}
    return found


def _scope(_ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    if value is None or value == "all":
        return value
    return _pairs(_ctx, param, value.split(","))


def _options_of(table: Iterable[tuple[tuple[str, ...], dict[str, Any]]]) -> Callable[..., Any]:
    def add(command: _Command) -> _Command:
        for names, settings in reversed(list(table)):
            command = click.option(*names, **settings)(command)
        return command

    return add


#: How rows are loaded: by their names in `LoadOptions`.
_HOW: Final = (
    (("--mode",), {
        "type": click.Choice(["upsert", "insert", "update", "delete", "mirror"]),
        "help": "What becomes of a row.  [default: upsert]",
    }),
    (("--match-on",), {
        "metavar": "A,B", "callback": lambda _c, _p, v: split_names(v),
        "help": "Fields that find the existing record.  [default: id, or the one unique field]",
    }),
    (("--map", "fields"), {
        "multiple": True, "metavar": "COLUMN=FIELD", "callback": _pairs,
        "help": "Bind a column to a field; other columns are bound by name. May be repeated.",
    }),
    (("--lookup", "lookups"), {
        "multiple": True, "metavar": "FIELD=KEY[:create|null]", "callback": _lookups,
        "help": "Find a lookup's record by a field of the other module; without a record refuse "
        "the row, create the record, or leave the field empty. May be repeated.",
    }),
    (("--nulls",), {
        "type": click.Choice(["ignore", "clear"]),
        "help": "Leave fields alone whose value is empty, or clear them.  [default: ignore]",
    }),
    (("--protect",), {
        "multiple": True, "metavar": "FIELD=always|when_set", "callback": _pairs,
        "help": "Never write over a field, or only fill it. May be repeated.",
    }),
    (("--compare",), {
        "type": click.Choice(["auto", "always", "never"]),
        "help": "Read records first and send only what differs.  [default: auto]",
    }),
    (("--run-workflows",), {
        "is_flag": True, "help": "Let Bigin's workflows run on what is written.",
    }),
    (("--strict",), {
        "is_flag": True, "help": "Refuse the load if a column is unknown or read-only.",
    }),
    (("--row-key",), {
        "metavar": "A,B", "callback": lambda _c, _p, v: split_names(v),
        "help": "Columns that name a row: mode insert inserts none twice, in any later run.",
    }),
    (("--allow-duplicates",), {
        "is_flag": True, "help": "Let mode insert run without --row-key.",
    }),
    (("--source-id",), {
        "metavar": "COLUMN", "help": "Column with the id in the account that the rows come from.",
    }),
    (("--on-delete",), {
        "type": click.Choice(["ignore", "delete"]),
        "help": "What rows with _sdc_deleted_at mean.  [default: ignore]",
    }),
    (("--allow-cascade",), {
        "is_flag": True, "help": "Allow deleting Accounts, which takes their Contacts along.",
    }),
    (("--mirror-scope",), {
        "metavar": "all|FIELD=VALUE", "callback": _scope,
        "help": "Mode mirror: where records may be deleted that the file does not have.",
    }),
    (("--max-delete-share",), {
        "type": click.FloatRange(0, 1), "metavar": "SHARE",
        "help": "Mode mirror: most of the scope that may be deleted.  [default: 0.1]",
    }),
    (("--limit-rows",), {
        "type": click.IntRange(0), "metavar": "N", "help": "Load only the first N rows.",
    }),
    (("--settle-seconds",), {
        "type": click.FloatRange(0), "metavar": "SECONDS",
        "help": "How long a write whose reply was lost may still take place.  [default: 60]",
    }),
    (("--verify",), {"is_flag": True, "help": "Read back what was written."}),
)  # fmt: skip
#: Where lines about rows go: by their names in `RunOptions`.
_FILES: Final = (
    (("--dry-run",), {"is_flag": True, "help": "Show what would be done; write nothing."}),
    (("--rejects", "rejects_path"), {
        "metavar": "FILE", "help": "Keep refused rows here; see --retry-rejects.",
    }),
    (("--max-rejects",), {
        "default": "0", "show_default": True, "metavar": "N|N%",
        "help": "Refused rows that are no failure.",
    }),
    (("--plan", "plan_path"), {"metavar": "FILE", "help": "With --dry-run: a line a row."}),
    (("--outcomes", "outcomes_path"), {
        "metavar": "FILE", "help": "What became of each row, and its id.",
    }),
    (("--before", "before_path"), {
        "metavar": "FILE", "help": "What records held before they were changed or deleted.",
    }),
    (("--report", "report_path"), {"metavar": "FILE", "help": "The report, as JSON."}),
    (("--report-html", "report_html"), {
        "metavar": "FILE", "help": "The report as a page to look at.",
    }),
    (("--journal", "journal_path"), {
        "metavar": "FILE", "help": "Of inserts begun and done.  [default: in your state folder]",
    }),
)  # fmt: skip


_EPILOG: Final = """\b
Examples:
  bigin load people.csv --module Contacts --match-on Email --dry-run
  bigin load people.csv --module Contacts --match-on Email \\
      --map mail=Email --lookup Account_Name=Account_Name:create \\
      --rejects rejects.jsonl --max-rejects 1%
  bigin load --retry-rejects rejects.jsonl

More in docs/command-line.md and docs/load.md; exit codes: bigin --help.
"""
_SECTIONS: Final = {
    "Which record a row is": ["match_on", "fields", "lookups", "row_key", "source_id"],
    "What is written": [
        "mode", "nulls", "protect", "compare", "run_workflows", "strict", "allow_duplicates",
        "limit_rows", "settle_seconds", "verify",
    ],
    "Deletes": [
        "on_delete", "allow_cascade", "mirror_scope", "max_delete_share", "expected_rows",
    ],
    "Looking first, and files about rows": [
        "dry_run", "rejects_path", "max_rejects", "plan_path", "outcomes_path", "before_path",
        "report_path", "report_html", "journal_path",
    ],
    "Refused rows again": ["retry", "overwrite_newer", "yes"],
}  # fmt: skip


@click.command(
    cls=Sectioned, sections=_SECTIONS, epilog=_EPILOG, short_help="Load a file into a module."
)
@click.argument("file", required=False)
@click.option("--module", metavar="M", help="Where the rows go: API name or alias.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    help="Of FILE.  [default: what its name says; jsonl for -]",
)
@click.option("--stream", metavar="NAME", help="Names the input in files and report.")
@_options_of(_HOW)
@click.option(
    "--expected-rows",
    type=click.IntRange(0),
    metavar="N",
    help="Mode mirror: rows of the whole input.  [default: what an export's manifest says]",
)
@_options_of(_FILES)
@click.option("--retry-rejects", "retry", metavar="FILE", help="Load a rejects file again.")
@click.option(
    "--overwrite-newer",
    is_flag=True,
    help="With --retry-rejects: write over records that were changed since.",
)
@click.option("--yes", is_flag=True, help="With --retry-rejects: do not ask.")
@json_option
@pass_context
def load(
    context: Context,
    /,
    *,
    file: str | None,
    module: str | None,
    form: str | None,
    stream: str | None,
    expected_rows: int | None,
    retry: str | None,
    overwrite_newer: bool,
    yes: bool,
    **given: Any,
) -> int:
    """Load the rows of FILE into a module; - is standard input.

    FILE is JSON lines, CSV or Parquet, a folder of them, or the manifest of an export. Every row
    ends in exactly one outcome, and they add up: created, updated, unchanged, superseded,
    deleted, skipped, rejected or unknown. A refused row never stops the others; more of them
    than --max-rejects make the exit code 5. After a failure run the same command again.

    Look first: --dry-run reads what it must, writes nothing, and shows a table of changes and
    what they would cost.
    """
    names = [parts[-1].removeprefix("--").replace("-", "_") for parts, _ in _FILES]
    files = RunOptions.from_mapping({n: given.pop(n) for n in names})
    # What was not given is left to the engine's defaults, or to the rejects file.
    options = {n: v for n, v in given.items() if v not in (None, False, {})}
    if retry is not None:
        if file or module or form or stream:
            raise click.UsageError("--retry-rejects stands instead of FILE and --module")
        return _again(context, files, options, _Retry(retry, overwrite_newer, yes))
    if file is None or module is None:
        raise click.UsageError("give FILE and --module")
    if overwrite_newer or yes:
        raise click.UsageError("--overwrite-newer and --yes go with --retry-rejects")
    chosen = LoadOptions.from_mapping(options)
    rows = Rows(file, form, sys.stdin.buffer)
    expected = rows.promised if expected_rows is None else expected_rows
    with context.client() as client, Meter("rows", quiet=context.as_json) as meter:
        api_name = module_of(client, module).api_name
        with Load(client, files, meter) as work:
            report = work.load(rows, api_name, stream or rows.name, chosen, expected)
            meter.end()
            _show(context, work, report, files)
    return console.worst(report.exit_codes)


def _again(context: Context, files: RunOptions, options: Mapping[str, Any], asked: _Retry) -> int:
    """Load a rejects file again: first the plan, then the question, then the load."""
    newer = asked.overwrite_newer
    with (
        context.client() as client,
        Meter("rows", quiet=context.as_json) as meter,
        Load(client, files, meter) as work,
    ):
        if not asked.yes and not files.dry_run:
            report = work.retry(asked.path, options, overwrite_newer=newer, look=True)
            meter.end()
            _show(context, work, report, files)
            code = console.worst(report.exit_codes)
            if code not in {console.ExitCode.DONE, console.ExitCode.REJECTS}:
                return code
            if not sys.stdin.isatty():
                click.echo("bigin: nothing was written; --yes goes on", err=True)
                return console.ExitCode.SETTINGS
            click.confirm("Load them?", abort=True, err=True)
            work.refused.clear()
        report = work.retry(asked.path, options, overwrite_newer=newer, look=False)
        meter.end()
        _show(context, work, report, files)
    return console.worst(report.exit_codes)


# --- what is shown ----------------------------------------------------------------------------


def _show(context: Context, work: Load, report: LoadReport, files: RunOptions) -> None:
    if context.as_json:
        print_json(report.to_dict())
        return
    if report.dry_run:
        rows, count = work.plan(_SHOWN)
        _show_plan(context, rows, count)
    elif work.refused:
        _show_refused(context, work)
    context.show(
        [
            {"stream": name, "module": entry.module, "rows": entry.rows, **_counts(entry.outcomes)}
            for name, entry in report.streams.items()
        ],
        ["stream", "module", "rows", *_counts(_all_outcomes(report))],
    )
    for entry in report.streams.values():
        click.echo(entry.summary())
    cost = f"cost {report.credits_used}"
    if report.dry_run:
        cost = f"would cost {report.credits_predicted}"
    click.echo(f"{report.requests} requests in {report.seconds:.1f} s; the load {cost} credits")
    if report.refused and not report.dry_run and not files.rejects_path:
        kept = (
            f"are in {work.rejects_path}"
            if work.rejects_path
            else ("were not kept: --rejects FILE keeps them")
        )
        click.echo(f"bigin: refused rows {kept}", err=True)


def _all_outcomes(report: LoadReport) -> dict[str, int]:
    return {o.value: sum(s.outcomes[o.value] for s in report.streams.values()) for o in Outcome}


def _counts(outcomes: Mapping[str, int]) -> dict[str, int]:
    """Return the outcomes that occurred: eight columns would not fit into 80."""
    return {o.value: outcomes[o.value] for o in Outcome if outcomes[o.value]}


def _show_plan(context: Context, rows: list[Planned], count: int) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("action", no_wrap=True)
    table.add_column("record", overflow="fold")
    table.add_column("changes", overflow="fold")
    for row in rows:
        told = str(row.why) if row.why else _values(row.changes, "\n")
        style = _STYLES.get(row.action, "")
        table.add_row(
            str(row.number), Text(row.action, style), Text(_values(row.key, "\n")), Text(told)
        )
    context.print_table(table)
    if count > len(rows):
        click.echo(f"and {count - len(rows):,} more: --plan FILE writes them all")
    click.echo()


def _show_refused(context: Context, work: Load) -> None:
    rows = [
        {"row": r.number, "code": r.code, "field": r.field, "reason": r.reason}
        for r in work.refused[:_SHOWN]
    ]
    context.show(rows, ["row", "code", "field", "reason"], title="Refused")
    click.echo()


def _values(values: Mapping[str, Any], separator: str) -> str:
    shown = []
    for name, value in values.items():
        told = value.get("name") or value.get("id") if isinstance(value, dict) else value
        shown.append(f"{name}: {'(empty)' if told is None else plain(str(told))}")
    return separator.join(shown)
