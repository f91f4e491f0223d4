"""Documents and configuration files say what is true."""

from __future__ import annotations

import copy
import re
import runpy

import pytest
import yaml

from bigin_client.settings import ENVIRONMENT

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")


def _plugins(root):
    plugins = yaml.safe_load((root / "meltano.yml").read_text(encoding="utf-8"))["plugins"]
    return {p["name"]: p for kind in plugins.values() for p in kind}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(root, name):
    text = (root / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    missing = [t for t in targets if "://" not in t and not (root / t).exists()]
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_tasks_exist(root, name):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    tasks = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    text = (root / name).read_text(encoding="utf-8")
    used = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE))
    assert {a or b for a, b in used} <= tasks


def test_the_example_environment_names_every_variable(root):
    text = (root / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)) == set(ENVIRONMENT.values())


@pytest.mark.parametrize(
    ("plugin", "module", "name"),
    [
        ("tap-bigin", "tap_bigin.tap", "TapBigin"),
        ("target-bigin", "target_bigin.target", "TargetBigin"),
    ],
)
def test_meltano_offers_the_settings_that_exist(root, plugin, module, name):
    """All of our own; of the SDK's (stream maps, flattening, ...) none that does not exist."""
    singer_class = getattr(pytest.importorskip(module), name)
    own = set(singer_class.config_jsonschema["properties"])
    schema = copy.deepcopy(singer_class.config_jsonschema)
    singer_class.append_builtin_config(schema)
    offered = {s["name"] for s in _plugins(root)[plugin]["settings"]}
    assert own <= offered <= set(schema["properties"])


def test_meltano_plugins_are_pinned_and_need_no_hub(root):
    for plugin in _plugins(root).values():
        assert plugin["namespace"]
        words = plugin["pip_url"].split()
        assert words[0] == "-c"
        assert (root / words[1]).is_file()
        assert words[2:] == ["-e", ".[singer]"] or all("==" in w for w in words[2:])


@pytest.mark.parametrize(
    "name",
    [
        "constraints.txt",
        "constraints-airflow2.txt",
        "constraints-meltano.txt",
        "constraints-plugins.txt",
        "meltano/constraints-target-jsonl.txt",
        "meltano/constraints-target-postgres.txt",
    ],
)
def test_constraints_are_exact_and_name_no_place(root, name):
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    assert all(x.startswith("#") or re.match(r"[a-z0-9._-]+==[^\s/]+( ; .*)?$", x) for x in lines)


def test_make_bench_knows_every_benchmark(root):
    """`run` and `plots` are its own, `tap_plain` is what another one runs."""
    known = runpy.run_path(str(root / "benchmarks/run.py"))["BENCHMARKS"]
    there = {path.stem for path in (root / "benchmarks").glob("*.py")}
    assert there - {"run", "plots", "tap_plain"} <= set(known)


def test_figures_of_a_benchmark_are_read_from_its_tables(root):
    tables = runpy.run_path(str(root / "benchmarks/run.py"))["tables"]
    text = "a\n| Way | Rows | Share | Same | Said |\n|---|---|---|---|---|\n"
    text += "| x | 1,200 | **91 %** | 4 | no |\n| y | 800 | 7 % | 4 | 3 |\nb\n| not | a table |\n"
    (table,) = tables(text)
    assert table.figures() == {"Rows": {"x": 1200, "y": 800}, "Share": {"x": 91, "y": 7}}
