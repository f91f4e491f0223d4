"""The Meltano project that the demo makes of the checkout's."""

from __future__ import annotations

import importlib
import shutil
import sys

import yaml


def test_a_checkout_in_which_meltano_was_run_gives_a_valid_project(root, tmp_path, monkeypatch):
    """Meltano ends the file with a ``project_id`` of its own that has no line end."""
    monkeypatch.syspath_prepend(str(root / "demo"))
    project = importlib.import_module("project")

    checkout = tmp_path / "checkout"
    (checkout / "demo").mkdir(parents=True)
    shutil.copy(root / "demo" / "meltano.yml", checkout / "demo")
    text = (root / "meltano.yml").read_text("utf-8")
    (checkout / "meltano.yml").write_text(text + "project_id: some-id", "utf-8")
    work = project.Workplace(checkout, tmp_path / "demo")
    made = yaml.safe_load((work.project / "meltano.yml").read_text("utf-8"))
    assert made == {**yaml.safe_load(text), "project_id": "some-id", "include_paths": ["demo.yml"]}
    sys.modules.pop("project")
