"""README.md says what is true: its tables come from code, its commands are run as written."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys

import duckdb
import pytest

from bigin_client.testing import BiginSimulator

BY_HAND = "<!-- by hand"
BLOCK = re.compile(
    r"^(?P<before>[^\n]*)\n```(?P<kind>bash|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(root, kind):
    """Return the README's code blocks, without those that say that they are run by hand."""
    text = (root / "README.md").read_text(encoding="utf-8")
    found = [m for m in BLOCK.finditer(text) if m["kind"] == kind]
    return [m["code"] for m in found if not m["before"].startswith(BY_HAND)]


def test_the_tables_are_those_of_the_code(root):
    """If it fails: python tests/docs/readme_tables.py."""
    text = (root / "README.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(root / "tests/docs/readme_tables.py"))["with_tables"](text) == text


def test_it_is_short(root):
    assert len((root / "README.md").read_text(encoding="utf-8").splitlines()) < 250


@pytest.fixture
def checkout(root, tmp_path):
    """Return a folder that looks like the checkout to the README's commands."""
    (tmp_path / ".venv").symlink_to(root / ".venv", target_is_directory=True)
    (tmp_path / ".meltano").mkdir()
    for kind in ("extractors", "loaders"):
        (tmp_path / ".meltano" / kind).symlink_to(root / ".meltano" / kind)
    for name in ("meltano.yml", "constraints.txt", "constraints-plugins.txt"):
        shutil.copy(root / name, tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.meltano
@pytest.mark.timeout(580)
def test_its_commands_do_what_it_says(root, checkout):
    """All shell blocks in order, in one shell, then the Python ones, against the simulator."""
    recipes = blocks(root, "bash")
    assert len(recipes) > 6
    script = "set -euo pipefail\n" + "".join(f"echo '### {i}'\n{r}" for i, r in enumerate(recipes))
    sizes = {"Contacts": 40, "Accounts": 10, "Pipelines": 10, "Products": 5, "Tasks": 5}
    with BiginSimulator(seed=11, sizes=sizes) as account:
        # The README's own placeholder, so that its lines need no change.
        account.gateway.api_key = "your-key"
        environment = {
            **os.environ,
            "MATON_API_BASE_URL": account.base_url,
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "1",
        }

        def run(*command):
            return subprocess.run(
                command,
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
                timeout=550,
            )

        done = run("bash", "-c", script)
        assert done.returncode == 0, done.stdout[-6000:]
        by_email = {r["Email"]: r for r in account.store.records("Contacts")}
        assert by_email["ada@example.com"]["Title"] == "Countess"
        assert account.store.count("Contacts") == sizes["Contacts"] + 2
        environment["MATON_API_KEY"] = "your-key"
        for code in blocks(root, "python"):
            done = run(sys.executable, "-c", code)
            assert done.returncode == 0, done.stdout
            assert "'unchanged': 1" in done.stdout

    with duckdb.connect(str(checkout / "warehouse.duckdb"), read_only=True) as warehouse:
        for query in blocks(root, "sql"):
            assert len(warehouse.execute(query).fetchall()) == sizes["Contacts"]
    kept = (checkout / "meltano.yml").read_text("utf-8")
    assert kept == (root / "meltano.yml").read_text("utf-8"), "a recipe writes into the checkout"
    outcomes = json.loads((checkout / "reports" / "report.json").read_text("utf-8"))
    assert outcomes["streams"]["crm_customers"]["outcomes"]["unchanged"] == 2
    plan = (checkout / "reports" / "plan.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["action"] for line in plan] == ["create", "create"]
    manifests = [
        json.loads(path.read_text("utf-8"))
        for path in checkout.rglob("bigin-files/**/_manifest.json")
    ]
    rows = {m["module"]: m["rows"] for m in manifests}
    assert rows == {"Contacts": 42, "Accounts": 10, "Pipelines": 10}
