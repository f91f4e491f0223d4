"""Begin an extraction: module, fields and their types."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bigin_client import field_types
from bigin_client.errors import NotFoundError, ScopeError, SettingsError
from bigin_client.extract.extraction import Extraction
from bigin_client.extract.source import Source
from bigin_client.extract.standard import types_of
from bigin_client.field_types import FieldType
from bigin_client.metadata import WITH_DELETED_FEED, Metadata
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED, PARENT_KEYS, PARENT_MODULE_KEYS, ListQuery, Records

log = logging.getLogger(__name__)


def start(
    records: Records,
    metadata: Metadata,
    module: str,
    fields: Sequence[str] | None = None,
    *,
    types: Mapping[str, FieldType] | None = None,
    since: str | None = None,
    deleted_since: str | None = None,
    deletes: bool = True,
    lookback_seconds: float = 300,
    cvid: str | None = None,
    pipeline_id: str | None = None,
    page_size: int = PAGE_SIZE,
    sort_proved: bool = False,
    listed: Mapping[str, str] | None = None,
    tally: Mapping[str, Any] | None = None,
) -> Extraction:
    """Return the extraction of a module; see `BiginClient.extract`.

    Args:
        records: Sends the requests.
        metadata: The account's modules and fields.
        module: Name or alias; with `types` the API name.
        fields: API names; None: every field.
        types: What a caller with a catalog knows already: field → how it is read. Nothing is
            asked of the metadata then, unless the service refuses a request.
        since: Bookmark.
        deleted_since: Bookmark of the deleted feed.
        deletes: Read the deleted feed too.
        lookback_seconds: Subtracted from the bookmarks.
        cvid: Custom view.
        pipeline_id: Team Pipeline.
        page_size: Records a page.
        sort_proved: What the summary of an earlier read said.
        listed: The same of the deletions it saw.
        tally: The same of what it counted.

    Raises:
        NotFoundError: The account has no such module.
        SettingsError: It has no such field, or an argument does not fit.
    """
    if lookback_seconds < 0:
        raise SettingsError("lookback_seconds must not be negative")
    if cvid and pipeline_id:
        raise SettingsError(f"{module}: give cvid or pipeline_id, not both")
    if types is None:
        api_name = metadata.module(module).api_name
        known = known_types(records, metadata, api_name)
        chosen = known if fields is None else choose_types(api_name, fields, known)
        modified = MODIFIED in known
    else:
        api_name, chosen = module, dict(types)
        modified = MODIFIED in chosen
    source = Source(
        records,
        api_name,
        chosen,
        modified=modified,
        has_feed=api_name in WITH_DELETED_FEED,
        cvid=cvid,
        pipeline_id=pipeline_id,
        page_size=page_size,
    )
    return Extraction(
        source,
        since=since,
        deleted_since=deleted_since,
        deletes=deletes,
        lookback_seconds=lookback_seconds,
        sort_proved=sort_proved,
        listed=listed,
        tally=tally,
        field_names=lambda: _fields_now(metadata, api_name),
    )


def _fields_now(metadata: Metadata, module: str) -> Iterable[str]:
    """Return the names of the fields as they are now, not as they were when first asked."""
    metadata.forget()
    return metadata.fields(module)


def known_types(records: Records, metadata: Metadata, module: str) -> dict[str, FieldType]:
    """Return the fields of a module and how they are read.

    Without the scope for ``settings/fields`` one record and the standard fields have to do.
    """
    try:
        fields = metadata.fields(module)
    except (ScopeError, NotFoundError) as refusal:
        log.warning(
            "%s: its fields cannot be listed (%s); one record and the standard fields tell them, "
            "unknown ones are read as text",
            module,
            refusal.code or refusal.status,
        )
        return types_of(module, _whole_record(records, module))
    types = {
        f.api_name: field_types.of(f.api_name, f.data_type, f.json_type, f.return_type)
        for f in fields.values()
    }
    for name in PARENT_MODULE_KEYS.get(module, ()):
        types.setdefault(name, field_types.TEXT)
    return types


def _whole_record(records: Records, module: str) -> dict[str, object] | None:
    reply = records.fetch(ListQuery(module, ("Created_Time",), page_size=1))
    if reply.is_empty:
        return None
    data = reply.object().get("data") or [{}]
    record_id = data[0].get("id")
    return records.get(module, str(record_id)) if record_id else None


def choose_types(
    module: str, fields: Sequence[str], known: Mapping[str, FieldType]
) -> dict[str, FieldType]:
    """Return the types of some of a module's fields.

    Raises:
        SettingsError: It has no such field.
    """
    unknown = [n for n in fields if n not in known and n not in PARENT_KEYS and n != "id"]
    if unknown:
        raise SettingsError(
            f"{module} has no field {', '.join(unknown)}",
            hint=f"It has: {', '.join(known)}.",
        )
    return {n: known.get(n, field_types.TEXT) for n in fields if n != "id"}
