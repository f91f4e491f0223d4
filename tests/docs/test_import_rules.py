"""The rules of who may import what; the contracts themselves are in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("airflow_provider_bigin", "bigin_client", "tap_bigin", "target_bigin")


def test_contracts(root):
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _modules(root):
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", ["requests", "urllib3", "http.client", "urllib.request"])
def test_only_the_wire_talks_http(root, module):
    """One door to the wire. The simulator is its other end, and has a back door for tests."""
    users = {
        str(path.relative_to(root))
        for path, tree in _modules(root)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(_is(a.name, module) for a in node.names))
        or (isinstance(node, ast.ImportFrom) and _is(node.module or "", module))
    }
    back_door = {"bigin_client/testing/admin_client.py"} if module == "urllib.request" else set()
    assert users <= {"bigin_client/wire.py"} | back_door


def _is(name, module):
    return name == module or name.startswith(f"{module}.")


def test_nothing_sleeps(root):
    """A wait must be cut short by a stop and by a test: an event or an injected sleep."""
    sleepers = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path, tree in _modules(root)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and any(a.name == "sleep" for a in node.names)
        )
    ]
    assert not sleepers
