"""What hangs on a record: related records, notes, attachments, tags, its photo."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal

from bigin_client.batches import RowResult, pair
from bigin_client.errors import RequestError, ServiceError, SettingsError
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE, iter_pages
from bigin_client.transport import Transport
from bigin_client.types import Record, RecordId


class Related:
    """Reads and writes of what belongs to one record.

    Modules and related lists are given by API name; `settings/related_lists` names the lists.

    Args:
        transport: Where to send the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # -- related records -------------------------------------------------------------------

    def records(
        self, module: str, record_id: RecordId, related_list: str, fields: Sequence[str]
    ) -> Iterator[Record]:
        """Yield the related records, with the asked fields and ``id``, as the service sends them.

        Args:
            module: Module of the parent, for example ``Contacts``.
            record_id: The parent.
            related_list: API name, for example ``Products``.
            fields: 1 to 50; the service wants them named, as in lists.

        Raises:
            SettingsError: No field, or too many; nothing was sent.
            PagingError: Records were announced that cannot be reached.

        Source: bigin-api.md 3.8 [rec]. 1 credit for each 200.
        """
        if not 0 < len(fields) <= MAX_FIELDS:
            raise SettingsError(
                f"Related records take 1 to {MAX_FIELDS} fields, not {len(fields)}",
                hint="Ask for the others by the records' ids, with get_record.",
            )
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
            as the service sends them.

        Raises:
            ScopeError: Attachments need a scope of their own beside the module's.

        Source: bigin-api.md 3.9; names of the fields [crm°].
        """
        fields = ["File_Name", "Size", "Owner", "Created_Time", "Modified_Time", "Parent_Id"]
        return self.records(module, record_id, "Attachments", fields)

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

    # -- tags ------------------------------------------------------------------------------

    def tags(self, module: str) -> list[dict[str, Any]]:
        """Return the tags of a module (1 credit).

        Returns:
            ``[{"id": …, "name": "VIP", "color_code": None, …}]``.

        Source: bigin-api.md section 2 [bigin-doc].
        """
        reply = self._transport.bigin(
            "GET", "settings/tags", params={"module": module}, module=module
        )
        if reply.is_empty:
            return []
        found = reply.object().get("tags")
        if not isinstance(found, list):
            raise ServiceError("GET settings/tags: the reply holds no tags")
        return found

    def add_tags(
        self, module: str, record_id: RecordId, names: Sequence[str], *, replace: bool = False
    ) -> RowResult:
        """Put tags on a record; unknown ones are created ([crm-doc], bigin-api.md 3.10).

        Args:
            module: API name.
            record_id: The record.
            names: Names of the tags.
            replace: Take all other tags off.
        """
        return self._tag("add_tags", module, record_id, names, replace=replace)

    def remove_tags(self, module: str, record_id: RecordId, names: Sequence[str]) -> RowResult:
        """Take tags off a record (1 credit; [crm-doc], bigin-api.md 3.10).

        Args:
            module: API name.
            record_id: The record.
            names: Names of the tags; one that it does not have is no error.
        """
        return self._tag("remove_tags", module, record_id, names)

    def _tag(
        self,
        action: Literal["add_tags", "remove_tags"],
        module: str,
        record_id: RecordId,
        names: Sequence[str],
        *,
        replace: bool = False,
    ) -> RowResult:
        body: dict[str, Any] = {"tags": [{"name": n} for n in names]}
        if replace:
            body["over_write"] = True
        reply = self._transport.bigin(
            "POST",
            f"{module}/{record_id}/actions/{action}",
            body=body,
            idempotent=True,
            row_errors=True,
            module=module,
        )
        return pair(reply, 1)[0]
