"""Streams of the target: row keys, several streams into one module, streams without a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_row_key_of_the_settings_goes_before_the_streams_key(target, sim, singer, tmp_path):
    """Two rows with one key property and different row keys are two rows."""
    rows = [{"kind": "x", "ref": i, "product_name": f"Row key {i}"} for i in range(2)]
    settings = {
        "mode": "insert",
        "streams": {"goods": {"module": "Products", "row_key": ["ref"]}},
        "journal_path": str(tmp_path / "journal"),
        "outcomes_path": str(tmp_path / "outcomes.jsonl"),
    }
    assert target.run(singer("goods", rows, key=["kind"]), **settings).code == 0
    assert [x["row_key"] for x in lines(tmp_path / "outcomes.jsonl")] == ["[0]", "[1]"]
    made = [r for r in sim.store.records("Products") if r["Product_Name"].startswith("Row key")]
    assert len(made) == 2


def test_several_streams_into_one_module_in_input_order(target, sim, singer, tmp_path):
    """A row of the second stream updates what a row of the first created just before."""
    first = singer("a", [{"email": "two@load.test", "last_name": "One", "phone": "1"}])
    second = singer("b", [{"mail": "TWO@load.test", "surname": "Two", "phone": None}])
    third = singer("a", [{"email": "two@load.test", "last_name": "Three"}])[1:]
    settings = {
        "match_on": ["Email"],
        "streams": {
            "a": {"module": "Contacts"},
            "b": {"module": "Contacts", "fields": {"mail": "Email", "surname": "Last_Name"}},
        },
        "outcomes_path": str(tmp_path / "outcomes.jsonl"),
    }
    done = target.run([*first[:-1], *second[:-1], *third], **settings)
    assert done.code == 5  # without row keys a match key that comes again is refused
    assert done.states == []
    assert [(x["stream"], x["outcome"]) for x in lines(tmp_path / "outcomes.jsonl")] == [
        ("a", "created"),
        ("b", "updated"),
        ("a", "rejected"),
    ]
    found = [r for r in sim.store.records("Contacts") if r["Email"] == "TWO@load.test"]
    assert [(r["Last_Name"], r["Phone"]) for r in found] == [("Two", "1")]


def test_records_without_a_key_need_a_word_in_insert_mode(target, sim, singer, tmp_path):
    rows = [{"product_name": "Keyless"}] * 2
    settings = {"mode": "insert", "journal_path": str(tmp_path / "journal")}
    refused = target.run(singer("products", rows), **settings)
    assert (refused.code, refused.states) == (2, [])
    assert "row_key" in refused.stderr
    done = target.run(singer("products", rows), **settings, allow_duplicates=True)
    assert (done.code, done.states) == (0, [{"products": 2}])
    assert sum(r["Product_Name"] == "Keyless" for r in sim.store.records("Products")) == 2


def test_a_table_at_the_end(target, singer, tmp_path):
    """Plain where there is no terminal; outcomes that no row has are left out."""
    people = [{"email": f"t{i}@load.test", "last_name": "T"} for i in range(3)]
    rows = [*people, {"email": "bad@load.test", "last_name": None}]
    settings = {"rejects_path": str(tmp_path / "rejects.jsonl"), "max_rejects": 1}
    done = target.run([*singer("contacts", rows), *singer("nowhere", [{"a": 1}])], **settings)
    assert done.code == 6
    lines_ = [line.split() for line in done.stderr.splitlines()]
    start = lines_.index(["stream", "module", "mode", "rows", "created", "skipped", "rejected"])
    assert lines_[start + 1] == ["contacts", "Contacts", "upsert", "4", "3", "0", "1"]
    assert lines_[start + 2] == ["nowhere", "none", "upsert", "1", "0", "1", "0"]
    assert "credits used" in done.stderr
    assert "1 row into no module (upsert): 1 skipped" in done.stderr
    assert "\x1b" not in done.stderr
