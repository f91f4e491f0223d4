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
    if plugin == "tap-bigin":
        assert ours["use_cached_catalog"] is False
    secret = [s["name"] for s in wanted["settings"] if s.get("sensitive")]
    assert secret == ["api_key"]


@pytest.mark.meltano
@pytest.mark.parametrize("plugin", ["tap-bigin", "target-bigin"])
def test_the_definitions_can_be_added_without_the_hub(project, plugin):
    """``meltano add --from-ref``: no network, and all settings are there."""
    for plugins in project.config["plugins"].values():
        plugins[:] = [p for p in plugins if p["name"] != plugin]
    project.write()
    kind = "extractor" if plugin == "tap-bigin" else "loader"
    reference = f"meltano/{plugin}.yml"
    project.meltano("add", "--no-install", "--plugin-type", kind, plugin, "--from-ref", reference)
    text = (project.folder / "meltano.yml").read_text(encoding="utf-8")
    added = next(p for p in yaml.safe_load(text)["plugins"][f"{kind}s"] if p["name"] == plugin)
    wanted = yaml.safe_load((project.folder / reference).read_text(encoding="utf-8"))
    assert added["pip_url"] == wanted["pip_url"]
    assert [s["name"] for s in added["settings"]] == [s["name"] for s in wanted["settings"]]
