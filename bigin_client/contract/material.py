"""The rows that the writing checks send, in as few requests as the questions allow."""

from __future__ import annotations

from itertools import islice
from typing import Final

from bigin_client.account import PIPELINES, SubPipeline, TeamPipeline
from bigin_client.contract.examination import Examination, first
from bigin_client.contract.statements import NotCheckable
from bigin_client.contract.workshop import Batch
from bigin_client.types import Record

NO_FIELD: Final = "Bigin_Contract_No_Such_Field"
LONG_AGO: Final = "2001-01-01T00:00:00+00:00"
BLANKS: Final = "  blanks  "
#: A number of rows that no write takes (9.37).
TOO_MANY: Final = 101


def texts(exam: Examination) -> tuple[str, str]:
    """Return two writable text fields of Contacts that are neither mandatory nor unique."""
    names = [
        f.api_name
        for f in exam.fields("Contacts").values()
        if f.data_type == "text"
        and f.json_type == "string"
        and f.creatable
        and f.updatable
        and not (f.mandatory or f.unique)
        and (f.length or 0) >= len(exam.mark)
    ]
    if len(names) < 2:
        raise NotCheckable("Contacts have fewer than two plain text fields")
    return names[-2], names[-1]


def email(exam: Examination, number: int) -> str:
    """Return an address of this run, at a domain that receives nothing."""
    return f"{exam.mark.replace(' ', '-')}-{number}@example.com"


def named(exam: Examination, what: str, **more: object) -> Record:
    """Return a contact with the mark in its name."""
    return {"Last_Name": f"{exam.mark} {what}", **more}


def contacts(exam: Examination) -> Batch:
    """Insert good and bad contacts in one request."""
    one, two = texts(exam)
    length = exam.fields("Contacts")["Last_Name"].length or 80
    user = me(exam)
    rows: dict[str, Record] = {
        "full": named(exam, "full", Email=email(exam, 1), **{one: "before", two: "kept"}),
        "bare": {one: exam.mark},
        "long": named(exam, "x" * length),
        "number": named(exam, "number", **{one: 12}),
        "twin": named(exam, "twin", Email=email(exam, 1)),
        "upper": named(exam, "upper", Email=email(exam, 1).upper()),
        "unknown": named(exam, "unknown", **{NO_FIELD: "x"}),
        "kept": named(exam, "kept", Modified_Time=LONG_AGO),
        "blanks": named(exam, "blanks", **{one: BLANKS}),
        "owner": named(exam, "owner", Owner={"id": user}),
        "exact": named(exam, "alpha beta"),
        "wordy": named(exam, "alpha gamma beta"),
    }
    if exam.made.may_tag():
        rows["tag"] = named(exam, "tag", Tag=[{"name": exam.mark}])
    boolean = next(
        (f.api_name for f in exam.fields("Contacts").values() if _is_plain_boolean(f)), None
    )
    if boolean:
        rows["boolean"] = named(exam, "boolean", **{boolean: "true"})
    return exam.made.insert("contacts", "Contacts", rows)


def _is_plain_boolean(field: object) -> bool:
    return getattr(field, "data_type", "") == "boolean" and getattr(field, "creatable", False)


def me(exam: Examination) -> str:
    """Return the id of the connection's user."""
    asked = exam.get("users", {"type": "CurrentUser"})
    return str(first(asked.reply.object().get("users") or [], asked.said)["id"])


def single(exam: Examination) -> Batch:
    """Insert one good contact."""
    row = named(exam, "single", Email=email(exam, 2))
    return exam.made.insert("single", "Contacts", {"single": row})


def gone(exam: Examination) -> str:
    """Insert a contact and delete it; its id.

    To write to an id that was made up could, however unlikely, hit a record.
    """
    made = exam.made.insert("gone", "Contacts", {"gone": named(exam, "gone")}).id("gone")
    batch = exam.made.delete("gone again", "Contacts", [made])
    if not batch.ok(made):
        raise NotCheckable(f"a contact that was just made is not deleted: {batch.exchange.said}")
    return made


def companies(exam: Examination) -> Batch:
    """Insert three companies, two of one name."""
    rows: dict[str, Record] = {
        "one": {"Account_Name": f"{exam.mark} double"},
        "two": {"Account_Name": f"{exam.mark} double"},
        "parent": {"Account_Name": f"{exam.mark} parent"},
    }
    return exam.made.insert("companies", "Accounts", rows)


def relatives(exam: Examination) -> Batch:
    """Insert a contact of a company, and one that will be deleted."""
    company = companies(exam).id("parent")
    rows = {
        "linked": named(exam, "linked", Account_Name={"id": company}),
        "victim": named(exam, "victim"),
    }
    return exam.made.insert("relatives", "Contacts", rows)


def _paths(exam: Examination) -> tuple[TeamPipeline, SubPipeline]:
    for team in exam.client.account.pipelines():
        for sub in team.sub_pipelines:
            if team.active and sub.stages:
                return team, sub
    raise NotCheckable("no Team Pipeline with a sub-pipeline and a stage is known")


def deals(exam: Examination) -> Batch:
    """Insert a good deal and bad ones, as far as the account's pipelines allow them."""
    team, sub = _paths(exam)
    base: Record = {
        "Deal_Name": f"{exam.mark} deal",
        "Pipeline": {"id": team.id},
        "Sub_Pipeline": sub.actual,
        "Stage": sub.stages[0],
    }
    good = dict(base)
    if "Contact_Name" in exam.fields(PIPELINES):
        good["Contact_Name"] = {"id": relatives(exam).id("victim")}
    rows: dict[str, Record] = {
        "good": good,
        **{
            f"without {name}": {k: v for k, v in base.items() if k != name}
            for name in ("Deal_Name", "Sub_Pipeline", "Stage")
        },
    }
    teams = exam.client.account.pipelines()
    stages = (s for t in teams for p in t.sub_pipelines for s in p.stages)
    foreign = next((s for s in stages if s not in sub.stages), None)
    if foreign:
        rows["stage"] = {**base, "Stage": foreign}
    inside = {p.actual for p in team.sub_pipelines}
    others = (p for t in teams for p in t.sub_pipelines if p.actual not in inside and p.stages)
    for other in islice(others, 1):
        rows["sub"] = {**base, "Sub_Pipeline": other.actual, "Stage": other.stages[0]}
    return exam.made.insert("deals", PIPELINES, rows)


def tasks(exam: Examination) -> Batch:
    """Insert a good task and three bad ones."""
    choice = exam.field_of("Tasks", lambda f: f.data_type == "picklist", "a picklist")
    day = exam.field_of("Tasks", lambda f: f.data_type == "date", "a date")
    parent = {"id": single(exam).id("single")}
    subject = f"{exam.mark} task"
    rows: dict[str, Record] = {
        "good": {"Subject": subject, "Related_To": parent, "$related_module": "Contacts"},
        "choice": {"Subject": subject, choice: "bigin-contract"},
        "empty": {"Subject": subject, day: ""},
        "orphan": {"Subject": subject, "Related_To": parent},
    }
    return exam.made.insert("tasks", "Tasks", rows)


def events(exam: Examination) -> Batch:
    """Insert two events: times with the offset +00:00, and with Z."""
    title = f"{exam.mark} event"
    times = {"offset": "+00:00", "zulu": "Z"}
    rows: dict[str, Record] = {
        name: {
            "Event_Title": title,
            "Start_DateTime": f"2030-01-07T10:00:00{end}",
            "End_DateTime": f"2030-01-07T10:30:00{end}",
        }
        for name, end in times.items()
    }
    return exam.made.insert("events", "Events", rows)


def note(exam: Examination) -> str:
    """Insert a note on the contact that will be deleted; its id."""
    row = {
        "Note_Title": f"{exam.mark} note",
        "Note_Content": "made by bigin doctor --contract",
        "Parent_Id": {"id": relatives(exam).id("victim")},
        "$se_module": "Contacts",
    }
    return exam.made.insert("note", "Notes", {"note": row}).id("note")


def product(exam: Examination) -> str:
    """Insert a product; its id."""
    row = {"Product_Name": f"{exam.mark} product"}
    return exam.made.insert("product", "Products", {"product": row}).id("product")
