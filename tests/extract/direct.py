"""A client that asks the simulator without HTTP: four times as many histories in the same time.

What HTTP itself may do to a read is tested elsewhere (tests/client, and every other test here).
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode, urlsplit

from requests.structures import CaseInsensitiveDict

from bigin_client import BiginClient, timestamps
from bigin_client.reply import Reply
from bigin_client.testing import BiginSimulator
from bigin_client.testing.wire import Request


class DirectWire:
    """In place of `bigin_client.wire.Wire`."""

    def __init__(self, sim: BiginSimulator) -> None:
        self._sim = sim

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        content: bytes | None,
        download: object,
    ) -> Reply:
        """Answer a request as the simulator's server does."""
        assert download is None
        query = "?" + urlencode(params) if params else ""
        lower = {name.lower(): value for name, value in headers.items()}
        request = Request.from_target(method, urlsplit(url).path + query, lower, content or b"")
        asked_at = timestamps.now()
        response, done = self._sim._exchange.handle(request)
        done()
        date = formatdate(self._sim.clock.timestamp(), usegmt=True)
        answered = CaseInsensitiveDict({"Date": date, **response.headers})
        return Reply(response.status, answered, response.body, asked_at)

    def close(self) -> None:
        """Nothing is open."""

    def cut_reads(self) -> None:
        """Nothing is under way."""


def connect(client: BiginClient, sim: BiginSimulator) -> None:
    """Let a client ask the simulator itself, and wait by its clock."""
    client.transport._wire = DirectWire(sim)
    client.transport.pause = sim.clock.advance
