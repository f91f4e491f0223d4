"""Lookups by natural key: a company by its name, an owner by e-mail.

A chunk's keys are resolved together and kept. A row whose parent is not there yet waits on disk
if the parent's module is loaded in this run too; at the end of the input it gets what
`on_missing` says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bigin_client.errors import SettingsError
from bigin_client.field_writes import is_blank
from bigin_client.load.binding import ID
from bigin_client.load.index import Index
from bigin_client.load.keys import MatchKey
from bigin_client.load.options import LoadOptions, Lookup
from bigin_client.load.reading import Reading
from bigin_client.load.results import Outcome
from bigin_client.load.rows import Refusal, Row
from bigin_client.metadata import Field

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader
    from bigin_client.load.run import LoadRun

log = logging.getLogger(__name__)

NOT_FOUND: Final = "LOOKUP_NOT_FOUND"
PARENT_REJECTED: Final = "PARENT_REJECTED"
SEVERAL: Final = "SEVERAL_RECORDS_MATCH"
#: Marks a natural key that is an id of the account that the rows come from.
_SOURCE: Final = "source_id"
_USERS: Final = frozenset({"ownerlookup", "userlookup"})


class Parents:
    """Finds records of one module by one field; shared by all streams of a run.

    Args:
        run: Where to read.
        module: API name of the parents' module.
        match_on: Field that holds their natural key.

    Raises:
        SettingsError: The module has no such field.
    """

    def __init__(self, run: LoadRun, module: str, match_on: str) -> None:
        known = run.metadata.fields(module)
        name = next((n for n in known if n.casefold() == match_on.casefold()), None)
        if name is None:
            raise SettingsError(
                f"lookups: {module} has no field {match_on}", hint=f"See: bigin fields {module}"
            )
        self.module = module
        self.field = name
        self._key = MatchKey((name,), known)
        self._index = Index(self._key, [known[name]])
        self._reading = Reading(run.account, module, self._index, "always")
        self._asked: set[bytes] = set()

    def close(self) -> None:
        """Delete the temporary file."""
        self._index.close()

    def digest(self, value: Any) -> bytes | None:
        """Return the form in which a key is compared."""
        return self._key.digest({self.field: value})

    def find(self, values: Iterable[Any]) -> dict[bytes, list[str]]:
        """Return the ids of the records with these keys."""
        wanted = {d: v for v in values if (d := self.digest(v)) is not None}
        new = [Row(0, {}, body={self.field: v}) for d, v in wanted.items() if d not in self._asked]
        if new:
            self._reading.read(new)
            self._asked.update(wanted)
        found = self._index.find(wanted)
        return {digest: [k.id for k in known] for digest, known in found.items()}

    def note(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Take in a record that this run has written."""
        if body.get(self.field) is not None:
            self._index.note_write(record_id, body, self._key.digest(body))


class Lookups:
    """Resolves the lookup fields of one stream's rows.

    Args:
        loader: The stream.
        options: Its options.

    Raises:
        SettingsError: An entry of `lookups` names what is not there.
    """

    def __init__(self, loader: Loader, options: LoadOptions) -> None:
        self._loader = loader
        self._run = loader.run
        self._parents: dict[str, Parents] = {}
        self._how: dict[str, Lookup] = {}
        #: The rows' ids, lookups included, are another account's.
        self._foreign = options.source_id is not None
        for name, how in options.lookups.items():
            field = loader.find_field(name)
            if field is None:
                raise SettingsError(f"lookups: {loader.module.api_name} has no field {name}")
            self._how[field.api_name] = how
            if field.data_type in _USERS:
                continue
            if field.lookup_module is None:
                raise SettingsError(f"lookups: {field.api_name} is no lookup to a module")
            module = self._run.metadata.module(field.lookup_module).api_name
            self._parents[field.api_name] = self._run.parents(module, how.match_on)

    def natural_key(self, field: Field, value: Any) -> Any:
        """Return the key to look up, None when the value is to be written as it is."""
        value = _object(value)
        if field.data_type in _USERS:
            email = value.get("email") if isinstance(value, dict) else value
            foreign = self._foreign or field.api_name in self._how
            by_email = foreign or not isinstance(value, dict)
            return email if by_email and isinstance(email, str) and "@" in email else None
        if field.api_name not in self._parents:
            if not self._foreign or field.lookup_module is None:
                return None
            old = value.get(ID) if isinstance(value, dict) else value
            return None if is_blank(old) else {_SOURCE: str(old)}
        if isinstance(value, dict):
            parents = self._parents[field.api_name]
            found = value.get(parents.field, value.get("name"))
            return None if is_blank(found) else found
        return value

    def resolve(self, rows: Sequence[Row], *, final: bool) -> list[tuple[Row, Refusal]]:
        """Put ids into the rows' bodies; returns the rows that are refused for want of one.

        Args:
            rows: Rows with `Row.natural_keys`.
            final: No parents will come any more. Otherwise rows whose parent may still come
                keep their `natural_keys`.
        """
        refused: dict[int, tuple[Row, Refusal]] = {}
        for name in dict.fromkeys(n for r in rows for n in r.natural_keys):
            waiting = [r for r in rows if name in r.natural_keys and r.number not in refused]
            parents = self._parents.get(name)
            field = self._loader.find_field(name)
            if parents is not None:
                outcomes = self._records(name, parents, waiting, final=final)
            elif field is not None and field.data_type in _USERS:
                outcomes = self._users(name, waiting)
            else:
                outcomes = self._sources(name, waiting, final=final)
            refused.update({row.number: (row, refusal) for row, refusal in outcomes})
        return list(refused.values())

    def _users(self, name: str, rows: Sequence[Row]) -> list[tuple[Row, Refusal]]:
        known = self._run.users_by_email()
        refused = []
        for row in rows:
            email = row.natural_keys.pop(name)
            found = known.get(email.strip().casefold())
            if found is not None:
                row.body[name] = {ID: found}
            elif self._on_missing(name) != "null":
                refused.append((row, Refusal(NOT_FOUND, "no user has this e-mail", name)))
        return refused

    def _sources(self, name: str, rows: Sequence[Row], *, final: bool) -> list[tuple[Row, Refusal]]:
        """Put the new ids in for the other account's."""
        field = self._loader.find_field(name)
        module = self._run.metadata.module(str(field and field.lookup_module)).api_name
        self._run.settle_module(module, self._loader)
        waits = not final and self._run.loads(module, self._loader)
        refused = []
        for row in rows:
            found = self._run.sources.find(module, row.natural_keys[name][_SOURCE])
            if found is None and waits:
                continue
            row.natural_keys.pop(name)
            if found is not None:
                row.body[name] = {ID: found}
            elif self._on_missing(name) != "null":
                reason = f"the record of {module} that it means was not copied"
                refused.append((row, Refusal(NOT_FOUND, reason, name)))
        return refused

    def _records(
        self, name: str, parents: Parents, rows: Sequence[Row], *, final: bool
    ) -> list[tuple[Row, Refusal]]:
        # Parents that came before these rows are to be found by them.
        self._run.settle_module(parents.module, self._loader)
        found = parents.find(r.natural_keys[name] for r in rows)
        missing = [r for r in rows if not found.get(parents.digest(r.natural_keys[name]) or b"")]
        waits = not final and self._run.loads(parents.module, self._loader)
        if missing and not waits and self._on_missing(name) == "create":
            self._create(parents, missing, name)
            found = parents.find(r.natural_keys[name] for r in rows)
        refused = []
        for row in rows:
            digest = parents.digest(row.natural_keys[name])
            ids = found.get(digest or b"", [])
            if not ids and waits:
                continue
            row.natural_keys.pop(name)
            if len(ids) == 1:
                row.body[name] = {ID: ids[0]}
            elif ids:
                reason = f"{len(ids)} records of {parents.module} have this {parents.field}"
                refused.append((row, Refusal(SEVERAL, reason, name)))
            elif (code := self._run.rejected_parent(parents.module, digest)) is not None:
                reason = f"its record of {parents.module} was refused in this run: {code}"
                refused.append((row, Refusal(PARENT_REJECTED, reason, name)))
            elif self._on_missing(name) != "null":
                reason = f"no record of {parents.module} has this {parents.field}"
                refused.append((row, Refusal(NOT_FOUND, reason, name)))
        return refused

    def _on_missing(self, name: str) -> str:
        how = self._how.get(name)
        return "reject" if how is None else how.on_missing

    def _create(self, parents: Parents, rows: Sequence[Row], name: str) -> None:
        """Create the parents that are not there, each once."""
        loader = self._run.hidden_stream(
            f"{self._loader.stream}.{name}", parents.module, parents.field
        )
        keys: dict[bytes | None, Any] = {}
        for row in rows:  # of several spellings of a key, the first is the record's
            keys.setdefault(parents.digest(row.natural_keys[name]), row.natural_keys[name])
        done = []
        for value in keys.values():
            done += loader.add({parents.field: value})
        done += loader.settle()
        created = sum(1 for o in done if o.outcome is Outcome.CREATED)
        log.info("%s: %d records of %s created for %s", self._loader.stream, created,
                 parents.module, name)  # fmt: skip


def _object(value: Any) -> Any:
    """Return a lookup that came as JSON text (a CSV cell) as an object, all else as it is."""
    if not (isinstance(value, str) and value.lstrip().startswith("{")):
        return value
    try:
        found = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return found if isinstance(found, dict) else value
