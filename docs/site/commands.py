"""The page of the command line: what each command's ``--help`` says."""

from __future__ import annotations

import click

from bigin_client.cli import app

PAGE = """\
# Commands

What `bigin --help` and `bigin COMMAND --help` say. `tap-bigin` and `target-bigin` have the command
line of every Singer tap and target: `--config`, `--discover`, `--catalog`, `--state`, `--about`.
Shell completion of click: `eval "$(_BIGIN_COMPLETE=bash_source bigin)"`, likewise for zsh and fish.

"""
#: Columns of the help's text.
WIDTH = 84


def page() -> str:
    """Return the page."""
    return PAGE + "\n".join(_sections(app, "bigin", None))


def _sections(command: click.Command, path: str, parent: click.Context | None) -> list[str]:
    context = click.Context(
        command,
        info_name=path.rsplit(maxsplit=1)[-1],
        parent=parent,
        max_content_width=WIDTH,
        **command.context_settings,
    )
    context.terminal_width = WIDTH
    found = [f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                found += _sections(child, f"{path} {name}", context)
    return found
