"""What the tap tells a person while it runs and at the end."""

from __future__ import annotations

import logging
import re
import threading

import pytest
from rich.console import Console

from bigin_client.errors import ScopeError
from bigin_client.extract import Summary
from tap_bigin.progress import EVERY, Progress
from tap_bigin.report import Report

CODE = "OAUTH_SCOPE_MISMATCH"


class Reading:
    """Stands for a stream that is being read."""

    name, requests = "Contacts", 7


def test_every_thirty_seconds_each_stream_has_a_line():
    """Rows, rate, requests, credits left; also while no page comes; none after its end."""
    assert EVERY == 30
    told, enough = [], threading.Event()

    class Log(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            if len(told) >= 2:
                enough.set()

    log = logging.getLogger("test-progress")
    log.setLevel(logging.INFO)
    log.addHandler(Log())
    progress = Progress(log, lambda: 4_936, every=0.01)
    progress.begin(Reading())
    progress.count("Contacts", 12_400)
    assert enough.wait(60)
    progress.end("Contacts")
    progress.stop()
    pattern = r"Contacts: 12400 rows so far, \d+ a second, 7 requests, 4936 credits left"
    assert all(re.fullmatch(pattern, line) for line in told)


@pytest.fixture
def report(caplog):
    """A report with a stream read, one broken off, one failed, one left out, one not reached."""
    caplog.set_level(logging.INFO)
    made = Report(logging.getLogger("test-report"))
    done = Summary("Contacts", "descend", "the header is ignored", 1_234, 5, 8, 9, null_cursors=2)
    made.reading("Contacts", done)
    made.reading("Tasks", Summary("Tasks", "seek"))
    for stream in ("Tasks", "Calls"):
        made.failed(stream, ScopeError("refused", code=CODE, hint="Ask for it."))
    made.left_out("Notes", ScopeError("refused", code=CODE))
    caplog.clear()
    return made


def test_the_summary_is_a_table_in_the_log(report, caplog):
    """A log line for each row: so it stays a table where lines get a prefix, as in Meltano."""
    report.end(None, ["Contacts", "Tasks", "Events"])
    lines = [r.getMessage() for r in caplog.records]
    head = "stream strategy rows deletes requests credits seconds remarks"
    assert lines[0].split() == head.split()
    contacts, tasks, calls, notes, events = lines[1:]
    assert contacts.split()[:7] == ["Contacts", "descend", "1,234", "5", "8", "9", "0.0"]
    assert contacts.endswith("the header is ignored; 2 without Modified_Time")
    assert tasks.endswith(f"not read to its end: {CODE}, Ask for it.")
    assert calls.endswith(f"not read: {CODE}, Ask for it.")
    assert notes.endswith(f"skipped: {CODE}")
    assert events.endswith("skipped: the run ended before it")
    ends = {line.index("1,234") + 5 for line in (contacts,)} | {lines[0].index("rows") + 4}
    assert len(ends) == 1


def test_on_a_terminal_it_is_drawn(report, caplog, monkeypatch):
    """With rich, and not a second time in the log."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    drawn = []
    monkeypatch.setattr(Console, "print", lambda _self, table: drawn.append(table))
    report.end(None, [])
    assert drawn[0].row_count == 4
    assert not caplog.records


def test_a_run_ends_with_it(tap):
    """The figures are those of the run, and the requests those that the service saw."""
    run_tap = tap(sizes={"Contacts": 450, "Tasks": 3})
    run_tap.sim.store.delete("Contacts", run_tap.sim.store.records("Contacts")[0]["id"])
    run_tap.sim.revoke("Calls")
    run = run_tap()
    table = run.err[run.err.rindex("stream   ") :]
    rows = {x.split()[0]: x.split() for x in re.findall(r"(?m)^(?:.*\| )?(\w+ {2,}\S.*)$", table)}
    assert rows["Contacts"][1:4] == ["seek", "449", "1"]
    assert rows["users"][1] == "whole"
    assert "skipped: OAUTH_SCOPE_MISMATCH" in " ".join(rows["Calls"])
    sent = [e for e in run_tap.sim.requests if e.module == "Contacts" and e.operation != "fields"]
    probe = 1  # discovery
    assert int(rows["Contacts"][4]) == len(sent) - probe
    total = re.search(r"in all +(\d+) ", table)
    assert int(total[1]) == len(run_tap.sim.requests)
