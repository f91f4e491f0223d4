"""Step 4: a table that analysts changed goes back to Bigin, planned first, then for real."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
#: Exit code of target-bigin: more rows refused than allowed (README).
REJECTS = 5
#: Plan lines and rejects shown.
_EXAMPLES = 2

Record = Mapping[str, Any]


@dataclass
class Loaded:
    """What the load did.

    Attributes:
        expected: Outcome → rows, worked out from the file and the account before the load.
        plan: Action → rows of the dry run's plan.
        outcomes: Outcome → rows of the load's report.
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
    fates = [_fate(row, before) for row in rows]
    expected = dict(Counter(fates))
    plan = _dry_run(stage, account, before)
    outcomes, rejects = _load(stage)
    _check_plan(stage, plan, expected)
    _check_outcomes(stage, outcomes, expected, len(rows))
    _check_account(stage, account, rows, fates, before)
    stage.checks.equal("rows in the rejects file", len(rejects), expected.get("rejected", 0))
    return Loaded(expected, plan, outcomes, rejects)


def _write_rows(stage: Stage, scenario: Scenario) -> list[dict[str, Any]]:
    stage.story.say("Analysts build a table, give some contacts a new title and add prospects:")
    copy = COPY_SQL.format(path=stage.work.rows.relative_to(stage.work.project))
    stage.story.quote([*CUSTOMERS_SQL.splitlines(), copy])
    stage.warehouse.write_customers(stage.work.rows, scenario)
    rows = read_rows(stage.work.rows)
    stage.story.say(f"{len(rows)} rows are in {stage.work.rows.name}.")
    return rows


def _dry_run(stage: Stage, account: SimulatedAccount, before: dict[str, Any]) -> dict[str, int]:
    stage.story.say("First a dry run, which writes nothing to Bigin:")
    # Meltano ends with 1 whatever its plugins end with.
    done = stage.meltano("load-dry-run", "run", "tap-jsonl", "target-bigin--dry-run", expected=1)
    _exit_code(stage, plugin_lines(done, "exit code"))
    lines = read_rows(stage.work.reports / "plan.jsonl")
    plan = dict(Counter(line["action"] for line in lines))
    stage.story.say("Its plan: " + ", ".join(f"{n} {action}" for action, n in sorted(plan.items())))
    for action in ("update", "create", "reject"):
        examples = [line for line in lines if line["action"] == action][:_EXAMPLES]
        stage.story.quote(json.dumps(line, ensure_ascii=False) for line in examples)
    unharmed = account.records("Contacts") == before
    stage.checks.equal("the dry run leaves the account as it was", unharmed, expected=True)
    return plan


def _load(stage: Stage) -> tuple[dict[str, int], list[dict[str, Any]]]:
    stage.story.say("Then for real:")
    done = stage.meltano("load", "run", "tap-jsonl", "target-bigin", expected=1)
    stage.story.quote(plugin_lines(done, f"{STREAM}: ", "rows into"))
    _exit_code(stage, plugin_lines(done, "exit code"))
    report = json.loads((stage.work.reports / "report.json").read_text(encoding="utf-8"))
    rejects = read_rows(stage.work.reports / "rejects.jsonl")
    stage.story.say("The refused row, from reports/rejects.jsonl:")
    for reject in rejects[:_EXAMPLES]:
        shown = {name: reject[name] for name in ("key", "code", "field", "reason", "outcome")}
        stage.story.quote([json.dumps(shown, ensure_ascii=False)])
    return report["streams"][STREAM]["outcomes"], rejects


def _exit_code(stage: Stage, lines: list[str]) -> None:
    """Show the exit code that the last line names, because Meltano shows only 1."""
    stage.story.say("Meltano ends with exit code 1; target-bigin's own is in its last line:")
    stage.story.quote(lines)
    named = bool(lines) and f"exit code {REJECTS}:" in lines[-1]
    stage.checks.equal("target-bigin names exit code 5 for the bad row", named, expected=True)


def _fate(row: Record, before: Mapping[str, Record]) -> str:
    """Work out what must become of a row, from the account alone."""
    found = _by_email(before).get(str(row["email"]).casefold())
    if found is None:
        return "created" if row["last_name"] else "rejected"
    given = {column: value for column, value in row.items() if value is not None}
    same = all(found[FIELDS[column]] == value for column, value in given.items())
    return "unchanged" if same else "updated"


def _by_email(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return contacts by e-mail, whose case does not count for Bigin."""
    return {r["Email"].casefold(): r for r in records.values() if r["Email"]}


def _check_plan(stage: Stage, plan: dict[str, int], expected: dict[str, int]) -> None:
    words = {
        "create": "created",
        "update": "updated",
        "unchanged": "unchanged",
        "reject": "rejected",
    }
    planned = {words.get(action, action): n for action, n in plan.items()}
    stage.checks.equal("the dry run's plan", planned, expected)


def _check_outcomes(
    stage: Stage, outcomes: dict[str, int], expected: dict[str, int], rows: int
) -> None:
    stage.checks.equal("the load's report", {k: n for k, n in outcomes.items() if n}, expected)
    stage.checks.equal("outcomes of the load add up to its rows", sum(outcomes.values()), rows)


def _check_account(
    stage: Stage,
    account: SimulatedAccount,
    rows: list[dict[str, Any]],
    fates: list[str],
    before: Mapping[str, Record],
) -> None:
    """Look in the account for what was, and was not, to be written."""
    after = account.records("Contacts")
    created = fates.count("created")
    stage.checks.equal("contacts in Bigin after the load", len(after), len(before) + created)
    present = _by_email(after)
    wrong, moved, stray = set(), set(), set()
    for row, fate in zip(rows, fates, strict=True):
        email = str(row["email"])
        record = present.get(email.casefold())
        if fate == "rejected":
            stray |= {email} if record else set()
        elif record is None or any(
            record[FIELDS[column]] != value for column, value in row.items() if value is not None
        ):
            wrong.add(email)
        elif fate == "unchanged":
            moved |= {email} if record != before[record["id"]] else set()
    stage.checks.same_ids("contacts that do not hold what the row said", wrong, set())
    stage.checks.same_ids("unchanged contacts that were written all the same", moved, set())
    stage.checks.same_ids("refused rows that are in Bigin", stray, set())
