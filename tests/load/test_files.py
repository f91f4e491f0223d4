"""Files that a load leaves behind: on local disks and on object storage."""

from __future__ import annotations

import json
from typing import Any

import fsspec
import pytest

STORE = "memory://load-files"


def on_store(path: str) -> list[dict[str, Any]]:
    """Return the lines of a file, or of all parts in a folder."""
    system, root = fsspec.core.url_to_fs(path)
    names = [root] if system.isfile(root) else sorted(system.find(root))
    return [json.loads(line) for n in names for line in system.cat(n).splitlines()]


@pytest.fixture
def table(sim: Any) -> list[dict[str, Any]]:
    """One row that updates, one that creates, one that is refused."""
    record = next(r for r in sim.store.records("Contacts") if r["Email"])
    return [
        {"email": record["Email"], "last_name": "Changed", "ref": 1},
        {"email": "files@load.test", "last_name": "New", "ref": 2},
        {"email": "bad@load.test", "last_name": None, "ref": 3},
    ]


def test_all_files_on_object_storage(client, table):
    """A folder with a part for each sync; plan and report are one object."""
    how = {"match_on": ["Email"], "row_key": ["ref"], "max_rejects": 1}
    files = {
        name: f"{STORE}/{name}" for name in ("rejects_path", "outcomes_path", "before_path")
    } | {"report_path": f"{STORE}/report.json"}
    for _ in range(2):
        plan = f"{STORE}/plan.jsonl"
        client.load("Contacts", table, dry_run=True, plan_path=plan, **{**how, **files})
    planned = sorted((x["row_number"], x["action"]) for x in on_store(plan))
    assert planned == [(1, "update"), (2, "create"), (3, "reject")]  # of the second dry run alone
    report = client.load("Contacts", table, **how, **files)
    assert json.loads(fsspec.filesystem("memory").cat(files["report_path"])) == report.to_dict()
    outcomes = [x for x in on_store(files["outcomes_path"]) if x["outcome"] == "created"]
    assert [x["row_key"] for x in outcomes][-1] == "[2]"
    assert {x["row"]["ref"] for x in on_store(files["rejects_path"])} == {3}
    assert [x["before"]["Email"] for x in on_store(files["before_path"])] == [table[0]["email"]]


@pytest.mark.parametrize("mode", ["delete", "mirror"])
def test_what_is_deleted_is_kept_whole(sim, client, tmp_path, lines, mode):
    """Fields that the rows do not have, too, and of what is deleted alone."""
    sim.clock.advance(3_600)
    records = sim.store.records("Products")
    gone = records[0]
    names = [r["Product_Name"] for r in (records[:1] if mode == "delete" else records[1:])]
    path = tmp_path / "before.jsonl"
    more = {"mirror_scope": "all", "expected_rows": len(names)} if mode == "mirror" else {}
    client.load(
        "Products", [{"product_name": n} for n in names], mode=mode, match_on=["Product_Name"],
        before_path=str(path), **more,
    )  # fmt: skip
    assert sim.store.get("Products", gone["id"]) is None
    (kept,) = lines(path)
    assert kept["id"] == gone["id"]
    fields = {f.api_name for f in client.fields("Products")}
    assert kept["before"].keys() == fields
    assert float(kept["before"]["Unit_Price"]) == float(gone["Unit_Price"])
    assert kept["before"]["Product_Code"] == gone["Product_Code"]


def test_the_plan_of_a_mirror_names_what_it_would_delete(sim, client, tmp_path, lines):
    sim.clock.advance(3_600)
    records = sim.store.records("Products")
    rows = [{"product_name": r["Product_Name"]} for r in records[1:]]
    how = {
        "mode": "mirror", "match_on": ["Product_Name"], "mirror_scope": "all",
        "expected_rows": len(rows),
    }  # fmt: skip
    plan = tmp_path / "plan.jsonl"
    dry = client.load("Products", rows, dry_run=True, plan_path=str(plan), **how)
    assert [(x["id"], x["row_number"]) for x in lines(plan) if x["action"] == "delete"] == [
        (records[0]["id"], None)
    ]
    real = client.load("Products", rows, **how)
    assert sim.store.get("Products", records[0]["id"]) is None
    assert 0 <= dry.credits_predicted - real.credits_used <= 1  # for the fields, read once
