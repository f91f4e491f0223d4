"""docs/load.md is true: its table is made from the tests, its examples run.

`WRITE_DOCS=1 pytest tests/load/test_documents.py` writes the table anew.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from bigin_client.load import RunOptions
from target_bigin.config import CONFIG_SCHEMA, StreamConfigs

BEGIN = "<!-- conversions: written by tests/load/test_documents.py -->"
END = "<!-- /conversions -->"


def values() -> Any:
    """Return tests/load/test_values.py: the test folders are no packages."""
    path = Path(__file__).with_name("test_values.py")
    spec = importlib.util.spec_from_file_location("load_values", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(value: Any) -> str:
    shown = value if isinstance(value, str) else repr(value)
    shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else shown
    for name in ("datetime.", "dt."):
        shown = shown.replace(name, "")
    return "`" + shown.replace("|", "\\|").replace("\n", " ") + "`"


def kind(about: Any) -> str:
    many = about.json_type == "jsonarray" and about.data_type == "text"
    return "text (list: Tag)" if many else about.data_type


def table() -> str:
    module = values()
    lines = ["| Type | Given | Sent, or why it is refused |", "|---|---|---|"]
    rows = [(kind(f), cell(v), cell(sent)) for f, v, sent in module.TAKEN]
    rows += [(kind(f), cell(v), f"**INVALID_DATA** {reason}") for f, v, reason in module.REFUSED]
    order = list(dict.fromkeys(r[0] for r in rows))
    lines += [f"| {a} | {b} | {c} |" for a, b, c in sorted(rows, key=lambda r: order.index(r[0]))]
    return "\n".join(lines)


@pytest.fixture
def page(root: Path) -> Path:
    return root / "docs" / "load.md"


def test_the_table_of_conversions(page):
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    if os.environ.get("WRITE_DOCS"):
        page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
    else:
        assert old.strip() == table()


def test_the_examples_run(page, sim, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sim.store.insert("Contacts", {"Email": "ann@example.com", "Last_Name": "A", "Title": "Chief"})
    sim.clock.advance(3_600)

    def later() -> None:
        sim.clock.advance(3_600)
        client.org()  # a client learns the server's time from replies

    names = {"client": client, "later": later}
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "docs/load.md", "exec"), names)
    ann = next(r for r in sim.store.records("Contacts") if r["Email"] == "ann@example.com")
    assert (ann["Title"], ann["Custom_Integer"]) == ("Chief", 7)


def test_the_configurations_are_valid(page):
    (block,) = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    config = json.loads(block)
    assert config.keys() <= CONFIG_SCHEMA["properties"].keys()
    assert StreamConfigs(config).of("crm_scores").options.mode == "update"
    RunOptions.from_mapping(config)


def test_each_setting_that_is_named_exists(page):
    named = set(re.findall(r"^\| `(\w+_path)`", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {n for n in RunOptions.__dataclass_fields__ if n.endswith("_path")} - {
        "journal_path"
    }
