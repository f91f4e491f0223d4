"""A dry run is exact: on an unchanged account the load does what the plan said, row by row."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.load import LoadOptions, LoadRun, Lookup, RunOptions
from bigin_client.load import loader as loaders
from bigin_client.testing import BiginSimulator

FEW = range(8)
MANY = range(1_000, 1_300)
#: Module, its match key or row key, a field to change.
MODULES = (
    ("Products", "product_name", "unit_price"),
    ("Contacts", "email", "phone"),
    ("Accounts", "account_name", "website"),
)


class Case:
    """Random streams with random options into one account."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.sim = BiginSimulator(
            seed=seed, sizes={"Products": 30, "Contacts": 30, "Accounts": 12}, rate_limit=None
        )
        self.sim.clock.advance(3_600)
        modules = self.rng.choices(MODULES, k=self.rng.choice((1, 2, 3)))
        #: Contacts that go with a deleted company are not foreseen.
        self.keeps_firms = any(m[0] == "Contacts" for m in modules)
        self.streams = [(f"s{i}", *self.stream(*m)) for i, m in enumerate(modules)]

    def stream(
        self, module: str, key: str, changed: str
    ) -> tuple[str, LoadOptions, list[dict[str, Any]]]:
        rng = self.rng
        field = {"product_name": "Product_Name", "email": "Email"}.get(key, "Account_Name")
        mode = rng.choice(("upsert", "upsert", "update", "insert", "delete", "mirror"))
        if module == "Accounts" and self.keeps_firms:
            mode = rng.choice(("upsert", "update", "insert"))
        there = [r[field] for r in self.sim.store.records(module) if r[field]]
        names = rng.sample(there, k=min(8, len(there)))
        new = [f"new{i}@load.test" if key == "email" else f"New {i}" for i in range(6)]
        rows = []
        for ref, name in enumerate([*names, *new, *rng.choices([*names, *new], k=4), None, ""]):
            row = {key: name, changed: rng.choice(("1", "2", None, "x" * 400)), "ref": ref}
            if module == "Contacts":
                row |= {"last_name": rng.choice(("L", None)), "account_name": rng.choice(FIRMS)}
            if rng.random() < 0.1:
                row["_sdc_deleted_at"] = "2026-01-01T00:00:00Z"
            rows.append(row)
        rng.shuffle(rows)
        about = f"{changed[0].upper()}{changed[1:]}".replace("_price", "_Price")
        options = LoadOptions(
            mode=mode, match_on=(field,), row_key=("ref",), compare=rng.choice(COMPARE),
            on_delete="ignore" if self.keeps_firms else "delete", allow_cascade=True,
            settle_seconds=0.1,
            nulls=rng.choice(("ignore", "clear")),
            protect=rng.choice(({}, {}, {about: "when_set"}, {about: "always"})),
            lookups={"Account_Name": Lookup("Account_Name", rng.choice(MISSING))}
            if module == "Contacts" else {},
            mirror_scope="all", max_delete_share=1.0, verify=rng.random() < 0.2,
        )  # fmt: skip
        return module, options, rows

    def load(self, *, dry_run: bool) -> tuple[list[Any], Any]:
        """Run; returns what became of each row, and the report."""
        sim = self.sim
        settings = Settings(
            api_key=sim.api_key, base_url=sim.base_url, requests_per_second=0,
            rate_limit_store="memory", connection_id=sim.connection_id,
        )  # fmt: skip
        files = RunOptions(dry_run=dry_run, journal_path=str(self.folder / "journal"))
        done: list[Any] = []
        with BiginClient(settings) as client:
            for module in ("Products", "Contacts", "Accounts"):
                client.fields(module)
            with LoadRun(client, files) as run:
                opened = [(run.stream(n, m, o), rows) for n, m, o, rows in self.streams]
                for loader, rows in opened:
                    for row in rows:
                        done += [(loader.stream, o) for o in loader.add(row)]
                    if loader.mirror is not None:
                        loader.mirror.declare_complete("the test says so")
                run.end_input()
                for loader, _ in opened:
                    done += [(loader.stream, o) for o in loader.settle()]
                report = run.close()
        return sorted(((s, *self.seen(o)) for s, o in done), key=lambda x: x[:2]), report

    @staticmethod
    def seen(outcome: Any) -> tuple[Any, ...]:
        changes = {
            name: "some record" if isinstance(value, dict) and "id" in value else value
            for name, value in outcome.changes.items()
        }
        return outcome.row_number, outcome.outcome, outcome.code, outcome.field, changes

    def play(self) -> None:
        with self.sim as sim:
            before = {m: sim.store.records(m) for m, *_ in MODULES}
            planned, dry = self.load(dry_run=True)
            assert {m: sim.store.records(m) for m, *_ in MODULES} == before
            happened, real = self.load(dry_run=False)
        assert planned == happened
        assert [f[0] for f in dry.failures] == [f[0] for f in real.failures]
        for name, entry in real.streams.items():
            assert dry.streams[name].mirror_deleted == entry.mirror_deleted
        off = abs(dry.credits_predicted - real.credits_used)
        assert off <= max(2, 0.1 * real.credits_used), (dry.credits_predicted, real.credits_used)
        assert abs(real.credits_predicted - real.credits_used) <= max(2, 0.1 * real.credits_used)


FIRMS = ("New 1", "new 2", "Firm X", None)
MISSING = ("reject", "create", "null")
COMPARE = ("auto", "always", "never")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(loaders, "CHUNK", 7)


@pytest.mark.parametrize("seed", FEW)
def test_the_load_does_what_the_plan_said(seed, tmp_path):
    Case(seed, tmp_path).play()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("start", range(MANY.start, MANY.stop, 50))
def test_many_loads_do_what_the_plan_said(start, tmp_path):
    for seed in range(start, start + 50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            Case(seed, folder).play()
        except Exception as error:
            raise AssertionError(f"case {seed}") from error
