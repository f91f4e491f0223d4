"""Meltano's definitions of our plugins say what the plugins say themselves."""

from __future__ import annotations

import runpy

import pytest
import yaml


@pytest.mark.parametrize("plugin", ["tap-bigin", "target-bigin"])
def test_definitions_are_those_of_about(root, plugin):
    """Hub file and meltano.yml: names, kinds, labels, secrecy, options, capabilities.

    If it fails: python tests/meltano/definitions.py.
    """
    definitions = runpy.run_path(str(root / "tests/meltano/definitions.py"))
    wanted = definitions["hub_definition"](plugin)
    text = (root / "meltano" / f"{plugin}.yml").read_text(encoding="utf-8")
    assert text == definitions["as_yaml"](wanted)
    project = yaml.safe_load((root / "meltano.yml").read_text(encoding="utf-8"))
    plugins = project["plugins"][definitions["PLUGINS"][plugin]]
    ours = next(p for p in plugins if p["name"] == plugin)
    assert ours["settings"] == wanted["settings"]
    assert sorted(ours["capabilities"]) == wanted["capabilities"]
    secret = [s["name"] for s in wanted["settings"] if s.get("sensitive")]
    assert secret == ["api_key"]
