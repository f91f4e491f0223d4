"""Copies between accounts: everything that can be written is equal, lookups are bound anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.load import LoadOptions, LoadRun, RunOptions
from bigin_client.testing import BiginSimulator

STREAMS = {
    "Accounts": ("Account_Name",),
    "Products": ("Product_Name",),
    "Contacts": ("Email",),
}

#: The other account has other users.
LEFT_OUT = {"Owner", "Custom_User", "Custom_MultiUser"}
ORDERS = [["Accounts", "Products", "Contacts"], ["Contacts", "Products", "Accounts"]]


@pytest.fixture
def accounts() -> Iterator[tuple[BiginSimulator, BiginClient, BiginClient]]:
    with BiginSimulator(
        seed=5, sizes={"Accounts": 20, "Contacts": 60, "Products": 20}, rate_limit=None
    ) as sim:
        other = sim.add_connection("ACTIVE", sizes={})
        shared = {"api_key": sim.api_key, "base_url": sim.base_url, "requests_per_second": 0}
        with (
            BiginClient(Settings(connection_id=sim.connection_id, **shared)) as source,
            BiginClient(Settings(connection_id=other, **shared)) as target,
        ):
            yield sim, source, target


def copy(source: BiginClient, target: BiginClient, journal: str, order: list[str]) -> Any:
    with LoadRun(target, RunOptions(journal_path=journal)) as run:
        run.announce(order)  # the streams of this run: children wait for parents to come
        for module in order:
            options = LoadOptions(match_on=STREAMS[module], source_id="id", row_key=("id",))
            loader = run.stream(module, module, options)
            for record in source.list_records(module):
                loader.add({k: v for k, v in record.items() if k not in LEFT_OUT})
        return run.close()


def names(store: Any) -> dict[str, str]:
    """Return id → name of every record that a lookup may mean."""
    display = {"Accounts": "Account_Name", "Products": "Product_Name", "Contacts": "Last_Name"}
    return {r["id"]: r[name] for module, name in display.items() for r in store.records(module)}


def linked(value: Any, known: dict[str, str]) -> list[str]:
    links = value if isinstance(value, list) else [value]
    return [known[link["id"]] for link in links if link]


@pytest.mark.parametrize("order", ORDERS, ids=["parents first", "children first"])
def test_lookups_are_bound_by_the_map_of_ids(accounts, tmp_path, order):
    sim, source, target = accounts
    journal = str(tmp_path / "journal")
    first = copy(source, target, journal, order)
    contacts = first.streams["Contacts"]
    assert contacts.outcomes["created"] > 30
    assert contacts.rejects_by_code.keys() <= {"MATCH_KEY_MISSING"}
    there = sim.account(target.transport.connection_id).store
    new, old = names(there), names(sim.store)
    copied = {r["Email"]: r for r in there.records("Contacts")}
    for record in sim.store.records("Contacts"):
        if record["Email"]:
            copied_to = copied[record["Email"]]
            for field in ("Account_Name", "Custom_Lookup", "Custom_MultiLookup"):
                assert linked(copied_to[field], new) == linked(record[field], old)
    again = copy(source, target, journal, order)
    for entry in again.streams.values():
        assert not entry.outcomes["created"]
        assert not entry.outcomes["updated"]
