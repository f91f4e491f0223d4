"""Rejects come back: mended rows are loaded, the others go to a new file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bigin_client.errors import SettingsError
from bigin_client.load import RunOptions, read_rejects, retry_rejects


@pytest.fixture
def refused(sim, client, tmp_path):
    """Three refused rows of ten, in a file that two runs have added to."""
    rows = [{"mail": f"n{i}@load.test", "last_name": f"N{i}"} for i in range(10)]
    for i in (2, 5, 7):
        rows[i]["last_name"] = "x" * 81
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        client.load("Contacts", rows, fields={"mail": "Email"}, rejects_path=str(path))
    sim.clock.advance(60)
    return path


def mend(path: Any) -> None:
    lines = [json.loads(x) for x in path.read_text().splitlines()]
    for line in lines:
        if line["row"]["mail"] != "n7@load.test":
            line["row"]["last_name"] = "mended"
    path.write_text("".join(json.dumps(x) + "\n" for x in lines))


def test_exactly_the_mended_rows_are_loaded(sim, client, refused):
    mend(refused)
    options = {"fields": {"mail": "Email"}}
    dry = retry_rejects(client, str(refused), RunOptions(dry_run=True), options)
    assert dry.streams["Contacts"].outcomes == {"created": 2, "rejected": 1}
    report = retry_rejects(client, str(refused), RunOptions(), options)
    assert report.streams["Contacts"].outcomes == {"created": 2, "rejected": 1}
    found = {r["Email"]: r["Last_Name"] for r in sim.store.records("Contacts")}
    assert found["n2@load.test"] == found["n5@load.test"] == "mended"
    (rest,) = list(refused.parent.glob("rejects-*.jsonl"))
    (line,) = read_rejects(str(rest))
    assert line.row["mail"] == "n7@load.test"
    assert len(refused.read_text().splitlines()) == 6


def test_numbers_come_back_exact(sim, client, tmp_path):
    """More digits than a float has go through the rejects file and back without loss."""
    path = tmp_path / "rejects.jsonl"
    row = {"Product_Name": "x" * 500, "Unit_Price": Decimal("12345678901234567.89")}
    options = {"match_on": ["Product_Name"]}
    client.load("Products", [row], rejects_path=str(path), **options)
    path.write_text(path.read_text().replace("x" * 500, "short"))
    report = retry_rejects(client, str(path), RunOptions(), options)
    assert report.streams["Products"].outcomes == {"created": 1}
    (made,) = [r for r in sim.store.records("Products") if r["Product_Name"] == "short"]
    assert Decimal(str(made["Unit_Price"])) == row["Unit_Price"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_record_that_was_changed_since_is_left_alone(sim, client, refused, overwrite):
    mend(refused)
    made = sim.store.insert("Contacts", {"Email": "N2@load.test", "Last_Name": "by hand"})
    report = retry_rejects(
        client, str(refused), RunOptions(), {"fields": {"mail": "Email"}}, overwrite_newer=overwrite
    )
    assert report.streams["Contacts"].outcomes["skipped"] == (not overwrite)
    assert sim.store.get("Contacts", made)["Last_Name"] == ("mended" if overwrite else "by hand")


@pytest.mark.parametrize("text", ["no json", "[]", '{"stream": "x"}', '{"row": {}}'])
def test_a_file_of_something_else(client, tmp_path, text):
    path = tmp_path / "x.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(SettingsError, match="line 1: not a line of a rejects file"):
        retry_rejects(client, str(path), RunOptions(), {})
    with pytest.raises(SettingsError, match="cannot be read"):
        retry_rejects(client, str(tmp_path / "none"), RunOptions(), {})


def test_rejects_on_object_storage_are_parts_in_a_folder(client):
    rows = [{"email": "a@load.test", "last_name": None}]
    for _ in range(2):
        client.load("Contacts", rows, rejects_path="memory://bucket/rejects")
    found = list(read_rejects("memory://bucket/rejects"))
    assert [f.row for f in found] == rows


def lose_replies(sim: Any) -> None:
    """A reply is lost, and what the rows became has lost what tells whose it is."""
    sim.faults.add("override", match={"method": "POST"}, values={"Product_Code": None})
    sim.faults.add("cut_after", match={"method": "POST"}, times=1)


def things(sim: Any) -> list[dict[str, Any]]:
    return [r for r in sim.store.records("Products") if (r["Description"] or "") == "mine"]


ROWS = [
    {"ref": i, "product_code": f"c{i}", "product_name": f"Thing {i}", "description": "mine"}
    for i in range(3)
]
WAYS = {
    "insert": {"mode": "insert", "row_key": "ref"},
    "upsert": {"match_on": ["Product_Code"]},
    "blind": {"mode": "insert", "allow_duplicates": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_row_is_not_loaded_again_while_it_may_be_there(sim, client, tmp_path, way):
    """Not by a retry, nor where its key says so by the same load run again."""
    path = tmp_path / "rejects.jsonl"
    files = {"journal_path": str(tmp_path / "journal")}
    options = {"settle_seconds": 0.1, **WAYS[way]}
    lose_replies(sim)
    report = client.load("Products", ROWS, rejects_path=str(path), stream="s", **options, **files)
    assert report.streams["s"].outcomes == {"unknown": 3}
    assert len(things(sim)) == 3
    for dry in (True, False):
        report = retry_rejects(client, str(path), RunOptions(dry_run=dry, **files), options)
        assert report.streams["s"].outcomes == {"unknown": 3}
    if way != "blind":
        report = client.load(
            "Products", ROWS, rejects_path=str(path), stream="s", **options, **files
        )
        assert report.streams["s"].outcomes == {"unknown": 3}
    assert len(things(sim)) == 3


@pytest.mark.parametrize("way", ["insert", "upsert"])
def test_an_unknown_row_is_settled_before_it_is_loaded_again(sim, client, tmp_path, way):
    """Once the records in doubt are mended or gone, each row stands there once."""
    path = tmp_path / "rejects.jsonl"
    files = {"journal_path": str(tmp_path / "journal")}
    options = {"settle_seconds": 0.1, **WAYS[way]}
    lose_replies(sim)
    client.load("Products", ROWS, rejects_path=str(path), stream="s", **options, **files)
    first, *others = things(sim)
    sim.store.update("Products", first["id"], {"Product_Code": "c0"})
    for record in others:
        sim.store.delete("Products", record["id"])
    dry, report = (
        retry_rejects(client, str(path), RunOptions(**files, **how), options, overwrite_newer=True)
        for how in ({"dry_run": True}, {})
    )
    there = "skipped" if way == "insert" else "unchanged"
    assert report.streams["s"].outcomes == {there: 1, "created": 2}
    assert dry.streams["s"].outcomes == report.streams["s"].outcomes
    assert sorted(r["Product_Code"] for r in things(sim)) == ["c0", "c1", "c2"]
    again = client.load("Products", ROWS, stream="s", **options, **files)
    assert again.streams["s"].outcomes == {there: 3}


def test_a_user_who_looked_may_say_that_a_row_is_not_there(sim, client, tmp_path):
    path = tmp_path / "rejects.jsonl"
    files = {"journal_path": str(tmp_path / "journal")}
    lose_replies(sim)
    options = {"settle_seconds": 0.1, **WAYS["blind"]}
    client.load("Products", ROWS, rejects_path=str(path), stream="s", **options, **files)
    lines = [json.loads(x) for x in path.read_text().splitlines()]
    lines[0]["outcome"] = "rejected"
    path.write_text("".join(json.dumps(x) + "\n" for x in lines))
    report = retry_rejects(client, str(path), RunOptions(**files), options)
    assert report.streams["s"].outcomes == {"created": 1, "unknown": 2}
