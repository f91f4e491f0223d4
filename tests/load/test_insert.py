"""Insert mode and the journal: no row twice, whatever is cut, killed or run again."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bigin_client import journal
from bigin_client.errors import ServiceError, SettingsError
from bigin_client.journal import Journal, JournalError, digest
from bigin_client.testing.fields import Field


def calls(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"ref": i, "product_name": "Same name", "Product_Code": f"c{i}"}
        for i in range(start, count)
    ]


def codes(sim: Any) -> Counter[str]:
    return Counter(
        r["Product_Code"]
        for r in sim.store.records("Products")
        if (r["Product_Code"] or "").startswith("c")
    )


@pytest.fixture
def insert(client, tmp_path):
    def run(rows: Any, **options: Any) -> Any:
        values = {
            "mode": "insert",
            "row_key": ["ref"],
            "settle_seconds": 0.3,
            "journal_path": str(tmp_path / "journal.sqlite"),
            **options,
        }
        return client.load("Products", rows, **values)

    return run


def outcomes(report: Any) -> dict[str, int]:
    entry = report.to_dict()["streams"]["Products"]
    assert sum(entry["outcomes"].values()) == entry["rows"]
    return {k: v for k, v in entry["outcomes"].items() if v}


def test_a_rerun_inserts_nothing_again(sim, insert, tmp_path):
    rows = calls(250)
    assert outcomes(insert(rows)) == {"created": 250}
    assert outcomes(insert(rows + calls(260, 250))) == {"created": 10, "skipped": 250}
    assert codes(sim) == Counter({f"c{i}": 1 for i in range(260)})
    path = tmp_path / "journal.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_row_key_twice_in_the_input(sim, insert):
    assert outcomes(insert([*calls(3), *calls(2)])) == {"created": 3, "skipped": 2}
    assert sum(codes(sim).values()) == 3


def test_no_row_key(sim, insert):
    with pytest.raises(SettingsError, match="needs a row key"):
        insert(calls(2), row_key=None)
    report = insert([{"product_name": "x"}, {"ref": 1, "product_name": "y"}])
    assert report.streams["Products"].rejects_by_code == {"ROW_KEY_MISSING": 1}
    before = sim.store.count("Products")
    assert outcomes(insert(calls(3), row_key=None, allow_duplicates=True)) == {"created": 3}
    assert outcomes(insert(calls(3), row_key=None, allow_duplicates=True)) == {"created": 3}
    assert sim.store.count("Products") == before + 6


def test_a_row_without_a_value_makes_no_empty_record(sim, client):
    """Where no field is mandatory, the service may take it."""
    sim.store.add_module("Visits", [Field("Name", "text"), Field("City", "text")])
    rows = [{"ref": 1, "town": "x"}, {"ref": 2, "city": " "}, {"ref": 3, "city": "Oslo"}]
    report = client.load("Visits", rows, mode="insert", row_key=None, allow_duplicates=True)
    entry = report.streams["Visits"]
    assert (entry.outcomes["created"], entry.rejects_by_code) == (1, {"INVALID_DATA": 2})
    assert [r["City"] for r in sim.store.records("Visits")] == ["Oslo"]


@pytest.mark.parametrize("kind", ["cut", "cut_after", "truncate", "status_after"])
def test_a_lost_reply_is_settled_by_content(sim, insert, kind):
    details = {"status": 502} if kind == "status_after" else {}
    sim.faults.add(kind, match={"method": "POST"}, times=2, after=1, **details)
    assert outcomes(insert(calls(350))) == {"created": 350}
    assert codes(sim) == Counter({f"c{i}": 1 for i in range(350)})


@pytest.mark.parametrize("kind", ["cut", "cut_after"])
def test_identical_rows_are_told_apart_by_their_number(sim, insert, kind):
    rows = [{"ref": i, "product_name": "Twin", "product_code": "c"} for i in range(150)]
    sim.faults.add(kind, match={"method": "POST"}, times=1)
    assert outcomes(insert(rows)) == {"created": 150}
    assert codes(sim) == Counter({"c": 150})


def test_what_a_workflow_changed_is_unknown_for_good(sim, insert, tmp_path, lines):
    sim.faults.add("override", match={"method": "POST"}, values={"Product_Code": "changed"})
    sim.faults.add("cut_after", match={"method": "POST"}, times=1)
    path = tmp_path / "rejects.jsonl"
    assert outcomes(insert(calls(3), rejects_path=str(path))) == {"unknown": 3}
    assert outcomes(insert(calls(4), rejects_path=str(path))) == {"unknown": 3, "created": 1}
    assert len([r for r in sim.store.records("Products") if r["Product_Name"] == "Same name"]) == 4
    assert [x["code"] for x in lines(path)] == ["OUTCOME_UNKNOWN"] * 6


def test_another_users_records_are_not_taken_for_ours(sim, insert):
    """Equal content, but not created by the connection's user."""
    sim.faults.add("cut", match={"method": "POST"}, times=1)
    other = sim.store.users[1].id
    sim.store.insert("Products", {"Product_Name": "Same name", "Product_Code": "c0"}, by=other)
    assert outcomes(insert(calls(2))) == {"created": 2}
    assert codes(sim) == Counter({"c0": 2, "c1": 1})


def test_a_duplicate_is_a_reject_that_names_the_record(sim, client, tmp_path, lines):
    taken = next(r for r in sim.store.records("Contacts") if r["Email"])
    path = tmp_path / "r.jsonl"
    rows = [{"ref": 1, "last_name": "N", "email": taken["Email"]}]
    client.load("Contacts", rows, mode="insert", row_key="ref", rejects_path=str(path))
    (found,) = lines(path)
    assert (found["code"], found["id"]) == ("DUPLICATE_DATA", taken["id"])
    rows[0]["email"] = "free@load.test"  # mended, and loaded under the same row key
    report = client.load("Contacts", rows, mode="insert", row_key="ref", stream="Contacts")
    assert report.streams["Contacts"].outcomes["created"] == 1


KILLED = textwrap.dedent(
    """
    import sys
    from decimal import Decimal
    from bigin_client import BiginClient, Settings
    base_url, key, journal, mode, count = sys.argv[1:]
    price = Decimal("12345678901234567.89")  # more digits than a float has
    rows = [{"ref": i, "product_name": "Same name", "Product_Code": f"c{i}", "Unit_Price": price}
            for i in range(int(count))]
    settings = Settings(api_key=key, base_url=base_url, requests_per_second=0,
                        rate_limit_store="memory", max_concurrency=3)
    how = {"row_key": ["ref"]} if mode == "insert" else {"match_on": ["Product_Code"]}
    with BiginClient(settings) as client:
        report = client.load("Products", rows, mode=mode, settle_seconds=1,
                             journal_path=journal, **how)
        print({k: v for k, v in report.streams["Products"].outcomes.items() if v})
    """
)


@pytest.mark.parametrize("mode", ["insert", "upsert"])
@pytest.mark.parametrize("after", [2, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "late", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["applied late", "at once"]
)
def test_kill_and_run_again(sim, tmp_path, mode, after, late):
    """SIGKILL while a batch is under way; the next run finds out and goes on (P2, P4)."""
    command = [
        sys.executable,
        "-c",
        KILLED,
        sim.base_url,
        sim.api_key,
        str(tmp_path / "j"),
        mode,
        "700",
    ]
    process: list[subprocess.Popen[str]] = []
    seen = []

    def kill(request: Any, _sim: Any) -> None:
        if request.method == "POST":
            seen.append(1)
            if len(seen) == after:
                os.kill(process[0].pid, signal.SIGKILL)

    if late:
        sim.faults.add("late", match={"method": "POST"}, times=1, after=after - 1, delay=0.6)
    stop = sim.before_request(kill)
    process.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    process[0].communicate(timeout=30)
    assert process[0].returncode == -signal.SIGKILL
    stop()
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 0, again.stderr
    assert "unknown" not in again.stdout
    assert codes(sim) == Counter({f"c{i}": 1 for i in range(700)})


def test_the_journal_is_one_runs_at_a_time(tmp_path):
    path = tmp_path / "deep" / "journal.sqlite"
    with Journal(path, "conn", max_wait=0.1) as first:
        stream = first.of("Products", "s")
        stream.intend([(digest("a"), {"x": 1}), (digest("b"), {})], None)
        stream.created([(digest("b"), "5")])
        with pytest.raises(ServiceError, match="Another load uses the journal"):
            Journal(path, "conn", max_wait=0.1)
    with Journal(path, "conn", max_wait=0.1) as again:
        stream = again.of("Products", "s")
        assert [e.body for e in stream.open_intents()] == [{"x": 1}]
        assert stream.find([digest("b")])[digest("b")].record_id == "5"
        assert stream.knows_record("5")
        assert again.of("Products", "other").open_intents() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_place_for_the_journal(client, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError):
        client.load("Products", [], mode="insert", journal_path=str(tmp_path / "x" / "j"))


def test_a_journal_that_cannot_be_kept(client, tmp_path, caplog):
    """Insert mode is refused; other modes run without it, and say so."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    path = str(blocked / "journal.sqlite")
    with pytest.raises(JournalError, match="cannot be used"):
        client.load("Products", calls(1), mode="insert", row_key="ref", journal_path=path)
    client.load("Products", calls(1), match_on=["Product_Code"], journal_path=path)
    assert caplog.text.count("Loading without it") == 1


def test_network_file_systems_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_file_system", lambda _path: "nfs4")
    with pytest.raises(JournalError, match="network file system"):
        Journal(Path(tmp_path, "j"), "conn", max_wait=0)
