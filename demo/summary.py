"""The last page: every figure once more, side by side, and where to look."""

from __future__ import annotations

from dataclasses import dataclass

from changes import Changes
from load_step import Loaded
from stage import Stage


@dataclass
class Figures:
    """What the steps found.

    Attributes:
        start: Module → records in the account at the start.
        full: Module → rows in DuckDB after the full run.
        changes: What was done in Bigin.
        incremental: Module → rows in DuckDB after the incremental run.
        loaded: What the load did.
    """

    start: dict[str, int]
    full: dict[str, int]
    changes: Changes
    incremental: dict[str, int]
    loaded: Loaded


def show(stage: Stage, figures: Figures) -> None:
    """Print the summary."""
    stage.story.title("What happened, in figures")
    _modules(stage, figures)
    _load(stage, figures.loaded)
    _steps(stage)
    _places(stage)


def _modules(stage: Stage, figures: Figures) -> None:
    rows = []
    for module, count in figures.start.items():
        touched = figures.changes
        rows.append(
            (
                module,
                count,
                figures.full[module],
                len(touched.edited.get(module, ())),
                len(touched.inserted.get(module, ())),
                len(touched.deleted.get(module, ())),
                figures.incremental[module],
            )
        )
    columns = ("Module", "Bigin", "DuckDB, full", "edited", "added", "deleted", "DuckDB, incr.")
    stage.story.table(columns, rows, title="Rows per module")


def _load(stage: Stage, loaded: Loaded) -> None:
    plan = {
        "created": loaded.plan.get("create", 0),
        "updated": loaded.plan.get("update", 0),
        "unchanged": loaded.plan.get("unchanged", 0),
        "rejected": loaded.plan.get("reject", 0),
    }
    rows = [
        (name, loaded.expected.get(name, 0), planned, loaded.outcomes[name])
        for name, planned in plan.items()
    ]
    columns = ("Rows for Contacts", "from the account", "dry run's plan", "load's report")
    stage.story.table(columns, rows, title="Reverse ETL")
    for reject in loaded.rejects:
        stage.story.say(f"refused: {reject['code']} on {reject['field']}: {reject['reason']}")


def _steps(stage: Stage) -> None:
    rows = [(s.name, f"{s.seconds:.0f} s", s.requests, s.credits) for s in stage.steps]
    stage.story.table(("Step", "Time", "Requests", "Credits"), rows, title="What it took")


def _places(stage: Stage) -> None:
    work = stage.work
    stage.story.say("", "Where to look:")
    for path, what in (
        (work.warehouse, "the warehouse"),
        (work.rows, "the rows that went back"),
        (work.reports, "plan, report and rejects of target-bigin"),
        (work.project / "meltano.yml", "the Meltano project, with demo.yml beside it"),
        (work.logs, "everything that the programs said"),
    ):
        stage.story.say(f"{path.relative_to(work.folder)}: {what}")
    stage.story.say(f"All of it in {work.folder}")
