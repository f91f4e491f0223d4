"""Get, search, create, update and upsert a few records; for many, use files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import Context

from airflow_provider_bigin.operators.base import BiginOperator
from airflow_provider_bigin.operators.load import BiginLoadOperator
from bigin_client.errors import NotFoundError, SettingsError

if TYPE_CHECKING:
    from airflow_provider_bigin.files.sources import RowSource

#: Records that may go through XCom or a task's arguments.
MAX_XCOM_RECORDS: Final = 100


class BiginGetRecordOperator(BiginOperator):
    """Return one record.

    :param module: API name or alias.
    :param record_id: 19 digits.
    :param fields: Names; None: every readable field.
    :param missing_ok: Return None for a record that does not exist, instead of failing.
    """

    template_fields: Sequence[str] = (
        *BiginOperator.template_fields,
        "module",
        "record_id",
        "fields",
    )

    def __init__(
        self,
        *,
        module: str,
        record_id: str,
        fields: Sequence[str] | None = None,
        missing_ok: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.record_id = record_id
        self.fields = fields
        self.missing_ok = missing_ok

    def perform(self, context: Context) -> dict[str, Any] | None:  # noqa: ARG002 - Airflow's signature
        """Return the record, with JSON values."""
        record = self.hook.get_record(self.module, str(self.record_id), self.fields)
        if record is None and not self.missing_ok:
            raise NotFoundError(
                f"{self.module} has no record {self.record_id}",
                hint="It may have been deleted. missing_ok=True returns None instead.",
            )
        return None if record is None else as_json(record)


class BiginSearchOperator(BiginOperator):
    """Return the records that a search finds, up to a limit.

    The service's search index lags 10 to 20 seconds behind writes, and its ``equals`` is loose
    on text. Exactly one of ``criteria``, ``email_address``, ``phone`` and ``word`` is given.

    :param module: API name or alias.
    :param criteria: ``(Field:operator:value)``, joined by ``and`` / ``or``.
    :param email_address: Looked for in all e-mail fields. ``email``, which is Airflow's own
        argument (who is told when the task fails), is taken for it if nothing else is given.
    :param phone: Looked for in all phone fields.
    :param word: Two characters or more.
    :param limit: Most records to return.
    :param fail_if_empty: Fail when nothing is found.
    :param max_xcom_records: Most that ``limit`` may be; more belong into a file.
    """

    template_fields: Sequence[str] = (
        *BiginOperator.template_fields,
        "module",
        "criteria",
        "email_address",
        "phone",
        "word",
    )

    def __init__(
        self,
        *,
        module: str,
        criteria: str | None = None,
        email_address: str | None = None,
        phone: str | None = None,
        word: str | None = None,
        limit: int = MAX_XCOM_RECORDS,
        fail_if_empty: bool = False,
        max_xcom_records: int = MAX_XCOM_RECORDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.criteria = criteria
        self.email_address = email_address
        self.phone = phone
        self.word = word
        self.limit = limit
        self.fail_if_empty = fail_if_empty
        self.max_xcom_records = max_xcom_records

    def perform(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        """Return the records, with JSON values."""
        if self.limit > self.max_xcom_records:
            raise SettingsError(
                f"limit {self.limit} is above max_xcom_records {self.max_xcom_records}",
                hint="Use BiginExtractToFileOperator for more.",
            )
        found = self.hook.search(
            self.module,
            criteria=self.criteria,
            email=self._email_address(),
            phone=self.phone,
            word=self.word,
        )
        records = [as_json(r) for r in islice(found, self.limit + 1)]
        if len(records) > self.limit:
            self.log.warning("More than %d records match; the rest is left out", self.limit)
        if not records and self.fail_if_empty:
            raise NotFoundError(f"No record of {self.module} matches")
        return records[: self.limit]

    def _email_address(self) -> str | None:
        others = (self.criteria, self.email_address, self.phone, self.word)
        given = getattr(self, "email", None)
        if any(o is not None for o in others) or not isinstance(given, str):
            return self.email_address
        self.log.warning("email is what is searched for; better name it email_address")
        return given


class _BiginWriteOperator(BiginLoadOperator):
    """Base of create, update and upsert.

    :param records: A record, a list of them, or the output of another task.
    :param max_xcom_records: Most records that may come this way.
    """

    template_fields: Sequence[str] = (*BiginLoadOperator.template_fields, "records")
    template_fields_renderers = {  # noqa: RUF012 - Airflow's form
        **BiginLoadOperator.template_fields_renderers,
        "records": "json",
    }
    keep_ids = True

    def __init__(
        self,
        *,
        records: Any,
        run_workflows: bool = True,
        max_xcom_records: int = MAX_XCOM_RECORDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(run_workflows=run_workflows, **kwargs)
        self.records = records
        self.max_xcom_records = max_xcom_records

    def source(self, context: Context) -> RowSource:
        """Return the records."""
        from airflow_provider_bigin.files.records import Given

        return Given(self.records, self.max_xcom_records, self._key(context))


class BiginCreateRecordsOperator(_BiginWriteOperator):
    """Create records; a retry creates none of them twice.

    Returns the summary; XCom ``ids`` holds the new ids in the order of the records, None for
    one that was refused. Workflows run unless ``run_workflows=False``.

    :param records: A record (field → value), a list of up to ``max_xcom_records``, or the
        output of another task.

    See `BiginLoadOperator` for the other parameters.
    """

    def __init__(self, *, mode: str = "insert", **kwargs: Any) -> None:
        super().__init__(mode=mode, **kwargs)


class BiginUpdateRecordsOperator(_BiginWriteOperator):
    """Update records by ``id``, or by another key (``match_on``); only what differs is written.

    See `BiginCreateRecordsOperator`.
    """

    def __init__(
        self,
        *,
        mode: str = "update",
        match_on: str | Sequence[str] | None = "id",
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, match_on=match_on, **kwargs)


class BiginUpsertRecordsOperator(_BiginWriteOperator):
    """Create records, or update those that ``match_on`` finds.

    See `BiginCreateRecordsOperator`.
    """

    def __init__(self, *, mode: str = "upsert", **kwargs: Any) -> None:
        super().__init__(mode=mode, **kwargs)


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with JSON values only: what every XCom backend can keep."""
    from bigin_client.rejects import to_json

    plain: dict[str, Any] = json.loads(to_json(dict(record)))
    return plain
