"""Try what one extra alone offers; run by `release.py` in a clean environment.

Usage: ``python -I smoke.py EXTRA`` in an empty folder. Prints the number of installed packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

#: Extra → the distribution that only it may bring along.
FRAMEWORKS = {
    "airflow": "apache-airflow",
    "parquet": "pyarrow",
    "redis": "redis",
    "singer": "singer-sdk",
}
#: Modules of the client that need what no extra brings: the plugin needs pytest.
_NOT_ALONE = {"bigin_client.testing.plugin"}
CONTACTS = 250


def main(extra: str) -> None:
    """Raise at the first thing that is not as promised."""
    extras = set(FRAMEWORKS) if extra == "all" else {extra} - {""}
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    for name, distribution in FRAMEWORKS.items():
        assert (distribution in installed) == (name in extras), f"{distribution}: {installed}"
    version = importlib.metadata.version("bigin-connectors")
    assert version in run("bigin", "--version"), version
    import_all("bigin_client", "airflow_provider_bigin" if "airflow" in extras else None)
    if "singer" in extras:
        import_all("tap_bigin", "target_bigin")
    else:
        for program in ("tap-bigin", "target-bigin"):
            assert "bigin-connectors[singer]" in run(program, "--about", code=2)

    from bigin_client import BiginClient, Settings  # noqa: PLC0415 - after the checks above
    from bigin_client.testing import BiginSimulator  # noqa: PLC0415

    with BiginSimulator(seed=1, sizes={"Contacts": CONTACTS, "Accounts": 20}) as account:
        os.environ |= {"MATON_API_KEY": account.api_key, "MATON_API_BASE_URL": account.base_url}
        with BiginClient(Settings.from_env()) as client:
            assert sum(1 for _ in client.list_records("Contacts", ["Email"])) == CONTACTS
            rows = [{"Last_Name": "Smoke", "Email": "smoke@example.com"}]
            report = client.load("Contacts", rows, match_on=["Email"])
            assert report.streams["Contacts"].outcomes == {"created": 1}, report.to_dict()
        run("bigin", "export", "Contacts", "--to", "out")
        exported = Path("out/Contacts.jsonl").read_bytes().count(b"\n")
        assert exported == CONTACTS + 1, exported
        for name in sorted(extras):
            CHECKS[name]()
        if "parquet" not in extras:
            said = run("bigin", "export", "Contacts", "--to", "p", "--format", "parquet", code=2)
            assert "bigin-connectors[parquet]" in said, said
    print(len(installed))


def import_all(*packages: str | None) -> None:
    """Import every module of the packages: what a user can reach must be importable."""
    for package in filter(None, packages):
        folder = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(folder, f"{package}."):
            if found.name not in _NOT_ALONE and not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def run(*command: str, code: int = 0, given: str | None = None) -> str:
    """Return a program's output; its exit code must be `code`."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:]],
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if given is None and code == 0 else done.stdout + done.stderr


def check_singer() -> None:
    """A read with the tap, and a load with the target."""
    Path("tap.json").write_text('{"modules": ["Contacts"], "deletes": "off"}', encoding="utf-8")
    # Not splitlines: texts may hold the line separators that only Unicode knows.
    said = run("tap-bigin", "--config", "tap.json").rstrip("\n").split("\n")
    messages = [json.loads(x) for x in said]
    read = [m for m in messages if m["type"] == "RECORD" and m["stream"] == "Contacts"]
    assert len(read) == CONTACTS + 1, len(read)
    Path("target.json").write_text(
        '{"streams": {"people": {"module": "Contacts", "match_on": ["Email"]}}, '
        '"report_path": "report.json"}',
        encoding="utf-8",
    )
    schema = {"properties": {"Email": {"type": "string"}, "Last_Name": {"type": "string"}}}
    rows = [
        {"type": "SCHEMA", "stream": "people", "schema": schema, "key_properties": ["Email"]},
        {"type": "RECORD", "stream": "people", "record": {"Email": "t@x.com", "Last_Name": "T"}},
    ]
    given = "".join(json.dumps(m) + "\n" for m in rows)
    run("target-bigin", "--config", "target.json", given=given)
    outcomes = json.loads(Path("report.json").read_text(encoding="utf-8"))["streams"]["people"]
    assert outcomes["outcomes"]["created"] == 1, outcomes


def check_airflow() -> None:
    """Airflow finds the provider, and its hook reads the account."""
    os.environ |= {"AIRFLOW_HOME": str(Path("airflow").resolve())}
    os.environ["AIRFLOW_CONN_BIGIN_DEFAULT"] = json.dumps({"conn_type": "bigin"})
    # Imported by now only: it reads the environment.
    manager = importlib.import_module("airflow.providers_manager").ProvidersManager()
    assert "bigin-connectors" in manager.providers, sorted(manager.providers)
    assert "bigin" in manager.hooks, sorted(manager.hooks)
    hook = importlib.import_module("airflow_provider_bigin.hooks.bigin").BiginHook()
    good, said = hook.test_connection()
    assert good, said


def check_parquet() -> None:
    """An export as Parquet."""
    run("bigin", "export", "Contacts", "--to", "parquet", "--format", "parquet")
    table = importlib.import_module("pyarrow.parquet").read_table("parquet/Contacts.parquet")
    assert table.num_rows > CONTACTS, table.num_rows


def check_redis() -> None:
    """The driver of the shared rate store is there; tests/client tries it with a server."""
    importlib.import_module("redis")


CHECKS: dict[str, Callable[[], None]] = {
    "airflow": check_airflow,
    "parquet": check_parquet,
    "redis": check_redis,
    "singer": check_singer,
}

if __name__ == "__main__":
    main(*sys.argv[1:2])
