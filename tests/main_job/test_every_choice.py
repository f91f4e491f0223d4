"""The main job under every open choice of the documents (bigin-api.md section 11 and the rest).

Read a whole account, follow its changes, load rows back: with each switch of the simulator at
each of its other values, one at a time and, where they can be combined, all at once.
"""

from __future__ import annotations

import datetime as dt
import random

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.errors import NotFoundError
from bigin_client.extract.start import known_types
from bigin_client.records import reader_of
from bigin_client.testing import BiginSimulator, Switches

MODULES = ["Accounts", "Contacts", "Products", "Pipelines", "Tasks", "Events", "Calls", "Notes"]
SIZES = {
    "Accounts": 12,
    "Contacts": 230,
    "Products": 8,
    "Pipelines": 15,
    "Tasks": 6,
    "Events": 5,
    "Calls": 5,
    "Notes": 12,
}
ABOUT = Switches.describe()
#: Those of section 11 run by default, the others with the slow suite.
CHOICES = [
    pytest.param(
        {name: value},
        id=f"{name}={value}",
        marks=() if "11." in ABOUT[name]["reference"] else pytest.mark.slow,
    )
    for name, values in Switches.alternatives().items()
    for value in values
]


def all_at_once() -> dict[str, object]:
    """Return every switch's last other value, but for the few that exclude a main job.

    Without a sort a read needs tokens, so these two cannot both be missing.
    """
    leave = {"several_connections", "failed_connection_status", "bulk_routed", "next_token"}
    return {n: v[-1] for n, v in Switches.alternatives().items() if n not in leave}


@pytest.fixture(params=[*CHOICES, pytest.param(None, id="all at once")])
def simulator(request):
    switches = all_at_once() if request.param is None else request.param
    with BiginSimulator(seed=7, sizes=SIZES, rate_limit=None, **switches) as sim:
        yield sim


@pytest.fixture
def client(simulator):
    settings = Settings(
        api_key=simulator.api_key, base_url=simulator.base_url, requests_per_second=0, max_wait=20
    )
    with BiginClient(settings) as found:
        yield found


def truth(client: BiginClient, simulator: BiginSimulator, module: str) -> dict:
    """Return what the account holds, in our form."""
    read = reader_of(known_types(client.records, client.metadata, module))
    return {r["id"]: read(r) for r in simulator.store.records(module)}


def shown(records: dict) -> dict:
    """Leave out what moves without Modified_Time, or is no field (sections 7 and 10)."""
    unseen = {"Last_Activity_Time", "Associated_Products", "Secondary_Contacts"}
    return {
        i: {k: v for k, v in r.items() if k not in unseen and k[0] != "$" and not _formula(k)}
        for i, r in records.items()
    }


def differences(copy: dict, account: dict) -> dict:
    """Return id → field → (copy, account) where they differ; small enough to be read."""
    one, other = shown(copy), shown(account)
    found: dict = dict.fromkeys(one.keys() - other.keys(), "only in the copy")
    found |= dict.fromkeys(other.keys() - one.keys(), "only in the account")
    for i in one.keys() & other.keys():
        pairs = {k: (one[i].get(k), other[i].get(k)) for k in one[i].keys() | other[i].keys()}
        if unequal := {k: p for k, p in pairs.items() if p[0] != p[1]}:
            found[i] = unequal
    return found


def _formula(name: str) -> bool:
    return "Formula" in name


class Copy:
    """A warehouse of one account."""

    def __init__(self, client: BiginClient) -> None:
        self.client = client
        self.tables: dict[str, dict] = {m: {} for m in MODULES}
        self.bookmarks: dict[str, tuple[str | None, str | None]] = dict.fromkeys(
            MODULES, (None, None)
        )

    def sync(self) -> int:
        rows = 0
        for module, table in self.tables.items():
            since, deleted_since = self.bookmarks[module]
            pages = self.client.extract(
                module,
                since=since,
                deleted_since=deleted_since,
                deletes=module != "Notes",
                lookback_seconds=0,
            )
            for page in pages:
                table.update({r["id"]: r for r in page.records})
                rows += len(page.records)
                for tombstone in page.tombstones:
                    table.pop(tombstone["id"], None)
                since = page.bookmark or since
                deleted_since = page.deleted_bookmark or deleted_since
            self.bookmarks[module] = (since, deleted_since)
        return rows


def change(simulator: BiginSimulator) -> None:
    """Edit, insert and delete some records, a moment later."""
    store, chance = simulator.store, random.Random(5)
    simulator.clock.advance(90)
    contacts = [r["id"] for r in store.records("Contacts")]
    for record_id in chance.sample(contacts, 12):
        store.update("Contacts", record_id, {"Title": f"Changed {record_id[-4:]}"})
    for number in range(4):
        store.insert("Contacts", {"Last_Name": f"New {number}", "Email": f"new{number}@x.example"})
    for module in ("Tasks", "Calls"):  # nothing points at these, so nothing else changes
        store.delete(module, store.records(module)[0]["id"])
    simulator.clock.advance(90)


def test_the_main_job(simulator, client):
    """Complete, incremental, accounted, idempotent; and no rule of the service is broken."""
    copy = Copy(client)
    copy.sync()
    for module in MODULES:
        assert differences(copy.tables[module], truth(client, simulator, module)) == {}, module

    change(simulator)
    again = copy.sync()
    for module in MODULES:
        assert differences(copy.tables[module], truth(client, simulator, module)) == {}, module
    if simulator.switches.sort == "honoured":
        assert again < sum(len(t) for t in copy.tables.values()), "the second read was a full one"

    load(simulator, client)
    assert [v for v in simulator.audit() if v.rule != "rate_limit"] == []


def load(simulator: BiginSimulator, client: BiginClient) -> None:
    """Load rows by a unique field and by one that is not; then the same rows again."""
    before = simulator.store.count("Contacts")
    known = next(r for r in simulator.store.records("Contacts") if r["Email"] and r["Last_Name"])
    rows = [
        {"Last_Name": f"Loaded {n}", "Email": f"loaded{n}@example.com", "Title": "Clerk"}
        for n in range(120)
    ]
    rows += [
        {"Last_Name": "x" * 81, "Email": "long@example.com"},
        {"Email": "nameless@example.com"},
        {"Email": known["Email"].upper(), "Last_Name": known["Last_Name"], "Title": "Chief"},
    ]
    report = client.load("Contacts", rows, match_on=["Email"]).to_dict()["streams"]["Contacts"]
    assert report["rows"] == len(rows) == sum(report["outcomes"].values())
    assert report["outcomes"]["created"] == 120
    assert report["outcomes"]["updated"] == 1
    assert report["rejects_by_code"] == {"INVALID_DATA": 1, "MANDATORY_NOT_FOUND": 1}
    assert simulator.store.count("Contacts") == before + 120

    products = [{"Product_Name": f"Loaded {n}", "Unit_Price": n + 0.5} for n in range(5)]
    client.load("Products", products, match_on=["Product_Name"])
    moments = times(simulator)
    simulator.clock.advance(30)
    for module, again, key in (("Contacts", rows, "Email"), ("Products", products, "Product_Name")):
        repeated = client.load(module, again, match_on=[key]).to_dict()["streams"][module]
        outcomes = repeated["outcomes"]
        assert outcomes["unchanged"] == len(again) - outcomes["rejected"], (module, outcomes)
    assert times(simulator) == moments, "loading the same rows again moved a Modified_Time"


def times(simulator: BiginSimulator) -> dict[str, dt.datetime]:
    """Return the Modified_Time of every contact and product."""
    return {
        r["id"]: r["Modified_Time"]
        for module in ("Contacts", "Products")
        for r in simulator.store.records(module)
    }


@pytest.mark.parametrize("answer", ["INVALID_MODULE", "INVALID_URL_PATTERN"])
@pytest.mark.parametrize("module", ["Social", "Deals", "contacts"])
def test_no_module_is_the_same_error_in_either_form(answer, module):
    with (
        BiginSimulator(seed=7, rate_limit=None, unknown_module=answer) as sim,
        BiginClient(
            Settings(api_key=sim.api_key, base_url=sim.base_url, requests_per_second=0)
        ) as found,
        pytest.raises(NotFoundError),
    ):
        found.transport.bigin("GET", module, params={"fields": "Created_Time"}, module=module)
