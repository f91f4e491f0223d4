"""target-bigin under Meltano: exit codes, rejects, and state that never runs ahead."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.meltano, pytest.mark.timeout(300)]

STATE = "dev:tap-jsonl-to-target-bigin"


@pytest.fixture
def people(project):
    """Return a way to write the rows that tap-jsonl reads; the target knows what to do."""
    (project.folder / "rows").mkdir()
    project.configure("tap-jsonl", stream_name="people", primary_keys=["email"])
    project.configure(
        "target-bigin",
        streams={"people": {"module": "Contacts", "match_on": ["Email"]}},
        report_path="report.json",
    )

    def write(*rows):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (project.folder / "rows" / "people.jsonl").write_text(text, encoding="utf-8")

    return write


GOOD = {"email": "good@example.com", "last_name": "Good"}
BAD = {"email": "bad@example.com", "last_name": None}


def emails(simulator):
    return {r["Email"] for r in simulator.store.records("Contacts")}


def test_a_bad_row_stops_nothing_and_its_exit_code_is_named(project, simulator, people):
    """Meltano ends with 1; the last line says 5; with rejects_path set, STATE passes the row."""
    project.configure("target-bigin", rejects_path="rejects.jsonl")
    people(BAD, GOOD)
    said = project.meltano("run", "tap-jsonl", "target-bigin", code=1)
    assert "target-bigin: exit code 5: more rejects than allowed" in said
    assert "good@example.com" in emails(simulator)
    assert "bad@example.com" not in emails(simulator)
    lines = (project.folder / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(r["code"], r["field"]) for r in map(json.loads, lines)] == [
        ("MANDATORY_NOT_FOUND", "Last_Name")
    ]
    assert project.state(STATE)["bookmarks"]["people"]


def test_without_a_rejects_file_state_stops_before_the_bad_row(project, simulator, people):
    """The row would be lost otherwise: it is nowhere but in the source."""
    people(GOOD, BAD)
    said = project.meltano("run", "tap-jsonl", "target-bigin", code=1)
    assert "rejects_path" in said
    assert "good@example.com" in emails(simulator)
    assert project.state(STATE) == {}


def test_the_same_rows_again_change_nothing(project, simulator, people):
    people(GOOD)
    project.meltano("run", "tap-jsonl", "target-bigin")
    before = simulator.store.records("Contacts")
    project.meltano("run", "--full-refresh", "tap-jsonl", "target-bigin")
    assert simulator.store.records("Contacts") == before
    report = json.loads((project.folder / "report.json").read_text(encoding="utf-8"))
    assert report["streams"]["people"]["outcomes"]["unchanged"] == 1


def test_state_of_finished_streams_is_kept_when_a_later_one_fails(project, simulator):
    """Account to account: Products arrive, Tasks break off; only Tasks are read again."""
    other = simulator.add_connection(sizes={})
    for task in simulator.store.records("Tasks"):
        simulator.store.delete("Tasks", task["id"])
    for number in range(4):
        simulator.store.insert("Tasks", {"Subject": f"Task {number}", "Status": "Not Started"})
    project.plugin("tap-bigin")["select"] = ["Products.Product_Name", "Tasks.Subject"]
    project.configure(
        "tap-bigin",
        connection_id=simulator.connection_id,
        modules=["Products", "Tasks"],
        deletes="off",
    )
    project.configure(
        "target-bigin",
        connection_id=other,
        max_wait=0,
        settle_seconds=0,
        streams={
            "Products": {"module": "Products", "match_on": ["Product_Name"]},
            "Tasks": {"module": "Tasks", "match_on": ["Subject"]},
        },
    )
    simulator.faults.add(
        "status", match={"operation": "insert", "module": "Tasks"}, status=503, times=None
    )
    project.meltano("run", "tap-bigin", "target-bigin", code=1)
    state = "dev:tap-bigin-to-target-bigin"
    assert project.bookmark(state, "Products")
    assert project.bookmark(state, "Tasks") is None
    assert simulator.account(other).store.count("Tasks") == 0

    simulator.faults.clear()
    project.meltano("run", "tap-bigin", "target-bigin")
    subjects = {r["Subject"] for r in simulator.store.records("Tasks")}
    assert {r["Subject"] for r in simulator.account(other).store.records("Tasks")} == subjects
    assert simulator.account(other).store.count("Products") == simulator.store.count("Products")
    assert project.bookmark(state, "Tasks")
