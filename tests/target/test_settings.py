"""The settings in code, in `--about` and in meltano.yml are the same."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from bigin_client.load import LoadOptions, RunOptions
from bigin_client.settings import Settings
from target_bigin import config

#: What the SDK adds for its own capabilities.
BUILT_IN = {
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_level",
    "flattening_max_key_length",
    "flattening_separator",
}
KINDS = {
    "string": {"string", "file", "options"},
    "integer": {"integer", "string"},
    "number": {"decimal"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}
OURS = {**config.CONNECTION, **config.PER_STREAM, **config.WHOLE_RUN}


@pytest.fixture(scope="module")
def meltano(root: Any) -> dict[str, Any]:
    loaders = yaml.safe_load((root / "meltano.yml").read_text())["plugins"]["loaders"]
    (plugin,) = [p for p in loaders if p["name"] == "target-bigin"]
    return {s["name"]: s for s in plugin["settings"]}


def test_about_says_the_same(target):
    done = subprocess.run(
        [target.script, "--about", "--format=json"], capture_output=True, text=True, check=True
    )
    about = json.loads(done.stdout)["settings"]["properties"]
    assert about.keys() - BUILT_IN == OURS.keys()
    assert about["api_key"]["secret"] is True
    assert all(p["title"] and p["description"] for p in OURS.values())


def test_meltano_yml_says_the_same(meltano):
    assert meltano.keys() - BUILT_IN == OURS.keys()
    for name, setting in OURS.items():
        kinds = set().union(*(KINDS[t] for t in setting["type"] if t != "null"))
        assert meltano[name]["kind"] in kinds, name
        assert bool(meltano[name].get("sensitive")) == bool(setting.get("secret")), name
        if "enum" in setting:
            values = {o["value"] for o in meltano[name]["options"]}
            assert values == {v for v in setting["enum"] if v is not None}, name


def test_every_setting_reaches_the_engine():
    """And the engine has none that cannot be set."""
    settings = {f for f in Settings.__dataclass_fields__ if f != "unused_connection_id"}
    assert config.CONNECTION.keys() == settings
    per_stream = config.PER_STREAM.keys() | (config.ONLY_PER_STREAM - {"module"})
    assert per_stream == LoadOptions.__dataclass_fields__.keys()
    assert config.WHOLE_RUN.keys() - {"streams"} == RunOptions.__dataclass_fields__.keys()
