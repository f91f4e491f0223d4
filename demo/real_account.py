"""The story with the real account behind MATON_API_KEY: only its reading parts."""

from __future__ import annotations

import extract_step
from stage import Stage

from bigin_client import BiginClient, Settings
from bigin_client.errors import BiginError, NotFoundError, ScopeError

NO_TERMINAL = (
    "MATON_API_KEY is set, and without a terminal nobody can be asked whether the real account "
    "may be read. Nothing was done.\n"
    "For the simulator: env -u MATON_API_KEY make demo"
)
_QUESTION = (
    "MATON_API_KEY is set. Shall the demo read the real Bigin account behind it into a DuckDB\n"
    "file on this machine? Nothing is written to the account. Anything but yes: the simulator\n"
    "is used instead. [yes/no] "
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
            after = _counts(client)
    except BiginError as error:
        raise RuntimeError(str(error)) from None
    stage.story.title("What happened, in figures")
    rows = []
    for module, count in before.items():
        found = len(stage.warehouse.ids(module))
        rows.append((module, count, after[module], found))
        # People go on working: only a number that stood still can be compared.
        if count == after[module]:
            stage.checks.equal(f"{module} in DuckDB", found, count)
    stage.story.table(("Module", "Bigin before", "Bigin after", "DuckDB"), rows)
    stage.story.say(
        "", "The load and Airflow were left out: they write. See them with the simulator.",
        f"The warehouse: {stage.work.warehouse}",
    )  # fmt: skip


def _counts(client: BiginClient) -> dict[str, int]:
    """Return module → records, for modules that the connection may read and count."""
    found = {}
    for module in client.modules():
        if module.api_supported:
            try:
                found[module.api_name] = client.count_records(module.api_name)
            except (ScopeError, NotFoundError):
                continue
    return found
