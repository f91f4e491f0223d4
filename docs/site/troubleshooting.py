"""Troubleshooting by code: made by asking the code what it says to each."""

from __future__ import annotations

import inspect
from datetime import datetime, timezone

import msgspec
from tables import table

from bigin_client import errors, refusals
from bigin_client.console import ExitCode
from bigin_client.reply import Reply

PAGE = """\
# Troubleshooting

Made from the code. A message ends with the HTTP status, the code, the gateway's request id and who
answered; the hint behind it says what to do. `-v` shows what is retried and waited for,
`BIGIN_TRACEBACK=1` where an unexpected failure comes from.

## A program ended with an exit code

{exits}
When several apply: 1, 2, 3, 4, 6, 5; a signal before all. Meltano shows 1 for each: the last line
on standard error names the code.

## An error was raised

{classes}
## Bigin or the gateway answered with a code

What each answer becomes, and the hint that the message carries. With a status of 429 or 5xx the
request was sent again first, where that is safe, until `max_wait` was used up.

{codes}
## A row was refused, or skipped

`code` in the rejects file, in `rejects_by_code` of the report, and in the outcomes. Codes of the
service stand as they are.

{rows}"""

#: Answers, as bigin-api.md section 6 and maton.md A5 list them: status and code (None: gateway).
ANSWERS = (
    (400, "REQUIRED_PARAM_MISSING"),
    (400, "EXPECTED_PARAM_MISSING"),
    (400, "INVALID_MODULE"),
    (404, "INVALID_URL_PATTERN"),
    (400, "INVALID_REQUEST_METHOD"),
    (400, "INVALID_REQUEST"),
    (400, "INVALID_QUERY"),
    (400, "SYNTAX_ERROR"),
    (400, "LIMIT_EXCEEDED"),
    (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED"),
    (400, "PAGINATION_LIMIT_EXCEEDED"),
    (400, "EXPIRED_VALUE"),
    (400, "TOKEN_BOUND_DATA_MISMATCH"),
    (400, "AMBIGUITY_DURING_PROCESSING"),
    (400, "INVALID_DATA"),
    (401, "INVALID_TOKEN"),
    (401, "AUTHENTICATION_FAILURE"),
    (401, "OAUTH_SCOPE_MISMATCH"),
    (403, "NO_PERMISSION"),
    (400, "FEATURE_NOT_ENABLED"),
    (400, "NOT_SUPPORTED"),
    (429, "TOO_MANY_REQUESTS"),
    (429, "API_CREDITS_EXCEEDED"),
    (500, "INTERNAL_ERROR"),
    (302, None),
    (400, None),
    (401, None),
    (403, None),
    (404, None),
    (407, None),
    (412, None),
    (413, None),
    (415, None),
    (429, None),
    (500, None),
    (503, None),
)
#: Our own codes of rows; tests/docs looks for those that the code has and this table has not.
ROWS = {
    "ALREADY_INSERTED": "skipped: the journal knows that an earlier run inserted this row key",
    "CASCADE_NOT_ALLOWED": "deleting a company takes its contacts along: set `allow_cascade`",
    "DELETION_IGNORED": "skipped: the row was deleted at the source; see `on_delete`",
    "DUPLICATE_DATA": "a unique field has this value already; `id` names the record",
    "DUPLICATE_KEY_IN_INPUT": "another row of the input, with another row key, has this match key",
    "INVALID_DATA": "a value does not fit its field, as `reason` says; see "
    "[conversions](../load.md#values)",
    "LOOKUP_NOT_FOUND": "no record has the key of a lookup; see `lookups` and `on_missing`",
    "MANDATORY_NOT_FOUND": "a new record lacks a field that the module demands",
    "MATCH_KEY_MISSING": "the match key is blank: the service would insert a new record",
    "NOT_LOADED": "skipped: the load ended before the row's turn; run it again",
    "NO_ANSWER": "surely not written, after several tries without an answer; load it again",
    "OUTCOME_UNKNOWN": "sent, and nobody can tell whether it was written: look in Bigin",
    "PARENT_REJECTED": "the record that a lookup names was refused in this run: mend that row",
    "RECORD_CHANGED_SINCE": "skipped by a retry: the record was changed after the row was refused; "
    "`--overwrite-newer` writes it all the same",
    "RECORD_KEEPS_CHANGING": "another program changes the record each time before it is written",
    "RECORD_NOT_FOUND": "no record has this key or id, and the mode does not make one",
    "ROW_KEY_MISSING": "a column of the row key is blank, so a rerun could not know the row again",
    "ROW_LIMIT": "skipped: `limit_rows` was reached",
    "SEVERAL_RECORDS_MATCH": "the key finds several records; clean up, or use a sharper `match_on`",
    "TOO_MANY_REQUESTS": "the service was busy until `max_wait` was used up; load it again",
    "UNKNOWN_ERROR": "the service refused the row without a code",
    "UNREADABLE_ROW": "a line of the file is no row: broken JSON or CSV",
}
_SUGGESTED = {"gateway": "the gateway (no code)"}


def page() -> str:
    """Return the page."""
    return PAGE.format(
        exits=table(
            ["Code", "Meaning", "Look at"], [(c.value, c.meaning, _LOOK[c]) for c in ExitCode]
        ),
        classes=table(["Error", "Exit code", "Meaning"], _classes()),
        codes=table(["Status", "Code", "Becomes", "Hint"], _codes()),
        rows=table(["Code", "Meaning"], [(f"`{c}`", said) for c, said in sorted(ROWS.items())]),
    )


_LOOK = {
    ExitCode.DONE: "refusals within `max_rejects` are included: the report counts them",
    ExitCode.UNEXPECTED: "run again with `BIGIN_TRACEBACK=1`, and please report it",
    ExitCode.SETTINGS: "the message names the setting",
    ExitCode.CONNECTION: "`bigin doctor`, `bigin connections list`",
    ExitCode.SERVICE: "run the same command again: what was done is kept",
    ExitCode.REJECTS: "the rejects file; mend it and `bigin load --retry-rejects FILE`",
    ExitCode.STREAM_FAILED: "the message names the stream; the others are done",
}


def _classes() -> list[tuple[str, int, str]]:
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.BiginError)
    ]
    return [
        (f"[{k.__name__}](errors.md#bigin_client.errors.{k.__name__})", k.exit_code, _first(k))
        for k in kinds
        if k is not errors.BiginError
    ]


def _first(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("``", "`")


def _codes() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for status, code in ANSWERS:
        body = {"code": code, "status": "error", "message": "", "details": {}} if code else {}
        reply = Reply(status, {}, msgspec.json.encode(body), datetime.now(timezone.utc))
        connection = refusals.Connection("…", "FAILED" if code is None else "ACTIVE")
        known = connection if refusals.may_be_the_connection(reply) and status != 404 else None  # noqa: PLR2004 - HTTP
        error = refusals.from_reply(reply, "GET Contacts", module="Contacts", connection=known)
        shown = f"`{code}`" if code else _SUGGESTED["gateway"]
        rows.append((status, shown, type(error).__name__, error.hint))
    return rows
