"""Bad input to each console script: one clear line, the documented exit code, nothing written.

A row of `CASES` is a script and what is wrong; the same demands hold for all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bigin_client.testing import BiginSimulator

FOLDER = Path(sys.executable).parent
WRONG_KEY = "wrong-key-9f2c1d7e"
MEANINGS = {
    2: "wrong settings or input, nothing sent",
    3: "key or connection",
    4: "service or credits gave out",
}
#: A port on which nobody listens.
NOWHERE = "http://127.0.0.1:1"
ROWS = [
    {
        "type": "SCHEMA",
        "stream": "Contacts",
        "schema": {
            "type": "object",
            "properties": {"Last_Name": {"type": ["string", "null"]}},
        },
        "key_properties": [],
    },
    {"type": "RECORD", "stream": "Contacts", "record": {"Last_Name": "Planted Name"}},
    {"type": "STATE", "value": {"seen": 1}},
]
INSERT = {"streams": {"Contacts": {"mode": "insert"}}}


@dataclass(frozen=True)
class Case:
    """A script, what is wrong, and what it has to say.

    Attributes:
        says: Texts that the one line holds: what is wrong, and what to do.
        config: The config file: an object, or a text as it is.
        env: Variables that differ; ``""`` takes one away.
        connections: Statuses of further connections; ``"none"`` takes the usual one away.
        arguments: Instead of the script's usual ones.
    """

    program: str
    wrong: str
    code: int
    says: tuple[str, ...]
    config: Any = None
    env: dict[str, str] = field(default_factory=dict)
    connections: str = ""
    arguments: tuple[str, ...] | None = None
    slow: bool = False


def _all(wrong: str, code: int, *says: str, slow: bool = False, **more: Any) -> list[Case]:
    """Return a case of each script."""
    scripts = ("bigin", "tap-bigin", "target-bigin")
    return [Case(p, wrong, code, says, slow=slow and p != "bigin", **more) for p in scripts]


CASES = [
    *_all("missing key", 2, "No Maton API key", "export MATON_API_KEY", env={"MATON_API_KEY": ""}),
    *_all(
        "wrong key",
        3,
        "does not accept the Maton API key",
        "Check MATON_API_KEY",
        env={"MATON_API_KEY": WRONG_KEY},
    ),
    *_all(
        "no connection",
        3,
        "No ACTIVE zoho-bigin connection",
        "bigin connections create",
        connections="none",
    ),
    *_all(
        "two active connections",
        3,
        "Several ACTIVE",
        "export BIGIN_CONNECTION_ID=",
        connections="ACTIVE",
    ),
    *_all(
        "unreachable host",
        4,
        "cannot be reached",
        "base_url",
        env={"MATON_API_BASE_URL": NOWHERE},
        slow=True,
    ),
    Case("bigin", "unknown module", 2, ("Nope", "It has: "), arguments=("fields", "Nope")),
    Case("tap-bigin", "unknown module", 2, ("Nope", "It has: "), config={"modules": ["Nope"]}),
    Case(
        "target-bigin",
        "unknown module",
        2,
        ("Nope", "It has: "),
        config={"streams": {"Contacts": {"mode": "insert", "module": "Nope"}}},
    ),
    Case(
        "target-bigin",
        "unknown field",
        2,
        ("Nope_Field", "bigin fields Contacts"),
        config={"streams": {"Contacts": {"mode": "insert", "fields": {"Last_Name": "Nope_Field"}}}},
    ),
    Case(
        "target-bigin",
        "unknown match field",
        2,
        ("Nope_Field", "bigin fields Contacts"),
        config={"streams": {"Contacts": {"match_on": ["Nope_Field"]}}},
    ),
    Case("tap-bigin", "malformed config", 2, ("config.json", "JSON"), config="{not json"),
    Case("target-bigin", "malformed config", 2, ("config.json", "JSON"), config="{not json"),
    Case(
        "tap-bigin",
        "config of a wrong type",
        2,
        ("requests_per_second", "number"),
        config={"requests_per_second": "many"},
    ),
    Case(
        "target-bigin",
        "config of a wrong type",
        2,
        ("requests_per_second", "number"),
        config={**INSERT, "requests_per_second": "many"},
    ),
    Case(
        "bigin",
        "malformed setting",
        2,
        ("BIGIN_REQUESTS_PER_SECOND", "number"),
        env={"BIGIN_REQUESTS_PER_SECOND": "many"},
    ),
    Case(
        "bigin",
        "unreadable key file",
        2,
        ("no-such-file", "Name a readable file"),
        arguments=("--api-key-file", "/no-such-file", "modules"),
        env={"MATON_API_KEY": ""},
    ),
    Case(
        "bigin",
        "plain http to another host",
        2,
        ("in clear", "https"),
        env={"MATON_API_BASE_URL": "http://gateway.invalid"},
    ),
    *[
        Case(
            program,
            f"{variable} in the environment",
            2,
            (f"{variable} must be {needed}",),
            env={variable: value},
            arguments=("--config=ENV",),
        )
        for program, variable, value, needed in (
            ("tap-bigin", "TAP_BIGIN_MAX_WAIT", "long", "a number"),
            ("tap-bigin", "TAP_BIGIN_VIEWS", "{oops", "a JSON object"),
            ("target-bigin", "TARGET_BIGIN_LIMIT_ROWS", "2.5", "a whole number"),
            ("target-bigin", "TARGET_BIGIN_DRY_RUN", "ture", "true or false"),
        )
    ],
    Case(
        "tap-bigin",
        "flattening without a depth",
        2,
        ("flattening_max_depth",),
        config={"flattening_enabled": True},
    ),
    Case(
        "bigin",
        "a file where a folder is to be",
        2,
        ("cannot be made",),
        arguments=("export", "Contacts", "--to", "/dev/null"),
    ),
    Case("bigin", "unknown command", 2, ("modulse", "bigin --help"), arguments=("modulse",)),
    Case("bigin", "unknown option", 2, ("--nope", "--help"), arguments=("modules", "--nope")),
]
PARAMETERS = [
    pytest.param(
        c, id=f"{c.program}-{c.wrong.replace(' ', '-')}", marks=[pytest.mark.slow] * c.slow
    )
    for c in CASES
]


@pytest.fixture(scope="module")
def sim() -> Iterator[BiginSimulator]:
    with BiginSimulator(seed=5, sizes={"Contacts": 3}, rate_limit=None) as simulator:
        yield simulator


@pytest.fixture
def connected(sim):
    """Return a function that sets the gateway's connections; they are put back."""
    mine = sim.connection_id

    def connect(others: str) -> None:
        if others == "none":
            sim.set_connection_status(mine, "PENDING")
        elif others:
            sim.add_connection(others)

    yield connect
    sim.set_connection_status(mine, "ACTIVE")
    sim.connections[:] = [c for c in sim.connections if c.id == mine]


def run(case: Case, sim: BiginSimulator, folder: Path, **more: str) -> subprocess.CompletedProcess:
    config = folder / "config.json"
    usual = {"tap-bigin": {}, "target-bigin": INSERT}.get(case.program)
    content = usual if case.config is None else case.config
    arguments = case.arguments
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        config.write_text(text, encoding="utf-8")
        arguments = arguments or ("--config", str(config))
    env = {
        **os.environ,
        "BIGIN_REQUESTS_PER_SECOND": "0",
        "MATON_API_KEY": sim.api_key,
        "MATON_API_BASE_URL": sim.base_url,
        **case.env,
        **more,
    }
    return subprocess.run(
        [str(FOLDER / case.program), *(arguments or ("modules",))],
        env={n: v for n, v in env.items() if v},
        cwd=folder,
        input="".join(json.dumps(r) + "\n" for r in ROWS) if case.program[0] == "t" else "",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("case", PARAMETERS)
def test_bad_input_ends_with_one_clear_line(case, sim, connected, tmp_path):
    connected(case.connections)
    sim.clear_log()
    done = run(case, sim, tmp_path)

    assert done.returncode == case.code, done.stderr
    assert done.stdout == ""
    *_, told, last = done.stderr.strip().splitlines()
    assert last == f"{case.program}: exit code {case.code}: {MEANINGS[case.code]}"
    assert told.startswith(f"{case.program}: ")
    for text in case.says:
        assert text in told
    own = [line for line in done.stderr.splitlines() if line.startswith(f"{case.program}: ")]
    assert own == [told, last]
    assert "Traceback" not in done.stderr

    assert {e.method for e in sim.requests} <= {"GET"}
    assert sim.store.count("Contacts") == 3
    for secret in (sim.api_key, WRONG_KEY, "session_token", "Planted Name"):
        assert secret not in done.stderr
    left = {p.name for p in tmp_path.iterdir()} - {"config.json"}
    assert left == set()


@pytest.mark.parametrize("program", ["bigin", "tap-bigin", "target-bigin"])
def test_the_traceback_comes_when_asked_for(program, sim, tmp_path):
    case = Case(program, "missing key", 2, (), env={"MATON_API_KEY": ""})
    done = run(case, sim, tmp_path, BIGIN_TRACEBACK="1")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.strip().endswith(f"{program}: exit code 2: {MEANINGS[2]}")


@pytest.mark.parametrize("program", ["tap-bigin", "target-bigin"])
def test_a_missing_extra_is_named(program, sim, tmp_path):
    """Where the SDK is not installed, the script says what to install."""
    blocker = tmp_path / "blocked"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import sys

            class Blocker:
                def find_spec(self, name, path=None, target=None):
                    if name.partition(".")[0] == "singer_sdk":
                        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

            sys.meta_path.insert(0, Blocker())
            """
        ),
        encoding="utf-8",
    )
    sim.clear_log()
    case = Case(program, "missing extra", 2, ())
    done = run(case, sim, tmp_path, PYTHONPATH=str(blocker))
    assert done.returncode == 2
    assert done.stdout == ""
    told, last = done.stderr.strip().splitlines()
    assert told == (
        f"{program}: singer_sdk is not installed. Run: pip install 'bigin-connectors[singer]'"
    )
    assert last == f"{program}: exit code 2: {MEANINGS[2]}"
    assert sim.requests == []


def test_a_field_that_is_gone_is_named_and_the_rest_is_read(sim, tmp_path):
    """tap-bigin with an old catalog: nothing is rediscovered, the field is named at once."""
    settings = {"modules": ["Contacts"], "deletes": "off"}
    discovered = run(
        Case(
            "tap-bigin",
            "",
            0,
            (),
            config=settings,
            arguments=("--config", str(tmp_path / "config.json"), "--discover"),
        ),
        sim,
        tmp_path,
    )
    catalog = json.loads(discovered.stdout)
    stream = next(s for s in catalog["streams"] if s["tap_stream_id"] == "Contacts")
    stream["schema"]["properties"]["Nope_Field"] = {"type": ["string", "null"]}
    stream["metadata"].append(
        {"breadcrumb": ["properties", "Nope_Field"], "metadata": {"selected": True}}
    )
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [stream]}), encoding="utf-8")
    done = run(
        Case(
            "tap-bigin",
            "",
            0,
            (),
            config=settings,
            arguments=(
                "--config",
                str(tmp_path / "config.json"),
                "--catalog",
                str(tmp_path / "catalog.json"),
            ),
        ),
        sim,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "no longer has the field Nope_Field" in done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines() if '"RECORD"' in line]
    assert len(records) == 3
