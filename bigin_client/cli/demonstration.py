"""The steps of `bigin demo`: commands as one types them, and after each a look into the account."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.text import Text

from bigin_client import console, timestamps
from bigin_client.cli.context import Context
from bigin_client.errors import BiginError
from bigin_client.records import MODIFIED
from bigin_client.testing import BiginSimulator

_BY_EMAIL: Final = (
    "--module", "Contacts", "--match-on", "Email", "--map", "mail=Email", "--map",
    "surname=Last_Name", "--map", "company=Account_Name", "--lookup",
    "Account_Name=Account_Name:create",
)  # fmt: skip
_NEW: Final = ("ada@example.com", "grace@example.com", "mary@example.com")
_COMPANY: Final = "Analytical Engines"
_MENDED: Final = "katherine@example.com"


@dataclass(frozen=True)
class Check:
    """A figure that a command gave or left, and what the account says."""

    what: str
    found: int
    account: int

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.found == self.account


@dataclass
class Step:
    """One command, how it ended, and the checks after it."""

    title: str
    command: str
    exit_code: int = 0
    checks: list[Check] = field(default_factory=list)


class Demonstration:
    """Runs the steps.

    Args:
        account: A running simulator with its generated data.
        folder: Where the files go.
        quiet: Print nothing.
    """

    def __init__(self, account: BiginSimulator, folder: Path, *, quiet: bool) -> None:
        self._account = account
        self._store = account.store
        self._folder = folder
        self._quiet = quiet
        self._console = Console(file=io.StringIO() if quiet else None, highlight=False)
        self.steps: list[Step] = []

    @property
    def agrees(self) -> bool:
        """Whether every figure agrees with the account."""
        return all(check.agrees for step in self.steps for check in step.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return what happened, JSON-ready."""
        return {
            "agrees": self.agrees,
            "folder": str(self._folder),
            "steps": [
                {**asdict(s), "checks": [{**asdict(c), "agrees": c.agrees} for c in s.checks]}
                for s in self.steps
            ],
        }

    def run(self) -> None:
        """Go through the whole story."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._own_environment():
            self._copy()
            self._look()
            self._load()
            self._mend()
            self._repeat()
            self._changes()

    def summary(self, seconds: float) -> None:
        """Print the end: what was compared, what it cost, where to look."""
        checks = [check for step in self.steps for check in step.checks]
        agreeing = sum(check.agrees for check in checks)
        say = self._console.print
        say()
        say(Text(
            f"{agreeing} of {len(checks)} figures agree with the account.",
            style="bold green" if self.agrees else "bold red",
        ))  # fmt: skip
        say(
            f"{len(self._account.requests)} requests, {self._account.credits_used} credits, "
            f"{seconds:.1f} s. All files: {self._folder}"
        )
        found = self._account.audit()
        say(f"What a good client must not do, by the simulator's audit: {len(found)} times.")
        say("Next: bigin doctor, with your own key in MATON_API_KEY.")

    # -- steps -----------------------------------------------------------------------------

    def _copy(self) -> None:
        step = self._command(
            "Copy every module into files", "export", "--all", "--to", self._in("account"),
            "--state", self._in("state.json"),
        )  # fmt: skip
        self._compare_copy(step)

    def _look(self) -> None:
        self._write_table()
        before = self._truth()
        written = self._writes()
        step = self._command(
            "Look at what a table of customers would change; two of its rows are bad",
            "load", self._in("customers.csv"), *_BY_EMAIL, "--dry-run", "--plan",
            self._in("plan.jsonl"), expected=console.ExitCode.REJECTS,
        )  # fmt: skip
        planned = self._lines("plan.jsonl")
        self._check(step, "rows planned", len(planned), len(self._rows()))
        self._check(step, "records that looking changed", 0, self._moved(before))
        self._check(step, "write requests sent", 0, self._writes() - written)

    def _load(self) -> None:
        contacts, companies = self._store.count("Contacts"), self._store.count("Accounts")
        step = self._command(
            "Load it: the good rows are written, the bad ones kept",
            "load", self._in("customers.csv"), *_BY_EMAIL, "--rejects", self._in("rejects.jsonl"),
            "--report", self._in("report.json"), expected=console.ExitCode.REJECTS,
        )  # fmt: skip
        report = msgspec.json.decode(Path(self._in("report.json")).read_bytes())
        (entry,) = report["streams"].values()
        outcomes = entry["outcomes"]
        more = self._store.count("Contacts") - contacts
        self._check(step, "contacts created", outcomes["created"], more)
        self._check(step, "companies created", 1, self._store.count("Accounts") - companies)
        people = self._people()
        held = sum(row["title"] == people.get(row["mail"], {}).get("Title") for row in self._good())
        self._check(step, "good rows that the account now holds", len(self._good()), held)
        self._check(step, "rows that ended somewhere", sum(outcomes.values()), len(self._rows()))
        self._check(step, "rows kept for mending", len(self._lines("rejects.jsonl")), 2)

    def _mend(self) -> None:
        path = Path(self._in("rejects.jsonl"))
        mended = []
        for line in self._lines("rejects.jsonl"):
            row = line["row"]
            row["mail"] = row["mail"] or _MENDED
            row["title"] = row["title"][:40]
            mended.append(msgspec.json.encode(line) + b"\n")
        path.write_bytes(b"".join(mended))
        self._say("  (in rejects.jsonl the missing e-mail is filled in, the long title cut)")
        contacts = self._store.count("Contacts")
        step = self._command(
            "Mend the two rows and load them again",
            "load", "--retry-rejects", self._in("rejects.jsonl"), "--yes", *_BY_EMAIL[4:],
        )  # fmt: skip
        self._check(step, "contacts created", 2, self._store.count("Contacts") - contacts)
        self._check(
            step, "mended rows in the account", 1, sum(m == _MENDED for m in self._people())
        )

    def _repeat(self) -> None:
        before = self._truth()
        good = Path(self._in("good.csv"))
        self._write(good, self._good())
        step = self._command(
            "Load the good rows once more: nothing is written twice, nothing is touched",
            "load", self._in("good.csv"), *_BY_EMAIL,
        )  # fmt: skip
        self._check(step, "records that this touched", 0, self._moved(before))

    def _changes(self) -> None:
        self._say("  (meanwhile somebody edits a deal and deletes a contact in Bigin)")
        deal = self._store.records("Pipelines")[0]["id"]
        self._store.update("Pipelines", deal, {"Description": "Call them on Monday."})
        # Not one with notes: they go with it, and no feed tells of that (bigin-api.md 3.4).
        parents = {
            (record["Parent_Id"] or {}).get("id")
            for module in ("Notes", "Attachments")
            for record in self._store.records(module)
        }
        gone = next(
            record["id"]
            for record in self._store.records("Contacts")
            if record["Email"] is None and record["id"] not in parents
        )
        self._store.delete("Contacts", gone)
        step = self._command(
            "Export what changed since the copy", "export", "--all", "--to", self._in("account"),
            "--state", self._in("state.json"),
        )  # fmt: skip
        self._compare_copy(step)

    # -- files -----------------------------------------------------------------------------

    def _in(self, name: str) -> str:
        return str(self._folder / name)

    def _lines(self, name: str) -> list[dict[str, Any]]:
        with Path(self._in(name)).open("rb") as file:
            return [msgspec.json.decode(line) for line in file]

    def _write_table(self) -> None:
        known = [r for r in self._people().values() if r["Title"] and "@" in (r["Email"] or "")]
        first, second, third = known[:3]
        self._table = [
            {"mail": first["Email"], "surname": first["Last_Name"], "title": "Head of Sales"},
            {"mail": second["Email"], "surname": second["Last_Name"], "title": "Partner"},
            {"mail": third["Email"], "surname": third["Last_Name"], "title": third["Title"]},
            *(
                {
                    "mail": mail,
                    "surname": mail.partition("@")[0].title(),
                    "title": "Inventor",
                    "company": _COMPANY,
                }
                for mail in _NEW
            ),
            {"mail": "", "surname": "Johnson", "title": "Mathematician"},
            {"mail": "hedy@example.com", "surname": "Lamarr", "title": "Inventor, " * 20},
        ]
        self._write(Path(self._in("customers.csv")), self._table)

    def _write(self, path: Path, rows: list[dict[str, str]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["mail", "surname", "title", "company"], restval="")
            writer.writeheader()
            writer.writerows(rows)

    def _rows(self) -> list[dict[str, str]]:
        return self._table

    def _good(self) -> list[dict[str, str]]:
        return self._table[:-2]

    def _copied(self) -> dict[str, dict[str, str]]:
        """Put the exports together, oldest first: module → id → Modified_Time."""
        found: dict[str, dict[str, str]] = {}
        for path in sorted(Path(self._in("account")).glob("*.manifest.json")):
            manifest = msgspec.json.decode(path.read_bytes())
            rows = found.setdefault(manifest["module"], {})
            for part in manifest["files"]:
                with Path(part["path"]).open("rb") as file:
                    for line in file:
                        record = msgspec.json.decode(line)
                        rows[record["id"]] = record.get(MODIFIED)
            for part in manifest["deleted_files"]:
                with Path(part["path"]).open("rb") as file:
                    for line in file:
                        rows.pop(msgspec.json.decode(line)["id"], None)
        return found

    # -- the account -------------------------------------------------------------------------

    def _people(self) -> dict[str, dict[str, Any]]:
        return {r["Email"]: r for r in self._store.records("Contacts") if r["Email"]}

    def _truth(self) -> dict[str, dict[str, str]]:
        """Return module → id → Modified_Time, of every record in the account."""
        return {
            name: {
                r["id"]: timestamps.normalise(r[MODIFIED])
                for r in self._store.records(name)
                if MODIFIED in r
            }
            for name, module in self._store.modules.items()
            if module.api_supported
        }

    def _moved(self, before: dict[str, dict[str, str]]) -> int:
        """Count the records that came, went or changed."""
        now = self._truth()
        return sum(
            len(now[module].items() ^ before[module].items())
            for module in now.keys() | before.keys()
        )

    def _writes(self) -> int:
        reads = ("GET", "HEAD")
        return sum(r.method not in reads and r.operation != "coql" for r in self._account.requests)

    def _compare_copy(self, step: Step) -> None:
        copied, truth = self._copied(), self._truth()
        count = sum(map(len, truth.values()))
        self._check(step, "records in the files", sum(map(len, copied.values())), count)
        same = sum(
            copied.get(module, {}).get(id) == time
            for module, records in truth.items()
            for id, time in records.items()  # noqa: A001 - Bigin's word
        )
        self._check(step, "of them as new as in the account", same, count)

    # -- what is run and said ----------------------------------------------------------------

    def _command(self, title: str, *arguments: str, expected: int = 0) -> Step:
        step = Step(title, f"bigin {shlex.join(arguments)}")
        self.steps.append(step)
        self._say("")
        self._console.print(Text(f"{len(self.steps)}. {title}", style="bold"))
        self._console.print(Text(f"$ {step.command}", style="cyan"), soft_wrap=True)
        sys.stdout.flush()
        step.exit_code = self._run(arguments)
        meaning = console.ExitCode(expected).meaning
        self._check(step, f"exit code ({meaning})", step.exit_code, expected)
        return step

    def _run(self, arguments: tuple[str, ...]) -> int:
        """Run a command in this process; returns its exit code."""
        name, *rest = arguments
        # Named late: the command's own list of commands holds this one.
        command = getattr(importlib.import_module(f"bigin_client.cli.{name}"), name)
        account = self._account
        context = Context(
            {
                "api_key": account.api_key,
                "base_url": account.base_url,
                "connection_id": account.connection_id,
                "requests_per_second": 0,
                "rate_limit_store": "memory",
            }
        )
        said = io.StringIO()
        with contextlib.redirect_stdout(said) if self._quiet else contextlib.nullcontext():
            try:
                return int(command.main(rest, f"bigin {name}", standalone_mode=False, obj=context))
            except (BiginError, click.ClickException) as error:
                click.echo(f"bigin: {error}", err=True)
                return error.exit_code

    def _check(self, step: Step, what: str, found: int, account: int) -> None:
        check = Check(what, found, account)
        step.checks.append(check)
        mark, style = ("✓", "green") if check.agrees else ("✗", "bold red")
        told = f"{found:,}" if check.agrees else f"{found:,}, but it should be {account:,}"
        self._console.print(Text(f"  {mark} {what}: {told}", style=style))

    def _say(self, text: str) -> None:
        self._console.print(text)

    @contextlib.contextmanager
    def _own_environment(self) -> Iterator[None]:
        """Keep the user's settings out, and what the commands remember in the demo's folder."""
        before = dict(os.environ)
        for name in list(os.environ):
            if name.startswith(("BIGIN_", "MATON_")) and name != "BIGIN_TRACEBACK":
                del os.environ[name]
        os.environ["XDG_STATE_HOME"] = str(self._folder.resolve() / ".state")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
