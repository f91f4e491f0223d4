"""Tags: the definitions of a module, and what is tagged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from bigin_client.batches import RowResult, pair
from bigin_client.errors import RequestError, ServiceError, SettingsError
from bigin_client.paging import read_count
from bigin_client.transport import Transport
from bigin_client.types import RecordId

#: Records that one credit tags (bigin-api.md 3.10, [bigin-doc v1]).
PER_CREDIT: Final = 50
#: Records a call: 500 are allowed, but their ids stand in the URL; fewer cost the same.
PER_CALL: Final = 100

#: Inside the class, `list` is one of its methods.
_Results: TypeAlias = list[RowResult]


class Tags:
    """Tags of one account; modules are given by API name.

    Args:
        transport: Where to send the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # -- definitions -----------------------------------------------------------------------

    def list(self, module: str) -> list[dict[str, Any]]:
        """Return the tags of a module (1 credit).

        Returns:
            ``[{"id": …, "name": "VIP", "color_code": None, …}]`` as the service sends them.

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

    def create(self, module: str, name: str, *, color_code: str | None = None) -> str:
        """Define a tag; returns its id (1 credit). Tagging a record defines it, too.

        Raises:
            RequestError: The service refused it.

        Source: bigin-api.md section 2 [bigin-doc]; body and reply as for records [crm-doc].
        """
        row = {"name": name, **({"color_code": color_code} if color_code else {})}
        return self._define("POST", "settings/tags", module, row)

    def rename(self, module: str, tag_id: str, name: str) -> None:
        """Give a tag another name, in every record that has it (1 credit).

        Source: bigin-api.md section 2 [bigin-doc].
        """
        self._define("PUT", f"settings/tags/{tag_id}", module, {"name": name})

    def delete(self, module: str, tag_id: str) -> None:
        """Delete a tag, in every record that has it (1 credit).

        Source: bigin-api.md section 2 [bigin-doc].
        """
        self._define("DELETE", f"settings/tags/{tag_id}", module, None)

    def count(self, module: str, tag_id: str) -> int:
        """Return the number of records that have a tag (1 credit).

        Source: bigin-api.md section 2 [bigin-doc]; the reply holds a number or a text.
        """
        path = f"settings/tags/{tag_id}/actions/records_count"
        reply = self._transport.bigin("GET", path, params={"module": module}, module=module)
        return read_count(reply, f"GET {path}")

    # -- records ---------------------------------------------------------------------------

    def add(
        self, module: str, record_id: RecordId, names: Sequence[str], *, replace: bool = False
    ) -> RowResult:
        """Put tags on a record (1 credit); unknown ones are created.

        Args:
            module: API name.
            record_id: The record.
            names: Names of the tags.
            replace: Take all other tags off.

        Source: bigin-api.md 3.10 [crm-doc].
        """
        return self._one("add_tags", module, record_id, names, replace=replace)

    def remove(self, module: str, record_id: RecordId, names: Sequence[str]) -> RowResult:
        """Take tags off a record (1 credit); one that it does not have is no error.

        Source: bigin-api.md 3.10 [crm-doc].
        """
        return self._one("remove_tags", module, record_id, names)

    def add_to_many(self, module: str, ids: Sequence[RecordId], names: Sequence[str]) -> _Results:
        """Put tags on records; 1 credit for each 50 records.

        Returns:
            A result per id, in the same order.

        Raises:
            SettingsError: A name holds a comma, which this call cannot say; nothing was sent.

        Source: bigin-api.md 3.10 [bigin-doc v1][code].
        """
        return self._many("add_tags", module, ids, names)

    def remove_from_many(
        self, module: str, ids: Sequence[RecordId], names: Sequence[str]
    ) -> _Results:
        """Take tags off records; as `add_to_many`. Source: bigin-api.md 3.10 [crm°]."""
        return self._many("remove_tags", module, ids, names)

    # -- how -------------------------------------------------------------------------------

    def _define(self, method: str, path: str, module: str, row: dict[str, Any] | None) -> str:
        reply = self._transport.bigin(
            method,
            path,
            params={"module": module},
            body=None if row is None else {"tags": [row]},
            idempotent=method != "POST",
            module=module,
        )
        found = reply.object().get("tags")
        result = found[0] if isinstance(found, list) and found else None
        if not isinstance(result, dict) or result.get("status") != "success":
            code = result.get("code") if isinstance(result, dict) else None
            raise RequestError(
                f"{method} {path}: refused",
                status=reply.status,
                code=code if isinstance(code, str) else None,
                request_id=reply.request_id,
            )
        details = result.get("details")
        return str(details.get("id")) if isinstance(details, dict) else ""

    def _one(
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

    def _many(
        self,
        action: Literal["add_tags", "remove_tags"],
        module: str,
        ids: Sequence[RecordId],
        names: Sequence[str],
    ) -> _Results:
        if any("," in n for n in names):
            raise SettingsError("The name of a tag holds a comma", hint="Tag one by one.")
        results = []
        for start in range(0, len(ids), PER_CALL):
            part = ids[start : start + PER_CALL]
            reply = self._transport.bigin(
                "POST",
                f"{module}/actions/{action}",
                params={"ids": ",".join(part), "tag_names": ",".join(names)},
                idempotent=True,
                row_errors=True,
                cost=-(-len(part) // PER_CREDIT),
                module=module,
            )
            results += [
                dataclasses.replace(r, index=start + r.index) for r in pair(reply, len(part), part)
            ]
        return results
