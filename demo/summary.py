"""The last page: every figure once more, side by side, and where to look."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from airflow_step import Flown
from changes import Changes
from load_step import OUTCOMES, Loaded
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
        flown: What Airflow did.
        end: Module → records in the account at the end.
    """

    start: dict[str, int]
    full: dict[str, int]
    changes: Changes
    incremental: dict[str, int]
    loaded: Loaded
    flown: Flown
    end: dict[str, int]


def show(stage: Stage, figures: Figures) -> None:
    """Print the summary."""
    stage.story.title("What happened, in figures")
    _modules(stage, figures)
    _loads(stage, figures)
    _tasks(stage, figures.flown)
    _steps(stage)
    _places(stage)


def _modules(stage: Stage, figures: Figures) -> None:
    touched = figures.changes
    rows = [
        (
            module,
            count,
            figures.full[module],
            len(touched.edited.get(module, ())),
            len(touched.inserted.get(module, ())),
            len(touched.deleted.get(module, ())),
            figures.incremental[module],
            figures.flown.rows.get(module, ""),
            figures.end[module],
        )
        for module, count in figures.start.items()
    ]
    columns = (
        "Module", "Bigin, first", "DuckDB, full", "edited", "added", "deleted", "DuckDB, incr.",
        "Airflow, files", "Bigin, last",
    )  # fmt: skip
    stage.story.table(columns, rows, title="Records per module")


def _loads(stage: Stage, figures: Figures) -> None:
    loaded, flown = figures.loaded, figures.flown
    rows = [
        (
            outcome,
            loaded.expected.get(outcome, 0),
            loaded.plan.get(outcome, 0),
            loaded.outcomes.get(outcome, 0),
            flown.expected.get(outcome, 0),
            flown.outcomes.get(outcome, 0),
        )
        for outcome in OUTCOMES.values()
    ]
    columns = ("Rows", "expected", "dry run", "target-bigin", "expected", "Airflow")
    stage.story.table(columns, rows, title="Loads into Contacts, by e-mail")
    for what, rejects in (("target-bigin", loaded.rejects), ("Airflow", flown.rejects)):
        for reject in rejects:
            stage.story.say(
                f"refused through {what}: {reject['code']} on {reject['field']}: {reject['reason']}"
            )


def _tasks(stage: Stage, flown: Flown) -> None:
    counts = Counter((dag, task, state) for dag, task, _, state in flown.states)
    rows = [(dag, task, number, state) for (dag, task, state), number in counts.items()]
    stage.story.table(("DAG", "Task", "Runs", "State"), rows, title="Airflow tasks")


def _steps(stage: Stage) -> None:
    rows = [(s.name, f"{s.seconds:.0f} s", s.requests, s.credits) for s in stage.steps]
    stage.story.table(("Step", "Time", "Requests", "Credits"), rows, title="What it took")


def _places(stage: Stage) -> None:
    work = stage.work
    stage.story.say("", f"Where to look, in {work.folder}:")
    for path, what in (
        (work.warehouse, "the warehouse"),
        (work.rows, "the rows that went back"),
        (work.reports, "plan, reports and rejects of target-bigin"),
        (work.project / "meltano.yml", "the Meltano project, with demo.yml beside it"),
        (work.airflow, "Airflow's database, extracted files, leads and rejects"),
        (work.logs, "everything that the programs said"),
    ):
        stage.story.say(f"{path.relative_to(work.folder)}: {what}")
