"""The story with the real account behind MATON_API_KEY: only its reading parts."""

from __future__ import annotations

import extract_step
from airflow_step import Airflow
from stage import Stage

from bigin_client import BiginClient, Settings
from bigin_client.errors import BiginError, NotFoundError, RequestError, ScopeError

NO_TERMINAL = (
    "MATON_API_KEY is set, and without a terminal nobody can be asked whether the real account "
    "may be read. Nothing was done.\n"
    "For the simulator: env -u MATON_API_KEY make demo"
)
_QUESTION = (
    "MATON_API_KEY is set. Shall the demo read the real Bigin account behind it, twice in full\n"
    "and once for changes, into files on this machine? Nothing is written to the account; a read\n"
    "costs an API credit per 200 records. Anything but yes: the simulator is used. [yes/no] "
)


def may_be_read() -> bool:
    """Ask; returns whether the answer was yes."""
    return input(_QUESTION).strip().casefold() in {"y", "yes"}


def tell(stage: Stage) -> None:
    """Extract twice and compare with the account's own counts.

    Raises:
        RuntimeError: The account cannot be reached.
    """
    try:
        with BiginClient(Settings.from_env(), front_end="bigin") as client:
            before = _counts(client)
            stage.story.title("Every module of the account into DuckDB, under Meltano")
            extract_step.run(stage, "extract-full")
            stage.story.title("The same command again brings only what changed since")
            extract_step.run(stage, "extract-incremental")
            files = Airflow(stage).extract()
            after = _counts(client)
    except BiginError as error:
        raise RuntimeError(str(error)) from None
    stage.story.title("What happened, in figures")
    rows = []
    for module, count in before.items():
        # The tap leaves out what it may not read, and has said so.
        there = stage.warehouse.has(module)
        found = len(stage.warehouse.ids(module)) if there else None
        rows.append((module, count, after.get(module), found, files.get(module)))
        # People go on working: only a number that stood still can be compared.
        if there and count == after.get(module):
            stage.checks.equal(f"{module} in DuckDB", found, count)
            stage.checks.equal(f"{module} in Airflow's files", files.get(module, count), count)
    columns = ("Module", "Bigin before", "Bigin after", "DuckDB", "Airflow files")
    stage.story.table(columns, rows)
    stage.story.say(
        "",
        "The loads were left out: they write. See them with the simulator.",
        f"The warehouse: {stage.work.warehouse}",
        f"The files: {stage.work.airflow / 'files'}",
    )


def _counts(client: BiginClient) -> dict[str, int]:
    """Return module → records, for modules that the connection may read and count."""
    found = {}
    for module in client.modules():
        if module.api_supported:
            try:
                found[module.api_name] = client.count_records(module.api_name)
            except (ScopeError, NotFoundError, RequestError):
                continue
    return found
