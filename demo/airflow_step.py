"""Step 6: Airflow's example DAGs over the same account, and what its database says of them."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from expectations import Expectation
from scenario import Scenario
from service import SimulatedAccount
from stage import LIMIT, Stage
from warehouse import read_rows

EXTRACT = "example_bigin_extract_watermark_asset"
LOAD = "example_bigin_load_from_file_with_rejects"
#: Modules that the example leaves out: they hang on records of others.
LEFT_OUT = frozenset({"Associated_Products", "Attachments"})
#: Column → field, as the example DAG says.
FIELDS = {"mail": "Email", "first": "First_Name", "surname": "Last_Name"}
#: Contacts that the file of leads takes from the extract; the first of them get another name.
_KNOWN, _RENAMED = 60, 15
_LEADS_SQL = """\
copy (select Email as mail,
             case when position <= {renamed} then 'Renamed' else First_Name end as first,
             Last_Name as surname
      from (select *, row_number() over (order by id) as position
            from read_json_auto('{files}') where Email is not null)
      where position <= {known}
      order by position) to '{path}' (header)"""


@dataclass
class Flown:
    """What Airflow did.

    Attributes:
        rows: Module → records in the files.
        states: DAG, task, map index (-1: not mapped) and state, from Airflow's database.
        expected: Outcome → rows of the load, worked out from the account.
        outcomes: Outcome → rows, from the task's summary.
        rejects: Lines of the rejects file.
    """

    rows: dict[str, int]
    states: list[tuple[str, str, int, str]]
    expected: dict[str, int]
    outcomes: dict[str, int]
    rejects: list[dict[str, Any]]


class Airflow:
    """Airflow with a home of its own under the folder of the run.

    Its database is made while other steps run.

    Args:
        stage: Where.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._files = stage.work.airflow / "files"
        self._leads = stage.work.airflow / "leads.csv"
        self._rejects = stage.work.airflow / "rejects.jsonl"
        # Only these two: Airflow reads all DAGs of the folder at every command.
        dags = stage.work.airflow / "dags"
        dags.mkdir()
        for dag in (EXTRACT, LOAD):
            shutil.copy(stage.work.root / "example_dags" / f"{dag}.py", dags)
        command: list[str | Path] = [stage.program("airflow", "airflow"), "db", "migrate"]
        self._migration, self._log = stage.processes.start(
            "airflow-db-migrate", command, cwd=stage.work.folder
        )

    def fly(self, account: SimulatedAccount, scenario: Scenario) -> Flown:
        """Extract every module into files, then load a file."""
        self._stage.story.title("The same from Airflow: its example DAGs")
        self._migrated()
        rows = self._extract(account)
        expected, outcomes, rejects = self._load(account, scenario)
        states = self._states()
        for dag, task, index, state in states:
            name = f"{dag}.{task}" + (f"[{index}]" if index >= 0 else "")
            self._stage.checks.equal(f"state of Airflow task {name}", state, "success")
        mapped = sum(task == "extract" for _, task, _, _ in states)
        self._stage.checks.equal("mapped extract tasks, one per module", mapped, len(rows))
        return Flown(rows, states, expected, outcomes, rejects)

    def extract(self) -> dict[str, int]:
        """Run the extract alone; returns module → records in the files."""
        self._stage.story.title("The same from Airflow: its example DAG")
        self._migrated()
        self._test(EXTRACT, {"folder": str(self._files)})
        return {module: len(records) for module, records in self._extracted().items()}

    def _migrated(self) -> None:
        self._stage.story.command("airflow db migrate")
        try:
            code = self._migration.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"airflow db migrate hangs; see {self._log}") from None
        if code:
            raise RuntimeError(f"airflow db migrate ended with exit code {code}; see {self._log}")

    def _test(self, dag: str, parameters: dict[str, str]) -> None:
        conf = json.dumps(parameters)
        self._stage.story.command(f"airflow dags test {dag} -c '{conf}'")
        command: list[str | Path] = [
            self._stage.program("airflow", "airflow"), "dags", "test", dag, "-c", conf
        ]  # fmt: skip
        done = self._stage.processes.run(
            f"airflow-{dag}", command, cwd=self._stage.work.folder, timeout=LIMIT
        )
        self._stage.require(done)

    def _extract(self, account: SimulatedAccount) -> dict[str, int]:
        self._test(EXTRACT, {"folder": str(self._files)})
        found = self._extracted()
        modules = set(account.counts()) - LEFT_OUT
        self._stage.checks.same_ids("modules that Airflow extracted", set(found), modules)
        for module in sorted(modules & set(found)):
            ids = {record["id"] for record in found[module]}
            there = set(account.records(module))
            self._stage.checks.same_ids(f"{module} in Airflow's files", ids, there)
        self._stage.story.say(
            f"{sum(map(len, found.values()))} records of {len(found)} modules are in files, "
            "one task per module."
        )
        return {module: len(records) for module, records in found.items()}

    def _extracted(self) -> dict[str, list[dict[str, Any]]]:
        """Return module → records of its manifest's files."""
        found = {}
        for path in self._files.glob("module=*/run=*/_manifest.json"):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            records: list[dict[str, Any]] = []
            for part in manifest["files"]:
                records += read_rows(Path(part["path"]))
            self._stage.checks.equal(
                f"{manifest['module']} in Airflow's manifest", manifest["rows"], len(records)
            )
            found[manifest["module"]] = records
        return found

    def _load(
        self, account: SimulatedAccount, scenario: Scenario
    ) -> tuple[dict[str, int], dict[str, int], list[dict[str, Any]]]:
        rows = self._write_leads(scenario)
        expected = Expectation(rows, FIELDS, account.records("Contacts"))
        self._test(LOAD, {"input": str(self._leads), "rejects": str(self._rejects)})
        summary = self._xcom(LOAD, "load")
        outcomes = {name: n for name, n in summary["outcomes"].items() if n}
        rejects = read_rows(self._rejects)
        checks = self._stage.checks
        checks.equal("the summary of Airflow's load", outcomes, expected.outcomes)
        checks.equal("rows of Airflow's load", summary["rows"], len(rows))
        checks.equal(
            "rows in the rejects file of Airflow's load",
            len(rejects),
            expected.outcomes.get("rejected", 0),
        )
        expected.check(checks, "load by Airflow", account.records("Contacts"))
        self._stage.story.say(
            "One row was refused, which the DAG allows (5%), so its tasks succeed: "
            + ", ".join(f"{n} {name}" for name, n in outcomes.items())
        )
        return expected.outcomes, outcomes, rejects

    def _write_leads(self, scenario: Scenario) -> list[dict[str, str]]:
        """Write a file of leads from Airflow's own extract; returns its rows."""
        files = self._files / "module=Contacts" / "run=*" / "part-*.jsonl"
        sql = _LEADS_SQL.format(
            renamed=_RENAMED, known=_KNOWN, files=_quoted(files), path=_quoted(self._leads)
        )
        duckdb.connect().execute(sql)
        new: list[Sequence[str]] = [
            (f"lead.{number}@example.org", "Lea", f"Lead {number}")
            for number in range(scenario.prospects)
        ]
        new.append(("no.surname@example.org", "Cher", ""))
        with self._leads.open("a", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(new)
        with self._leads.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        self._stage.story.say(f"{len(rows)} leads are in {self._leads.name}.")
        return rows

    def _states(self) -> list[tuple[str, str, int, str]]:
        sql = (
            "select dag_id, task_id, map_index, state from task_instance "
            "order by dag_id, start_date"
        )
        return [(dag, task, index, state) for dag, task, index, state in self._query(sql)]

    def _xcom(self, dag: str, task: str) -> dict[str, Any]:
        """Return what a task returned."""
        sql = "select value from xcom where dag_id = ? and task_id = ? and key = 'return_value'"
        found: dict[str, Any] = json.loads(self._query(sql, (dag, task))[0][0])
        return found

    def _query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._stage.work.airflow / "airflow.db")) as connection:
            return connection.execute(sql, parameters).fetchall()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
