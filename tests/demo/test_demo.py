"""The demo itself: with another seed, interrupted, and before a real account's key."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from bigin_client.testing import BiginSimulator, SimulatorAdmin

pytestmark = [
    pytest.mark.slow,
    pytest.mark.meltano,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="the demo needs process groups"),
    pytest.mark.timeout(500),
]


def command(root, folder, *arguments):
    return [sys.executable, str(root / "demo" / "run.py"), "--folder", str(folder), *arguments]


def run(root, folder, *arguments, **variables):
    return subprocess.run(
        command(root, folder, *arguments),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=480,
        check=False,
    )


def running_in(folder):
    """Return the command lines of processes that mention a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "demo/run.py" not in line:
            found.append(line)
    return found


def test_another_seed_has_other_figures_and_all_agree(root, tmp_path):
    """The figures that it prints are those of its files, and not those of seed 1."""
    folder = tmp_path / "demo"
    done = run(root, folder, "--seed", "77")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    compared = re.search(r"All (\d+) comparisons agree", said)
    assert compared
    assert int(compared[1]) > 100
    # The first figures of Contacts: Bigin at first, DuckDB full, edited, added, deleted, DuckDB.
    figures = [int(n) for n in re.search(r"^Contacts +(.*)$", said, re.MULTILINE)[1].split()]
    first, full, _, added, deleted, incremental, files, last = figures
    assert first == full
    assert incremental == first + added - deleted
    with duckdb.connect(str(folder / "meltano" / "warehouse.duckdb"), read_only=True) as db:
        gone = "(select id from deleted_records)"
        (live,) = db.execute(f"select count(*) from contacts where id not in {gone}").fetchone()
    assert live == incremental
    report = json.loads((folder / "meltano" / "reports" / "report.json").read_text("utf-8"))
    outcomes = report["streams"]["crm_customers"]["outcomes"]
    assert report["status"] == "rejects"
    assert files == incremental + outcomes["created"]
    created = re.search(r"^created +(.*)$", said, re.MULTILINE)[1].split()
    assert created[:3] == [str(outcomes["created"])] * 3
    assert last == files + int(created[4])
    assert "target-bigin: exit code 5: more rejects than allowed" in said
    assert "--size=Contacts=587" not in said  # seed 1's
    assert not running_in(folder)


def test_an_interrupted_demo_leaves_no_program_behind(root, tmp_path):
    folder = tmp_path / "demo"
    process = subprocess.Popen(
        command(root, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    log = folder / "logs" / "extract-full.log"
    deadline = time.monotonic() + 60
    while not (log.exists() and "tap-bigin" in log.read_text("utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running_in(root / ".venv" / "meltano") or running_in(folder)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not running_in(folder)


def test_a_disagreement_is_named_and_fails(root, tmp_path):
    """Someone changes a contact behind the demo's back, between two of its steps."""
    folder = tmp_path / "demo"
    said = []
    with subprocess.Popen(
        command(root, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        for line in process.stdout:
            said.append(line)
            if line.startswith("4. The same command again"):
                log = (folder / "logs" / "simulator.log").read_text("utf-8")
                admin = SimulatorAdmin(re.search(r"http://127\.0\.0\.1:\d+", log)[0])
                admin.insert("Events", {"Event_Title": "Nobody knows of this one"})
    assert process.returncode == 1
    text = "".join(said)
    assert "DISAGREES: Events rows that the incremental run brought: 1 too many" in text
    assert not running_in(folder)


def test_a_folder_of_someone_else_is_left_alone(root, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine", encoding="utf-8")
    done = run(root, tmp_path)
    assert done.returncode == 2
    assert "was not made by the demo" in done.stdout
    assert precious.read_text("utf-8") == "mine"


def test_a_real_key_without_a_terminal_is_refused(root, tmp_path):
    """Nobody can be asked, so nothing is read and nothing is started."""
    folder = tmp_path / "demo"
    done = run(root, folder, MATON_API_KEY="real-key", MATON_API_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "MATON_API_KEY is set" in done.stdout
    assert "real-key" not in done.stdout + done.stderr
    assert not folder.exists()


def test_a_real_account_is_only_read_and_only_after_a_yes(root, tmp_path):
    """A simulator plays the real account; its log must hold no request that writes."""
    folder = tmp_path / "demo"
    sizes = {"Contacts": 250, "Accounts": 10, "Tasks": 12}
    with BiginSimulator(seed=9, sizes=sizes) as account:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command(root, folder),
            env={
                **os.environ,
                "MATON_API_KEY": account.api_key,
                "MATON_API_BASE_URL": account.base_url,
            },
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        os.close(theirs)
        time.sleep(3)
        assert not account.requests  # not before the answer
        os.write(ours, b"yes\n")
        timer = threading.Timer(400, process.kill)
        timer.start()
        said = process.communicate()[0]
        timer.cancel()
        os.close(ours)
        assert process.returncode == 0, said
        assert {entry.method for entry in account.requests} == {"GET"}
        assert {m: account.store.count(m) for m in sizes} == sizes
    figures = re.search(r"^Contacts +(.*)$", said, re.MULTILINE)[1].split()
    assert figures == ["250"] * 4
    assert account.api_key not in said
    assert not [p for p in folder.rglob("*.sh") if account.api_key in p.read_text("utf-8")]
