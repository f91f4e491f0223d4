"""The streams that are no modules: users, org, metadata, pipelines, deletions."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk import typing as th
from typing_extensions import override

from bigin_client import timestamps
from bigin_client.errors import NotFoundError, ScopeError
from bigin_client.extract import Summary
from bigin_client.extract.bookmarks import parse
from bigin_client.metadata import WITH_DELETED_FEED
from bigin_client.records import reader_of
from tap_bigin.base import BiginStream, in_pages
from tap_bigin.missing import MISSING
from tap_bigin.schemas import types_of
from tap_bigin.streams import ModuleStream, tombstone_row

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

    from tap_bigin.tap import TapBigin

READ_AT: Final = "read_at"
DAY: Final = 86_400

_LOOKUP = th.ObjectType(
    th.Property("id", th.StringType),
    th.Property("name", th.StringType),
    additional_properties=True,
)
# Without `properties`, or flattening would make no column of it.
_OBJECT = th.CustomType({"type": ["object", "null"], "additionalProperties": True})


def _schema(*properties: th.Property[Any]) -> dict[str, Any]:
    return th.PropertiesList(*properties, additional_properties=False).to_dict()


def _texts(*names: str) -> list[th.Property[Any]]:
    return [th.Property(n, th.StringType) for n in names]


class AccountStream(BiginStream):
    """A small stream that is read whole in every run."""

    #: The schema; properties that the service has besides are left out.
    fixed_schema: ClassVar[dict[str, Any]]
    keys: ClassVar[Sequence[str]] = ("id",)

    def __init__(self, tap: TapBigin) -> None:
        super().__init__(tap=tap, schema=self.fixed_schema)
        self.primary_keys = self.keys

    @override
    def pages(self) -> Iterable[Sequence[Record]]:
        summary = Summary(self.name, strategy="whole")
        self._tap.report.reading(self.name, summary)
        # Nothing else is under way yet: these streams come first.
        transport, began = self._tap.client.transport, time.monotonic()
        requests, spent = transport.requests_sent, transport.credits.used
        try:
            for page in in_pages(self._rows()):
                yield page
                summary.rows += len(page)
        except ScopeError as error:
            if self._tap.input_catalog is not None:
                raise  # chosen, and readable when the catalog was made
            self._tap.leave_out(self.name, error)
        summary.requests = transport.requests_sent - requests
        summary.credits = transport.credits.used - spent
        summary.seconds = time.monotonic() - began

    def _rows(self) -> Iterator[Record]:
        names = [n for n in self.fixed_schema["properties"] if self._is_selected(n)]
        # The key of a schema without `id` must not come with one.
        read, has_id = reader_of(types_of(self.fixed_schema, names)), "id" in names
        for raw in self.raw_rows():
            row = read(raw if has_id else {**raw, "id": ""})
            if not has_id:
                del row["id"]
            yield row

    def refusal(self) -> ScopeError | None:
        """Ask for the first object; returns the refusal if the connection has no scope for it."""
        try:
            next(iter(self.raw_rows()), None)
        except ScopeError as error:
            return error
        return None

    @abstractmethod
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        """Yield the objects as the service sends them."""


class UsersStream(AccountStream):
    """Users of the account, former ones included."""

    name = "users"
    fixed_schema = _schema(
        th.Property("id", th.StringType, required=True),
        *_texts("zuid", "email", "first_name", "last_name", "full_name", "alias"),
        *_texts("status", "category", "time_zone", "locale", "language", "date_format"),
        *_texts("time_format", "phone", "mobile", "website", "city", "state", "country", "zip"),
        th.Property("confirm", th.BooleanType),
        th.Property("offset", th.IntegerType),
        th.Property("role", _LOOKUP),
        th.Property("profile", _LOOKUP),
        th.Property("created_time", th.DateTimeType),
        th.Property("created_by", _LOOKUP),
        th.Property("Modified_Time", th.DateTimeType),
        th.Property("Modified_By", _LOOKUP),
    )

    @override
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        return self._tap.client.records.users("AllUsers")


class OrgStream(AccountStream):
    """The organisation: one row."""

    name = "org"
    fixed_schema = _schema(
        th.Property("id", th.StringType, required=True),
        *_texts("zgid", "company_name", "time_zone", "currency", "currency_symbol"),
        *_texts("currency_locale", "iso_code", "primary_email", "primary_zuid", "domain_name"),
        *_texts("employee_count", "phone", "mobile", "fax", "website", "street", "city", "state"),
        *_texts("zip", "country", "country_code", "description"),
        th.Property("mc_status", th.BooleanType),
        th.Property("license_details", _OBJECT),
    )

    @override
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        return [self._tap.client.records.org()]


class ModulesStream(AccountStream):
    """The account's modules, readable or not."""

    name = "modules"
    keys = ("api_name",)
    fixed_schema = _schema(
        th.Property("api_name", th.StringType, required=True),
        *_texts("id", "module_name", "plural_label", "singular_label", "generated_type"),
        *[
            th.Property(n, th.BooleanType)
            for n in ("api_supported", "creatable", "editable", "deletable", "viewable", "visible")
        ],
        th.Property("modified_time", th.DateTimeType),
        th.Property("modified_by", _LOOKUP),
        th.Property("parent_module", _OBJECT),
    )

    @override
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        for module in self._tap.client.modules():
            yield {**module.raw, "id": module.id}


class FieldsStream(AccountStream):
    """The fields of the selected modules.

    One request a module, so a sync with a catalog reads them once a day; a discovery has read
    them anyway.
    """

    name = "fields"
    keys = ("module", "api_name")
    fixed_schema = _schema(
        th.Property("module", th.StringType, required=True),
        th.Property("api_name", th.StringType, required=True),
        *_texts("id", "field_label", "display_label", "data_type", "json_type"),
        th.Property("length", th.IntegerType),
        th.Property("decimal_place", th.IntegerType),
        *[
            th.Property(n, th.BooleanType)
            for n in ("custom_field", "system_mandatory", "read_only", "visible", "filterable")
        ],
        th.Property("unique", th.BooleanType),
        th.Property("lookup_module", th.StringType),
        th.Property(
            "pick_list_values",
            th.ArrayType(
                th.ObjectType(
                    th.Property("actual_value", th.StringType),
                    th.Property("display_value", th.StringType),
                    additional_properties=True,
                )
            ),
        ),
    )

    @override
    def pages(self) -> Iterable[Sequence[Record]]:
        now = timestamps.now()
        last = parse(self.stream_state.get(READ_AT), f"{READ_AT} of {self.name}")
        if self._tap.input_catalog is not None and last and now.timestamp() - last < DAY:
            self._tap.report.reading(self.name, Summary(self.name, strategy="read within 24 h"))
            return
        yield from super().pages()
        self.stream_state[READ_AT] = timestamps.to_text(now)
        self._state_changed()

    @override
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        for stream in self._tap.module_streams():
            try:
                fields = self._tap.client.metadata.fields(stream.module)
            except (ScopeError, NotFoundError) as error:
                self.logger.warning("The fields of %s cannot be listed: %s", stream.module, error)
                continue
            self._tell_new(stream, fields)
            for field in fields.values():
                yield {
                    **field.raw,
                    "id": str(field.raw.get("id") or ""),
                    "module": stream.module,
                    "unique": field.unique,
                    "lookup_module": field.lookup_module,
                    "pick_list_values": [
                        {"actual_value": v.actual, "display_value": v.display}
                        for v in field.picklist
                    ],
                }

    def _tell_new(self, stream: ModuleStream, names: Iterable[str]) -> None:
        """Name what the account has got since the catalog was made: nothing else would."""
        new = [n for n in names if n not in stream.schema["properties"]]
        if new and self._tap.input_catalog is not None:
            self.logger.warning(
                "%s has fields that the catalog lacks: %s; discover again to read them",
                stream.module,
                ", ".join(new),
            )


class PipelineStagesStream(AccountStream):
    """Team Pipelines, their sub-pipelines and the stages of each, in order."""

    name = "pipeline_stages"
    keys = ("pipeline_id", "sub_pipeline", "stage")
    fixed_schema = _schema(
        th.Property("pipeline_id", th.StringType, required=True),
        th.Property("sub_pipeline", th.StringType, required=True),
        th.Property("stage", th.StringType, required=True),
        *_texts("pipeline", "sub_pipeline_label"),
        th.Property("active", th.BooleanType),
        th.Property("position", th.IntegerType, description="Of the stage, from 1."),
    )

    @override
    def raw_rows(self) -> Iterable[dict[str, Any]]:
        for pipeline in self._tap.client.account.pipelines():
            for sub in pipeline.sub_pipelines:
                for position, stage in enumerate(sub.stages, 1):
                    yield {
                        "pipeline_id": pipeline.id,
                        "pipeline": pipeline.name,
                        "active": pipeline.active,
                        "sub_pipeline": sub.actual,
                        "sub_pipeline_label": sub.display,
                        "stage": stage,
                        "position": position,
                    }


class DeletedRecordsStream(BiginStream):
    """Deletions in the selected modules, each since its own bookmark; read after them."""

    name = "deleted_records"
    fixed_schema: ClassVar[dict[str, Any]] = _schema(
        th.Property("module", th.StringType, required=True),
        th.Property("id", th.StringType, required=True),
        th.Property("deleted_time", th.DateTimeType),
        th.Property(
            "type",
            th.StringType,
            description=f"recycle or permanent; {MISSING}: found by detect_deletes.",
        ),
        th.Property("deleted_by", _LOOKUP),
    )

    def __init__(self, tap: TapBigin) -> None:
        super().__init__(tap=tap, schema=self.fixed_schema)
        self.primary_keys = ("module", "id")

    @override
    def pages(self) -> Iterable[Sequence[Record]]:
        # What it costs is in the modules' rows.
        summary = Summary(self.name, strategy="deleted feed")
        self._tap.report.reading(self.name, summary)
        for stream in self._tap.module_streams():
            tells = stream.module in WITH_DELETED_FEED or self._tap.compares_ids(stream.module)
            if tells and not self._tap.has_failed(stream.name):
                for rows in self._of(stream):
                    yield rows
                    summary.rows += len(rows)

    def _of(self, stream: ModuleStream) -> Iterable[Sequence[Record]]:
        names = [n for n in self.fixed_schema["properties"] if self._is_selected(n)]
        try:
            for tombstones in stream.tombstones():
                rows = [tombstone_row(stream.module, t) for t in tombstones]
                yield [{n: row[n] for n in names} for row in rows]
        except (ScopeError, NotFoundError) as error:
            if stream.has_read_deletions:
                self._tap.failed(f"{self.name} of {stream.module}", error)
            else:
                self.logger.warning("Deletions of %s cannot be read: %s", stream.module, error)


ACCOUNT_STREAMS: Final[dict[str, type[AccountStream]]] = {
    s.name: s for s in (UsersStream, OrgStream, ModulesStream, FieldsStream, PipelineStagesStream)
}
#: Those with scopes of their own (bigin-api.md section 8); discovery asks, one credit each.
MAY_BE_REFUSED: Final = frozenset(s.name for s in (UsersStream, OrgStream, PipelineStagesStream))
DELETED_RECORDS: Final = DeletedRecordsStream.name
