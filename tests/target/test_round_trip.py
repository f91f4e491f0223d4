"""tap-bigin | target-bigin from one account to another, through the console scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

pytestmark = pytest.mark.slow

SIZES = {
    "Accounts": 30, "Contacts": 80, "Products": 20, "Pipelines": 30, "Tasks": 20, "Events": 20,
    "Calls": 20, "Notes": 30,
}  # fmt: skip
#: The other account has other users.
USERS = {"Owner", "Custom_User", "Custom_MultiUser"}


@pytest.fixture
def sim() -> Iterator[BiginSimulator]:
    with BiginSimulator(seed=5, sizes=SIZES, rate_limit=None) as simulator:
        yield simulator


def settings(sim: BiginSimulator, connection: str, **more: Any) -> dict[str, Any]:
    shared = {
        "api_key": sim.api_key, "base_url": sim.base_url, "connection_id": connection,
        "requests_per_second": 0, "rate_limit_store": "memory",
    }  # fmt: skip
    return {**shared, **more}


def run(script: str, folder: Path, config: dict[str, Any], *arguments: str, text: str = "") -> str:
    path = folder / f"{script}.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [str(Path(sys.executable).with_name(script)), "--config", str(path), *arguments],
        input=text, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def catalog(folder: Path, tap: dict[str, Any]) -> str:
    """Discover, and select the modules' streams alone."""
    found = json.loads(run("tap-bigin", folder, tap, "--discover"))
    for stream in found["streams"]:
        root = next(m for m in stream["metadata"] if not m["breadcrumb"])
        root["metadata"]["selected"] = stream["tap_stream_id"] in SIZES
    path = folder / "catalog.json"
    path.write_text(json.dumps(found))
    return str(path)


def copy(sim: BiginSimulator, other: str, folder: Path) -> dict[str, Any]:
    """Copy the first account into the other; returns the target's report."""
    tap = settings(sim, sim.connection_id, deletes="off", modules=list(SIZES))
    nobody = {"match_on": "email", "on_missing": "null"}
    more = {"Contacts": dict.fromkeys(USERS, nobody)}
    how = {"mode": "insert", "source_id": "id"}
    target = settings(
        sim,
        other,
        streams={n: {**how, "module": n, "lookups": more.get(n, {"Owner": nobody})} for n in SIZES},
        journal_path=str(folder / "journal"),
        report_path=str(folder / "report.json"),
        outcomes_path=str(folder / "outcomes.jsonl"),
    )
    rows = run("tap-bigin", folder, tap, "--catalog", catalog(folder, tap))
    run("target-bigin", folder, target, text=rows)
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def new_ids(folder: Path) -> dict[str, str]:
    """Return old id → new id of every record, as the outcomes file says."""
    lines = map(json.loads, (folder / "outcomes.jsonl").read_text().splitlines())
    return {json.loads(line["row_key"])[0]: line["id"] for line in lines}


def translated(value: Any, ids: dict[str, str]) -> Any:
    """Return a value with the other account's ids for lookups; tags are their names."""
    if isinstance(value, list):
        return [translated(v, ids) for v in value]
    if isinstance(value, dict) and "color_code" in value:
        return value["name"]
    if isinstance(value, dict) and "id" in value:
        return ids.get(value["id"], value["id"])
    return value


def test_a_copy_is_equal_and_a_second_one_writes_nothing(sim, tmp_path):
    other = sim.add_connection("ACTIVE", sizes={})
    first = copy(sim, other, tmp_path)
    ids = new_ids(tmp_path)
    there = sim.account(other).store
    layouts = {p.name: p.id for p in there.modules["Pipelines"].layouts}
    ids |= {p.id: layouts[p.name] for p in sim.store.modules["Pipelines"].layouts}
    for module, size in SIZES.items():
        assert first["streams"][module]["outcomes"]["created"] == size
        assert there.count(module) == size
        with BiginClient(Settings(**settings(sim, other))) as client:
            writable = {f.api_name for f in client.fields(module) if f.writable}
        copies = {r["id"]: r for r in there.records(module)}
        for record in sim.store.records(module):
            made = copies[ids[record["id"]]]
            for name in writable - USERS:
                expected = translated(record[name], ids)
                assert translated(made[name], {}) == expected, (module, name)
    again = copy(sim, other, tmp_path)
    for module, size in SIZES.items():
        assert again["streams"][module]["outcomes"]["skipped"] == size
        assert there.count(module) == size
