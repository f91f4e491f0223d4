"""The `bigin` command: look at an account, its connections and its data; run the simulator."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Final

import click
from typing_extensions import override

from bigin_client import console
from bigin_client.__about__ import __version__
from bigin_client.cli import signals
from bigin_client.cli.context import Context, json_option

#: Command → the Python module that holds it under its own name. Loaded when it is called: the
#: simulator and the examination would more than double the start of every other command.
_COMMANDS: Final = {
    "connections": "bigin_client.cli.connections",
    "demo": "bigin_client.cli.demo",
    "doctor": "bigin_client.cli.doctor",
    "export": "bigin_client.cli.export",
    "fields": "bigin_client.cli.metadata",
    "load": "bigin_client.cli.load",
    "modules": "bigin_client.cli.metadata",
    "simulate": "bigin_client.cli.simulate",
}

EPILOG = """\b
Start here:
  bigin demo         what there is, on a simulated account; no key
  bigin doctor       with your key: what works, and what does not
  bigin COMMAND -h   what a command takes, with examples

\b
Exit codes:
{codes}
  128+n  ended by signal n

Set BIGIN_TRACEBACK=1 to see where a failure comes from.
""".format(codes="\n".join(f"  {c.value:<5}  {c.meaning}" for c in console.ExitCode))


class Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(__version__, package_name="bigin-connectors", prog_name="bigin")
@click.option("--api-key-file", metavar="FILE", help="File that holds the Maton API key.")
@click.option("--base-url", metavar="URL", help="The gateway.  [env: MATON_API_BASE_URL]")
@click.option(
    "--connection-id", metavar="ID", help="Connection to use.  [env: BIGIN_CONNECTION_ID]"
)
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Say what is retried and waited for.")
@click.pass_context
def app(
    ctx: click.Context,
    *,
    api_key_file: str | None,
    base_url: str | None,
    connection_id: str | None,
    verbose: bool,
) -> None:
    """Zoho Bigin through the Maton gateway.

    The Maton API key comes from the environment variable MATON_API_KEY or from
    --api-key-file; it is never taken from the command line, where others could see it.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    context = ctx.ensure_object(Context)
    context.settings = {
        "api_key_file": api_key_file,
        "base_url": base_url,
        "connection_id": connection_id,
    }
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    return console.run("bigin", _run)


def _run() -> int | None:
    try:
        with signals.as_exit():
            code: int | None = app.main(prog_name="bigin", standalone_mode=False)
    except click.Abort as aborted:
        # click turns Ctrl-C, the end of the input and the answer "no" into the same exception.
        if isinstance(aborted.__cause__ or aborted.__context__, KeyboardInterrupt):
            return 128 + 2
        _say("nothing was done: it was not confirmed. Answer y, or give --yes")
        return console.ExitCode.SETTINGS
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "bigin"
        _say(f"{error.format_message().rstrip('.')}. See: {command} --help")
        return console.ExitCode.SETTINGS
    except click.ClickException as error:
        _say(error.format_message())
        return console.ExitCode.SETTINGS
    return code


def _say(message: str) -> None:
    print(f"bigin: {message}", file=sys.stderr)
