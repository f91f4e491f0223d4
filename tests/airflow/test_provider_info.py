"""What Airflow reads about the provider; an error there breaks every ``airflow`` command."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.resources
import inspect
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from airflow_provider_bigin.get_provider_info import CONN_FIELDS, get_provider_info
from bigin_client.settings import Settings


def _schema(name: str) -> dict:
    return json.loads(importlib.resources.files("airflow").joinpath(name).read_text())


def test_it_fits_the_schema_of_every_airflow_command():
    jsonschema.validate(get_provider_info(), _schema("provider_info.schema.json"))


def test_connection_types_fit_the_stricter_schema_of_provider_yaml():
    """It alone knows ``conn-fields``."""
    schema = _schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(get_provider_info()["connection-types"], schema)


def test_the_schema_test_would_notice_a_slip():
    """The stricter schema refuses a field without label, which Airflow passes over in silence."""
    info = get_provider_info()["connection-types"]
    del info[0]["conn-fields"]["max_wait"]["label"]
    schema = _schema("provider.yaml.schema.json")["properties"]["connection-types"]
    try:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(info, schema)
    finally:
        CONN_FIELDS["max_wait"]["label"] = "Longest wait (s)"


def test_the_module_imports_nothing():
    """Every process calls it at start."""
    spec = importlib.util.find_spec("airflow_provider_bigin.get_provider_info")
    imported = [
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(Path(spec.origin).read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    ]
    assert set(imported) <= {"__future__", "typing"}


def test_the_form_has_every_shared_setting():
    settings = {f.name for f in dataclasses.fields(Settings) if f.init}
    assert set(CONN_FIELDS) == settings - {"api_key", "base_url"}


def test_every_python_module_and_class_is_there():
    info = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in info.get(kind, []):
            for name in entry["python-modules"]:
                importlib.import_module(name)
    for path in info.get("extra-links", []):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


def test_no_python_module_is_left_out():
    """A new file of operators, sensors or triggers belongs into the metadata."""
    info = get_provider_info()
    root = Path(importlib.util.find_spec("airflow_provider_bigin").origin).parent
    for kind in ("operators", "sensors", "triggers"):
        listed = {
            name.rpartition(".")[2]
            for entry in info.get(kind, [])
            for name in entry["python-modules"]
        }
        here = {p.stem for p in root.joinpath(kind).glob("*.py")} - {"__init__", "base"}
        assert listed == here, kind


def test_airflow_lists_the_hook_its_form_its_links_and_its_options():
    """What ``airflow providers hooks | behaviours | widgets | links | configs`` show."""
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    hook = ProvidersManagerTaskRuntime().hooks["bigin"]
    assert hook is not None
    assert (hook.connection_type, hook.hook_name) == ("bigin", "Zoho Bigin (Maton)")
    assert hook.connection_id_attribute_name == "bigin_conn_id"
    assert hook.package_name == "bigin-connectors"
    assert "bigin" in dict(manager.field_behaviours)
    manager.initialize_providers_configuration()
    options = dict(manager.provider_configs)["bigin-connectors"]["bigin"]["options"]
    assert set(options) == {"requests_per_second", "rate_limit_store", "max_concurrency"}
    assert set(get_provider_info().get("extra-links", [])) <= set(manager.extra_links_class_names)
    assert {f"extra__bigin__{n}" for n in CONN_FIELDS} <= set(manager.connection_form_widgets)
    assert conf.get("bigin", "requests_per_second", fallback=None) in (None, "")


def test_the_form_of_airflow_2_11_has_the_same_fields(monkeypatch):
    """WTForms is not installed with Airflow 3: stand-ins take what the real ones take."""
    import types

    class Field:
        def __init__(self, label, *, description, **options):
            self.label, self.description, self.options = label, description, options

    wtforms = types.ModuleType("wtforms")
    # Those that Airflow 2.11 accepts.
    for name in ("BooleanField", "IntegerField", "StringField"):
        setattr(wtforms, name, type(name, (Field,), {}))
    validators = types.ModuleType("wtforms.validators")
    validators.Optional = object
    fab = types.ModuleType("flask_appbuilder.fieldwidgets")
    fab.BS3TextFieldWidget = object
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    monkeypatch.setitem(sys.modules, "flask_appbuilder", types.ModuleType("flask_appbuilder"))
    monkeypatch.setitem(sys.modules, "flask_appbuilder.fieldwidgets", fab)
    from airflow_provider_bigin.hooks.bigin import BiginHook

    fields = BiginHook.get_connection_form_widgets()
    assert {n: f.label for n, f in fields.items()} == {
        n: about["label"] for n, about in CONN_FIELDS.items()
    }
    assert type(fields["max_concurrency"]).__name__ == "IntegerField"
    behaviour = BiginHook.get_ui_field_behaviour()
    assert behaviour["relabeling"]["password"] == "Maton API key"
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}


_LOADED = """
import importlib, sys
from airflow_provider_bigin.get_provider_info import get_provider_info
import airflow.providers.common.compat.sdk as sdk
sdk.BaseHook, sdk.BaseOperator, sdk.BaseSensorOperator, sdk.ObjectStoragePath
before = set(sys.modules)
for kind in ("hooks", "operators", "sensors", "triggers"):
    for entry in get_provider_info().get(kind, []):
        for module in entry["python-modules"]:
            importlib.import_module(module)
print(*sorted(set(sys.modules) - before))
"""


def test_importing_everything_loads_nothing_that_only_a_task_needs():
    """It happens whenever a DAG file is parsed; the time is in benchmarks/airflow_import.py."""
    run = subprocess.run(
        [sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True
    )
    loaded = set(run.stdout.split())
    heavy = {"requests", "pyarrow", "sqlite3", "bigin_client.transport", "bigin_client.load"}
    assert "airflow_provider_bigin.triggers.changes" in loaded
    assert not heavy & loaded


_COMMANDS = """
from airflow.cli.cli_parser import get_parser
parser = get_parser()
for command in (
    ["list"], ["get", "bigin-connectors", "--full"], ["hooks"], ["behaviours"], ["widgets"],
    ["links"], ["triggers"], ["configs"], ["queues"], ["notifications"], ["executors"],
):
    print("#", command[0])
    words = parser.parse_args(["providers", *command, "--output", "plain"])
    words.func(words)
"""


@pytest.mark.slow
def test_every_airflow_providers_command_is_clean():
    """In one process: each start of Airflow takes seconds.

    But for ``lazy-loaded``, which fails in Airflow 3.3.2 whatever is installed: its own
    configuration reads the providers first.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _COMMANDS],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    shown = dict(part.split("\n", 1) for part in run.stdout.split("# ")[1:])
    assert "Traceback" not in run.stderr
    assert "bigin" not in run.stderr, "no complaint about us"
    for command in (
        "list",
        "get",
        "hooks",
        "behaviours",
        "widgets",
        "links",
        "triggers",
        "configs",
    ):
        assert "bigin" in shown[command], command
    (hook,) = [line for line in shown["hooks"].splitlines() if "bigin" in line]
    assert "BiginHook" in hook, "Airflow shows an error there when it cannot be imported"


@pytest.mark.parametrize("kind", ["operators", "sensors"])
def test_template_fields_are_arguments(kind):
    """Trap: a field that is no argument of the same name is not rendered, or fails in the task."""
    checked = 0
    for entry in get_provider_info()[kind]:
        for name in entry["python-modules"]:
            module = importlib.import_module(name)
            for found in vars(module).values():
                if isinstance(found, type) and found.__module__ == name:
                    arguments = {
                        n
                        for base in found.__mro__
                        if base.__module__.startswith("airflow_provider_bigin")
                        for n in inspect.signature(base.__init__).parameters
                    }
                    assert set(found.template_fields) <= arguments, found
                    assert "bigin_conn_id" in found.template_fields, found
                    checked += 1
    assert checked >= {"operators": 16, "sensors": 3}[kind]
