"""`bigin export` as its users run it: files, a place to go on from, failures told one by one."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bigin_client.testing import BiginSimulator

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines_of(path: Path) -> list[dict]:
    # Not splitlines(): values hold separators that JSON leaves as they are.
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_a_module_equals_the_store(bigin, sim, tmp_path, same):
    done = bigin("export", "contacts", "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = {row["id"]: row for row in lines_of(tmp_path / "Contacts.jsonl")}
    truth = {row["id"]: row for row in sim.store.records("Contacts")}
    assert found.keys() == truth.keys()
    for key, row in found.items():
        assert same(row["Created_Time"]) == same(truth[key]["Created_Time"])
        assert same(row["Custom_Decimal"]) == same(truth[key]["Custom_Decimal"])
    manifest = json.loads((tmp_path / "Contacts.jsonl.manifest.json").read_text())
    assert manifest["rows"] == len(truth)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_forms(in_process, sim, tmp_path, form):
    zipped = ["--gzip"] if form == "csv" else []
    done = in_process(
        "export", "Accounts", "--to", str(tmp_path), "--format", form, "--json",
        "--fields", "Account_Name,Created_Time", *zipped,
    )  # fmt: skip
    (row,) = json.loads(done.stdout)
    assert (row["status"], row["records"]) == ("ok", sim.store.count("Accounts"))
    (path,) = row["files"]
    if form == "csv":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
    else:
        found = pq.read_table(path).to_pylist()
    assert list(found[0]) == ["id", "Account_Name", "Created_Time"]
    names = {r["id"]: r["Account_Name"] for r in sim.store.records("Accounts")}
    assert {r["id"]: r["Account_Name"] for r in found} == names


def test_with_state_only_what_changed(in_process, tmp_path):
    """Nothing is lost between two runs, deletions included, and no file is written over."""
    with BiginSimulator(seed=3, sizes={"Contacts": 9, "Tasks": 2}, rate_limit=None) as own:
        env = {"MATON_API_KEY": own.api_key, "MATON_API_BASE_URL": own.base_url}
        state = str(tmp_path / "state.json")

        def run() -> list[dict]:
            done = in_process(
                "export", "Contacts", "Tasks", "--to", str(tmp_path), "--state", state, "--json",
                "--lookback", "0", **env,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        assert [r["records"] for r in run()] == [9, 2]
        own.clock.advance(60)
        one, two, *_ = [r["id"] for r in own.store.records("Contacts")]
        own.store.update("Contacts", one, {"Title": "New"})
        own.store.delete("Contacts", two)
        own.clock.advance(60)
        changed, tasks = run()
        assert (changed["records"], changed["deletions"], tasks["records"]) == (1, 1, 0)
        written = [lines_of(Path(path)) for path in changed["files"]]
        assert [row["id"] for rows in written for row in rows] == [one, two]
        assert len(list(tmp_path.glob("Contacts.*Z.jsonl"))) == 2

        other = json.loads(Path(state).read_text()) | {"connection_id": "another"}
        Path(state).write_text(json.dumps(other))
        refused = in_process("export", "Contacts", "--to", str(tmp_path), "--state", state, **env)
        assert refused.returncode == 2
        assert "belongs to connection another" in refused.stderr


def test_one_module_does_not_stop_the_others(in_process, tmp_path):
    """P3: by name a module that cannot be read is a failure; among all of them it is left out."""
    with BiginSimulator(seed=4, sizes={"Contacts": 3, "Tasks": 2}, rate_limit=None) as own:
        own.revoke("Tasks")
        env = {"MATON_API_KEY": own.api_key, "MATON_API_BASE_URL": own.base_url}
        done = in_process("export", "Tasks", "Contacts", "--to", str(tmp_path), "--json", **env)
        assert done.returncode == 6
        rows = {r["module"]: r for r in json.loads(done.stdout)}
        assert rows["Contacts"]["records"] == 3
        assert rows["Tasks"]["status"] == "failed"
        assert "OAUTH_SCOPE_MISMATCH" in done.stderr
        whole = in_process("export", "--all", "--to", str(tmp_path), "--json", **env)
        assert whole.returncode == 0, whole.stderr
        rows = {r["module"]: r for r in json.loads(whole.stdout)}
        assert rows["Tasks"]["status"] == "left out"
        assert "OAUTH_SCOPE_MISMATCH" in whole.stderr
        assert rows.keys() == {n for n, m in own.store.modules.items() if m.api_supported}


def test_a_failed_read_leaves_the_former_file(in_process, tmp_path):
    with BiginSimulator(seed=5, sizes={"Contacts": 450}, rate_limit=None) as own:
        env = {"MATON_API_KEY": own.api_key, "MATON_API_BASE_URL": own.base_url}
        arguments = ("export", "Contacts", "--to", str(tmp_path), "--fields", "Email")
        assert in_process(*arguments, **env).returncode == 0
        before = (tmp_path / "Contacts.jsonl").read_bytes()
        refused = {"status": 403, "code": "NO_PERMISSION", "times": None}
        own.faults.add("status", match={"operation": "list"}, after=2, **refused)
        done = in_process(*arguments, **env)
        assert done.returncode == 6, done.stderr
        assert (tmp_path / "Contacts.jsonl").read_bytes() == before
        assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []


def test_in_a_terminal(in_terminal, tmp_path):
    """A bar while it works, then a table of at most 80 columns."""
    code, shown = in_terminal("export", "--all", "--to", str(tmp_path))
    assert code == 0, shown
    assert "\x1b[?25l" in shown  # the bar hides the cursor
    assert max(len(ESCAPES.sub("", line)) for line in shown.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give MODULE names, or --all"),
        (("Nope",), "no module Nope"),
        (("Contacts", "--all"), "give MODULE names, or --all"),
        (("Contacts", "--fields", "Nope"), "no field Nope"),
        (("Contacts", "Tasks", "--fields", "Email"), "goes with a single MODULE"),
        (("Contacts", "--format", "parquet", "--gzip"), "Parquet is compressed by itself"),
    ],
)
def test_wrong_arguments(in_process, tmp_path, arguments, said):
    done = in_process("export", *arguments, "--to", str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_a_killed_export_is_finished_by_the_next(bigin, environment, tmp_path):
    """Kill -9 amid the read: no file of half a module, no state ahead of the files."""
    with BiginSimulator(seed=6, sizes={"Contacts": 1_500, "Tasks": 30}, rate_limit=None) as own:
        env = {"MATON_API_KEY": own.api_key, "MATON_API_BASE_URL": own.base_url}
        arguments = ("export", "Tasks", "Contacts", "--to", str(tmp_path), "--state",
                     str(tmp_path / "state.json"))  # fmt: skip
        fields = {"operation": "list", "module": "Contacts"}
        own.faults.add("slow", seconds=0.5, times=None, match=fields)
        process = subprocess.Popen([bigin.script, *arguments], env={**environment, **env})
        while sum(r.module == "Contacts" for r in own.requests) < 4:
            time.sleep(0.05)
        process.kill()
        process.wait()
        own.faults.clear()
        assert list(tmp_path.glob("Contacts*.jsonl")) == []
        assert bigin(*arguments, **env).returncode == 0
        found = {
            module: {
                row["id"] for path in tmp_path.glob(f"{module}.*Z.jsonl") for row in lines_of(path)
            }
            for module in ("Tasks", "Contacts")
        }
        assert {m: len(ids) for m, ids in found.items()} == {"Tasks": 30, "Contacts": 1_500}
