"""What the tests of the extraction engine share: a client, a copy of a module, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator


class Copy:
    """A warehouse: what a consumer holds who stores every page and its bookmarks."""

    def __init__(
        self,
        same: Callable[[Any], Any],
        sim: BiginSimulator,
        client: BiginClient,
        module: str,
    ) -> None:
        self._same = same
        self.sim, self.client, self.module = sim, client, module
        self.rows: dict[str, dict[str, Any]] = {}
        self.bookmark: str | None = None
        self.deleted_bookmark: str | None = None
        self.emitted: list[dict[str, Any]] = []
        self.tombstones: list[dict[str, Any]] = []
        self.summary: Any = None

    def read(self, fields: list[str] | None = None, *, pages: int | None = None, **options: Any):
        """One run, from the bookmarks on; `pages` ends it after so many, as a kill would."""
        self.emitted, self.tombstones = [], []
        changes = self.client.extract(
            self.module,
            fields,
            since=self.bookmark,
            deleted_since=self.deleted_bookmark,
            listed=self.summary.listed if self.summary else None,
            tally=self.summary.tally if self.summary else None,
            **options,
        )
        for number, page in enumerate(changes, 1):
            self._store(page)
            if number == pages:
                break
        self.summary = changes.summary
        return self

    def _store(self, page: Any) -> None:
        for record in page.records:
            self.emitted.append(record)
            self.rows[record["id"]] = record
        for tombstone in page.tombstones:
            self.tombstones.append(tombstone)
            self.rows.pop(tombstone["id"], None)
        for name in ("bookmark", "deleted_bookmark"):
            new, old = getattr(page, name), getattr(self, name)
            assert new is None or old is None or new >= old, "a bookmark went back"
            if new is not None:
                setattr(self, name, new)

    def differences(self) -> list[str]:
        """Where the copy differs from the store, a line each."""
        same = self._same
        truth = {r["id"]: r for r in self.sim.store.records(self.module)}
        found = [f"missing {i}" for i in truth.keys() - self.rows.keys()]
        found += [f"surplus {i}" for i in self.rows.keys() - truth.keys()]
        for key in truth.keys() & self.rows.keys():
            ours, theirs = self.rows[key], truth[key]
            found += [
                f"{key}.{name}: {same(ours[name])!r} for {same(theirs.get(name))!r}"
                for name in ours
                if name[0] != "$" and same(ours[name]) != same(theirs.get(name))
            ]
        return found


@pytest.fixture
def account(monkeypatch) -> Iterator[Callable[..., Any]]:
    """Make a simulator and its client, of an account with the sizes given."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> tuple[BiginSimulator, BiginClient]:
            sim = stack.enter_context(BiginSimulator(**{"rate_limit": None, **arguments}))
            settings = Settings(
                api_key=sim.api_key, base_url=sim.base_url, requests_per_second=0, max_wait=5
            )
            client = stack.enter_context(BiginClient(settings))
            # What waits for the service's index waits by the simulator's clock.
            monkeypatch.setattr(client.transport, "pause", sim.clock.advance)
            return sim, client

        yield make


@pytest.fixture
def copy_of(same: Callable[[Any], Any]) -> Callable[..., Copy]:
    """Make a `Copy` of a simulator's module."""
    return partial(Copy, same)


@pytest.fixture
def on_list() -> Callable[..., Callable[[], None]]:
    """Call a function before each list request; what comes back stops that."""

    def subscribe(sim: BiginSimulator, change: Callable[[int], None]) -> Callable[[], None]:
        count = 0

        def hook(_request: Any, _sim: Any) -> None:
            nonlocal count
            if sim.requests[-1].operation == "list":
                count += 1
                change(count)

        return sim.before_request(hook)

    return subscribe
