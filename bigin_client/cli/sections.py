"""Help with its options under headings, for commands that have many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from typing_extensions import override


class Sectioned(click.Command):
    """A command whose help groups its options.

    Args:
        sections: Heading → names of the parameters under it; others come first.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = sections

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        heading_of = {name: title for title, names in self._sections.items() for name in names}
        found: dict[str, list[tuple[str, str]]] = {"Options": []}
        found.update({title: [] for title in self._sections})
        for parameter in self.get_params(ctx):
            # Newer versions of click have a line for arguments too; the usage shows them.
            is_option = isinstance(parameter, click.Option)
            record = parameter.get_help_record(ctx) if is_option else None
            if record is not None:
                found[heading_of.get(parameter.name or "", "Options")].append(record)
        for title, records in found.items():
            with formatter.section(title):
                formatter.write_dl(records)
