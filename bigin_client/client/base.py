"""What all parts of a client share: its settings, its parts, the account's metadata."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from typing_extensions import Self

from bigin_client.account import Account
from bigin_client.batches import Batches
from bigin_client.bulk import Bulk
from bigin_client.connections import Connections
from bigin_client.metadata import Field, Metadata, Module
from bigin_client.queries import Queries
from bigin_client.records import Records
from bigin_client.related import Related
from bigin_client.settings import Settings
from bigin_client.tags import Tags
from bigin_client.transport import Transport


class ClientBase:
    """Settings and parts of a client; see `bigin_client.client.BiginClient`."""

    def __init__(self, settings: Settings | None = None, *, front_end: str = "client") -> None:
        self.settings = settings or Settings.from_env()
        self.transport = Transport(self.settings, front_end=front_end)
        self.connections = Connections(self.transport)
        self.transport.resolve_connection = self.connections.resolve
        self.metadata = Metadata(self.transport)
        self.records = Records(self.transport, self.metadata)
        self.batches = Batches(self.transport)
        self.queries = Queries(self.transport)
        self.related = Related(self.transport, self.metadata)
        self.account = Account(self.transport, self.metadata)
        self.tags = Tags(self.transport)
        self.bulk = Bulk(self.transport)

    def __repr__(self) -> str:
        return f"BiginClient({self.settings.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()

    def modules(self) -> list[Module]:
        """Return the account's modules, parents first (1 credit, the first time).

        Modules that the connection has no scope for are among them: only a read tells
        (bigin-api.md 1.1 [code]).
        """
        return list(self.metadata.modules().values())

    def fields(self, module: str) -> list[Field]:
        """Return the fields of a module (1 credit, the first time); ``id`` is not among them.

        Args:
            module: API name or alias.

        Raises:
            ScopeError: The connection may not read these settings.

        Source: bigin-api.md section 2 [rec].
        """
        return list(self.metadata.fields(self.metadata.module(module).api_name).values())

    def users(self, type: str = "AllUsers") -> list[dict[str, Any]]:  # noqa: A002 - the service's word
        """Return users (1 credit for each 200).

        Args:
            type: AllUsers, ActiveUsers, DeactiveUsers, ConfirmedUsers, NotConfirmedUsers,
                DeletedUsers, ActiveConfirmedUsers, AdminUsers, ActiveConfirmedAdmins or
                CurrentUser, the cheapest check of a connection.

        Returns:
            ``[{"id": …, "full_name": …, "email": …, "role": {"name", "id"}, "status": "active",
            "time_zone": "Africa/Nairobi", …}]`` as the service sends them, but for times in UTC.

        Source: bigin-api.md section 2 [rec]; the types [bigin-doc].
        """
        return list(self.records.users(type))

    def org(self) -> dict[str, Any]:
        """Return the organisation (1 credit).

        Returns:
            ``{"id": …, "company_name": …, "time_zone": …, "license_details": {"paid_type":
            "free", …}, …}``: the edition decides about credits and concurrency.

        Source: bigin-api.md section 2 [rec].
        """
        return self.records.org()

    def _fields(self, module: str, names: Sequence[str]) -> list[Field]:
        return [self.metadata.field(module, n) for n in names if n != "id"]
