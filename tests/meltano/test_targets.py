"""What published targets make of deletions: real runs, and the table in docs/extract.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from bigin_client.testing import BiginSimulator

pytestmark = [pytest.mark.meltano, pytest.mark.timeout(300)]

SCRIPT = Path(sys.executable).with_name("tap-bigin")
MODES = ("stream", "rows")
#: The lines that matter here.
ABOUT = re.compile(rb'"stream":"(Tasks|deleted_records)"|"type":"STATE"')
HEAD = [
    "| Target | `deletes` | Row of a deleted record | Restored later | Restored before the run |",
    "|---|---|---|---|---|",
]
DOCUMENT = "docs/extract.md"


@pytest.fixture(scope="module")
def story():
    """The tap's output in three runs, for each mode, and which records things happened to.

    Before the second run one record is deleted, and one is deleted and restored. Before the third
    the first one is restored.
    """
    found = {}
    for mode in MODES:
        with BiginSimulator(seed=7, sizes={"Tasks": 6}, rate_limit=None) as sim:
            ids = sorted(r["id"] for r in sim.store.records("Tasks"))
            deleted, restored = ids[1], ids[4]
            config = {"modules": ["Tasks"], "deletes": mode}
            outputs, state = [], {}
            for run in range(3):
                if run == 1:
                    sim.store.delete("Tasks", deleted)
                    sim.store.delete("Tasks", restored)
                    sim.store.restore("Tasks", restored)
                elif run == 2:
                    sim.store.restore("Tasks", deleted)
                output = tap(sim, config, state)
                outputs.append(b"\n".join(x for x in output if ABOUT.search(x)))
                state = [json.loads(x) for x in output if b'"type":"STATE"' in x][-1]["value"]
                sim.clock.advance(3_600)
            found[mode] = (outputs, deleted, restored)
    return found


def tap(sim, config, state):
    """Run the tap; returns the lines of its output."""
    read, write = os.pipe()
    os.write(write, json.dumps(state).encode())
    os.close(write)
    settings = {"api_key": sim.api_key, "base_url": sim.base_url, "requests_per_second": 0}
    pipe, end = os.pipe()
    os.write(end, json.dumps({**settings, **config}).encode())
    os.close(end)
    command = [SCRIPT, "--config", f"/dev/fd/{pipe}", "--state", f"/dev/fd/{read}"]
    done = subprocess.run(command, capture_output=True, pass_fds=(pipe, read), check=False)
    os.close(pipe)
    os.close(read)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.splitlines()


class Target:
    """A published target: how to feed it, and how to see what it holds."""

    def __init__(self, root, folder, **config):
        self.program = root / f".meltano/loaders/{self.name}/venv/bin/{self.name}"
        self.folder = folder
        folder.mkdir()
        self.config = config

    def load(self, messages):
        """Feed it the tap's output."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config), encoding="utf-8")
        done = subprocess.run(
            [self.program, "--config", path],
            input=messages,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()[-2_000:]


class DuckDB(Target):
    """target-duckdb."""

    name = "target-duckdb"

    def rows(self, table):
        """Return the table's rows."""
        with duckdb.connect(str(self.folder / "copy.duckdb"), read_only=True) as connection:
            found = connection.execute(f"select * from {table}")
            names = [d[0].lower() for d in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


class PostgreSQL(Target):
    """target-postgres: it keeps the case of names."""

    name = "target-postgres"
    server = None

    def rows(self, table):
        """Return the table's rows."""
        schema = self.config["default_target_schema"]
        lines = self.server.query(f'select row_to_json(t) from {schema}."{table}" t')
        return [{k.lower(): v for k, v in json.loads(x).items()} for x in lines]


class JsonLines(Target):
    """target-jsonl: it only appends, so the last line of a key is its row."""

    name = "target-jsonl"

    def rows(self, table):
        """Return the last line of each key."""
        path = self.folder / f"{table}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [{k.lower(): v for k, v in json.loads(x).items()} for x in lines]
        return list({r["id"]: r for r in rows}.values())


@pytest.fixture
def targets(root, tmp_path, postgres):
    """Title in the table → makes an empty target."""

    def postgresql(schema, **config):
        target = PostgreSQL(
            root,
            tmp_path / schema,
            host="127.0.0.1",
            port=postgres.port,
            user=postgres.user,
            password="none",
            database=postgres.database,
            default_target_schema=schema,
            **config,
        )
        target.server = postgres
        return target

    def duck(name, **config):
        config |= {"path": "copy.duckdb", "default_target_schema": "main"}
        return DuckDB(root, tmp_path / name, add_metadata_columns=True, **config)

    return {
        "target-duckdb 0.8.0": lambda mode: duck(f"duck_{mode}"),
        "the same, `hard_delete: true`": lambda mode: duck(f"duck_hard_{mode}", hard_delete=True),
        "target-postgres 0.8.1": lambda mode: postgresql(f"copy_{mode}"),
        "the same, `hard_delete: true` ": lambda mode: postgresql(f"hard_{mode}", hard_delete=True),
        "target-jsonl 0.1.4": lambda mode: JsonLines(
            root, tmp_path / f"jsonl_{mode}", destination_path=".", do_timestamp_file=False
        ),
    }


def state_of(target, record):
    """Say in words what a copy holds of a record."""
    row = next((r for r in target.rows("Tasks") if r["id"] == record), None)
    if row is None:
        return "is removed"
    own = {k: v for k, v in row.items() if not k.startswith("_sdc") and k != "id"}
    what = "stays whole" if own.get("subject") else "stays, all other columns null"
    if row.get("_sdc_deleted_at"):
        return f"{what}, `_sdc_deleted_at` set"
    return what


def alive(target, record, mode):
    """Whether a copy says that a record exists, by the rule of the README."""
    row = next((r for r in target.rows("Tasks") if r["id"] == record), None)
    if row is None or not row.get("subject"):
        return False
    if mode == "rows":
        return not row.get("_sdc_deleted_at")
    told = [r for r in target.rows("deleted_records") if r["id"] == record]
    if target.name == "target-jsonl":  # it keeps no time of extraction
        return not told or row["modified_time"] > told[0]["deleted_time"]
    return not told or str(row["_sdc_extracted_at"]) > str(told[0]["_sdc_extracted_at"])


def test_the_table_of_deletions_is_what_targets_do(root, story, targets):
    """Each line from three runs; a deleted record that was restored is alive in every copy."""
    lines = list(HEAD)
    for title, make in targets.items():
        for mode in MODES:
            outputs, deleted, restored = story[mode]
            target = make(mode)
            target.load(outputs[0])
            assert len(target.rows("Tasks")) == 6
            assert alive(target, deleted, mode)
            target.load(outputs[1])
            assert not alive(target, deleted, mode)
            gone = state_of(target, deleted)
            if mode == "stream":
                assert [r["id"] for r in target.rows("deleted_records")] == [deleted]
            between = "alive" if alive(target, restored, mode) else "gone"
            target.load(outputs[2])
            later = "alive" if alive(target, deleted, mode) else "gone"
            lines.append(f"| {title.strip()} | `{mode}` | {gone} | {later} | {between} |")
    table = "\n".join(lines)
    assert all(x.endswith("| alive |") for x in lines[len(HEAD) :])
    # Two files without a time of extraction do not tell which line came later.
    assert [x for x in lines if "| gone |" in x] == [x for x in lines if "jsonl 0.1.4 | `s" in x]
    assert table in (root / DOCUMENT).read_text(encoding="utf-8"), f"it must be:\n{table}"
