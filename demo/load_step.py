"""Step 5: a table that analysts changed goes back to Bigin, planned first, then for real."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from expectations import Expectation
from scenario import Scenario
from service import SimulatedAccount
from stage import Stage, plugin_lines
from warehouse import COPY_SQL, CUSTOMERS_SQL, read_rows

STREAM = "crm_customers"
#: Column → field, as demo/meltano.yml and the names say.
FIELDS = {
    "email": "Email",
    "first_name": "First_Name",
    "last_name": "Last_Name",
    "job_title": "Title",
    "city": "Mailing_City",
}
#: Action of a plan → outcome of a load.
OUTCOMES = {
    "create": "created",
    "update": "updated",
    "unchanged": "unchanged",
    "reject": "rejected",
}
#: Exit code of target-bigin: more rows refused than allowed (README).
REJECTS = 5
#: Plan lines and rejects shown.
_EXAMPLES = 2


@dataclass
class Loaded:
    """What the load did.

    Attributes:
        expected: Outcome → rows, worked out from the file and the account before the load.
        plan: Outcome → rows of the dry run's plan.
        outcomes: Outcome → rows of the load's report, zeros left out.
        rejects: Lines of the rejects file.
    """

    expected: dict[str, int]
    plan: dict[str, int]
    outcomes: dict[str, int]
    rejects: list[dict[str, Any]]


def load(stage: Stage, account: SimulatedAccount, scenario: Scenario) -> Loaded:
    """Write the table as JSON lines, plan the load, then do it."""
    stage.story.title("A changed table back into Bigin: DuckDB, tap-jsonl, target-bigin")
    rows = _write_rows(stage, scenario)
    before = account.records("Contacts")
    expected = Expectation(rows, FIELDS, before)
    plan = _dry_run(stage)
    stage.checks.equal("the dry run's plan", plan, expected.outcomes)
    unharmed = account.records("Contacts") == before
    stage.checks.equal("the dry run leaves the account as it was", unharmed, expected=True)
    outcomes = _load(stage, account, len(rows))
    stage.checks.equal("the load's report", outcomes, expected.outcomes)
    expected.check(stage.checks, "load", account.records("Contacts"))
    rejects = read_rows(stage.work.reports / "rejects.jsonl")
    refused = expected.outcomes.get("rejected", 0)
    stage.checks.equal("rows in the rejects file", len(rejects), refused)
    stage.story.say("The refused row, from reports/rejects.jsonl:")
    for reject in rejects[:_EXAMPLES]:
        shown = {name: reject[name] for name in ("key", "code", "field", "reason", "outcome")}
        stage.story.quote([json.dumps(shown, ensure_ascii=False)])
    return Loaded(expected.outcomes, plan, outcomes, rejects)


def _write_rows(stage: Stage, scenario: Scenario) -> list[dict[str, Any]]:
    stage.story.say("Analysts build a table, give some contacts a new title and add prospects:")
    copy = COPY_SQL.format(path=stage.work.rows.relative_to(stage.work.project))
    stage.story.quote([*CUSTOMERS_SQL.splitlines(), copy])
    stage.warehouse.write_customers(stage.work.rows, scenario)
    rows = read_rows(stage.work.rows)
    stage.story.say(f"{len(rows)} rows are in {stage.work.rows.name}.")
    return rows


def _dry_run(stage: Stage) -> dict[str, int]:
    stage.story.say("First a dry run, which writes nothing to Bigin:")
    # Meltano ends with 1 whatever its plugins end with.
    done = stage.meltano("load-dry-run", "run", "tap-jsonl", "target-bigin--dry-run", expected=1)
    _exit_code(stage, plugin_lines(done, "exit code"))
    lines = read_rows(stage.work.reports / "plan.jsonl")
    plan = Counter(str(line["action"]) for line in lines)
    stage.story.say("Its plan: " + ", ".join(f"{n} {action}" for action, n in sorted(plan.items())))
    for action in ("update", "create", "reject"):
        examples = [line for line in lines if line["action"] == action][:_EXAMPLES]
        stage.story.quote(json.dumps(line, ensure_ascii=False) for line in examples)
    return {OUTCOMES.get(action, action): n for action, n in plan.items()}


def _load(stage: Stage, account: SimulatedAccount, rows: int) -> dict[str, int]:
    stage.story.say("Then for real:")
    requests, credits_used = account.usage()
    done = stage.meltano("load", "run", "tap-jsonl", "target-bigin", expected=1)
    requests_now, credits_now = account.usage()
    stage.story.quote(plugin_lines(done, f"{STREAM}: ", "rows into"))
    _exit_code(stage, plugin_lines(done, "exit code"))
    report = json.loads((stage.work.reports / "report.json").read_text(encoding="utf-8"))
    sent, used = report["requests"], report["credits"]["used"]
    stage.checks.equal("requests in the load's report", sent, requests_now - requests)
    stage.checks.equal("credits in the load's report", used, credits_now - credits_used)
    outcomes: dict[str, int] = report["streams"][STREAM]["outcomes"]
    stage.checks.equal("outcomes of the load add up to its rows", sum(outcomes.values()), rows)
    return {name: n for name, n in outcomes.items() if n}


def _exit_code(stage: Stage, lines: list[str]) -> None:
    """Show the exit code that the last line names, because Meltano shows only 1."""
    stage.story.say("Meltano ends with exit code 1; target-bigin's own is in its last line:")
    stage.story.quote(lines)
    named = bool(lines) and f"exit code {REJECTS}:" in lines[-1]
    stage.checks.equal("target-bigin names exit code 5 for the bad row", named, expected=True)
