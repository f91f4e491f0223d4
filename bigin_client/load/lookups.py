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
#: Marks a natural key that holds ids of the account that the rows come from.
_SOURCE: Final = "source_id"
_USERS: Final = frozenset({"ownerlookup", "userlookup", "multiuserlookup"})
#: Lookups to several records: their values are lists.
_SEVERAL: Final = frozenset({"multiuserlookup", "multiselectlookup"})
_RECORDS: Final = frozenset({"lookup", "multi_module_lookup", "multiselectlookup"})
#: Module and field that name a Team Pipeline: a layout, and so no lookup by its type
#: (bigin-api.md 1.2).
_TEAM_PIPELINE: Final = ("Pipelines", "Pipeline")


class Parents:
    """Finds records of one module by a natural key; shared by all streams of a run.

    Args:
        run: Where to read.
        module: API name of the parents' module.
        match_on: Fields that hold their natural key.

    Raises:
        SettingsError: The module has no such field.
    """

    def __init__(self, run: LoadRun, module: str, match_on: Sequence[str]) -> None:
        known = {n.casefold(): f for n, f in run.metadata.fields(module).items()}
        missing = [n for n in match_on if n.casefold() not in known]
        if missing:
            raise SettingsError(
                f"lookups: {module} has no field {missing[0]}", hint=f"See: bigin fields {module}"
            )
        fields = [known[n.casefold()] for n in match_on]
        self.module = module
        self.fields = tuple(f.api_name for f in fields)
        self._key = MatchKey(self.fields, {f.api_name: f for f in fields})
        self._index = Index(self._key, fields)
        self._reading = Reading(run.account, module, self._index, "always")
        self._account = run.account
        self._asked: set[bytes] = set()
        self._stale: set[str] = set()

    def close(self) -> None:
        """Delete the temporary file."""
        self._index.close()

    @property
    def label(self) -> str:
        """The key's fields, for messages."""
        return " and ".join(self.fields)

    def key_in(self, value: Any) -> dict[str, Any] | None:
        """Return the natural key in a row's value, None when there is none.

        A text or number is the one field of the key; an object holds its fields, by their API
        names in any case, or, of a key of one field, the record's ``name``.
        """
        if not isinstance(value, dict):
            return {self.fields[0]: value} if len(self.fields) == 1 else None
        given = {str(n).casefold(): v for n, v in value.items()}
        found = {n: given.get(n.casefold()) for n in self.fields}
        if len(found) == 1 and is_blank(found[self.fields[0]]):
            found[self.fields[0]] = given.get("name")
        return None if any(is_blank(v) for v in found.values()) else found

    def digest(self, key: Mapping[str, Any]) -> bytes | None:
        """Return the form in which a key is compared."""
        return self._key.digest(key)

    def find(self, keys: Iterable[Mapping[str, Any]]) -> dict[bytes, list[str]]:
        """Return the ids of the records with these keys."""
        wanted = {d: k for k in keys if (d := self.digest(k)) is not None}
        new = [Row(0, {}, body=dict(k)) for d, k in wanted.items() if d not in self._asked]
        if new:
            self._reading.read(new)
            self._asked.update(wanted)
        self._refresh()
        found = self._index.find(wanted)
        return {digest: [k.id for k in known] for digest, known in found.items()}

    def note(self, record_id: str, body: Mapping[str, Any]) -> None:
        """Take in a record that this run has written; an empty body means that it deleted it."""
        if all(n in body for n in self.fields):
            self._index.note_write(record_id, body, self._key.digest(body))
        elif not body or any(n in body for n in self.fields):
            self._stale.add(record_id)

    def _refresh(self) -> None:
        """Read again of what this run wrote what the writes did not tell."""
        stale, self._stale = self._stale, set()
        for record_id in stale:
            self._index.remove(record_id)
        if stale:
            self._index.add(self._account.by_ids(self.module, sorted(stale), self.fields))


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
            self._parents[field.api_name] = self._run.relations.parents(module, how.key)

    @property
    def modules(self) -> set[str]:
        """Modules whose records are looked up."""
        found = {p.module for p in self._parents.values()}
        if self._foreign:
            found |= {f.lookup_module for f in self._loader.fields if f.lookup_module}
        return found

    def may_be_natural(self, field: Field) -> bool:
        """Whether values of a field may be natural keys."""
        return (
            field.data_type in _USERS
            or field.api_name in self._parents
            or (self._loader.module.api_name, field.api_name) == _TEAM_PIPELINE
            or (self._foreign and field.data_type in _RECORDS)
        )

    def natural_key(self, field: Field, value: Any) -> Any:
        """Return the key to look up, None when the value is to be written as it is."""
        value = _from_json(value)
        if field.data_type in _USERS:
            return self._emails(field, value)
        if (self._loader.module.api_name, field.api_name) == _TEAM_PIPELINE:
            return self._pipeline_name(value)
        if field.api_name not in self._parents:
            if not self._foreign or field.data_type not in _RECORDS:
                return None
            ids = [str(i) for i in _parts(field, value, ID) if not is_blank(i)]
            return {_SOURCE: ids} if ids else None
        return self._parents[field.api_name].key_in(value)

    def _pipeline_name(self, value: Any) -> str | None:
        if isinstance(value, dict):
            known = not is_blank(value.get(ID)) and not self._foreign
            value = None if known else value.get("name")
        name = value if isinstance(value, str) and not value.strip().isdigit() else None
        return None if is_blank(name) else name

    def _emails(self, field: Field, value: Any) -> list[str] | None:
        foreign = self._foreign or field.api_name in self._how
        parts = value if isinstance(value, list) else [value]
        if not foreign and any(isinstance(p, dict) for p in parts):
            return None
        found = [e for e in _parts(field, value, "email") if isinstance(e, str) and "@" in e]
        return found or None

    def resolve(
        self, rows: Sequence[Row], *, final: bool, may_create: bool = True
    ) -> list[tuple[Row, Refusal]]:
        """Put ids into the rows' bodies; returns the rows that are refused for want of one.

        Args:
            rows: Rows with `Row.natural_keys`.
            final: No parents will come any more. Otherwise rows whose parent may still come
                keep their `natural_keys`.
            may_create: Make the parents that are missing, where the options say so.
        """
        refused: dict[int, tuple[Row, Refusal]] = {}
        for name in dict.fromkeys(n for r in rows for n in r.natural_keys):
            waiting = [r for r in rows if name in r.natural_keys and r.number not in refused]
            parents = self._parents.get(name)
            field = self._loader.find_field(name)
            if parents is not None:
                outcomes = self._records(name, parents, waiting, final=final, may_create=may_create)
            elif field is not None and field.data_type in _USERS:
                outcomes = self._users(name, waiting)
            elif name == _TEAM_PIPELINE[1]:
                outcomes = self._pipelines(name, waiting)
            else:
                outcomes = self._sources(name, waiting, final=final)
            refused.update({row.number: (row, refusal) for row, refusal in outcomes})
        return list(refused.values())

    def _users(self, name: str, rows: Sequence[Row]) -> list[tuple[Row, Refusal]]:
        known = self._run.relations.users_by_email()
        refused = []
        for row in rows:
            emails = row.natural_keys.pop(name)
            found = [known.get(email.strip().casefold()) for email in emails]
            if None in found and self._on_missing(name) != "null":
                refused.append((row, Refusal(NOT_FOUND, "no user has this e-mail", name)))
            else:
                self._bind(row, name, found)
        return refused

    def _pipelines(self, name: str, rows: Sequence[Row]) -> list[tuple[Row, Refusal]]:
        known = self._run.relations.pipelines_by_name()
        refused = []
        for row in rows:
            ids = known.get(row.natural_keys.pop(name).strip().casefold(), [])
            if len(ids) == 1:
                row.body[name] = {ID: ids[0]}
            elif ids:
                reason = f"{len(ids)} Team Pipelines have this name"
                refused.append((row, Refusal(SEVERAL, reason, name)))
            else:
                refused.append((row, Refusal(NOT_FOUND, "no Team Pipeline has this name", name)))
        return refused

    def _sources(self, name: str, rows: Sequence[Row], *, final: bool) -> list[tuple[Row, Refusal]]:
        """Put the new ids in for the other account's; ids are never two modules'."""
        field = self._loader.find_field(name)
        module = field.lookup_module if field is not None else None
        modules = (
            self._run.modules if module is None else [self._run.metadata.module(module).api_name]
        )
        for one in modules:
            self._run.settle_module(one, self._loader)
        waits = not final and any(self._run.loads(m, self._loader) for m in modules)
        refused = []
        for row in rows:
            ids = row.natural_keys[name][_SOURCE]
            found = [self._run.sources.find(modules, i) for i in ids]
            if None in found and waits:
                continue
            row.natural_keys.pop(name)
            if None in found and self._on_missing(name) != "null":
                about = f"the record of {module} that it means" if module else "what it means"
                refused.append((row, Refusal(NOT_FOUND, f"{about} was not copied", name)))
            else:
                self._bind(row, name, found)
        return refused

    def _bind(self, row: Row, name: str, found: Sequence[str | None]) -> None:
        """Put the ids that were found into a row's body."""
        field = self._loader.find_field(name)
        values = [{ID: i} for i in found if i is not None]
        if field is not None and field.data_type in _SEVERAL:
            row.body[name] = values
        elif values:
            row.body[name] = values[0]

    def _records(
        self, name: str, parents: Parents, rows: Sequence[Row], *, final: bool, may_create: bool
    ) -> list[tuple[Row, Refusal]]:
        # Parents that came before these rows are to be found by them.
        self._run.settle_module(parents.module, self._loader)
        found = parents.find(r.natural_keys[name] for r in rows)
        missing = [r for r in rows if not found.get(parents.digest(r.natural_keys[name]) or b"")]
        waits = not final and self._run.loads(parents.module, self._loader)
        creates = may_create and self._on_missing(name) == "create"
        if missing and not waits and creates:
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
                reason = f"{len(ids)} records of {parents.module} have this {parents.label}"
                refused.append((row, Refusal(SEVERAL, reason, name)))
            elif (code := self._run.relations.rejected_parent(parents.module, digest)) is not None:
                reason = f"its record of {parents.module} was refused in this run: {code}"
                refused.append((row, Refusal(PARENT_REJECTED, reason, name)))
            elif self._on_missing(name) != "null":
                reason = f"no record of {parents.module} has this {parents.label}"
                refused.append((row, Refusal(NOT_FOUND, reason, name)))
        return refused

    def _on_missing(self, name: str) -> str:
        how = self._how.get(name)
        return "reject" if how is None else how.on_missing

    def _create(self, parents: Parents, rows: Sequence[Row], name: str) -> None:
        """Create the parents that are not there, each once."""
        loader = self._run.hidden_stream(
            f"{self._loader.stream}.{name}",
            parents.module,
            parents.fields,
            self._loader.options.settle_seconds,
        )
        keys: dict[bytes | None, Any] = {}
        for row in rows:  # of several spellings of a key, the first is the record's
            keys.setdefault(parents.digest(row.natural_keys[name]), row.natural_keys[name])
        done = []
        for value in keys.values():
            done += loader.add(value)
        done += loader.settle()
        created = sum(1 for o in done if o.outcome is Outcome.CREATED)
        log.info("%s: %d records of %s created for %s", self._loader.stream, created,
                 parents.module, name)  # fmt: skip


def _parts(field: Field, value: Any, name: str) -> list[Any]:
    """Return the named part of each lookup in a value; one that is no object stands for itself."""
    parts = value if field.data_type in _SEVERAL and isinstance(value, list) else [value]
    return [p.get(name) if isinstance(p, dict) else p for p in parts]


def _from_json(value: Any) -> Any:
    """Return a lookup that came as JSON text (a CSV cell) as it was, all else as it is."""
    if not (isinstance(value, str) and value.lstrip()[:1] in {"{", "["}):
        return value
    try:
        found = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return found if isinstance(found, (dict, list)) else value
