"""`SimulatorAdmin`: a simulator in another process, by its administrative door (`admin`)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from bigin_client.testing.wire import decode


class SimulatorAdmin:
    """Talks to a simulator in another process.

    ``SimulatorAdmin("http://127.0.0.1:8080").records("Contacts")``

    Args:
        base_url: The simulator's.
        connection: Connection of the account that is meant; the first when omitted.
    """

    def __init__(self, base_url: str, connection: str | None = None) -> None:
        self._base = base_url.rstrip("/") + "/_simulator/"
        self._connection = connection
        # Proxies of the environment are not asked: this is loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Any administrative request; returns the decoded reply.

        Raises:
            LookupError: What was named is not there.
            ValueError: The simulator refused the arguments.
        """
        pairs = dict(query or {})
        if self._connection is not None:
            pairs["connection"] = self._connection
        url = self._base + quote(path) + (f"?{urlencode(pairs)}" if pairs else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)  # noqa: S310 - loopback http
        try:
            with self._opener.open(request, timeout=60) as reply:
                return decode(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
            kind = LookupError if error.code == 404 else ValueError
            raise kind(text) from None

    def info(self) -> dict[str, Any]:
        """Key, connection, modules with counts."""
        found: dict[str, Any] = self.call("GET", "info")
        return found

    def records(self, module: str) -> list[dict[str, Any]]:
        """All live records in the read form."""
        found: list[dict[str, Any]] = self.call("GET", f"store/{module}")
        return found

    def get(self, module: str, id: str) -> dict[str, Any] | None:
        """One record, or None."""
        try:
            found: dict[str, Any] = self.call("GET", f"store/{module}/{id}")
        except LookupError:
            return None
        return found

    def deleted(self, module: str) -> list[dict[str, Any]]:
        """Rows of the deleted feed."""
        found: list[dict[str, Any]] = self.call("GET", f"store/{module}/deleted")
        return found

    def count(self, module: str) -> int:
        """Number of live records."""
        return int(self.info()["modules"][module])

    def insert(self, module: str, row: Mapping[str, Any], at: datetime | None = None) -> str:
        """Put a record in; returns its id."""
        body = {"row": dict(row), "at": at.isoformat() if at else None}
        return str(self.call("POST", f"store/{module}", body)["id"])

    def update(
        self,
        module: str,
        id: str,
        changes: Mapping[str, Any],
        at: datetime | None = None,
        touch: bool = True,
    ) -> None:
        """Change a record."""
        moment = at.isoformat() if at else None
        body = {"changes": dict(changes), "at": moment, "touch": touch}
        self.call("PUT", f"store/{module}/{id}", body)

    def delete(self, module: str, id: str, permanent: bool = False) -> None:
        """Delete a record."""
        query = {"permanent": "true"} if permanent else None
        self.call("DELETE", f"store/{module}/{id}", query=query)

    def restore(self, module: str, id: str) -> None:
        """Take a record back from the recycle bin."""
        self.call("POST", f"store/{module}/{id}/restore", {})

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The request log."""
        found: list[dict[str, Any]] = self.call("GET", "requests", query={"since": str(since)})
        return found

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self.call("DELETE", "requests")

    def audit(self) -> list[dict[str, Any]]:
        """The violations."""
        found: list[dict[str, Any]] = self.call("GET", "audit")
        return found

    def credits(self) -> dict[str, int]:
        """used, left, limit."""
        found: dict[str, int] = self.call("GET", "credits")
        return found

    def now(self) -> datetime:
        """What the clock shows."""
        return datetime.fromisoformat(self.call("GET", "clock")["now"])

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.call("PUT", "clock", {"advance": seconds})

    def switch(self, **values: Any) -> None:
        """Set switches."""
        self.call("PUT", "switches", values)

    def fault(self, kind: str, **arguments: Any) -> None:
        """Add a fault."""
        self.call("POST", "faults", {"kind": kind, **arguments})

    def scopes(self, grant: tuple[str, ...] = (), revoke: tuple[str, ...] = ()) -> list[str]:
        """Grant and revoke; the words that are granted then."""
        found: list[str] = self.call(
            "PUT", "scopes", {"grant": list(grant), "revoke": list(revoke)}
        )
        return found
