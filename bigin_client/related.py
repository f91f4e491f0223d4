"""What hangs on a record: related records, notes, attachments, tags, its photo."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal

from bigin_client.batches import RowResult, pair
from bigin_client.errors import RequestError, ServiceError
from bigin_client.paging import PAGE_SIZE, iter_pages
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
            fields: At most 50; the service wants them named, as in lists (bigin-api.md 3.8, [rec]).
        """
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
        """Relate two records; doing it twice does no harm (bigin-api.md 3.8, [rec])."""
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

        Not so when the first reply was lost: the refusal then says that it was done.
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
        """Yield what is attached: id, File_Name, Size, times ([crm°])."""
        fields = ["File_Name", "Size", "Owner", "Created_Time", "Modified_Time", "Parent_Id"]
        return self.records(module, record_id, "Attachments", fields)

    def attach(
        self, module: str, record_id: RecordId, file: IO[bytes], file_name: str
    ) -> RowResult:
        """Attach a file, read from a stream (bigin-api.md 3.9, [bigin-doc])."""
        reply = self._transport.upload(
            f"{module}/{record_id}/Attachments", file, file_name, module=module
        )
        return pair(reply, 1)[0]

    def download_attachment(
        self, module: str, record_id: RecordId, attachment_id: RecordId, target: IO[bytes]
    ) -> int:
        """Write an attachment to a stream; returns its bytes."""
        path = f"{module}/{record_id}/Attachments/{attachment_id}"
        return self._transport.download(path, target, module=module)

    def delete_attachment(
        self, module: str, record_id: RecordId, attachment_id: RecordId
    ) -> RowResult:
        """Delete an attachment."""
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
        """
        return self._transport.download(f"{module}/{record_id}/photo", target, module=module)

    def delete_photo(self, module: str, record_id: RecordId) -> None:
        """Remove the photo."""
        self._transport.bigin(
            "DELETE", f"{module}/{record_id}/photo", idempotent=True, module=module
        )

    # -- tags ------------------------------------------------------------------------------

    def tags(self, module: str) -> list[dict[str, Any]]:
        """Return the tags of a module: id, name, color_code."""
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
        """Take tags off a record ([crm-doc], bigin-api.md 3.10)."""
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
