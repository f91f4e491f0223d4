"""Asks the service single questions, keeps what it said, and never asks the same one twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bigin_client.contract.statements import NotCheckable
from bigin_client.credits import of_write
from bigin_client.errors import BiginError
from bigin_client.reply import Reply
from bigin_client.transport import Transport
from bigin_client.types import Record

#: Query parameters: texts and numbers.
Params: TypeAlias = Mapping[str, Any]

#: Parameters whose values are shown: none of them can hold a record's contents.
_SHOWN: Final = frozenset(
    {"approved", "module", "page", "per_page", "sort_by", "sort_order", "type", "wf_trigger"}
)
#: Refusals that say nothing of the question, only that this connection may not ask it.
_NO_SCOPE: Final = frozenset({"OAUTH_SCOPE_MISMATCH", "NO_PERMISSION"})
_ID: Final = re.compile(r"\d{12,}")


@dataclass(frozen=True)
class Exchange:
    """One question and its answer.

    Attributes:
        label: Method, path without ids, names of parameters.
        reply: The answer, a refusal too.
        number: Which request of this run it was; others may lie between two exchanges.
    """

    label: str
    reply: Reply
    number: int

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.reply.status

    @property
    def code(self) -> str | None:
        """Bigin's code of a refusal."""
        return self.reply.code

    @property
    def said(self) -> str:
        """Question and answer in a line."""
        code = self.code or next(iter(self.row_codes), None)
        return f"{self.label} → {self.status}" + (f" {code}" if code else "")

    @property
    def row_codes(self) -> list[str]:
        """Codes of refused rows of a write."""
        rows = self.reply.row_results or []
        return [
            str(r["code"])
            for r in rows
            if isinstance(r, dict) and r.get("status") == "error" and "code" in r
        ]

    @property
    def details(self) -> dict[str, Any]:
        """``details`` of a refusal."""
        found = self.reply.object().get("details")
        return found if isinstance(found, dict) else {}

    @property
    def rows(self) -> list[Record]:
        """``data[]``."""
        return [r for r in self.reply.row_results or [] if isinstance(r, dict)]

    @property
    def info(self) -> dict[str, Any]:
        """``info`` of a list."""
        found = self.reply.object().get("info")
        return found if isinstance(found, dict) else {}

    def refused(self, status: int, code: str) -> bool:
        """Whether this is that refusal, in Bigin's shape."""
        return self.status == status and self.code == code


class Probe:
    """Sends questions through one transport.

    Args:
        transport: The door to the wire; refusals are answers here.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: dict[tuple[Any, ...], Exchange | BiginError] = {}
        #: Every answer so far.
        self.log: list[Exchange] = []

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        cost: int = 1,
        fresh: bool = False,
        scopes: bool = False,
    ) -> Exchange:
        """Ask with GET; the same question again is answered from memory unless `fresh`.

        Args:
            path: Below ``bigin/v2/``.
            params: Query parameters.
            headers: Extra headers.
            cost: Credits.
            fresh: Ask again.
            scopes: The question is about scopes: a missing one is an answer.

        Raises:
            NotCheckable: The connection may not ask this.
            BiginError: No answer came (transport fault, 5xx, 429 for too long).
        """
        key = (path, *sorted((params or {}).items()), *sorted((headers or {}).items()))
        found = None if fresh else self._known.get(key)
        if isinstance(found, BiginError):
            raise found
        if found is None:
            try:
                found = self.send(
                    "GET", path, params=params, headers=headers, cost=cost, scopes=True
                )
            except BiginError as error:
                self._known[key] = error
                raise
            self._known[key] = found
        return found if scopes else _allowed(found)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        cost: int = 1,
        scopes: bool = False,
    ) -> Exchange:
        """Send one request and keep the answer. What may write is sent at most once.

        Raises:
            NotCheckable: The connection may not do this, and `scopes` is false.
            BiginError: As `get`.
        """
        reply = self._transport.bigin(
            method,
            path,
            params=params,
            body=body,
            headers=headers,
            row_errors=True,
            keep_refusals=True,
            idempotent=method == "GET" or path == "coql",
            cost=cost,
        )
        exchange = Exchange(
            _label(method, path, params, headers), reply, self._transport.requests_sent
        )
        self.log.append(exchange)
        return exchange if scopes else _allowed(exchange)

    def write(
        self,
        method: str,
        path: str,
        rows: Sequence[Record],
        *,
        headers: Mapping[str, str] | None = None,
        **body: object,
    ) -> Exchange:
        """Send rows; workflows do not run."""
        return self.send(
            method,
            path,
            body={"data": list(rows), "trigger": [], **body},
            headers=headers,
            cost=of_write(len(rows)),
        )


def _allowed(exchange: Exchange) -> Exchange:
    if exchange.status in {401, 403} and exchange.code in _NO_SCOPE:
        raise NotCheckable(f"the connection may not do this: {exchange.said}")
    return exchange


def _label(
    method: str,
    path: str,
    params: Params | None,
    headers: Mapping[str, str] | None,
) -> str:
    named = []
    for name, value in (params or {}).items():
        if name == "fields":
            count = len(str(value).split(","))
            named.append(f"fields=({count})" if count > 1 else "fields=…")
        else:
            named.append(f"{name}={value}" if name in _SHOWN else f"{name}=…")
    where = _ID.sub("{id}", path) + ("?" + "&".join(named) if named else "")
    return f"{method} {where}" + "".join(f" with {name}" for name in headers or {})
