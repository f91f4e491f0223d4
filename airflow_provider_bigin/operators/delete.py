"""Delete records, by id or by criteria that each record is checked against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Context

from airflow_provider_bigin.operators.load import BiginLoadOperator
from bigin_client.errors import SettingsError

if TYPE_CHECKING:
    from airflow_provider_bigin.files.sources import RowSource


class BiginDeleteRecordsOperator(BiginLoadOperator):
    """Delete records.

    By criteria: the search's word is not taken. Each record that it finds is read back by id and
    checked against the criteria, strictly; those that do not fit stay. Criteria that cannot be
    checked so are refused.

    Deleting Accounts takes their Contacts along: that needs
    ``options={"allow_cascade": True}``.

    :param module: API name or alias.
    :param ids: Record ids; or the output of another task.
    :param criteria: ``(Field:operator:value)``, joined by ``and`` / ``or``; instead of ids.
    :param max_deletes: Most records that may be deleted; required with criteria. When more fit,
        none is deleted.
    :param dry_run: Say what would be deleted (``plan_path``), delete nothing.

    Returns the summary: ``deleted``, and ``skipped`` for records that are gone already.
    """

    template_fields: Sequence[str] = (*BiginLoadOperator.template_fields, "ids", "criteria")

    def __init__(
        self,
        *,
        ids: Sequence[str] | str | None = None,
        criteria: str | None = None,
        max_deletes: int | None = None,
        run_workflows: bool = True,
        mode: str = "delete",
        match_on: str | Sequence[str] | None = "id",
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, match_on=match_on, run_workflows=run_workflows, **kwargs)
        self.ids = ids
        self.criteria = criteria
        self.max_deletes = max_deletes

    def source(self, context: Context) -> RowSource:
        """Return the ids to delete."""
        from airflow_provider_bigin.files.records import Given

        if (self.ids is None) == (self.criteria is None):
            raise SettingsError("a deletion takes either ids or criteria")
        if self.criteria is not None:
            ids = self._matching(self.criteria)
        else:
            ids = [self.ids] if isinstance(self.ids, str) else [str(i) for i in self.ids or ()]
        if self.max_deletes is not None and len(ids) > self.max_deletes:
            raise SettingsError(
                f"{len(ids)} records of {self.module} would be deleted, max_deletes is "
                f"{self.max_deletes}: none was",
            )
        rows = [{"id": record_id} for record_id in dict.fromkeys(ids)]
        return Given(rows, len(rows), self._key(context))

    def _matching(self, criteria: str) -> list[str]:
        """Return the ids of the records that fit, each read back and checked."""
        from airflow_provider_bigin.deleting import matching_ids

        if self.max_deletes is None:
            raise SettingsError("criteria need max_deletes, the most that may be deleted")
        found, checked = matching_ids(self.hook.get_conn(), self.module, criteria)
        self.log.info("%d of %d records that the search found fit", len(found), checked)
        return found
