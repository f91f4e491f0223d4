"""The command line around the target: the SDK's options, our errors and exit codes."""

from __future__ import annotations

import click

from bigin_client.errors import SettingsError
from target_bigin.target import TargetBigin


def run() -> int | None:
    """Run the SDK's command line; failures are raised for `bigin_client.console.run`."""
    try:
        TargetBigin.cli.main(prog_name="target-bigin", standalone_mode=False)
    except click.ClickException as error:
        raise SettingsError(error.format_message(), hint="See target-bigin --help.") from None
    except click.Abort:
        raise KeyboardInterrupt from None
    return None
