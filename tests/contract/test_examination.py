"""An examination concludes only what it saw, costs what it says, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bigin_client.cli import contract as command
from bigin_client.contract import STATEMENTS, Verdict
from bigin_client.errors import ConnectionUnavailableError

SCRIPT = str(Path(sys.executable).parent / "bigin")
#: Not checkable in the account of conftest.py, beside what nothing can check.
NOT_HERE = {"9.4", "9.5", "9.59e", "9.7b", "11.16"}


def of(report, verdict):
    return {s.number for s, f in report.findings if f.verdict is verdict}


def never():
    return {s.number for s in STATEMENTS if s.check is None}


def test_numbers_are_unique_and_every_statement_can_be_explained():
    numbers = [s.number for s in STATEMENTS]
    assert len(numbers) == len(set(numbers))
    assert all(bool(s.check) != bool(s.why_not) for s in STATEMENTS)
    place = {n: i for i, n in enumerate(numbers)}
    for s in STATEMENTS:
        assert all(place[d] < place[s.number] for d in s.depends), s.number


def test_every_statement_of_section_9_is_there():
    """1 to 62, by number, those that cannot be asked too."""
    found = {
        int(re.match(r"9\.(\d+)", s.number)[1]) for s in STATEMENTS if s.number.startswith("9.")
    }
    assert found == set(range(1, 63))


def test_an_account_as_documented_refutes_nothing(account, examine, contents):
    with account() as sim:
        before, spent = contents(sim), sim.credits_used
        report = examine(sim, allow_writes=True)
        assert contents(sim) == before
        assert report.requests == len(sim.requests)
        assert report.credits == sim.credits_used - spent
    assert of(report, Verdict.REFUTED) == set()
    assert of(report, Verdict.NOT_CHECKABLE) == never() | NOT_HERE
    assert not [f for _, f in report.findings if "unexpected form" in f.observed]
    assert report.left_behind == []
    assert report.requests <= command.WRITE_REQUESTS
    assert report.credits <= command.WRITE_CREDITS


def test_without_leave_nothing_is_written(account, examine, contents):
    """Only GET, and COQL, which is a POST that reads."""
    with account() as sim:
        before = contents(sim)
        report = examine(sim)
        sent = {(e.method, e.operation) for e in sim.requests}
        assert contents(sim) == before
    assert {pair for pair in sent if pair[0] != "GET"} == {("POST", "coql")}
    assert report.requests <= command.READ_REQUESTS
    assert report.credits <= command.READ_CREDITS
    writing = {s.number for s in STATEMENTS if s.writes}
    assert of(report, Verdict.NOT_CHECKABLE) >= writing
    assert of(report, Verdict.REFUTED) == set()


def test_no_write_names_a_record_of_the_account(account, examine):
    """Not in its path, its query or its body: not as what is changed, nor as what is linked."""
    with account() as sim:
        theirs = {i for table in sim.store.tables.values() for i in table.live}
        sent = []
        sim.before_request(
            lambda request, _sim: (
                request.method != "GET"
                and sent.append(f"{request.path} {request.query} {request.body.decode()}")
            )
        )
        examine(sim, allow_writes=True)
    named = {i for text in sent for i in re.findall(r"\d{15,}", text)}
    assert named
    assert not named & theirs


def test_every_question_is_asked_once(account, examine):
    """No GET is repeated but those that look again after a write."""
    with account() as sim:
        examine(sim)
        asked = [
            (e.path, tuple(sorted(e.params.items())), e.headers.get("if-modified-since"))
            for e in sim.requests
            if e.method == "GET" and e.path != "users"
        ]
    assert sorted(set(asked), key=str) == sorted(asked, key=str)


@pytest.mark.parametrize("writes", [False, True])
def test_an_empty_account_refutes_nothing(account, examine, writes):
    """What no record shows is not checkable, with a reason."""
    with account(sizes={"Accounts": 0}) as sim:
        report = examine(sim, allow_writes=writes)
    assert of(report, Verdict.REFUTED) == set()
    assert of(report, Verdict.NOT_CHECKABLE) >= {"9.12a", "9.15", "9.25a", "10.6a", "10.7a"}
    assert all(f.observed for _, f in report.findings if f.verdict is Verdict.NOT_CHECKABLE)


def _slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize(
    "scope",
    [
        "Contacts",
        "settings.fields",
        "Contacts.delete",
        *_slow(
            "Tasks",
            "Notes",
            "Pipelines",
            "coql",
            "securesearch",
            "settings.layouts",
            "deleted",
            "bulk",
            "users",
            "org",
            "settings.tags",
            "settings.tags.delete",
            "Notes.delete",
            "Accounts.delete",
            "Contacts.create",
        ),
    ],
)
def test_a_missing_scope_refutes_only_that_it_is_there(account, examine, contents, scope):
    """And nothing is made that could not be removed."""
    with account(lambda sim: sim.revoke(scope)) as sim:
        before = contents(sim)
        report = examine(sim, allow_writes=True)
        assert contents(sim) == before
    assert all(n.startswith("10.3") for n in of(report, Verdict.REFUTED)), report
    assert report.left_behind == []


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", *_slow("Africa/Nairobi", "Asia/Kolkata", "UTC")]
)
def test_a_misread_offset_shows_in_every_time_zone(account, examine, zone):
    """Unless the organisation's offset is that of the header, where nothing is misread."""
    with account(time_zone=zone, if_modified_since="offset misread") as sim:
        found = {s.number: f for s, f in examine(sim).findings}
    assert found["9.25a"].verdict is Verdict.REFUTED, found["9.25a"]
    with account(time_zone=zone) as sim:
        assert of(examine(sim), Verdict.REFUTED) == set()


def test_a_larger_account_refutes_nothing(account, examine):
    """More than a page in a module, custom fields, other seed."""
    with account(sizes=None, seed=11) as sim:
        report = examine(sim, allow_writes=True)
    assert of(report, Verdict.REFUTED) == set()


@pytest.mark.parametrize(
    ("days", "recycle", "verdict"),
    [(70, 60, Verdict.CONFIRMED), (70, 90, Verdict.REFUTED), (50, 60, Verdict.NOT_CHECKABLE)],
)
def test_old_deletions_tell_how_long_the_recycle_bin_keeps(
    account, examine, days, recycle, verdict
):
    with account(lambda sim: sim.clock.advance(days * 86_400), recycle_days=recycle) as sim:
        found = {s.number: f for s, f in examine(sim).findings}
    assert found["9.59e"].verdict is verdict, found["9.59e"]


@pytest.mark.slow
def test_an_interruption_removes_what_was_made(account, examine, contents):
    """Wherever it comes: here after some statements."""
    for stop_at in (100, 125, len(STATEMENTS) - 10):
        seen = []

        def stop(_statement, _finding, seen=seen, stop_at=stop_at):
            seen.append(1)
            if len(seen) == stop_at:
                raise KeyboardInterrupt

        with account() as sim:
            before = contents(sim)
            with pytest.raises(KeyboardInterrupt):
                examine(sim, allow_writes=True, on_finding=stop)
            assert contents(sim) == before


@pytest.mark.slow
def test_an_insert_without_reply_is_removed(account, examine, contents):
    """The record is there, though nobody said so: it is found by its mark."""
    for nth in (0, 2):
        with account() as sim:
            before = contents(sim)
            sim.faults.add(
                "cut_after", match={"operation": "insert", "module": "Contacts"}, after=nth
            )
            report = examine(sim, allow_writes=True)
            assert contents(sim) == before
        assert of(report, Verdict.REFUTED) == set()
        assert report.left_behind == []


@pytest.mark.slow
def test_a_connection_that_fails_midway_ends_it(account, examine):
    """The rest is not checkable, and what could not be removed is named."""

    def fail_after(sim):
        def hook(_request, s):
            if len(s.requests) == 150:
                s.set_connection_status(s.connection_id, "FAILED")

        sim.before_request(hook)

    with account(fail_after) as sim:
        report = examine(sim, allow_writes=True)
    assert isinstance(report.stopped_by, ConnectionUnavailableError)
    assert of(report, Verdict.REFUTED) == set()
    assert report.left_behind


def test_no_record_contents_in_the_report(account, examine):
    with account() as sim:
        words = {
            str(value)
            for module in ("Contacts", "Accounts", "Notes", "Pipelines")
            for record in sim.store.tables[module].live.values()
            for name, value in record.values.items()
            if name in {"Last_Name", "Email", "Account_Name", "Note_Title", "Deal_Name"}
            and len(str(value)) > 5
        }
        text = json.dumps(examine(sim, allow_writes=True).to_dict())
    assert words
    assert not [w for w in words if w in text]


@pytest.fixture
def environment():
    def of_sim(sim):
        return {
            **os.environ,
            "MATON_API_KEY": sim.api_key,
            "MATON_API_BASE_URL": sim.base_url,
            "BIGIN_CONNECTION_ID": sim.connection_id,
            "BIGIN_REQUESTS_PER_SECOND": "0",
        }

    return of_sim


def _command(environment, sim, *options, **more):
    return subprocess.run(
        [SCRIPT, "doctor", "--contract", *options],
        env=environment(sim),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
        **more,
    )


def test_the_command_shows_what_does_not_hold(account, environment):
    with account(per_page_above_200="clamped") as sim:
        shown = _command(environment, sim)
        told = _command(environment, sim, "--json")
    assert shown.returncode == told.returncode == 0
    lines = shown.stdout.splitlines()
    assert not [line for line in lines if "11.7b" in line]
    at = next(i for i, line in enumerate(lines) if line.startswith("REFUTED"))
    assert "9.16" in lines[at]
    assert "served as 200" in lines[at + 1]
    assert sum(line.startswith("REFUTED") for line in lines) == 1
    assert "1 refuted" in lines[-1]
    assert "need --allow-writes" in lines[-2]
    assert lines[-3].startswith("refuted: 9.16")
    report = json.loads(told.stdout)
    assert [s["number"] for s in report["statements"] if s["verdict"] == "refuted"] == ["9.16"]
    assert report["summary"]["refuted"] == 1
    assert sim.api_key not in shown.stdout + shown.stderr + told.stdout + told.stderr


def test_the_command_asks_before_it_writes(account, environment, contents):
    with account() as sim:
        before = contents(sim)
        done = _command(environment, sim, "--allow-writes")
        assert contents(sim) == before
        assert {e.method for e in sim.requests} == {"GET"}
    assert done.returncode == 2
    assert "Write to organisation" in done.stderr
    assert "at most" in done.stderr.lower()
    assert done.stdout == ""


def test_allow_writes_goes_with_contract(account, environment):
    with account() as sim:
        done = subprocess.run(
            [SCRIPT, "doctor", "--allow-writes"],
            env=environment(sim),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert sim.requests == []
    assert done.returncode == 2


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_removes_what_was_made(account, environment, contents, number):
    """Sent while an insert is under way."""
    with account() as sim:
        before = contents(sim)
        struck = threading.Event()

        def hook(request, _sim):
            upsert = request.method == "POST" and request.route.endswith("/Contacts/upsert")
            if upsert and not struck.is_set():
                struck.set()
                process.send_signal(number)

        sim.before_request(hook)
        process = subprocess.Popen(
            [SCRIPT, "doctor", "--contract", "--allow-writes", "--yes", "--json"],
            env=environment(sim),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _, errors = process.communicate(timeout=100)
        assert struck.is_set()
        assert contents(sim) == before
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert errors.strip().endswith(f"exit code {128 + number}: signal {number.value}")
