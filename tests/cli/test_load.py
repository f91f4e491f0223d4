"""`bigin load` as its users run it: plan, load, account of every row, refused rows again."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigin_client.load import LoadOptions, RunOptions
from bigin_client.testing import BiginSimulator

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BY_EMAIL = ("--module", "contacts", "--match-on", "Email", "--map", "mail=Email")
PEOPLE = """mail,Last_Name,Title
ada@example.com,Lovelace,Countess
charles@example.com,Babbage,Inventor
,Nobody,
"""


@pytest.fixture
def own(environment, monkeypatch, tmp_path) -> Iterator[BiginSimulator]:
    """Serve an account that one test may write to, with a file `people.csv` beside it."""
    with BiginSimulator(seed=7, sizes={"Contacts": 5, "Accounts": 2}, rate_limit=None) as sim:
        environment |= {"MATON_API_KEY": sim.api_key, "MATON_API_BASE_URL": sim.base_url}
        environment["XDG_STATE_HOME"] = str(tmp_path / "state")
        monkeypatch.chdir(tmp_path)
        Path("people.csv").write_text(PEOPLE)
        yield sim


def people(sim: BiginSimulator) -> dict[str, dict]:
    return {r["Email"]: r for r in sim.store.records("Contacts") if r["Email"]}


def lines_of(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_dry_run_shows_what_the_load_then_does(in_process, own):
    before = own.store.records("Contacts")
    looked = in_process("load", "people.csv", *BY_EMAIL, "--dry-run", "--plan", "plan.jsonl")
    assert looked.returncode == 5
    assert own.store.records("Contacts") == before
    assert "create" in looked.stdout
    assert "Title: Countess" in looked.stdout
    assert "\x1b" not in looked.stdout  # no terminal, no colour
    assert "MATCH_KEY_MISSING" in looked.stdout
    assert [r["action"] for r in sorted(lines_of("plan.jsonl"), key=lambda r: r["row_number"])] == [
        "create", "create", "reject",
    ]  # fmt: skip

    files = ("--rejects", "r.jsonl", "--max-rejects", "1", "--outcomes", "o.jsonl")
    done = in_process("load", "people.csv", *BY_EMAIL, *files, "--report", "report.json")
    assert done.returncode == 0, done.stderr
    assert people(own)["ada@example.com"]["Title"] == "Countess"
    assert own.store.count("Contacts") == 7
    report = json.loads(Path("report.json").read_text())
    outcomes = report["streams"]["people"]["outcomes"]
    assert (outcomes["created"], outcomes["rejected"]) == (2, 1)
    assert sum(outcomes.values()) == 3 == len(lines_of("o.jsonl"))
    assert [r["code"] for r in lines_of("r.jsonl")] == ["MATCH_KEY_MISSING"]

    again = in_process("load", "people.csv", *BY_EMAIL, "--json")
    assert again.returncode == 5
    assert json.loads(again.stdout)["streams"]["people"]["outcomes"]["unchanged"] == 2


def test_in_a_terminal(in_terminal, own):
    """A table of changes in colour, no line longer than 80 columns; no colour in a pipe."""
    Path("people.jsonl").write_text(
        json.dumps({"mail": "x@example.com", "Last_Name": "L" * 80, "Description": "d" * 300})
    )
    code, shown = in_terminal("load", "people.jsonl", *BY_EMAIL, "--dry-run")
    assert code == 0, shown
    assert "\x1b[32mcreate" in shown
    assert max(len(ESCAPES.sub("", line)) for line in shown.splitlines()) <= 80
    assert own.store.count("Contacts") == 5


def test_refused_rows_again(in_process, in_terminal, own):
    """The plan first, then the question; without a terminal nothing is written."""
    in_process("load", "people.csv", *BY_EMAIL, "--rejects", "r.jsonl")
    mended = Path("r.jsonl").read_text().replace('"mail":""', '"mail":"nobody@example.com"')
    Path("r.jsonl").write_text(mended)
    again = ("load", "--retry-rejects", "r.jsonl", "--map", "mail=Email")

    unasked = in_process(*again)
    assert unasked.returncode == 2
    assert "create" in unasked.stdout
    assert "nobody@example.com" not in people(own)
    assert [p.name for p in Path().glob("r*.jsonl")] == ["r.jsonl"]
    code, shown = in_terminal(*again, answer="y\n")
    assert code == 0, shown
    assert people(own)["nobody@example.com"]["Last_Name"] == "Nobody"


def test_rows_of_unknown_outcome_again(in_process, own):
    """They are settled first: what cannot be told is not sent, and the plan says so."""
    own.faults.add("cut_after", match={"method": "POST"}, times=1)
    how = ("--match-on", "Title", "--settle-seconds", "0.1", "--map", "mail=Email")
    Path("people.csv").write_text("mail,Last_Name,Title\nada@example.com,Lovelace,Countess\n")
    own.faults.add("override", match={"method": "POST"}, values={"Title": None})
    first = in_process("load", "people.csv", "--module", "contacts", *how, "--rejects", "r.jsonl")
    assert first.returncode == 5
    assert [x["outcome"] for x in lines_of("r.jsonl")] == ["unknown"]
    count = own.store.count("Contacts")

    done = in_process("load", "--retry-rejects", "r.jsonl", "--yes", *how)
    assert done.returncode == 5
    assert "OUTCOME_UNKNOWN" in done.stdout
    (kept,) = Path().glob("r-*.jsonl")
    assert f"refused rows are in {kept}" in done.stderr
    assert own.store.count("Contacts") == count
    made = next(r for r in own.store.records("Contacts") if r["Email"] == "ada@example.com")
    own.store.delete("Contacts", made["id"])
    done = in_process("load", "--retry-rejects", "r.jsonl", "--yes", *how)
    assert (done.returncode, own.store.count("Contacts")) == (0, count)


def test_standard_input_and_lines_that_hold_no_row(in_process, own):
    """A line that cannot be read is a reject like any other; the rest is loaded."""
    lines = [
        '{"Email": "one@example.com", "Last_Name": "One"}',
        "no JSON",
        '{"Email": "two@example.com", "Last_Name": "Two"}',
    ]
    done = in_process(
        "load", "-", "--module", "Contacts", "--match-on", "Email", "--json",
        stdin="\n".join(lines),
    )  # fmt: skip
    assert done.returncode == 5
    entry = json.loads(done.stdout)["streams"]["stdin"]
    assert entry["rejects_by_code"] == {"INVALID_DATA": 1}
    assert (entry["rows"], entry["outcomes"]["created"]) == (3, 2)
    assert {"one@example.com", "two@example.com"} <= people(own).keys()


def test_what_was_exported_is_unchanged_when_loaded(in_process, own):
    assert own.store.count("Contacts") == 5
    for form in ("jsonl", "csv", "parquet"):
        in_process("export", "Contacts", "--to", form, "--format", form)
        manifest = f"{form}/Contacts.{form}.manifest.json"
        done = in_process("load", manifest, "--module", "Contacts", "--json", "--compare", "always")
        assert done.returncode == 0, done.stderr
        outcomes = json.loads(done.stdout)["streams"]["Contacts"]["outcomes"]
        assert outcomes["unchanged"] == 5, (form, outcomes)


def test_mirror_needs_a_whole_input(in_process, own):
    """Records are deleted only where the number of rows proves that none is missing."""
    in_process("export", "Contacts", "--to", ".")
    lines = Path("Contacts.jsonl").read_text().splitlines(keepends=True)
    Path("rows.jsonl").write_text("".join(lines[:-1]))
    mirror = ("--module", "Contacts", "--mode", "mirror", "--mirror-scope", "all",
              "--max-delete-share", "1")  # fmt: skip
    unproved = in_process("load", "rows.jsonl", *mirror)
    assert unproved.returncode == 6
    assert own.store.count("Contacts") == 5
    proved = in_process("load", "rows.jsonl", *mirror, "--expected-rows", "4")
    assert proved.returncode == 0, proved.stderr
    assert own.store.count("Contacts") == 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_load_goes_on_without_doubles(bigin, own, environment, number):
    """The same command once more: every row is there once, and none is counted twice."""
    rows = [{"Email": f"p{i}@example.com", "Last_Name": f"L{i}"} for i in range(1_500)]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ("load", "rows.jsonl", "--module", "Contacts", "--match-on", "Email")
    own.faults.add("slow", seconds=0.4, times=None, match={"operation": "insert"})
    with subprocess.Popen(
        [bigin.script, *command], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while own.store.count("Contacts") < 300:
            time.sleep(0.05)
        process.send_signal(number)
        said = process.stderr.read()
    own.faults.clear()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "the same command goes on" in said
    done = bigin(*command, "--json")
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)["streams"]["rows"]["outcomes"]
    assert outcomes["created"] + outcomes["unchanged"] == 1_500
    held = Counter(r["Email"] for r in own.store.records("Contacts"))
    assert all(held[row["Email"]] == 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give FILE and --module"),
        (("people.csv",), "give FILE and --module"),
        (("nope.csv", "--module", "Contacts"), "no file nope.csv"),
        (("people.csv", "--module", "Nope"), "no module Nope"),
        (("people.csv", "--module", "Contacts", "--map", "mail"), "expected COLUMN=FIELD"),
        (("people.csv", *BY_EMAIL, "--max-rejects", "1%"), "needs rejects_path"),
        (("people.csv", *BY_EMAIL, "--yes"), "go with --retry-rejects"),
        (("people.csv", "--retry-rejects", "r.jsonl"), "instead of FILE"),
    ],
)
def test_wrong_arguments_send_nothing(in_process, own, arguments, said):
    done = in_process("load", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not [r for r in own.requests if r.method != "GET"]


def test_every_option_of_the_engine_is_there(in_process):
    """What the engine can be told, the command can be told."""
    told = in_process("load", "--help").stdout.replace("-", "_")
    renamed = {"fields": "map", "lookups": "lookup"}
    for name in LoadOptions.__dataclass_fields__:
        assert f"__{renamed.get(name, name)} " in told, name
    for name in RunOptions.__dataclass_fields__:
        assert f"__{name.removesuffix('_path')} " in told, name


def test_a_file_that_breaks_off(in_process, own, caplog):
    """What came before the break is loaded and accounted for: nothing was sent would be wrong."""
    rows = "".join(f"a{i}@example.com,Name {i},T{i * 7919}\n" for i in range(2_000))
    whole = gzip.compress(f"mail,Last_Name,Title\n{rows}".encode())
    Path("cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    done = in_process("load", "cut.csv.gz", *BY_EMAIL, "--report", "report.json")
    assert "breaks off" in caplog.text
    loaded = len([m for m in people(own) if re.fullmatch(r"a\d+@example.com", m)])
    assert loaded > 0
    assert done.returncode == 6
    report = json.loads(Path("report.json").read_text())
    assert report["status"] == "failed"
    entry = report["streams"]["cut"]
    assert entry["outcomes"]["created"] == entry["rows"] == loaded

    Path("cut.csv.gz").write_bytes(b"no gzip")
    done = in_process("load", "cut.csv.gz", *BY_EMAIL)
    assert done.returncode == 2
