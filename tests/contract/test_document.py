"""docs/contract.md says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys

from bigin_client.cli import contract as command
from bigin_client.cli.doctor import doctor
from bigin_client.contract import STATEMENTS
from bigin_client.contract.table import replaced


def _text(root):
    return (root / "docs" / "contract.md").read_text(encoding="utf-8")


def test_the_table_is_fresh(root):
    """If not: python -m bigin_client.contract docs/contract.md."""
    text = _text(root)
    assert replaced(text) == text


def test_the_costs_are_those_that_the_command_states(root):
    text = " ".join(_text(root).split())
    reading = f"at most {command.READ_REQUESTS} requests and {command.READ_CREDITS} credits"
    assert reading in text
    assert reading in " ".join(doctor.help.split())
    assert f"at most {command.WRITE_REQUESTS} requests and {command.WRITE_CREDITS} credits" in text


def test_the_questions_name_statements_that_exist(root):
    section = _text(root).partition("## Where the questions")[2].partition("## The statements")[0]
    named = set(re.findall(r"\b(?:\d+\.\d+[a-z]?|section \d(?!\d)(?:\.\d)?[a-z]?)", section))
    assert named <= {s.number for s in STATEMENTS}, named - {s.number for s in STATEMENTS}
    assert len(re.findall(r"^\| \d+ ", section, re.MULTILINE)) == 15


def test_the_examination_runs_without_the_simulator():
    """A process that examines loads nothing of bigin_client.testing."""
    program = (
        "import sys, bigin_client.cli.doctor, bigin_client.cli.contract\n"
        "print([m for m in sys.modules if m.startswith('bigin_client.testing')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"
