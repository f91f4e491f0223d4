"""`bigin simulate`: starts, says where it is, obeys its options, stops when told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

SCRIPT = str(Path(sys.executable).parent / "bigin")


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [SCRIPT, "simulate", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def facts_of(process: subprocess.Popen[str]) -> dict:
    return json.loads(process.stdout.readline())


def headers(facts: dict) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {facts['api_key']}",
        "Maton-Connection": facts["connection_id"],
    }


def get(facts: dict, path: str) -> requests.Response:
    url = f"{facts['base_url']}/zoho-bigin/bigin/v2/{path}"
    return requests.get(url, headers=headers(facts), timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_it_stops_when_told(number):
    """It ends with 128+n, without a traceback, and frees its port."""
    with running("--json") as process:
        facts = facts_of(process)
        assert get(facts, "org").status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 128 + number
        assert errors.strip().splitlines() == [
            f"bigin: exit code {128 + number}: signal {number.value}"
        ]
    with pytest.raises(requests.ConnectionError):
        get(facts, "org")


def test_the_printed_lines_can_be_pasted():
    """A shell that reads them reaches the simulator."""
    with running("--size", "Contacts=3") as process:
        lines = [process.stdout.readline() for _ in range(3)]
        exports = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        assert set(exports) == {"MATON_API_BASE_URL", "MATON_API_KEY"}
        done = subprocess.run(
            [SCRIPT, "modules", "--json"],
            env={**os.environ, **exports},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) > 5


def test_options_reach_the_simulator():
    options = ["--seed", "7", "--size", "Contacts=3", "--time-zone", "Africa/Nairobi"]
    options += ["--rate-limit", "0", "--switch", "unknown_module=INVALID_URL_PATTERN"]
    options += ["--switch", "cascade_contacts=false", "--edition", "free"]
    with running(*options, "--json") as process:
        facts = facts_of(process)
        body = get(facts, "Contacts?fields=Modified_Time").json()
        assert body["info"]["count"] == 3
        assert all(r["Modified_Time"].endswith("+03:00") for r in body["data"])
        assert get(facts, "contacts?fields=id").status_code == 404
        statuses = {get(facts, "org").status_code for _ in range(30)}
        assert statuses == {200}
    with running("--seed", "8", "--json") as process:
        assert facts_of(process)["api_key"] != facts["api_key"]


def test_switches_are_listed():
    done = subprocess.run(
        [SCRIPT, "simulate", "--list-switches", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = {row["switch"]: row for row in json.loads(done.stdout)}
    assert names["token_nature"]["others"] == ["offset", "snapshot"]


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("--size", "Contacts=many"), "MODULE=NUMBER"),
    (("--size", "Nope=1"), "Nope"),
    (("--size", "Contacts"), "NAME=VALUE"),
    (("--switch", "nope=1"), "nope"),
    (("--switch", "token_nature=nope"), "token_nature"),
    (("--time-zone", "Mars/Olympus"), "Mars/Olympus"),
    (("--port", "70000"), "70000"),
]


@pytest.mark.parametrize(("options", "named"), WRONG, ids=[" ".join(o) for o, _ in WRONG])
def test_wrong_options_are_code_2(options, named):
    done = _simulate(*options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) == 2


def test_a_port_in_use_is_code_2():
    with running("--json") as process:
        port = facts_of(process)["port"]
        done = _simulate("--port", str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr


def _simulate(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "simulate", *options], capture_output=True, text=True, timeout=60, check=False
    )
