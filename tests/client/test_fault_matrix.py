"""The fault matrix: every operation under every fault, with what the account holds afterwards.

`docs/faults.md` is made from it by ``.venv/dev/bin/python tests/client/test_fault_matrix.py``. A
test fails when the table there is not what happens.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bigin_client import BiginClient, Settings, transport
from bigin_client.criteria import field as criteria_field
from bigin_client.errors import BiginError, ServiceError
from bigin_client.testing import BiginSimulator

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

#: Name → what is added to the simulator, for the operation's own requests.
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "429 once": {"kind": "status", "status": 429},
    "429 of Bigin, Retry-After 1": {
        "kind": "status", "status": 429, "code": "TOO_MANY_REQUESTS", "retry_after": 1,
    },
    "429 for ever": {"kind": "status", "status": 429, "times": None},
    "429, Retry-After 1 hour": {"kind": "status", "status": 429, "retry_after": 3600},
    "500 of Bigin once": {"kind": "status", "status": 500, "code": "INTERNAL_ERROR"},
    "500 of the gateway once": {"kind": "status", "status": 500},
    "500 of the gateway for ever": {"kind": "status", "status": 500, "times": None},
    "500, broken JSON, once": {"kind": "broken_json"},
    "502 as HTML once": {"kind": "html"},
    "502 after it was done": {"kind": "status_after", "status": 502, "shape": "html"},
    "503 for ever": {"kind": "status", "status": 503, "times": None},
    "200 with a page of HTML": {"kind": "status", "status": 200, "shape": "html"},
    "cut before it was done": {"kind": "cut"},
    "cut after it was done": {"kind": "cut_after"},
    "cut, done later": {"kind": "late", "delay": 0.15},
    "half a reply": {"kind": "truncate"},
    "silence before it was done": {"kind": "stall", "seconds": 0.35},
    "silence after it was done": {"kind": "slow", "seconds": 0.35},
    "silence amid the reply": {"kind": "stall_body", "seconds": 0.35},
    "401 INVALID_TOKEN once": {"kind": "status", "status": 401, "code": "INVALID_TOKEN"},
    "401 of the gateway": {"kind": "status", "status": 401, "times": None},
    "scope revoked": {"kind": "revoke"},
    "connection fails": {"kind": "fail_connection"},
    "page comes twice": {"kind": "duplicate_page", "after": 1},
    "no token for the next page": {"kind": "missing_token"},
    "token expired": {"kind": "token_expired"},
    "one row: INTERNAL_ERROR once": {"kind": "row_error"},
    "one row refused": {"kind": "row_error", "code": "NOT_ALLOWED", "times": None},
    "batch refused for one row": {
        "kind": "batch_refused",
        "when": lambda row: "Row 1" in (row.get("Last_Name"), row.get("Product_Name")),
        "times": None,
    },
}  # fmt: skip

EVERYONE = criteria_field("Modified_Time").greater_than(
    dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
)
PAGING = ("page comes twice", "no token for the next page", "token expired")
ROWS = ("one row: INTERNAL_ERROR once", "one row refused", "batch refused for one row")


@dataclass
class Scene:
    """A simulator with a few records, and a client of it."""

    sim: BiginSimulator
    client: BiginClient
    ids: list[str]
    product: str
    attachment: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)


@contextmanager
def scene() -> Iterator[Scene]:
    """Start one; waits between tries take no time."""
    sizes = {"Contacts": 3, "Products": 1}
    with (
        BiginSimulator(sizes=sizes, rate_limit=None, index_lag=0.0) as sim,
        BiginClient(
            Settings(
                api_key=sim.api_key,
                base_url=sim.base_url,
                connection_id=sim.connection_id,
                requests_per_second=0,
                request_timeout=0.15,
                max_wait=60,
            )
        ) as client,
    ):
        client.fields("Contacts"), client.fields("Products")
        ids = [r["id"] for r in sim.store.records("Contacts")]
        yield Scene(sim, client, ids, sim.store.records("Products")[0]["id"])


def rows(key: str = "Last_Name") -> list[dict[str, Any]]:
    return [{key: f"Row {i}"} for i in range(2)]


def written(one: Scene, module: str = "Contacts", key: str = "Last_Name") -> int:
    """How many records of the store were made, or changed, by the operation's two rows."""
    return sum(str(r[key]).startswith("Row ") for r in one.sim.store.records(module))


def with_mail() -> list[dict[str, Any]]:
    return [{**r, "Email": f"row{i}@example.org"} for i, r in enumerate(rows())]


@dataclass(frozen=True)
class Operation:
    """One column of a table.

    Attributes:
        match: The simulator's name of its requests.
        run: Does it.
        whole: Whether what came back is all there is (reads).
        stored: How many of its two rows took effect (writes).
    """

    match: str
    run: Callable[[Scene], Any]
    whole: Callable[[Scene, Any], bool] | None = None
    stored: Callable[[Scene], int] | None = None
    prepare: Callable[[Scene], object] = lambda _one: None
    paged: bool = False
    by_rows: bool = False
    is_file: bool = False


def _download(one: Scene) -> bytes:
    target = io.BytesIO()
    one.client.related.download_attachment("Contacts", one.ids[0], one.attachment, target)
    return target.getvalue()


def _attach(one: Scene, content: bytes = b"content" * 99) -> Any:
    return one.client.related.attach("Contacts", one.ids[0], io.BytesIO(content), "a.txt")


def _attached(one: Scene) -> None:
    one.attachment = _attach(one).id


def _attachments(one: Scene) -> int:
    one.sim.faults.clear()
    one.sim.set_connection_status(one.sim.connection_id, "ACTIVE")
    one.sim.grant("Contacts")
    return len(list(one.client.related.attachments("Contacts", one.ids[0])))


def _linked(one: Scene) -> int:
    one.sim.faults.clear()
    one.sim.set_connection_status(one.sim.connection_id, "ACTIVE")
    one.sim.grant("Contacts")
    found = one.client.related.records("Contacts", one.ids[0], "Products", ["Product_Name"])
    return len(list(found))


READS: dict[str, Operation] = {
    "list": Operation(
        "list",
        lambda one: list(one.client.list_records("Contacts", ["Last_Name"], page_size=1)),
        lambda one, found: sorted(r["id"] for r in found) == sorted(one.ids),
        paged=True,
    ),
    "get": Operation(
        "get",
        lambda one: one.client.get_record("Contacts", one.ids[0], ["Last_Name"]),
        lambda one, found: found["id"] == one.ids[0],
    ),
    "search": Operation(
        "search",
        lambda one: list(one.client.search_records("Contacts", criteria=EVERYONE, fields=["id"])),
        lambda one, found: len(found) == len(one.ids),
    ),
    "COQL": Operation(
        "coql",
        lambda one: list(one.client.query("select id from Contacts where id is not null")),
        lambda one, found: sorted(r["id"] for r in found) == sorted(one.ids),
    ),
    "count": Operation(
        "count",
        lambda one: one.client.count_records("Contacts"),
        lambda one, found: found == len(one.ids),
    ),
    "deleted": Operation(
        "deleted",
        lambda one: list(one.client.deleted_records("Contacts")),
        lambda one, found: [t["id"] for t in found] == one.ids[:1],
        prepare=lambda one: one.sim.store.delete("Contacts", one.ids[0]),
    ),
    "download": Operation(
        "download_attachment",
        _download,
        lambda _one, found: found == b"content" * 99,
        prepare=_attached,
        is_file=True,
    ),
}

WRITES: dict[str, Operation] = {
    "insert": Operation(
        "insert",
        lambda one: list(one.client.insert_records("Contacts", rows())),
        stored=written,
        by_rows=True,
    ),
    "update": Operation(
        "update",
        lambda one: list(
            one.client.update_records(
                "Contacts", [{"id": i, **r} for i, r in zip(one.ids, rows(), strict=False)]
            )
        ),
        stored=written,
        by_rows=True,
    ),
    "upsert": Operation(
        "upsert",
        lambda one: list(one.client.upsert_records("Contacts", with_mail(), ["Email"])),
        stored=written,
        by_rows=True,
    ),
    "delete": Operation(
        "delete",
        lambda one: list(one.client.delete_records("Contacts", one.ids[:2])),
        stored=lambda one: sum(one.sim.store.get("Contacts", i) is None for i in one.ids[:2]),
    ),
    "link": Operation(
        "link",
        lambda one: [one.client.related.link("Contacts", one.ids[0], "Products", one.product)],
        stored=_linked,
        prepare=lambda one: one.client.related.unlink(
            "Contacts", one.ids[0], "Products", one.product
        ),
    ),
    "attach": Operation("upload_attachment", lambda one: [_attach(one)], stored=_attachments),
}


def _load(one: Scene, module: str, given: list[dict[str, Any]], **options: Any) -> None:
    """Load rows and keep the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        options["journal_path"] = str(Path(folder) / "journal.sqlite")
        try:
            report = one.client.load(module, given, settle_seconds=0.3, **options)
        except BiginError as error:
            if error.report is None:
                raise
            report = error.report
            stream = report.to_dict()["streams"][module]
            one.outcomes = {type(error).__name__: 1, **stream["outcomes"]}
            return
    one.outcomes = report.to_dict()["streams"][module]["outcomes"]


LOADS: dict[str, Operation] = {
    "insert by row key": Operation(
        "insert",
        lambda one: _load(
            one, "Products", rows("Product_Name"), mode="insert", row_key=["Product_Name"]
        ),
        stored=functools.partial(written, module="Products", key="Product_Name"),
        by_rows=True,
    ),
    "upsert by a unique field": Operation(
        "upsert",
        lambda one: _load(one, "Contacts", with_mail(), match_on=["Email"], compare="never"),
        stored=written,
        by_rows=True,
    ),
    "update by id": Operation(
        "update",
        lambda one: _load(
            one,
            "Contacts",
            [{"id": i, **r} for i, r in zip(one.ids, rows(), strict=False)],
            mode="update",
        ),
        stored=written,
        by_rows=True,
    ),
    "delete by id": Operation(
        "delete",
        lambda one: _load(one, "Contacts", [{"id": i} for i in one.ids[:2]], mode="delete"),
        stored=lambda one: sum(one.sim.store.get("Contacts", i) is None for i in one.ids[:2]),
    ),
}


@contextmanager
def no_waits() -> Iterator[None]:
    """Retry at once; a load's wait for late writes (0.3 s) is kept."""
    wait = transport.Transport._interruptible_sleep

    def short(self: transport.Transport, seconds: float) -> None:
        wait(self, seconds if seconds <= 0.3 else 0.001)

    with (
        patch.object(transport, "FIRST_DELAY", 0.001),
        patch.object(transport, "LONGEST_DELAY", 0.002),
        patch.object(transport.Transport, "_interruptible_sleep", short),
    ):
        yield


def cell(operation: Operation, fault: dict[str, Any]) -> str:
    """Run one operation under one fault and say what happened."""
    with scene() as one:
        operation.prepare(one)
        one.sim.clear_log()
        if fault:
            if fault.get("times", 1) is None:
                object.__setattr__(one.client.settings, "max_wait", 0.1)
            named = {**fault, "match": {"operation": operation.match}}
            if fault["kind"] == "revoke":
                named["scope"] = "coql" if operation.match == "coql" else "Contacts"
                if operation.stored and operation.match == "insert" and operation in LOADS.values():
                    named["scope"] = "Products"
            one.sim.faults.add(**named)
        said = _outcome(operation, one)
        requests = sum(e.operation == operation.match for e in one.sim.requests)
        # Waits are shortened here, so a retry comes early; and the audit does not see that the
        # client had given up a reply that the simulator sent.
        broken = {v.rule for v in one.sim.audit()} - {"early_retry", "repeated_delete"}
        said += "".join(f" BROKEN RULE {rule}" for rule in sorted(broken))
        one.sim.apply_late()
        if operation.stored:
            stored = operation.stored(one)
            said += f", stored {stored}"
        return said if fault.get("times", 1) is None else f"{said} ({requests})"


def _outcome(operation: Operation, one: Scene) -> str:
    try:
        found = operation.run(one)
    except ServiceError as error:
        unclear = operation.stored and error.processed
        return f"{type(error).__name__}{': unclear' if unclear else ''}"
    except BiginError as error:
        return type(error).__name__
    if one.outcomes:
        return " ".join(
            name if name[0].isupper() else f"{name} {count}"
            for name, count in one.outcomes.items()
            if count
        )
    return _completeness(operation, one, found) if operation.whole else _results(found)


def _completeness(operation: Operation, one: Scene, found: Any) -> str:
    if operation.whole and operation.whole(one, found):
        return "whole"
    return "the page" if operation.is_file and b"<html" in found else "NOT WHOLE"


def _results(found: Any) -> str:
    unanswered = sum(not r.answered for r in found)
    if unanswered:
        return f"unanswered {unanswered}"
    refused = sum(not r.ok for r in found)
    return f"refused {refused}" if refused else "done"


def faults_of(operations: dict[str, Operation]) -> list[str]:
    """Return the faults that concern any of some operations."""
    by_rows = any(o.by_rows for o in operations.values())
    paged = any(o.paged for o in operations.values())
    return [f for f in FAULTS if (f not in PAGING or paged) and (f not in ROWS or by_rows)]


def concerns(operation: Operation, fault: str) -> bool:
    """Whether a fault can happen to an operation."""
    return (fault not in PAGING or operation.paged) and (fault not in ROWS or operation.by_rows)


TABLES = {"Reads": READS, "Writes": WRITES, "Loads": LOADS}
TEXTS = {
    "Reads": "`whole`: everything there is came back. `the page`: a file may be a page of HTML, so "
    "one that comes instead of a file cannot be told from it.",
    "Writes": "Two rows (link and attach: one). `stored`: how many of them the account holds "
    "afterwards. `unclear`: `ServiceError.processed` is true, the caller must look; `refused`, "
    "`unanswered`: results of rows.",
    "Loads": "Two rows through the load engine, which looks after what is unclear. The counts are "
    "the report's outcomes, after the error's name where the load ended early; rows without an "
    "outcome were not reached.",
}


INTRODUCTION = """# What happens when something goes wrong

Made from a test run against the simulator by
`.venv/dev/bin/python tests/client/test_fault_matrix.py`; a test fails when it is not current. In
brackets: how often the request was sent; left out where the fault lasts, because that depends on
`max_wait`.
"""


@functools.cache
def cells(table: str) -> dict[tuple[str, str], str]:
    """Run a whole table."""
    operations = TABLES[table]
    with no_waits():
        return {
            (fault, name): cell(operation, FAULTS[fault])
            for fault in faults_of(operations)
            for name, operation in operations.items()
            if concerns(operation, fault)
        }


def section(table: str) -> str:
    """Return one table of the document."""
    operations, found = TABLES[table], cells(table)
    lines = [
        f"## {table}",
        "",
        TEXTS[table],
        "",
        f"| Fault | {' | '.join(operations)} |",
        "|---" * (len(operations) + 1) + "|",
    ]
    for fault in faults_of(operations):
        row = [found.get((fault, name), "-") for name in operations]
        lines.append(f"| {fault} | {' | '.join(row)} |")
    unknown = sum("unknown" in text for text in found.values())
    doubled = sum("stored 3" in text or "stored 4" in text for text in found.values())
    lines += [
        "",
        f"{len(found)} cells; rows written twice: {doubled}; cells with `unknown` rows: {unknown}.",
    ]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Return the document."""
    return "\n".join([INTRODUCTION, *map(section, TABLES)])


# --- tests -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("table", TABLES)
def test_every_cell_keeps_the_promises_and_is_documented(table):
    """A read is whole or an error; nothing is written twice; what says done is stored.

    If the document is old: .venv/dev/bin/python tests/client/test_fault_matrix.py.
    """
    for (fault, name), text in cells(table).items():
        where = f"{table}, {name}, {fault}: {text}"
        assert "NOT WHOLE" not in text, where
        assert "BROKEN RULE" not in text, where
        assert not any(f"stored {n}" in text for n in (3, 4, 5)), where
        if text.startswith("done"):
            assert "stored 1" in text or "stored 2" in text, where
    for (fault, name), text in cells(table).items():
        if text != documented(table, fault, name):
            cells(table)[fault, name] = once_more(table, fault, name)
    assert section(table) in DOCUMENT.read_text(encoding="utf-8")


FEW = ["none", "429 once", "502 after it was done", "cut after it was done"]


@pytest.mark.parametrize("fault", FEW)
@pytest.mark.parametrize(
    ("table", "name"), [(t, n) for t in ("Reads", "Writes") for n in TABLES[t]]
)
def test_cells_as_documented(table, name, fault):
    """A part of the table in the default suite; all of it in the slow one."""
    with no_waits():
        happened = cell(TABLES[table][name], FAULTS[fault])
    expected = documented(table, fault, name)
    if happened != expected:
        happened = once_more(table, fault, name)
    assert happened == expected


def once_more(table: str, fault: str, name: str) -> str:
    """Run a cell again: a machine that stands still for the client's time-out adds a try."""
    with no_waits():
        return cell(TABLES[table][name], FAULTS[fault])


def documented(table: str, fault: str, name: str) -> str | None:
    """Return what the document says of a cell, None when it has no such cell."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## {table}\n")[1].split("\n## ")[0]
    lines = [
        [c.strip() for c in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    found = next((cells for cells in lines if cells[0] == fault), [])
    return dict(zip(lines[0], found, strict=False)).get(name)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    DOCUMENT.write_text(markdown(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT} written\n")
