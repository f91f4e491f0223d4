"""What hangs on a record: related records, notes, attachments, its photo."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from bigin_client import field_types, record_form
from bigin_client.batches import RowResult, pair
from bigin_client.errors import RequestError, SettingsError
from bigin_client.metadata import Metadata
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE, iter_pages
from bigin_client.transport import Transport
from bigin_client.types import Record, RecordId

#: Field of an attachment → its type ([crm°]); not asked of the account, which may not list them.
_ATTACHMENT: Final = {
    "File_Name": field_types.of("File_Name", "text"),
    "Size": field_types.of("Size", "bigint"),
    "Owner": field_types.of("Owner", "ownerlookup"),
    "Created_Time": field_types.of("Created_Time", "datetime"),
    "Modified_Time": field_types.of("Modified_Time", "datetime"),
    "Parent_Id": field_types.of("Parent_Id", "lookup"),
}


class Related:
    """Reads and writes of what belongs to one record.

    Modules and related lists are given by API name; `settings/related_lists` names the lists.

    Args:
        transport: Where to send the requests.
        metadata: Modules and fields.
    """

    def __init__(self, transport: Transport, metadata: Metadata) -> None:
        self._transport = transport
        self._metadata = metadata

    # -- related records -------------------------------------------------------------------

    def records(
        self, module: str, record_id: RecordId, related_list: str, fields: Sequence[str]
    ) -> Iterator[Record]:
        """Yield the related records, with the asked fields and ``id``.

        Args:
            module: Module of the parent, for example ``Contacts``.
            record_id: The parent.
            related_list: API name, for example ``Products``.
            fields: 1 to 50; the service wants them named, as in lists.

        Yields:
            Records as `BiginClient.list_records` does, for a list that is named as the module
            of its records (its fields are one credit more, the first time); else as the service
            sends them. 1 credit for each 200.

        Raises:
            SettingsError: No field, too many, or no such field; nothing was sent.
            PagingError: Records were announced that cannot be reached.

        Source: bigin-api.md 3.8 [rec].
        """
        _check_number(fields)
        found = self.raw_records(module, record_id, related_list, fields)
        if related_list in self._metadata.modules():
            known = [self._metadata.field(related_list, n) for n in fields if n != "id"]
            found = map(record_form.reader(known), found)
        yield from found

    def raw_records(
        self, module: str, record_id: RecordId, related_list: str, fields: Sequence[str]
    ) -> Iterator[Record]:
        """See `records`: the same, as the service sends it, for who knows the types."""
        _check_number(fields)
        path = f"{module}/{record_id}/{related_list}"

        def fetch(token: str | None) -> dict[str, Any] | None:
            params: dict[str, str | int] = {"fields": ",".join(fields), "per_page": PAGE_SIZE}
            if token:
                params["page_token"] = token
            reply = self._transport.bigin("GET", path, params=params, module=module)
            return None if reply.is_empty else reply.object()

        for page in iter_pages(fetch):
            yield from page

    def link(
        self, module: str, record_id: RecordId, related_list: str, related_id: RecordId
    ) -> RowResult:
        """Relate two records (1 credit); doing it twice does no harm.

        The parent's Modified_Time stays, its Last_Activity_Time moves (bigin-api.md 7.3 [rec]).

        Args:
            module: Module of the parent, for example ``Contacts``.
            record_id: The parent.
            related_list: API name, for example ``Products``.
            related_id: The record to relate.

        Source: bigin-api.md 3.8 [rec], seen for Contacts and Products.
        """
        reply = self._transport.bigin(
            "PUT",
            f"{module}/{record_id}/{related_list}/{related_id}",
            body={"data": [{}]},
            idempotent=True,
            row_errors=True,
            module=module,
        )
        return pair(reply, 1)[0]

    def unlink(
        self, module: str, record_id: RecordId, related_list: str, related_id: RecordId
    ) -> RowResult:
        """Undo a relation ([crm°]); doing it a second time is refused (``INVALID_DATA``).

        Not so when the first reply was lost: the refusal then says that it was done. 1 credit.

        Args:
            module: Module of the parent.
            record_id: The parent.
            related_list: API name of the list.
            related_id: The record to part from it.

        Source: bigin-api.md 3.8 [crm°].
        """
        reply = self._transport.bigin(
            "DELETE",
            f"{module}/{record_id}/{related_list}/{related_id}",
            idempotent=True,
            row_errors=True,
            module=module,
        )
        result = pair(reply, 1)[0]
        if reply.maybe_repeated and result.code == "INVALID_DATA":
            return dataclasses.replace(result, ok=True, code="SUCCESS", field=None)
        return result

    def link_many(
        self, module: str, record_id: RecordId, related_list: str, ids: Sequence[RecordId]
    ) -> list[RowResult]:
        """Relate up to 100 records to one, as `link` does (1 credit).

        Returns:
            A result per id, in the same order.

        Source: bigin-api.md 3.8 [crm°].
        """
        reply = self._transport.bigin(
            "PUT",
            f"{module}/{record_id}/{related_list}",
            body={"data": [{"id": i} for i in ids]},
            idempotent=True,
            row_errors=True,
            module=module,
        )
        return pair(reply, len(ids), ids)

    # -- notes -----------------------------------------------------------------------------

    def add_note(
        self, module: str, record_id: RecordId, content: str, title: str | None = None
    ) -> RowResult:
        """Add a note to a record (bigin-api.md 3.9).

        Args:
            module: Module of the parent.
            record_id: The parent.
            content: At most 65,535 characters.
            title: At most 120 characters.
        """
        row = {"Note_Content": content, **({"Note_Title": title} if title else {})}
        reply = self._transport.bigin(
            "POST",
            f"{module}/{record_id}/Notes",
            body={"data": [row]},
            idempotent=False,
            row_errors=True,
            module=module,
        )
        return pair(reply, 1)[0]

    # -- attachments and photo -------------------------------------------------------------

    def attachments(self, module: str, record_id: RecordId) -> Iterator[Record]:
        """Yield what is attached to a record (1 credit for each 200).

        Yields:
            ``{"id", "File_Name", "Size", "Owner", "Created_Time", "Modified_Time", "Parent_Id"}``
            in the form of `BiginClient.list_records`.

        Raises:
            ScopeError: Attachments need a scope of their own beside the module's.

        Source: bigin-api.md 3.9; names of the fields [crm°].
        """
        found = self.raw_records(module, record_id, "Attachments", list(_ATTACHMENT))
        return map(record_form.reader_of(_ATTACHMENT), found)

    def attach(
        self, module: str, record_id: RecordId, file: IO[bytes], file_name: str
    ) -> RowResult:
        """Attach a file, read from a stream (1 credit); see `Transport.upload`.

        Args:
            module: Module of the record.
            record_id: The record.
            file: Open for reading in binary; sent from where it stands.
            file_name: Name that people see.

        Raises:
            ServiceError: With ``processed`` true, it may be attached all the same.

        Source: bigin-api.md 3.9 [bigin-doc]; sizes are limited, nobody wrote down to what.
        """
        reply = self._transport.upload(
            f"{module}/{record_id}/Attachments", file, file_name, module=module
        )
        return pair(reply, 1)[0]

    def attach_link(self, module: str, record_id: RecordId, url: str) -> RowResult:
        """Attach a link instead of a file (1 credit).

        Raises:
            ServiceError: With ``processed`` true, it may be attached all the same.

        Source: bigin-api.md 3.9 [bigin-doc].
        """
        reply = self._transport.bigin(
            "POST",
            f"{module}/{record_id}/Attachments",
            form={"attachmentUrl": url},
            idempotent=False,
            row_errors=True,
            module=module,
        )
        return pair(reply, 1)[0]

    def download_attachment(
        self, module: str, record_id: RecordId, attachment_id: RecordId, target: IO[bytes]
    ) -> int:
        """Write an attachment to a stream (1 credit); returns how many bytes.

        Raises:
            NotFoundError: There is no such attachment.
            ServiceError: It broke off, and the stream cannot be rewound.

        Source: bigin-api.md 3.9 [bigin-doc].
        """
        path = f"{module}/{record_id}/Attachments/{attachment_id}"
        return self._transport.download(path, target, module=module)

    def delete_attachment(
        self, module: str, record_id: RecordId, attachment_id: RecordId
    ) -> RowResult:
        """Delete an attachment (1 credit); a second time it is refused.

        Source: bigin-api.md 3.9 [bigin-doc].
        """
        return self.unlink(module, record_id, "Attachments", attachment_id)

    def set_photo(self, module: str, record_id: RecordId, file: IO[bytes], file_name: str) -> None:
        """Set the photo of a contact, company or product (bigin-api.md 3.9, [code]).

        Raises:
            RequestError: The service refused it.
        """
        reply = self._transport.upload(
            f"{module}/{record_id}/photo", file, file_name, module=module
        )
        if reply.object().get("status") != "success":
            raise RequestError(f"POST {module}/{record_id}/photo: refused", status=reply.status)

    def download_photo(self, module: str, record_id: RecordId, target: IO[bytes]) -> int:
        """Write the photo to a stream; returns its bytes.

        Raises:
            NotFoundError: The record has none.

        Source: bigin-api.md 3.9 [code]. 1 credit.
        """
        return self._transport.download(f"{module}/{record_id}/photo", target, module=module)

    def delete_photo(self, module: str, record_id: RecordId) -> None:
        """Remove the photo (1 credit). Source: bigin-api.md 3.9 [code]."""
        self._transport.bigin(
            "DELETE", f"{module}/{record_id}/photo", idempotent=True, module=module
        )


def _check_number(fields: Sequence[str]) -> None:
    if not 0 < len(fields) <= MAX_FIELDS:
        raise SettingsError(
            f"Related records take 1 to {MAX_FIELDS} fields, not {len(fields)}",
            hint="Ask for the others by the records' ids, with get_record.",
        )
