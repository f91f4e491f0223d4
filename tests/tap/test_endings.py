"""How runs end: exit codes, one clear line, state kept, nothing secret shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("apart")


@pytest.mark.parametrize(
    ("config", "code", "word"),
    [
        ({"api_key": None}, 2, "MATON_API_KEY"),
        ({"api_key": "wrong"}, 3, "key"),
        ({"api_key": 12345}, 2, "api_key must be of type string"),
        ({"modules": ["Nonsense"]}, 2, "Nonsense"),
        ({"deletes": "sometimes"}, 2, "deletes must be one of"),
        ({"start_date": "yesterday"}, 2, "T12:00:00+00:00.\n"),
        ({"base_url": "http://127.0.0.1:9", "max_wait": 0}, 4, "127.0.0.1"),
        ({"base_url": "http://example.com"}, 2, "https"),
        ("{not json", 2, "line 1"),
        ("[1]", 2, "JSON object"),
    ],
)
def test_bad_settings_end_with_one_clear_line(tap, config, code, word):
    """The documented exit code, no traceback, nothing written."""
    run = tap(sizes={"Accounts": 1})(config=config)
    assert (run.code, run.out) == (code, "")
    assert word in run.err
    assert "Traceback" not in run.err
    assert run.last_line.startswith(f"tap-bigin: exit code {code}")
    assert "12345" not in run.err


@pytest.mark.parametrize("what", ["state", "catalog"])
def test_bad_files_are_named(tap, what):
    """A state or catalog that is no JSON."""
    run = tap(sizes={})(**{what: "{"})
    assert run.code == 2
    assert f"The {what} is not JSON" in run.err


def test_a_bookmark_that_is_no_date_is_named(tap):
    """Before anything is read."""
    state = {"bookmarks": {"Accounts": {"replication_key_value": "soon"}}}
    run = tap(sizes={"Accounts": 1})(config={"modules": ["Accounts"]}, state=state)
    assert run.code == 2
    assert "The bookmark of Accounts 'soon'" in run.err
    assert "Reset the state" in run.err


def test_bookmarks_that_are_no_object_are_named(tap):
    """Before anything is read."""
    run = tap(sizes={})(state={"bookmarks": []})
    assert run.code == 2
    assert "The bookmarks of the state are not a JSON object" in run.err


def test_a_module_without_scope_is_left_out_and_named(tap):
    """The rest is read; the warning names module and scope; nobody asked for it: exit 0."""
    run_tap = tap(sizes={"Tasks": 3, "Accounts": 3})
    run_tap.sim.revoke("Tasks")
    run = run_tap()
    assert run.code == 0
    assert "Tasks" not in run.schemas
    assert len(run.records["Accounts"]) == 3
    warning = next(line for line in run.err.splitlines() if "left out" in line)
    assert "Module Tasks is left out" in warning
    assert "ZohoBigin.modules.tasks" in warning


def test_a_module_asked_for_by_name_but_not_readable_fails_the_run(tap):
    """After the others are done."""
    run_tap = tap(sizes={"Tasks": 3, "Accounts": 3})
    run_tap.sim.revoke("Tasks")
    run = run_tap(config={"modules": ["Tasks", "Accounts"]})
    assert run.code == 6
    assert len(run.records["Accounts"]) == 3


def test_a_module_without_an_api_asked_for_by_name_fails_the_run(tap):
    """It was passed over without a word; as one of all modules, or of a glob, it still is."""
    run_tap = tap(sizes={"Accounts": 3})
    run = run_tap(config={"modules": ["social", "Accounts"]})
    assert run.code == 6
    assert len(run.records["Accounts"]) == 3
    assert "the API does not serve Social" in run.err
    assert run_tap(config={"modules": ["S*", "Accounts"]}).code == 0


def test_a_selected_stream_that_lost_its_scope_fails_the_run(tap):
    """Trap 7 of singer.md: it must not vanish without a word."""
    run_tap = tap(sizes={"Tasks": 3, "Accounts": 3, "Notes": 3})
    catalog = run_tap.catalog()
    run_tap.sim.revoke("Accounts")
    run = run_tap(catalog=catalog)
    assert run.code == 6
    assert len(run.records["Notes"]) == 3
    assert "Accounts could not be read" in run.err


def test_a_bookmark_whose_stream_is_gone_fails_the_run(tap):
    """Unless the setting `modules` leaves it out."""
    run_tap = tap(sizes={"Tasks": 3, "Accounts": 3})
    state = run_tap().states[-1]
    run_tap.sim.revoke("Tasks")
    assert run_tap(state=state).code == 6
    assert run_tap(state=state, config={"modules": ["!Tasks"]}).code == 0


def test_a_failed_discovery_is_no_catalog(tap):
    """Only a definitive answer leaves a module out."""
    run_tap = tap(sizes={"Tasks": 3})
    run_tap.sim.faults.add("html", times=None, match={"operation": "list", "module": "Tasks"})
    run = run_tap("--discover", config={"max_wait": 0})
    assert run.code == 4
    assert run.out == ""


def test_one_stream_that_fails_does_not_stop_the_others(tap):
    """Contacts is refused in every way; its bookmark stays, the rest is there."""
    run_tap = tap(sizes={"Contacts": 450, "Tasks": 3})
    catalog = run_tap.catalog()
    run_tap.sim.faults.add(
        "status",
        status=400,
        code="INVALID_REQUEST",
        times=None,
        match={"module": "Contacts", "operation": "list"},
    )
    run = run_tap(catalog=catalog)
    assert run.code == 6
    assert len(run.records["Tasks"]) == 3
    assert "Contacts could not be read" in run.err
    assert "replication_key_value" not in run.states[-1]["bookmarks"]["Contacts"]


def test_credits_end_a_run_cleanly(tap):
    """max_credits: state is kept, and the same command goes on from there."""
    run_tap = tap(sizes={"Accounts": 2_000})
    catalog = run_tap.catalog(select=lambda name: name == "Accounts")
    run = run_tap(catalog=catalog, config={"max_credits": 5})
    assert run.code == 4
    assert "max_credits" in run.err
    assert 0 < len(run.records["Accounts"]) < 2_000
    rest = run_tap(catalog=catalog, state=run.states[-1])
    assert rest.code == 0
    ids = {r["id"] for r in run.records["Accounts"] + rest.records["Accounts"]}
    assert len(ids) == 2_000


def test_sigterm_writes_state_and_ends_as_143(tap):
    """The state is that of the records that were written."""
    run_tap = tap(sizes={"Accounts": 3_000})
    run_tap.sim.faults.add(
        "stall", seconds=30, times=None, after=6, match={"operation": "list", "module": "Accounts"}
    )
    catalog = {"modules": ["Accounts"]}
    with subprocess.Popen(
        run_tap.command(config=catalog), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if len([m for m in lines if m.get("stream") == "Accounts"]) > 900:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read().decode().split("\n")
        process.wait(timeout=20)
        lines += [json.loads(line) for line in rest if line]
    assert process.returncode == 128 + signal.SIGTERM
    assert lines[-1]["type"] == "STATE"
    bookmark = lines[-1]["value"]["bookmarks"]["Accounts"]["replication_key_value"]
    records = [m["record"] for m in lines if m.get("stream") == "Accounts" and "record" in m]
    written = max(r["Modified_Time"] for r in records)
    assert bookmark <= written
    run_tap.sim.faults.clear()
    again = run_tap(config=catalog, state=lines[-1]["value"])
    ids = {r["id"] for r in records} | {r["id"] for r in again.records["Accounts"]}
    assert len(ids) == 3_000


def test_a_closed_pipe_ends_without_a_traceback(tap):
    """`tap-bigin | head`."""
    run_tap = tap(sizes={"Accounts": 3_000})
    with subprocess.Popen(
        run_tap.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read().decode()
        process.wait(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in error


def test_without_the_extra_the_script_names_it(tmp_path):
    """singer-sdk not installed: one line that says what to install."""
    (tmp_path / "singer_sdk.py").write_text("raise ModuleNotFoundError(name='singer_sdk')\n")
    run = subprocess.run(
        [sys.executable, "-m", "tap_bigin", "--about"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert run.returncode == 2
    assert "pip install 'bigin-connectors[singer]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_nothing_secret_and_no_record_is_logged(tap):
    """Key, connection URL and contents stay out of every output but the records."""
    run_tap = tap(sizes={"Contacts": 30})
    run = run_tap(env={"TAP_BIGIN_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    assert run.code == 0
    assert run_tap.sim.api_key not in run.err + run.out
    names = [r["Last_Name"] for r in run.records["Contacts"] if len(r["Last_Name"] or "") > 5]
    assert names
    assert not any(n in run.err for n in names)
