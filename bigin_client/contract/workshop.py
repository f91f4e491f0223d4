"""Records that the examination makes itself, and removes again whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bigin_client.account import PIPELINES
from bigin_client.batches import MAX_RECORDS
from bigin_client.connections import APP
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import NotCheckable
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    NotFoundError,
)
from bigin_client.paging import PAGE_SIZE
from bigin_client.reply import Reply
from bigin_client.types import Record

if TYPE_CHECKING:
    from bigin_client.contract.examination import Examination

#: Modules in which records are made, with the field that carries the mark; children first, so
#: that nothing goes along with its parent before it could be looked at.
MARKED: Final = {
    "Notes": "Note_Title",
    "Tasks": "Subject",
    "Events": "Event_Title",
    PIPELINES: "Deal_Name",
    "Contacts": "Last_Name",
    "Products": "Product_Name",
    "Accounts": "Account_Name",
}
#: After these nothing will be answered any more.
_WAY_IS_GONE: Final = (AuthenticationError, ConnectionUnavailableError)
#: An id that no record has: real ones have 19 digits.
_NO_ID: Final = "1"
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Batch:
    """A write of several rows under names of their own.

    Attributes:
        exchange: Request and reply.
        names: The rows' names, in their order.
    """

    exchange: Exchange
    names: tuple[str, ...]

    def result(self, name: str) -> dict[str, Any]:
        """Return a row's result.

        Raises:
            NotCheckable: The reply holds no result for every row.
        """
        rows = self.exchange.rows
        if len(rows) != len(self.names):
            raise NotCheckable(f"no result for each row: {self.exchange.said}")
        return rows[self.names.index(name)]

    def details(self, name: str) -> dict[str, Any]:
        """Return ``details`` of a row's result."""
        found = self.result(name).get("details")
        return found if isinstance(found, dict) else {}

    def ok(self, name: str) -> bool:
        """Whether a row was written."""
        return self.result(name).get("status") == "success"

    def id(self, name: str) -> str:
        """Return a written row's id.

        Raises:
            NotCheckable: It was refused.
        """
        if not self.ok(name):
            raise NotCheckable(f"a record that is needed was refused: {self.code(name)}")
        return str(self.details(name)["id"])

    def code(self, name: str) -> str:
        """Return a row's code."""
        return str(self.result(name).get("code"))

    def said(self, name: str) -> str:
        """Return request, status and the row's code in a line."""
        where = self.details(name).get("api_name")
        named = f" on {where}" if where and not self.ok(name) else ""
        return f"{self.exchange.label} → {self.exchange.status}, row: {self.code(name)}{named}"


class Workshop:
    """Makes records that carry the examination's mark, keeps count, removes them.

    Args:
        exam: The examination.
    """

    def __init__(self, exam: Examination) -> None:
        self._exam = exam
        self._known: dict[str, Any] = {}
        #: Modules in which something may have been made that nobody told of.
        self._unclear: set[str] = set()
        self._ids: dict[str, set[str]] = {}
        #: Module → ids in the order in which the records were made.
        self.sequence: dict[str, list[str]] = {}
        self._connection: str | None = None
        self._tagged = False

    def once(self, name: str, make: Callable[[], _Result]) -> _Result:
        """Return what `make` returned, or raise what it raised, the first time.

        An insert that failed must not be sent again by the next statement that needs it.
        """
        if name not in self._known:
            try:
                self._known[name] = make()
            except (BiginError, NotCheckable) as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, Exception):
            raise found
        result: _Result = found
        return result

    # -- writes ----------------------------------------------------------------------------

    def insert(self, name: str, module: str, rows: Mapping[str, Record]) -> Batch:
        """Insert rows once."""
        return self.once(name, lambda: self._write("POST", module, module, rows))

    def upsert(self, name: str, module: str, rows: Mapping[str, Record], *fields: str) -> Batch:
        """Upsert rows once, by these fields."""
        return self.once(
            name,
            lambda: self._write(
                "POST", module, f"{module}/upsert", rows, duplicate_check_fields=list(fields)
            ),
        )

    def update(
        self,
        name: str,
        module: str,
        rows: Mapping[str, Record],
        *,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Batch:
        """Update rows once."""
        return self.once(
            name, lambda: self._write("PUT", module, path or module, rows, headers=headers)
        )

    def delete(self, name: str, module: str, ids: Sequence[str]) -> Batch:
        """Delete records once."""

        def send() -> Batch:
            exchange = self._exam.probe.send(
                "DELETE", module, params={"ids": ",".join(ids), "wf_trigger": "false"}
            )
            batch = Batch(exchange, tuple(ids))
            if len(exchange.rows) == len(ids):
                self._ids.get(module, set()).difference_update(i for i in ids if batch.ok(i))
            return batch

        return self.once(name, send)

    def _write(
        self,
        method: str,
        module: str,
        path: str,
        rows: Mapping[str, Record],
        *,
        headers: Mapping[str, str] | None = None,
        **body: object,
    ) -> Batch:
        if method == "POST":
            self._must_be_removable(module)
        # Before anything is sent: an insert whose reply is lost may have taken place.
        clear_before = module not in self._unclear
        self._unclear.add(module)
        self._tagged |= any("Tag" in row for row in rows.values())
        try:
            exchange = self._exam.probe.write(
                method, path, list(rows.values()), headers=headers, **body
            )
        except NotCheckable:  # refused as a whole
            if clear_before:
                self._unclear.discard(module)
            raise
        batch = Batch(exchange, tuple(rows))
        made = [
            str(r["details"]["id"])
            for r in exchange.rows
            if r.get("status") == "success" and r.get("action") != "update"
        ]
        if method == "POST":
            self.sequence.setdefault(module, []).extend(made)
            self._ids.setdefault(module, set()).update(made)
        told = len(exchange.rows) == len(rows) or exchange.code is not None
        if clear_before and told:
            self._unclear.discard(module)
        return batch

    def _must_be_removable(self, module: str) -> None:
        """Make sure that what is made could be removed again.

        Asks to delete an id that no record has.

        Raises:
            NotCheckable: The connection may not delete in the module.
        """
        self.once(
            f"removable {module}",
            lambda: self._exam.probe.send(
                "DELETE", module, params={"ids": _NO_ID, "wf_trigger": "false"}
            ),
        )

    def may_tag(self) -> bool:
        """Whether a tag that is made could be found and removed again."""

        def ask() -> bool:
            try:
                listed = self._exam.get("settings/tags", {"module": "Contacts"}, fresh=True)
                self._exam.probe.send(
                    "DELETE", f"settings/tags/{_NO_ID}", params={"module": "Contacts"}
                )
            except NotCheckable:
                return False
            return listed.status < 400

        return self.once("may tag", ask)

    # -- reads -----------------------------------------------------------------------------

    def read(self, name: str, module: str, record_id: str, *fields: str) -> Record | None:
        """Read a record afresh, once under this name; None when it is gone (204)."""

        def ask() -> Record | None:
            asked = self._exam.get(
                f"{module}/{record_id}", {"fields": ",".join(fields)}, fresh=True
            )
            if asked.status == 204:
                return None
            if not asked.rows:
                raise NotCheckable(asked.said)
            return asked.rows[0]

        return self.once(name, ask)

    def present(self, name: str, module: str, record_id: str, *fields: str) -> Record:
        """Read a record that has to be there."""
        found = self.read(name, module, record_id, *fields)
        if found is None:
            raise NotCheckable(f"a record of {module} that was just written is not found")
        return found

    # -- a connection ------------------------------------------------------------------------

    def connection(self) -> str:
        """Return the id of a connection that nobody authorises."""
        body = self._created()
        inner = body.get("connection")
        inner = inner if isinstance(inner, dict) else body
        for key in ("connection_id", "connection_Id", "id"):
            if isinstance(inner.get(key), str):
                self._connection = inner[key]
                return inner[key]  # type: ignore[no-any-return]  # isinstance above
        raise NotCheckable("POST /connections answers without an id")

    def connection_form(self) -> str:
        """Return how ``POST /connections`` names the new connection."""
        self.connection()
        body = self._created()
        inner = body.get("connection")
        nested, found = ("nested", inner) if isinstance(inner, dict) else ("flat", body)
        keys = ("connection_id", "connection_Id", "id")
        return f"{nested} {next(k for k in keys if isinstance(found.get(k), str))}"

    def _created(self) -> dict[str, Any]:
        return self.once(
            "connection",
            lambda: self._exam.client.transport.gateway(
                "POST", "/connections", body={"app": APP}
            ).object(),
        )

    def delete_connection(self) -> Reply:
        """Delete the connection; the reply."""
        found = self.connection()
        return self.once("no connection", lambda: self._delete_connection(found))

    def _delete_connection(self, connection_id: str) -> Reply:
        reply = self._exam.client.transport.gateway("DELETE", f"/connections/{connection_id}")
        self._connection = None
        return reply

    # -- the end -----------------------------------------------------------------------------

    def clear(self) -> list[str]:
        """Remove everything that was made; returns what could not be removed.

        A module where an insert got no reply is looked through for the mark.
        """
        left: list[str] = []
        lost: BiginError | None = None
        for module in MARKED:
            ids = self._ids.get(module, set())
            if not ids and module not in self._unclear:
                continue
            try:
                if lost is not None:
                    raise lost  # the way is gone: each try would only take its time
                left += self._clear(module)
            except (BiginError, NotCheckable) as error:
                lost = error if isinstance(error, _WAY_IS_GONE) else None
                known = sorted(ids) or [f"named {self._exam.mark}"]
                left += [f"{module} {i}: {error}" for i in known]
        for what, remove in (("tag", self._clear_tag), ("connection", self._clear_connection)):
            left += self._attempt(what, remove)
        return left

    def _attempt(self, what: str, remove: Callable[[], list[str]]) -> list[str]:
        try:
            return remove()
        except (BiginError, NotCheckable) as error:
            return [f"{what} {self._exam.mark}: {error}"]

    def _clear(self, module: str) -> list[str]:
        name = MARKED[module]
        ids = set(self._ids.get(module, ()))
        if module in self._unclear:
            asked = self._exam.get(module, {"fields": name, "per_page": PAGE_SIZE}, fresh=True)
            mark = self._exam.mark
            ids |= {str(r["id"]) for r in asked.rows if str(r.get(name) or "").startswith(mark)}
        left = []
        known = sorted(ids)
        for start in range(0, len(known), MAX_RECORDS):
            part = known[start : start + MAX_RECORDS]
            batch = self.delete(f"clear {module} {start}", module, part)
            gone = {i for i in part if len(batch.exchange.rows) == len(part) and batch.ok(i)}
            # A refusal may mean that it went along with its parent: ask.
            left += [f"{module} {i}" for i in part if i not in gone and self._is_there(module, i)]
        return left

    def _is_there(self, module: str, record_id: str) -> bool:
        asked = self._exam.get(f"{module}/{record_id}", {"fields": MARKED[module]}, fresh=True)
        return asked.status != 204

    def _clear_tag(self) -> list[str]:
        if not self._tagged:
            return []
        asked = self._exam.get("settings/tags", {"module": "Contacts"}, fresh=True)
        tags = asked.reply.object().get("tags") or []
        left = [f"tag {self._exam.mark} ({asked.said})"] if asked.status >= 400 else []
        for tag in tags:
            if isinstance(tag, dict) and tag.get("name") == self._exam.mark:
                done = self._exam.probe.send(
                    "DELETE", f"settings/tags/{tag['id']}", params={"module": "Contacts"}
                )
                if done.status >= 300:
                    left.append(f"tag {tag['id']} ({done.said})")
        return left

    def _clear_connection(self) -> list[str]:
        if self._connection is None:
            return []
        with contextlib.suppress(NotFoundError):
            self._exam.client.connections.delete(self._connection)
        self._connection = None
        return []
