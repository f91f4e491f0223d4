"""One API call on its way through the service's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bigin_client.testing.effects import Effects
from bigin_client.testing.refusals import Refusal
from bigin_client.testing.store import Store
from bigin_client.testing.switches import Switches
from bigin_client.testing.tokens import Tokens
from bigin_client.testing.wire import Request, Response

if TYPE_CHECKING:
    from bigin_client.testing.account import Account


@dataclass
class Call:
    """A request that passed the gateway, and what the rules find out about it.

    Attributes:
        operation: "list", "insert", "fields" and so on: for scopes, faults and the log.
        module: API name of the module it is about, or "".
        parts: Variable parts of the path, such as a record's id.
        cost: Credits of the call if it succeeds.
        body_rows: Rows or ids that the client sent.
        running: Calls of the account that are under way, this one included.
        demanding: Those of them that count towards the sub-concurrency; 0 if this one does not.
        effects: What active faults do to this call.
    """

    request: Request
    account: Account
    switches: Switches
    tokens: Tokens
    operation: str = ""
    module: str = ""
    parts: tuple[str, ...] = ()
    cost: int = 1
    body_rows: int = 0
    running: int = 0
    demanding: int = 0
    effects: Effects = field(default_factory=Effects)

    @property
    def store(self) -> Store:
        """The account's store."""
        return self.account.store

    @property
    def query(self) -> dict[str, str]:
        """The request's parameters."""
        return self.request.query

    def number(self, name: str, default: int, *, low: int = 1) -> int:
        """A whole number from the query.

        Raises:
            Refusal: INVALID_DATA when it is none or too low.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or int(text) < low:
            raise Refusal("INVALID_DATA", {"param_name": name, "expected_data_type": "integer"})
        return int(text)


Handler: TypeAlias = Callable[[Call], Response]
