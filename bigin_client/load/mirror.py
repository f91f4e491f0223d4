"""Mirror mode: after everything was loaded, delete what the input does not have.

Only if the input is known to be whole, only within the scope that the user named, never more
than a share, never what is younger than the run, and each record is read again first. Any doubt
means that nothing is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bigin_client import field_types, timestamps
from bigin_client.batches import MAX_RECORDS
from bigin_client.errors import BiginError, SettingsError
from bigin_client.load.account import CREATED
from bigin_client.load.binding import ID
from bigin_client.load.compare import canonical
from bigin_client.load.options import LoadOptions
from bigin_client.load.planner import CASCADING
from bigin_client.types import Record

if TYPE_CHECKING:
    from bigin_client.load.loader import Loader

log = logging.getLogger(__name__)

ALL: Final = "all"


class MirrorRefusedError(BiginError):
    """A guard kept mirror mode from deleting; everything else was loaded."""

    exit_code = 6


class Mirror:
    """Deletes for one stream what its input does not have.

    Args:
        loader: The stream.
        options: Its options.

    Attributes:
        deleted: Records deleted, or in a dry run to be deleted.
        credits_predicted: Credits that the deletions cost.

    Raises:
        SettingsError: The scope is missing or names what is not there.
    """

    def __init__(self, loader: Loader, options: LoadOptions) -> None:
        self._loader = loader
        self._share = options.max_delete_share
        self._complete: str | None = None
        self._unread = 0
        self._refused: set[bytes] = set()
        self.deleted = 0
        self.credits_predicted = 0
        module = loader.module.api_name
        if module == CASCADING and not options.allow_cascade:
            raise SettingsError(
                f"Mirroring {module} may delete them, and their Contacts with them",
                hint="Set allow_cascade: true if that is meant.",
            )
        self._scope = self._find_scope(options.mirror_scope)

    def _find_scope(self, scope: str | Mapping[str, Any] | None) -> dict[str, Any]:
        if scope == ALL:
            return {}
        if not isinstance(scope, Mapping) or not scope:
            raise SettingsError(
                f"{self._loader.stream}: mirror mode needs mirror_scope",
                hint='mirror_scope: all, or {"Field": "value"} for the records it may delete.',
            )
        found = {}
        for name, value in scope.items():
            field = self._loader.find_field(name)
            if field is None:
                raise SettingsError(f"mirror_scope: there is no field {name}")
            found[field.api_name] = value
        return found

    @property
    def fields(self) -> set[str]:
        """Fields that must be read of each record."""
        return set(self._scope)

    def note_refused(self, key: bytes | None) -> None:
        """Remember a refused row: its record is in the input all the same."""
        if key is None:
            self._unread += 1
        else:
            self._refused.add(key)

    def declare_complete(self, proof: str) -> None:
        """Say that the input was whole; without this nothing is deleted."""
        self._complete = proof

    def finish(self) -> None:
        """Delete, after all rows were settled.

        Raises:
            MirrorRefusedError: A guard held.
        """
        loader = self._loader
        report = loader.report
        if self._complete is None:
            raise MirrorRefusedError(
                f"{loader.stream}: nothing is deleted: the input is not known to be whole",
                hint="A tap must send ACTIVATE_VERSION; a file or a query needs expected_rows.",
            )
        if self._unread or report.outcomes["unknown"] or report.not_handled:
            raise MirrorRefusedError(
                f"{loader.stream}: nothing is deleted: of some rows it is not known which "
                "record they mean, or whether they were loaded",
                hint="Mend the refused rows and run again.",
            )
        loader.holdings.check_open()
        in_scope, absent = self._absent()
        if len(absent) > self._share * in_scope:
            raise MirrorRefusedError(
                f"{loader.stream}: nothing is deleted: {len(absent)} of {in_scope} records would "
                f"be, more than max_delete_share {self._share:g} allows",
                hint="If that is right, raise max_delete_share for this run.",
            )
        log.info("%s: %d records of %d are not in the input", loader.stream, len(absent), in_scope)
        for start in range(0, len(absent), MAX_RECORDS):
            self._delete(absent[start : start + MAX_RECORDS])

    def _absent(self) -> tuple[int, list[str]]:
        """Return how many records the scope has, and the ids of those without a row."""
        in_scope, absent = 0, []
        module, fields = self._loader.module.api_name, self._read_fields()
        for page in self._loader.run.account.walk(module, fields):
            for record in page:
                if self._is_in_scope(record):
                    in_scope += 1
                    if self._may_go(record):
                        absent.append(record[ID])
        return in_scope, list(dict.fromkeys(absent))

    def _read_fields(self) -> list[str]:
        index = self._loader.holdings.index
        keys = index.key.fields if index.key is not None else ()
        return sorted({*self._scope, *(k for k in keys if k != ID), CREATED})

    def _is_in_scope(self, record: Record) -> bool:
        for name, value in self._scope.items():
            field = self._loader.find_field(name)
            if field is None:
                return False
            kind = field_types.of(
                field.api_name, field.data_type, field.json_type, field.return_type
            )
            have, wanted = (canonical(kind, field, v) for v in (record.get(name), value))
            if have != wanted:
                return False
        return True

    def _may_go(self, record: Record) -> bool:
        key = self._loader.holdings.key_of(record)
        if key is None or key in self._refused or self._loader.holdings.index.is_claimed(key):
            return False  # a record without a key cannot be proved absent
        created = record.get(CREATED)
        if not isinstance(created, str):
            return False
        return timestamps.parse(created) < self._loader.run.server_started_at

    def _delete(self, ids: list[str]) -> None:
        loader = self._loader
        names = set(self._read_fields())
        if loader.run.files.keeps_before:
            names |= {f.api_name for f in loader.fields}
        fresh = loader.run.account.by_ids(loader.module.api_name, ids, sorted(names))
        held = [r for r in fresh if self._is_in_scope(r) and self._may_go(r)]
        going = [r[ID] for r in held]
        if not going:
            return
        self.credits_predicted += 1
        loader.run.files.plan_deletions(loader, going)
        if loader.run.options.dry_run:
            self.deleted += len(going)
            return
        if (lease := loader.run.claims.lease(loader.module.api_name)) is not None:
            lease.check()
        loader.run.files.keep_before(loader, held)
        results = loader.run.batches.write(
            "delete",
            loader.module.api_name,
            [{ID: i} for i in going],
            run_workflows=loader.options.run_workflows,
        )
        for record_id, result in zip(going, results, strict=True):
            if result.ok or loader.holdings.read_record(record_id) is None:
                self.deleted += 1
            else:
                log.warning(
                    "%s: record %s was not deleted (%s)", loader.stream, record_id, result.code
                )
