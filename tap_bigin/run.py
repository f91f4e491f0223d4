"""From the command line to the tap; the SDK's own endings become documented exit codes."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bigin_client.errors import SettingsError
from tap_bigin.tap import TapBigin


def run(arguments: Sequence[str]) -> int:
    """Run the tap with command-line arguments; returns the exit code.

    Raises:
        BiginError: See `bigin_client.console.run`.
    """
    command = TapBigin.cli
    try:
        # Not `command.main`: it would turn a closed pipe into an ending of its own.
        with command.make_context("tap-bigin", list(arguments)) as context:
            command.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.UsageError as error:
        raise SettingsError(error.format_message(), hint="See: tap-bigin --help") from None
    except click.ClickException as error:
        raise SettingsError(error.format_message()) from None
    return 0
