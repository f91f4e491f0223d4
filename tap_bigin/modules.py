"""Which modules the tap reads: the account's, the setting `modules`, what may be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bigin_client import BiginClient
from bigin_client.errors import BiginError, NotFoundError, ScopeError, SettingsError
from bigin_client.extract.start import known_types
from bigin_client.metadata import ALIASES, Module
from bigin_client.records import ListQuery
from tap_bigin.schemas import module_schema

log = logging.getLogger("tap-bigin")


class Choice:
    """The setting `modules` or `related_lists`: names and globs, a leading ``!`` leaves out.

    Args:
        patterns: In order; the last one that fits decides. None: all modules.
        setting: Its name, for the error.
    """

    def __init__(self, patterns: Sequence[str] | None, setting: str = "modules") -> None:
        self._setting = setting
        self._patterns = [str(p).strip() for p in patterns or [] if str(p).strip()]
        self._all = not self._patterns or self._patterns[0].startswith("!")

    def takes(self, module: str) -> bool:
        """Whether a module is to be read."""
        taken = self._all
        for pattern in self._patterns:
            leaves_out = pattern.startswith("!")
            if _fits(module, pattern.lstrip("!")):
                taken = not leaves_out
        return taken

    @property
    def named(self) -> list[str]:
        """The modules that are asked for by name, not by a glob."""
        return [p for p in self._patterns if p[0] != "!" and not set(p) & set("*?[")]

    def names(self, module: str) -> bool:
        """Whether a module is asked for by name."""
        return any(_fits(module, name) for name in self.named)

    def check(self, names: Iterable[str]) -> None:
        """Make sure that everything asked for by name exists.

        Raises:
            SettingsError: Something does not.
        """
        known = list(names)
        for name in self.named:
            if not any(_fits(m, name) for m in known):
                raise SettingsError(
                    f"{self._setting}: the account has no {name}",
                    hint=f"It has: {', '.join(known) or 'none'}.",
                )


def setting_of(setting: Mapping[str, Any] | None, module: str) -> Any:
    """Return a module's entry in a setting by module, whatever name people give it; or None."""
    return next((v for name, v in (setting or {}).items() if _fits(module, name)), None)


def _fits(module: str, pattern: str) -> bool:
    wanted = ALIASES.get(pattern.casefold(), pattern).casefold()
    return fnmatchcase(module.casefold(), wanted)


@dataclass(frozen=True)
class Readable:
    """A module that the connection may read."""

    module: Module
    schema: dict[str, Any]
    has_modified_time: bool


@dataclass(frozen=True)
class LeftOut:
    """A module that it may not read, and why."""

    name: str
    error: BiginError


def discover(client: BiginClient, choice: Choice, *, deleted_at: bool) -> list[Readable | LeftOut]:
    """Look at every chosen module: may it be read, which fields has it.

    Costs two credits a module. Only a definitive answer leaves a module out; any other failure
    fails the discovery, because a catalog that lacks a module would lose its records.
    """
    modules = client.modules()
    choice.check(m.api_name for m in modules)
    taken = [m for m in modules if choice.takes(m.api_name)]
    chosen = [m for m in taken if m.api_supported]

    def look(module: Module) -> Readable | LeftOut:
        name = module.api_name
        try:
            # settings/modules lists modules without scope (bigin-api.md 1.1), so ask for a row.
            client.records.fetch(ListQuery(name, ("Created_Time",), page_size=1))
        except (ScopeError, NotFoundError) as error:
            return LeftOut(name, error)
        types = known_types(client.records, client.metadata, name)
        try:
            fields = client.metadata.fields(name)
        except (ScopeError, NotFoundError):
            fields = {}
        schema = module_schema(types, fields, deleted_at=deleted_at)
        return Readable(module, schema, "Modified_Time" in types)

    with ThreadPoolExecutor(client.settings.max_concurrency) as pool:
        found = list(pool.map(look, chosen))
    found += [
        LeftOut(m.api_name, _not_served(m))
        for m in taken
        if not m.api_supported and choice.names(m.api_name)
    ]
    for entry in found:
        if isinstance(entry, LeftOut):
            log.warning("Module %s is left out: %s", entry.name, entry.error)
    return found


def _not_served(module: Module) -> NotFoundError:
    return NotFoundError(
        f"the API does not serve {module.api_name}",
        hint="Take it out of the setting modules.",
    )
