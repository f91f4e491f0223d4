"""Which modules there are, and what fields they have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_bigin.operators.base import BiginOperator
from bigin_client.errors import SettingsError


class BiginListModulesOperator(BiginOperator):
    """Return the modules that the connection may read, for ``.expand(module=…)``.

    :param include: Names or globs; None: all.
    :param exclude: Names or globs.
    :param readable_only: Ask each module for one record (1 credit each) and leave out those
        without scope or permission, with a warning that names them. False: list them all.
    """

    template_fields: Sequence[str] = (*BiginOperator.template_fields, "include", "exclude")
    operator_extra_links = ()

    def __init__(
        self,
        *,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        readable_only: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.include = include
        self.exclude = exclude
        self.readable_only = readable_only

    def perform(self, context: Context) -> list[str]:  # noqa: ARG002 - Airflow's signature
        """Return API names, parents first."""
        names = self.hook.list_modules()
        wanted = names if self.include is None else self._matching(names, self.include)
        # What the API does not serve is in the account all the same: it may be left out by name.
        everything = [m.api_name for m in self.hook.get_conn().modules()]
        left_out = set(self._matching(everything, self.exclude))
        chosen = [n for n in wanted if n not in left_out]
        if self.readable_only:
            chosen = self.hook.readable(chosen)
        self.log.info("%d modules: %s", len(chosen), ", ".join(chosen))
        return chosen

    def _matching(self, names: Iterable[str], patterns: Sequence[str]) -> list[str]:
        """Return the names that fit; a pattern that fits none is a slip of the pen."""
        from bigin_client.metadata import ALIASES

        known = list(names)
        given = [patterns] if isinstance(patterns, str) else list(patterns)
        wanted = [ALIASES.get(p.casefold(), p).casefold() for p in given]
        for pattern, word in zip(given, wanted, strict=True):
            if not any(fnmatchcase(n.casefold(), word) for n in known):
                raise SettingsError(
                    f"no module fits {pattern!r}", hint=f"The account has: {', '.join(known)}."
                )
        return [n for n in known if any(fnmatchcase(n.casefold(), w) for w in wanted)]


class BiginDescribeModuleOperator(BiginOperator):
    """Return a module's fields, or write them to a file.

    :param module: API name or alias.
    :param output_path: JSON file, local or on object storage; None: the fields go into XCom.
    :param storage_conn_id: Airflow connection of the store.
    """

    template_fields: Sequence[str] = (*BiginOperator.template_fields, "module", "output_path")

    def __init__(
        self,
        *,
        module: str,
        output_path: str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.output_path = output_path
        self.storage_conn_id = storage_conn_id

    def perform(self, context: Context) -> list[dict[str, Any]] | str:  # noqa: ARG002 - Airflow's signature
        """Return the fields (api_name, label, data_type, mandatory, writable, …) or the path."""
        from airflow_provider_bigin.files.storage import at
        from bigin_client.files.storage import write_whole

        fields = self.hook.list_fields(self.module)
        if self.output_path is None:
            return fields
        path = at(self.output_path, self.storage_conn_id)
        write_whole(path, json.dumps(fields, indent=2).encode() + b"\n")
        return str(path)
