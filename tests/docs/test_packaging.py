"""What a user gets from `pip install bigin-connectors`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import runpy
import subprocess
import sys
import zipfile

import pytest

from bigin_client.__about__ import __version__

PACKAGES = ("airflow_provider_bigin", "bigin_client", "tap_bigin", "target_bigin")
DISTRIBUTION = "bigin-connectors"


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_version_is_stated_once():
    assert importlib.metadata.version(DISTRIBUTION) == __version__


def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert top == {*PACKAGES, f"bigin_connectors-{__version__}.dist-info"}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_one_and_typed(wheel, package):
    names = wheel.namelist()
    assert f"{package}/__init__.py" in names
    assert f"{package}/py.typed" in names


def test_the_licence_goes_along(wheel):
    (name,) = [n for n in wheel.namelist() if n.endswith("licenses/LICENSE")]
    assert b"Apache License" in wheel.read(name)


def test_the_base_needs_no_framework():
    """Airflow, the Singer SDK and pyarrow come with an extra only."""
    base = [r for r in importlib.metadata.requires(DISTRIBUTION) or [] if "extra ==" not in r]
    assert base
    assert not [r for r in base if r.startswith(("apache-airflow", "singer", "pyarrow", "redis"))]


@pytest.mark.parametrize("group", ["console_scripts", "pytest11"])
def test_entry_points_load(group):
    found = [p for p in importlib.metadata.entry_points(group=group) if p.dist.name == DISTRIBUTION]
    assert found
    for point in found:
        point.load()


def test_importing_the_client_imports_no_framework():
    code = (
        "import bigin_client, sys; unwanted = "
        "{'airflow', 'pytest', 'singer_sdk', 'bigin_client.testing'} & {*sys.modules}; "
        "print(*unwanted)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ
    )
    assert not done.stdout.strip()


def test_the_licences_of_all_that_is_needed_are_listed(root):
    """If it fails: make licences."""
    needed = runpy.run_path(str(root / ".ci/licences.py"))["NEEDED"]
    done = subprocess.run([sys.executable, "-c", needed], check=True, capture_output=True)
    page = (root / "docs/licences.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", page, re.MULTILINE))
    assert set(json.loads(done.stdout)) <= set(listed)
    # Copyleft only where another licence may be chosen instead.
    assert not [x for x in listed.values() if re.fullmatch(r"[^;/]*(?<!L)GPL[^;/]*|UNKNOWN", x)]


def test_this_environment_is_free_of_airflow():
    """Tap and target are tested where Airflow cannot help them; see tests/airflow for the other."""
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("apache-airflow")
