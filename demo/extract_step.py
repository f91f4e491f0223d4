"""Steps 2 and 3: every module into the warehouse, then only what changed."""

from __future__ import annotations

from changes import Changes
from service import SimulatedAccount
from stage import Stage, plugin_lines


def full(stage: Stage, account: SimulatedAccount) -> dict[str, int]:
    """Read everything; returns module → rows in DuckDB."""
    stage.story.title("Every module into the warehouse: tap-bigin to DuckDB, under Meltano")
    run(stage, "extract-full")
    return compare(stage, account, "after the full run")


def incremental(stage: Stage, account: SimulatedAccount, changes: Changes) -> dict[str, int]:
    """Read again, with the state of the run before; returns module → rows in DuckDB."""
    stage.story.title("The same command again brings only what changed since")
    before = stage.warehouse.last_extraction()
    run(stage, "extract-incremental")
    for module in account.counts():
        stage.checks.same_ids(
            f"{module} rows that the incremental run brought",
            stage.warehouse.extracted_after(module, before),
            changes.touched(module),
        )
        stage.checks.same_ids(
            f"{module} deletions in DuckDB",
            stage.warehouse.deleted(module),
            changes.deleted.get(module, set()),
        )
    return compare(stage, account, "after the incremental run")


def run(stage: Stage, name: str) -> None:
    """Run the tap into DuckDB and show what it says."""
    done = stage.meltano(name, "run", "tap-bigin", "target-duckdb")
    stage.story.quote(plugin_lines(done, "rows, ", "read by"))
    stage.story.quote(plugin_lines(done, "In all:"))


def compare(stage: Stage, account: SimulatedAccount, when: str) -> dict[str, int]:
    """Compare every row of every module with the account; returns module → rows in DuckDB."""
    found = {}
    for module in account.counts():
        records = account.records(module)
        ids = stage.warehouse.ids(module)
        found[module] = len(ids)
        stage.checks.same_ids(f"{module} in DuckDB {when}", ids, set(records))
        stage.checks.same_ids(
            f"{module} rows with other values than the account {when}",
            stage.warehouse.differing(module, records),
            set(),
        )
    return found
