"""`bigin export`: modules into files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from bigin_client import console
from bigin_client.cli.context import (
    Context,
    json_option,
    module_of,
    pass_context,
    print_json,
    split_names,
)
from bigin_client.cli.exporting import Export, Request, State
from bigin_client.cli.progress import Meter
from bigin_client.client import BiginClient
from bigin_client.files.formats import FileForm
from bigin_client.report_html import Curve, export_page, write

_EPILOG: Final = """\b
Examples:
  bigin export Contacts --to backup
  bigin export --all --to backup --format parquet
  bigin export Contacts Pipelines --to changes --state changes/state.json

More in docs/command-line.md; exit codes: bigin --help.
"""


@click.command(epilog=_EPILOG, short_help="Write modules into files, whole or what changed.")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("--all", "everything", is_flag=True, help="All modules that may be read.")
@click.option(
    "--to", "folder", required=True, metavar="DIR", help="Folder, or fsspec URL such as s3://…"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    default="jsonl",
    show_default=True,
    help="Of the files; Parquet needs the extra [parquet].",
)
@click.option("--gzip", "zipped", is_flag=True, help="Compress JSON lines and CSV.")
@click.option("--fields", metavar="A,B", help="Only these fields, of a single module; id always.")
@click.option(
    "--state",
    "state_path",
    metavar="FILE",
    help="Remember here how far it came; the next time export only what changed.",
)
@click.option(
    "--deleted/--no-deleted",
    default=None,
    help="Write deletions too, into MODULE….deleted files.  [default: with --state]",
)
@click.option("--view", "cvid", metavar="ID", help="Custom view, of a single module.")
@click.option("--pipeline", "pipeline_id", metavar="ID", help="Team Pipeline, of Pipelines.")
@click.option(
    "--max-rows", type=click.IntRange(1), metavar="N", help="Records in one file; then parts."
)
@click.option(
    "--lookback",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="With --state: read again what is this much older than the last export.",
)
@click.option(
    "--report-html", "report_html", metavar="FILE", help="Write a page about the run, to look at."
)
@json_option
@pass_context
def export(
    context: Context,
    *,
    modules: Sequence[str],
    everything: bool,
    folder: str,
    form: str,
    zipped: bool,
    fields: str | None,
    state_path: str | None,
    deleted: bool | None,
    cvid: str | None,
    pipeline_id: str | None,
    max_rows: int | None,
    lookback: float,
    report_html: str | None,
) -> int:
    """Write the records of MODULEs into files.

    About one credit for each 200 records and 49 fields, and a few for each module, which
    prove that the read is complete; what a run cost is in its table.

    A file is put in place when it is whole: a run that is interrupted leaves the former ones as
    they were. Beside each MODULE.jsonl stands a manifest, which says how many records there are.
    Times are in UTC, numbers exact, lookups objects of id and name.

    With --state only the first run reads everything. Each run writes files of its own, named by
    the time, so that none is lost; a record may come again, never too seldom. Run the same
    command again after a failure.
    """
    single = [n for n, v in (("--fields", fields), ("--view", cvid)) if v]
    if everything == bool(modules):
        raise click.UsageError("give MODULE names, or --all")
    if single and len(modules) != 1:
        raise click.UsageError(f"{single[0]} goes with a single MODULE")
    with context.client() as client:
        request = Request(
            modules=_names(client, modules),
            named=not everything,
            folder=folder,
            form=FileForm.choose("", form, "gzip" if zipped else None),
            fields=split_names(fields),
            deletes=state_path is not None if deleted is None else deleted,
            cvid=cvid,
            pipeline_id=pipeline_id,
            max_rows_per_file=max_rows,
            lookback_seconds=lookback,
        )
        state = None
        if state_path is not None:
            # The module names were looked up through it, so it is known by now.
            state = State(state_path, client.transport.connection_id or "")
        transport = client.transport
        curve = Curve(lambda: transport.requests_sent, lambda: transport.credits.used)
        with Meter("records", quiet=context.as_json) as meter:
            work = Export(client, request, state, meter, curve)
            rows = work.run()
        if report_html is not None:
            curve.end()
            write(report_html, export_page(rows, curve))
    _show(context, rows)
    return console.worst(work.codes)


def _names(client: BiginClient, modules: Sequence[str]) -> list[str]:
    if modules:
        return list(dict.fromkeys(module_of(client, name).api_name for name in modules))
    return [m.api_name for m in client.modules() if m.api_supported]


def _show(context: Context, rows: list[dict[str, Any]]) -> None:
    if context.as_json:
        print_json(rows)
    else:
        shown = [{**row, "files": _files(row["files"])} for row in rows]
        context.show(shown, ["module", "status", "records", "deletions", "credits", "files"])
    for row in rows:
        if row["reason"] is not None:  # warnings were logged when they were found
            click.echo(f"bigin: {row['module']}: {row['reason']}", err=True)


def _files(paths: list[str]) -> str | None:
    """Return a cell for a table: the names would fill it."""
    if len(paths) > 1:
        return f"{len(paths)} files"
    return paths[0].rpartition("/")[2] if paths else None
