"""target-bigin through its console script: outcomes, STATE, exit codes, signals."""

from __future__ import annotations

import builtins
import json
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from target_bigin import __main__ as script

MATCHES = [("Contacts", "Email"), ("Products", "Product_Name")]


def rows_of(module: str, count: int, bad: int = 0) -> list[dict[str, Any]]:
    if module == "Contacts":
        rows: list[dict[str, Any]] = [
            {"email": f"n{i}@load.test", "last_name": f"N{i}"} for i in range(count)
        ]
        for i in range(bad):
            rows[i * 90 + 7]["last_name"] = "x" * 81 if i % 2 else None
    else:
        rows = [{"product_name": f"Thing {i}", "unit_price": i / 4} for i in range(count)]
        for i in range(bad):
            rows[i * 90 + 7]["unit_price"] = "cheap"
    return rows


def loaded(sim: Any) -> int:
    """Return how many of our contacts are in the store."""
    return sum((r["Email"] or "").endswith("load.test") for r in sim.store.records("Contacts"))


@pytest.mark.parametrize("case", MATCHES, ids=["unique", "not unique"])
def test_a_thousand_rows_with_ten_bad_ones(target, sim, singer, tmp_path, case):
    """The issue's 'done when': 990 in the store, 10 in the file, and a second run is idle."""
    module, match = case
    rows = rows_of(module, 1_000, bad=10)
    rejects, report = tmp_path / "rejects.jsonl", tmp_path / "report.json"
    settings = {
        "streams": {"crm": {"module": module, "match_on": [match]}},
        "rejects_path": str(rejects),
        "report_path": str(report),
    }
    before = sim.store.count(module)
    done = target.run(singer("crm", rows), **settings)
    assert done.code == 5
    assert done.last_line == "target-bigin: exit code 5: more rejects than allowed"
    assert done.states[-1] == {"crm": 1_000}
    assert sim.store.count(module) == before + 990
    refused = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert len(refused) == 10
    assert {(r["field"], r["code"]) for r in refused} <= {
        ("Last_Name", "INVALID_DATA"),
        ("Last_Name", "MANDATORY_NOT_FOUND"),
        ("Unit_Price", "INVALID_DATA"),
    }
    bad = [rows[i * 90 + 7] for i in range(10)]
    assert sorted(map(str, (r["row"] for r in refused))) == sorted(map(str, bad))
    entry = json.loads(report.read_text())["streams"]["crm"]
    assert (entry["outcomes"]["created"], entry["outcomes"]["rejected"]) == (990, 10)

    times = {r["id"]: r["Modified_Time"] for r in sim.store.records(module)}
    sim.clock.advance(600)
    again = target.run(singer("crm", rows), **settings, max_rejects="1%")
    assert again.code == 0
    assert {r["id"]: r["Modified_Time"] for r in sim.store.records(module)} == times
    found = json.loads(report.read_text())
    assert found["status"] == "rejects"
    assert found["streams"]["crm"]["outcomes"]["unchanged"] == 990


def test_state_stops_before_a_reject_that_is_kept_nowhere(target, singer):
    rows = rows_of("Contacts", 300)
    rows[150]["last_name"] = None
    done = target.run(singer("contacts", rows))
    assert done.code == 5
    assert done.states == [{"contacts": 100}]
    assert "rejects_path" in done.stderr.splitlines()[-2]


def test_state_is_told_while_input_pauses(target, sim, singer):
    """Not only at the end, and never before its rows stand in the store."""
    process = target.start()
    try:
        for message in singer("contacts", rows_of("Contacts", 30)):
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"contacts": 30}
        assert loaded(sim)
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()


def wait_for_upsert(sim: Any) -> None:
    deadline = time.monotonic() + 30
    while not any(r.operation == "upsert" for r in sim.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_settles_what_was_read_and_tells_its_state(target, sim, singer, number):
    sim.faults.add("slow", match={"operation": "upsert"}, seconds=1)
    process = target.start()
    for message in singer("contacts", rows_of("Contacts", 30)):
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    wait_for_upsert(sim)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert json.loads(out.splitlines()[-1]) == {"contacts": 30}
    assert f"exit code {128 + number}: signal {number.value}" in err.splitlines()[-1]
    assert loaded(sim) == 30


def terminated(target: Any, sim: Any, messages: Any, **settings: Any) -> tuple[str, str]:
    """Send SIGTERM while the last rows are written; returns both outputs."""
    sim.faults.add("slow", match={"operation": "upsert"}, seconds=1)
    process = target.start(**settings)
    process.stdin.writelines(json.dumps(m) + "\n" for m in messages)
    process.stdin.close()
    process.stdin = None
    wait_for_upsert(sim)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    return out, err


def test_a_signal_after_the_end_of_the_input_ends_the_run_as_such(target, sim, singer):
    """All is settled and told all the same."""
    out, err = terminated(target, sim, singer("contacts", rows_of("Contacts", 30)))
    assert json.loads(out.splitlines()[-1]) == {"contacts": 30}
    assert "exit code 143" in err.splitlines()[-1]
    assert loaded(sim) == 30


def test_a_signal_while_the_last_rows_fail_ends_the_run_as_such(target, sim, singer):
    """The signal's exit code stands above the failure's; STATE stops before what is not settled."""
    sim.faults.add("status", match={"operation": "upsert"}, status=503, after=1, times=None)
    messages = singer("contacts", rows_of("Contacts", 150))
    # One batch at a time: otherwise either of the two may be the one that passes.
    out, err = terminated(target, sim, messages, max_wait=1, max_concurrency=1)
    assert [json.loads(x) for x in out.splitlines()] == [{"contacts": 100}]
    assert "the service failed" in err
    assert "exit code 143" in err.splitlines()[-1]
    assert loaded(sim) == 100


def test_kill_and_the_same_command_again(target, sim, singer):
    """P4: the second run finishes the work, and nothing is there twice."""
    rows = rows_of("Products", 2_500)
    settings = {"streams": {"p": {"module": "Products", "match_on": ["Product_Name"]}}}
    sim.faults.add("stall", match={"method": "POST"}, times=1, after=4, seconds=30)
    process = target.start(**settings)
    sim.after_request(
        lambda _request, _sim: process.kill() if sim.store.count("Products") > 700 else None
    )
    with suppress(BrokenPipeError):
        for message in singer("p", rows):
            process.stdin.write(json.dumps(message) + "\n")
    process.communicate(timeout=30)
    sim.faults.clear()
    done = target.run(singer("p", rows), **settings)
    assert done.code == 0
    names = [r["Product_Name"] for r in sim.store.records("Products")]
    things = [n for n in names if n.startswith("Thing ")]
    assert len(things) == len(set(things)) == 2_500


def test_one_stream_fails_the_others_go_on(target, sim, singer):
    messages = singer("no_such_module", rows_of("Contacts", 5)) + singer(
        "crm-contacts", rows_of("Contacts", 5)
    )
    done = target.run(messages)
    assert done.code == 6
    assert done.states == []  # the state of the second includes the rows of the first
    assert "The account has no module no_such_module" in done.stderr
    assert loaded(sim) == 5


def test_schema_changes_mid_stream(target, sim, singer):
    rows = rows_of("Contacts", 3)
    changed = [{**r, "phone": "+49 1"} for r in rows]
    done = target.run(singer("contacts", rows, ["email"]) + singer("contacts", changed, ["email"]))
    assert done.code == 0
    found = [r for r in sim.store.records("Contacts") if (r["Email"] or "").endswith("load.test")]
    assert [r["Phone"] for r in found] == ["+49 1"] * 3


def test_rows_marked_as_deleted_reach_the_engine(target, sim, singer):
    """singer.md 0.4: the SDK strips _sdc_deleted_at, and a deletion becomes an upsert."""
    name = sim.store.records("Products")[0]["Product_Name"]
    rows = [{"product_name": name, "unit_price": 99, "_sdc_deleted_at": "2026-01-01T00:00:00Z"}]
    settings = {"match_on": ["Product_Name"]}
    assert target.run(singer("products", rows), **settings).code == 0
    assert 99 not in [r["Unit_Price"] for r in sim.store.records("Products")]
    assert target.run(singer("products", rows), **settings, on_delete="delete").code == 0
    assert name not in [r["Product_Name"] for r in sim.store.records("Products")]


def test_meltanos_own_test_writes_nothing(target, sim, singer):
    done = target.run(singer("meltano_test_stream", [{"id": 1, "name": "Test"}], ["id"]))
    assert (done.code, done.states) == (0, [{"meltano_test_stream": 1}])
    assert "error" not in done.stderr.lower()
    assert "exception" not in done.stderr.lower()
    assert {r.method for r in sim.requests} == {"GET"}


def test_activate_version_deletes_nothing(target, sim, singer):
    before = sim.store.count("Contacts")
    messages = singer("contacts", rows_of("Contacts", 2))
    version = {"type": "ACTIVATE_VERSION", "stream": "contacts", "version": 5}
    done = target.run([messages[0], version, *messages[1:], version])
    assert done.code == 0
    assert done.stderr.count("ACTIVATE_VERSION is ignored") == 1
    assert sim.store.count("Contacts") == before + 2


def test_a_row_without_its_key_property_is_a_reject(target, singer, tmp_path):
    rows = rows_of("Contacts", 3)
    del rows[1]["email"]
    path = tmp_path / "r.jsonl"
    done = target.run(singer("contacts", rows, ["email"]), rejects_path=str(path), max_rejects=1)
    assert done.code == 0
    assert json.loads(path.read_text())["code"] == "ROW_KEY_MISSING"


def test_dry_run_tells_no_state(target, sim, singer, tmp_path):
    plan = tmp_path / "plan.jsonl"
    done = target.run(singer("contacts", rows_of("Contacts", 5)), dry_run=True, plan_path=str(plan))
    assert (done.code, done.states) == (0, [])
    assert [json.loads(x)["action"] for x in plan.read_text().splitlines()] == ["create"] * 5
    assert not [r for r in sim.requests if r.method == "POST"]


def test_limit_rows_keeps_state_before_the_rest(target, singer):
    done = target.run(singer("contacts", rows_of("Contacts", 300)), limit_rows=150)
    assert (done.code, done.states) == (0, [{"contacts": 100}])


def test_out_of_credits_keeps_state_before_the_rest(target, sim, singer):
    rows = rows_of("Products", 3_000)
    settings = {"match_on": ["Product_Name"], "max_credits": 150}
    done = target.run(singer("products", rows), **settings)
    assert done.code == 4
    told = done.states[-1]["products"] if done.states else 0
    things = {r["Product_Name"] for r in sim.store.records("Products")}
    assert 0 < told < 3_000
    assert {r["product_name"] for r in rows[:told]} <= things
    assert "max_credits 150 reached" in done.stderr


BAD = [
    ({"api_key": "wrong"}, 3, "does not accept the Maton API key"),
    ({"api_key": None}, 2, "export MATON_API_KEY"),
    pytest.param(
        ({"connection_id": "nope"}, 3, "no usable connection nope"), marks=pytest.mark.slow
    ),
    ({"base_url": "http://127.0.0.1:9", "max_wait": 0}, 4, "cannot be reached"),
    ({"base_url": "http://example.com"}, 2, "https"),
    pytest.param(({"mode": "merge"}, 2, "'merge' is not one of"), marks=pytest.mark.slow),
    pytest.param(({"max_rejects": 3}, 2, "rejects_path"), marks=pytest.mark.slow),
    ({"streams": {"x": {"module": "Nope"}}}, 2, "streams.x: The account has no module Nope"),
    pytest.param(
        ({"streams": {"x": {"modul": "Contacts"}}}, 2, "streams.x: unknown setting modul"),
        marks=pytest.mark.slow,
    ),
    ({"streams": {"contacts": {"fields": {"email": "Nope"}}}}, 2, "has no field Nope"),
    pytest.param(
        ({"streams": {"contacts": {"match_on": ["Nope"]}}}, 2, "has no field Nope"),
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case[2])
def test_bad_input_ends_with_one_clear_line(target, sim, singer, case):
    settings, code, message = case
    before = sim.store.count("Contacts")
    done = target.run(singer("contacts", rows_of("Contacts", 3)), **settings)
    assert done.code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert f"exit code {code}" in done.last_line
    assert sim.store.count("Contacts") == before
    assert sim.api_key not in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json, Sekrit", "Line 2 of the input is no Singer message"),
        ('["Sekrit"]', "Line 2 of the input is no Singer message"),
        (
            '{"type": "RECORD", "record": {"a": "Sekrit"}}',
            "Line 2 of the input (RECORD) lacks stream",
        ),
        ('{"type": "OTHER", "x": "Sekrit"}', "Line 2 of the input is of a type unknown to Singer"),
        (
            '{"type": "RECORD", "stream": "other", "record": {"a": "Sekrit"}}',
            "A record of stream other came before its schema",
        ),
    ],
)
def test_a_line_that_is_no_message(target, singer, line, message):
    done = target.run([singer("contacts", rows_of("Contacts", 1))[0], line])
    assert done.code == 2
    assert message in done.stderr
    assert "ekrit" not in done.stderr


@pytest.mark.parametrize(
    "line", ["not json, Sekrit", '{"type": "RECORD", "stream": "other", "record": {"a": "Sekrit"}}']
)
def test_input_that_breaks_after_rows_were_sent(target, sim, singer, line):
    """Exit code 2 says that nothing was sent; the report says that the run failed."""
    before = sim.store.count("Contacts")
    report = target.folder / "report.json"
    rows = singer("contacts", rows_of("Contacts", 120), every=100)
    done = target.run([*rows, line, *rows[1:]], report_path=str(report))
    assert sim.store.count("Contacts") == before + 120
    assert done.code == 6
    assert "exit code 6" in done.last_line
    assert done.states[-1] == {"contacts": 120}
    told = json.loads(report.read_text())
    assert told["status"] == "failed"
    assert told["streams"]["contacts"]["outcomes"]["created"] == 120


def test_what_json_writers_let_through_is_read(target, sim, singer):
    """NaN is blank; a text cut within a character refuses its row, not the run."""
    schema, *rows = singer("contacts", rows_of("Contacts", 4), every=9)
    rows[1]["record"]["phone"] = float("nan")
    rows[2]["record"]["last_name"] = "cut \ud83d"
    before = sim.store.count("Contacts")
    done = target.run(
        [schema, *rows], rejects_path=str(target.folder / "rejects.jsonl"), max_rejects=1
    )
    assert done.code == 0, done.stderr
    assert sim.store.count("Contacts") == before + 3
    (line,) = (target.folder / "rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["row"]["last_name"] == "cut \ud83d"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{oops", "is no valid JSON"), ("[]", "is no JSON object"), (None, "cannot be read")],
)
def test_malformed_configuration(target, monkeypatch, text, message):
    path = target.folder / "other.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(target, "config", lambda **_settings: path)
    done = target.run([])
    assert done.code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_two_active_connections_are_listed(target, sim, singer):
    other = sim.add_connection("ACTIVE")
    done = target.run(singer("contacts", rows_of("Contacts", 1)))
    assert done.code == 3
    assert other in done.stderr
    assert "BIGIN_CONNECTION_ID" in done.stderr


def test_patterns_and_the_last_part_of_a_name(target, sim, singer):
    settings = {"streams": {"shop_*": {"module": "Products", "match_on": ["Product_Name"]}}}
    messages = singer("shop_things", rows_of("Products", 2)) + singer(
        "public-contacts", rows_of("Contacts", 2)
    )
    done = target.run(messages, **settings)
    assert done.code == 0
    assert {"Thing 0", "Thing 1"} <= {r["Product_Name"] for r in sim.store.records("Products")}


def test_without_the_extra(monkeypatch, capsys):
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith(("singer_sdk", "target_bigin.command")):
            raise ImportError(name="singer_sdk")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert script.main() == 2
    assert "pip install 'bigin-connectors[singer]'" in capsys.readouterr().err


def test_a_reader_that_stops_reading(target, sim, singer):
    """The rows are loaded all the same; the exit code says that the state was not told."""
    process = target.start()
    process.stdout.close()
    for message in singer("contacts", rows_of("Contacts", 250)):
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert "Traceback" not in err
    assert loaded(sim) == 250


def test_input_from_a_file(target, singer, tmp_path):
    path = Path(tmp_path, "in.jsonl")
    path.write_text(
        "".join(json.dumps(m) + "\n" for m in singer("contacts", rows_of("Contacts", 3)))
    )
    done = subprocess.run(
        [target.script, "--config", str(target.config()), "--input", str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, '{"contacts": 3}\n')


def test_batch_messages(target, sim, singer, tmp_path):
    """Rows in a file of their own are loaded like others, and STATE waits for them."""
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows_of("Contacts", 150)))
    schema = singer("contacts", rows_of("Contacts", 1))[0]
    batch = {
        "type": "BATCH",
        "stream": "contacts",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [path.as_uri()],
    }
    done = target.run([schema, batch, {"type": "STATE", "value": {"at": 150}}])
    assert (done.code, done.states) == (0, [{"at": 150}])
    assert loaded(sim) == 150


def test_mirror_by_activate_version(target, sim, singer):
    """Deletes what is absent only when the version that the rows carried is activated."""
    kept = [r["Product_Name"] for r in sim.store.records("Products")][:-1]
    rows = [{"product_name": n} for n in kept]
    settings = {"mode": "mirror", "match_on": ["Product_Name"], "mirror_scope": "all"}
    messages = singer("products", rows)
    for message in messages:
        if message["type"] == "RECORD":
            message["version"] = 7
    sim.clock.advance(60)
    assert target.run(messages, **settings).code == 6
    assert sim.store.count("Products") == len(kept) + 1
    activate = {"type": "ACTIVATE_VERSION", "stream": "products", "version": 8}
    assert target.run([*messages, activate], **settings).code == 6
    assert target.run([*messages, {**activate, "version": 7}], **settings).code == 0
    assert {r["Product_Name"] for r in sim.store.records("Products")} == set(kept)
