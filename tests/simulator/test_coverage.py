"""Every numbered statement and every switch has its test here."""

from __future__ import annotations

import re
from pathlib import Path

from bigin_client.testing import Switches

TESTS = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py")
    if path.name != Path(__file__).name
)


def test_every_statement_of_section_9_has_a_test():
    found = {int(number) for number in re.findall(r"(?:test_|_)9_(\d+)", TESTS)}
    assert found >= set(range(1, 63)), sorted(set(range(1, 63)) - found)


def test_every_choice_of_section_11_has_a_test():
    found = {int(number) for number in re.findall(r"_11_(\d+)", TESTS)}
    assert found >= set(range(1, 19)), sorted(set(range(1, 19)) - found)


def test_every_switch_is_flipped_by_name():
    missing = [name for name in Switches.alternatives() if not re.search(rf"\b{name}\b", TESTS)]
    noop = {"noop_update_touches", "noop_upsert_touches"}  # spelt with a parameter
    assert set(missing) <= noop, missing
