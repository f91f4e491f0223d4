"""Load rows into Bigin: every row ends in exactly one outcome, and none is written twice.

The simple way, for rows of one input::

    report = client.load("Contacts", rows, mode="upsert", match_on=["Email"],
                         rejects_path="rejects.jsonl", max_rejects="1%")
    report.to_dict()   # the form of design.md section 13
    report.status      # "ok", "rejects" or "failed"
    report.exit_codes  # for `bigin_client.console.worst`

``client.load(module, rows, *, stream=None, rejects_path=None, max_rejects=0, plan_path=None,
outcomes_path=None, report_path=None, dry_run=False, **options)``: *rows* is any iterable of
mappings, read one at a time; *options* are those of `LoadOptions` (mode, match_on, fields,
nulls, …). Refused rows are no exception: they are counted, and kept in *rejects_path*. What
stops the load (`ServiceError`, `CreditsExhaustedError`, …) or refuses it (`SettingsError`) is
raised, with the report in the exception's ``report`` attribute.

Row by row, for front ends that keep their own place in the input (STATE, checkpoints)::

    with LoadRun(client, RunOptions(rejects_path="rejects.jsonl")) as run:
        loader = run.stream("crm_customers", "Contacts", LoadOptions(match_on=("Email",)))
        for position, row in enumerate(rows):
            for done in loader.add(row, tag=position):   # a list of RowOutcome, any order
                ...                                      # done.tag, done.outcome, done.id
        for done in loader.settle():                     # now every row has its outcome
            ...
        run.sync_files()                                 # rejects are on disk: save the place
        report = run.close()                             # LoadReport

- ``loader.add`` plans rows in chunks and writes in the background; `loader.settle` waits until
  everything accepted so far has an outcome. Settling often makes small batches: do it by time,
  not per row.
- ``RowOutcome.handled`` is False for rows whose turn never came because the load stopped: the
  saved place must stay before them. `LoadRun.stopped` and `Loader.failure` say why.
- ``run.rejects_are_safe`` says whether a saved place may pass refused rows.
- ``retry_rejects(client, path, RunOptions(dry_run=True), {})`` loads the rows of a rejects
  file again; ``read_rejects`` reads one.
- Streams into one module share what they know; ask `run.stream` for each by its own name.
"""

from bigin_client.load.loader import Loader
from bigin_client.load.options import LoadOptions, Lookup, RunOptions
from bigin_client.load.results import LoadReport, Outcome, RowOutcome, StreamReport
from bigin_client.load.retrying import read_rejects, rejects_beside, retry_rejects
from bigin_client.load.run import LoadRun, load_rows

__all__ = [
    "LoadOptions",
    "LoadReport",
    "LoadRun",
    "Loader",
    "Lookup",
    "Outcome",
    "RowOutcome",
    "RunOptions",
    "StreamReport",
    "load_rows",
    "read_rejects",
    "rejects_beside",
    "retry_rejects",
]
