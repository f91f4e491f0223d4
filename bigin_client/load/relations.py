"""What a run knows of the records that its rows refer to; shared by all its streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bigin_client.load.lookups import Parents
from bigin_client.load.results import RowOutcome
from bigin_client.load.rows import Row

if TYPE_CHECKING:
    from bigin_client.load.run import LoadRun


class Relations:
    """Parents by natural key, users, Team Pipelines, and which parents were refused.

    Args:
        run: Where to read.
    """

    def __init__(self, run: LoadRun) -> None:
        self._run = run
        self._parents: dict[tuple[str, tuple[str, ...], bool], Parents] = {}
        self._rejected_keys: dict[tuple[str, bytes], str] = {}
        self._users: dict[str, str] | None = None
        self._pipelines: dict[str, list[str]] | None = None

    def close(self) -> None:
        """Delete temporary files."""
        for parents in self._parents.values():
            parents.close()

    def parents(self, module: str, match_on: tuple[str, ...], *, shared: bool = True) -> Parents:
        """Return what finds records of a module by a natural key.

        Args:
            module: API name.
            match_on: The key's fields.
            shared: By all lookups; otherwise by what a dry run does beyond a real one.
        """
        name = (module, tuple(n.casefold() for n in match_on), shared)
        if name not in self._parents:
            self._parents[name] = Parents(self._run, module, match_on)
        return self._parents[name]

    def tell_children(self, module: str, record_id: str, body: Mapping[str, Any]) -> None:
        """Let lookups know a record that was written."""
        for parents in self._parents.values():
            if parents.module == module:
                parents.note(record_id, body)

    def rejected_parent(self, module: str, digest: bytes | None) -> str | None:
        """Return why a record with this natural key was refused in this run, if it was."""
        return self._rejected_keys.get((module, digest or b""))

    def users_by_email(self) -> dict[str, str]:
        """Return the account's users: e-mail in lower case → id (1 credit for each 200)."""
        if self._users is None:
            self._users = self._run.account.users_by_email()
        return self._users

    def pipelines_by_name(self) -> dict[str, list[str]]:
        """Return the account's Team Pipelines: name in lower case → ids (2 credits)."""
        if self._pipelines is None:
            self._pipelines = self._run.account.pipelines_by_name()
        return self._pipelines

    def note_rejected(self, module: str, row: Row, outcome: RowOutcome) -> None:
        """Remember the natural key of a refused row: its children are refused for that reason."""
        for parents in self._parents.values():
            if parents.module != module:
                continue
            values = {**(outcome.key or {}), **row.body}
            digest = parents.digest({n: values.get(n) for n in parents.fields})
            if digest is not None:
                self._rejected_keys[(module, digest)] = outcome.code or "REJECTED"
