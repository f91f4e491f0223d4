"""`bigin demo`: a copy of an account, a table loaded back, what changed; every figure checked."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bigin_client.cli import signals
from bigin_client.cli.context import Context, json_option, pass_context, print_json
from bigin_client.cli.demonstration import Demonstration
from bigin_client.console import ExitCode
from bigin_client.errors import SettingsError
from bigin_client.testing import BiginSimulator


@click.command(short_help="Show the whole story on a simulated account.")
@click.option(
    "--to",
    "folder",
    default="bigin-demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="New folder for what it writes.",
)
@click.option("--seed", default=1, show_default=True, help="Takes other data.")
@click.option("--keep", is_flag=True, help="Leave the account running for commands of your own.")
@json_option
@pass_context
def demo(context: Context, *, folder: Path, seed: int, keep: bool) -> int:
    """Show the whole story in a minute, on a simulated account; no key, no network.

    It copies every module into files, looks at what a table of customers would change, loads it
    with two bad rows in it, mends and loads those, and exports what changed meanwhile. Each
    command is shown as you could type it. After each step the figures are compared with the
    account itself: if one disagrees, the exit code is 1.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder} is there already", hint="Remove it, or name another --to.")
    began = time.monotonic()
    with BiginSimulator(seed=seed, rate_limit=None) as account:
        shown = Demonstration(account, folder, quiet=context.as_json)
        shown.run()
        if context.as_json:
            print_json(shown.to_dict())
        else:
            shown.summary(time.monotonic() - began)
        code = ExitCode.DONE if shown.agrees else ExitCode.UNEXPECTED
        if keep:
            click.echo("\nThe account goes on until Ctrl-C. In another terminal:", err=True)
            click.echo(f"  export MATON_API_BASE_URL={account.base_url}", err=True)
            click.echo(f"  export MATON_API_KEY={account.api_key}", err=True)
            return 128 + signals.wait_for_stop()
    return code
