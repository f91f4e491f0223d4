"""The documentation's site: its pages are made from the code, its snippets run."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import runpy
import shlex

import pytest
import yaml
from click.testing import CliRunner

from bigin_client.cli import _COMMANDS, app
from bigin_client.load import LoadOptions
from bigin_client.settings import ENVIRONMENT, Settings
from bigin_client.testing import BiginSimulator
from tap_bigin.settings import OWN
from target_bigin.config import CONFIG_SCHEMA, CONNECTION

#: Pages whose Python blocks have tests of their own: tests/load, tests/airflow.
TESTED_ELSEWHERE = {"load.md", "airflow.md"}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def made(root, monkeypatch):
    """Return the function that runs a maker of docs/site."""
    monkeypatch.syspath_prepend(str(root / "docs/site"))
    return lambda name: runpy.run_path(str(root / "docs/site" / f"{name}.py"))


def pages(root):
    return sorted((root / "docs").glob("*.md"))


def test_every_page_is_in_the_navigation(root):
    """If it fails: add the page to mkdocs.yml, or `make docs` does not build."""
    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"(\S+\.md)$", text, re.MULTILINE))
    assert {p.name for p in pages(root)} <= named


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_data_in_the_pages_can_be_read(root, kind):
    read = {"json": json.loads, "yaml": yaml.safe_load}[kind]
    for page in pages(root):
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == kind:
                assert read(text), page.name


def test_python_in_the_pages_runs(root, monkeypatch, capsys):
    ran = 0
    with BiginSimulator(seed=5, sizes={"Contacts": 5}) as account:
        monkeypatch.setenv("MATON_API_KEY", account.api_key)
        monkeypatch.setenv("MATON_API_BASE_URL", account.base_url)
        for page in pages(root):
            if page.name not in TESTED_ELSEWHERE:
                for kind, code in BLOCK.findall(page.read_text(encoding="utf-8")):
                    if kind == "python":
                        exec(compile(code, page.name, "exec"), {})
                        ran += 1
    assert ran
    assert "Contacts" in capsys.readouterr().out


def test_commands_in_the_pages_run(root, monkeypatch, tmp_path):
    """Each `bigin` line, in order; Airflow's walk needs servers and is done by tests/airflow."""
    lines = [
        line.partition("  #")[0].strip()
        for page in pages(root)
        for kind, code in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind in {"bash", "console"} and page.name not in TESTED_ELSEWHERE
        for line in code.splitlines()
    ]
    scripts = [line.split()[1] for line in lines if line.startswith(".venv/dev/bin/python ")]
    assert not [name for name in scripts if not (root / name).exists()]
    monkeypatch.chdir(tmp_path)
    people = "Email,Last_Name\nann@example.com,Ames\n,Bell\n"
    (tmp_path / "people.csv").write_text(people, encoding="utf-8")
    ran = {}
    sizes = {"Contacts": 5, "Accounts": 2, "Pipelines": 2}
    with BiginSimulator(seed=5, sizes=sizes, rate_limit=None) as account:
        monkeypatch.setenv("MATON_API_KEY", account.api_key)
        monkeypatch.setenv("MATON_API_BASE_URL", account.base_url)
        monkeypatch.setenv("BIGIN_REQUESTS_PER_SECOND", "0")
        for line in lines:
            if line.startswith("bigin "):
                ran[line] = CliRunner().invoke(app, shlex.split(line)[1:], standalone_mode=False)
    failed = {n: str(x.exception) for n, x in ran.items() if x.exception}
    assert not failed
    codes = {line: done.return_value or 0 for line, done in ran.items()}
    # A row without a key is refused; without a terminal the retry ends after its plan.
    expected = {n: 2 if "--retry" in n else 5 if " load " in n else 0 for n in ran}
    assert codes == expected
    assert {"doctor", "modules", "export", "load"} <= {n.split()[1] for n in ran}
    assert (tmp_path / "backup/Contacts.jsonl").exists()
    assert list(tmp_path.glob("backup/Contacts*.parquet"))


def test_the_settings_page_has_every_setting(made):
    page = made("settings_page")["page"]()
    fields = [f for kind in (Settings, LoadOptions) for f in dataclasses.fields(kind) if f.init]
    names = {*ENVIRONMENT.values(), *(f.name for f in fields)}
    names |= {p.name for p in OWN} | (set(CONFIG_SCHEMA["properties"]) - set(CONNECTION))
    assert not {n for n in names if n not in page}


def test_troubleshooting_explains_every_code_of_a_row(root, made):
    """The codes that the load engine and its front ends give, found in their source."""
    code = re.compile(
        r"""(?:code=|Refusal\(|Final = |UNKNOWN_ERROR|leave\(row, )"([A-Z]+_[A-Z_]+)\""""
    )
    places = [
        "bigin_client/load",
        "bigin_client/field_writes.py",
        "airflow_provider_bigin/loading.py",
    ]
    files = [
        f for p in places for f in ([root / p] if p.endswith("py") else (root / p).glob("*.py"))
    ]
    used = {c for f in files for c in code.findall(f.read_text(encoding="utf-8"))}
    assert {"MATCH_KEY_MISSING", "ROW_LIMIT", "OUTCOME_UNKNOWN", "INVALID_DATA"} <= used
    assert used <= set(made("troubleshooting")["ROWS"])


def test_troubleshooting_says_what_the_code_says(made):
    page = made("troubleshooting")["page"]()
    lines = {m[1]: m[0] for m in re.findall(r"^(\| \d+ \| `(\w+)` .*)$", page, re.MULTILINE)}
    assert "| ScopeError | The scopes are the gateway's" in lines["OAUTH_SCOPE_MISMATCH"]
    assert "| CreditsExhaustedError |" in lines["API_CREDITS_EXCEEDED"]
    assert "| RequestError | Ask for less at a time" in lines["LIMIT_EXCEEDED"]


def test_the_commands_page_has_every_command(made):
    page = made("commands")["page"]()
    assert not [name for name in _COMMANDS if f"\n## bigin {name}\n" not in page]
    assert page.count("-h, --help") == page.count("\n## bigin")


def test_how_it_works_names_what_exists(root):
    """Modules that the page names are there, and its layers are those of the import contract."""
    text = (root / "docs/architecture.md").read_text(encoding="utf-8")
    client = root / "bigin_client"
    for name in re.findall(r"`((?:load|extract)\.\w+|\w+\.py|\w+/\w+\.py|\w+/)`", text):
        path = name.replace(".", "/") + ".py" if not name.endswith((".py", "/")) else name
        places = [root / path, client / path, root / "airflow_provider_bigin" / path]
        assert any(p.exists() for p in places), name
    tomllib = pytest.importorskip("tomllib", reason="not in Python 3.10")
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        c["layers"] for c in contracts["tool"]["importlinter"]["contracts"] if c["id"] == "client"
    ]
    depth = {n: i for i, row in enumerate(layers) for n in re.findall(r"\w+", row)}
    block = next(t for kind, t in BLOCK.findall(text) if kind == "text")
    shown = [re.split(r" {3,}", line)[0] for line in block.splitlines()]
    rows = [[depth[n] for n in re.findall(r"\w+", line)] for line in shown]
    assert len(rows) > 8
    assert all(max(above) < min(below) for above, below in itertools.pairwise(rows))
