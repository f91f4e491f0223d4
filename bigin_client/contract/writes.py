"""Inserts and updates (bigin-api.md 3.3, 4; 9.34 to 9.42, 9.46, 9.49 to 9.54; 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bigin_client import timestamps
from bigin_client.contract import material
from bigin_client.contract.examination import Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
)
from bigin_client.contract.workshop import Batch
from bigin_client.records import MODIFIED
from bigin_client.types import Record

_FIVE: Final = {"Created_Time", "Modified_Time", "Created_By", "Modified_By", "id"}
#: Longer than the second that the service's times resolve.
_A_SECOND: Final = 1.1
_NAME: Final = "Last_Name"


@statement(
    "9.34", "An insert of one is 201, five details keys, a 19-digit id that grows", writes=True
)
def insert_one(exam: Examination) -> Finding:
    """Two inserts, which other checks share."""
    batch, keys = material.single(exam), set(material.single(exam).details("single"))
    material.contacts(exam)
    made = [int(i) for i in exam.made.sequence["Contacts"]]
    wrong = []
    if batch.exchange.status != 201:
        wrong.append(f"HTTP {batch.exchange.status}")
    if keys != _FIVE:
        wrong.append(f"details {', '.join(sorted(keys))}")
    if made != sorted(made):
        wrong.append("later records have smaller ids")
    if len(str(made[0])) != 19:
        wrong.append(f"an id of {len(str(made[0]))} digits")
    return judged(not wrong, "; ".join(wrong), batch.said("single"))


@statement("9.35", "A mixed batch is 202, results in input order, good rows committed", writes=True)
def mixed_batch(exam: Examination) -> Finding:
    """One insert of good and bad contacts, which other checks share."""
    batch = material.contacts(exam)
    if not batch.ok("full") or batch.ok("bare"):
        raise NotCheckable(f"not mixed: {batch.exchange.said}")
    there = exam.made.read("full", "Contacts", batch.id("full"), _NAME)
    wrong = []
    if batch.exchange.status != 202:
        wrong.append(f"HTTP {batch.exchange.status}")
    if there is None or not str(there.get(_NAME)).endswith("full"):
        wrong.append("the good row is not there, or in another slot")
    return judged(not wrong, "; ".join(wrong), batch.said("full"), batch.said("bare"))


@statement("9.36", "A single failing row is 400 with the error in data[0]", writes=True)
def single_failure(exam: Examination) -> Finding:
    """An insert of one empty row."""
    batch = exam.made.insert("empty row", "Contacts", {"row": {}})
    if batch.ok("row"):
        raise NotCheckable("a contact without a name was accepted")
    return judged(batch.exchange.status == 400, str(batch.exchange.status), batch.said("row"))


@statement("11.7a", "Several rows that all fail are 202", writes=True)
def all_fail(exam: Examination) -> Finding:
    """An insert of two empty rows."""
    batch = exam.made.insert("empty rows", "Contacts", {"one": {}, "two": {}})
    if batch.ok("one") or batch.ok("two"):
        raise NotCheckable("a contact without a name was accepted")
    return judged(batch.exchange.status == 202, str(batch.exchange.status), batch.said("one"))


@statement("9.37", "More than 100 rows are 400 LIMIT_EXCEEDED", writes=True)
def too_many_rows(exam: Examination) -> Finding:
    """An insert of 101 empty rows: each is refused even where the number is not."""
    rows: dict[str, Record] = {str(n): {} for n in range(material.TOO_MANY)}
    asked: Exchange = exam.made.insert("too many", "Contacts", rows).exchange
    return judged(asked.refused(400, "LIMIT_EXCEEDED"), asked.code or asked.said, asked.said)


@statement(
    "9.38", "A missing mandatory field is MANDATORY_NOT_FOUND {api_name, json_path}", writes=True
)
def missing_mandatory(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    named = batch.details("bare").get("api_name")
    holds = batch.code("bare") == "MANDATORY_NOT_FOUND" and named == _NAME
    return judged(holds, batch.said("bare"), batch.said("bare"))


@statement("9.39a", "Over-long text is INVALID_DATA {api_name, maximum_length}", writes=True)
def over_long(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    if batch.ok("long"):
        return refuted("accepted", batch.said("long"))
    details = batch.details("long")
    if batch.code("long") != "INVALID_DATA":
        return refuted(batch.said("long"), batch.said("long"))
    return judged("maximum_length" in details, "no maximum_length", batch.said("long"))


@statement(
    "9.39b", "A value of the wrong JSON type is INVALID_DATA {expected_data_type}", writes=True
)
def wrong_type(exam: Examination) -> Finding:
    """Same insert as 9.35: a number for a text, a text for a boolean."""
    batch = material.contacts(exam)
    names = [n for n in ("number", "boolean") if n in batch.names]
    accepted = [n for n in names if batch.ok(n)]
    if accepted:
        return refuted(f"accepted: {', '.join(accepted)}", *(batch.said(n) for n in names))
    holds = all(
        batch.code(n) == "INVALID_DATA" and "expected_data_type" in batch.details(n) for n in names
    )
    return judged(holds, "; ".join(batch.said(n) for n in names), *(batch.said(n) for n in names))


@statement("11.13a", "json_path in details is $.data[0].Field", writes=True, depends=("9.38",))
def json_path(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    found = batch.details("bare").get("json_path")
    wanted = f"$.data[{batch.names.index('bare')}].{_NAME}"
    return judged(found == wanted, f"{found}", f"{found}")


@statement("11.13b", "expected_data_type is the field's data_type", writes=True, depends=("9.39b",))
def type_names(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    found = material.contacts(exam).details("number").get("expected_data_type")
    return judged(found == "text", f"{found}", f"{found} where the field is text")


def _needs_unique(exam: Examination) -> None:
    field = exam.fields("Contacts").get("Email")
    if field is None or not field.unique:
        raise NotCheckable("Email of Contacts is not unique in this account")


@statement("10.5", "A plain insert refuses a value that a unique field has already", writes=True)
def unique_on_insert(exam: Examination) -> Finding:
    """Same insert as 9.35: two rows with one e-mail."""
    _needs_unique(exam)
    batch = material.contacts(exam)
    batch.id("full")
    return judged(batch.code("twin") == "DUPLICATE_DATA", batch.said("twin"), batch.said("twin"))


@statement("9.40a", "DUPLICATE_DATA names duplicate_record.id", writes=True, depends=("10.5",))
def duplicate_form(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    details, wanted = batch.details("twin"), batch.id("full")
    duplicate = details.get("duplicate_record")
    if isinstance(duplicate, dict) and str(duplicate.get("id")) == wanted:
        return confirmed(f"details {', '.join(sorted(details))}")
    form = "plain id" if str(details.get("id")) == wanted else "another form"
    return refuted(form, f"details {', '.join(sorted(details))}")


@statement("9.40b", "The comparison of unique values ignores case", writes=True, depends=("10.5",))
def duplicate_case(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    return judged(batch.code("upper") == "DUPLICATE_DATA", batch.said("upper"), batch.said("upper"))


@statement("9.53", "An unknown field name in a row is ignored", writes=True)
def unknown_in_body(exam: Examination) -> Finding:
    """Same insert as 9.35."""
    batch = material.contacts(exam)
    return judged(batch.ok("unknown"), batch.said("unknown"), batch.said("unknown"))


@statement("section 3.3a", "A read-only field in a row is ignored", writes=True)
def read_only_in_body(exam: Examination) -> Finding:
    """Same insert as 9.35: a Modified_Time of long ago."""
    batch = material.contacts(exam)
    if not batch.ok("kept"):
        return refuted(batch.code("kept"), batch.said("kept"))
    taken = str(batch.details("kept").get(MODIFIED)).startswith(material.LONG_AGO[:4])
    return judged(not taken, "taken over", batch.said("kept"))


@statement("10.13", "Text is stored as it was sent, blanks at its ends included", writes=True)
def trimming(exam: Examination) -> Finding:
    """Same insert as 9.35, and a record."""
    one, _ = material.texts(exam)
    made = material.contacts(exam).id("blanks")
    value = exam.made.present("blanks", "Contacts", made, one).get(one)
    return judged(value == material.BLANKS, "trimmed", f"{len(str(value))} characters")


@statement(
    "9.50",
    "Owner is written as {id}, read with email; by default the connection's user",
    writes=True,
)
def owner(exam: Examination) -> Finding:
    """Same insert as 9.35, and two records."""
    batch, user = material.contacts(exam), material.me(exam)
    found = [
        exam.made.present(f"owner of {n}", "Contacts", batch.id(n), "Owner").get("Owner")
        for n in ("owner", "full")
    ]
    wrong = [v for v in found if not isinstance(v, dict) or str(v.get("id")) != user]
    bare = [v for v in found if isinstance(v, dict) and "email" not in v]
    observed = "another owner" if wrong else "read without email"
    return judged(not wrong and not bare, observed, batch.said("owner"))


@statement("9.51", "A tag by name creates the tag's definition", writes=True)
def tag(exam: Examination) -> Finding:
    """Same insert as 9.35, and the list of tags."""
    batch = material.contacts(exam)
    if "tag" not in batch.names:
        raise NotCheckable("the connection may not list and remove tags, so none was made")
    if not batch.ok("tag"):
        return refuted(batch.said("tag"), batch.said("tag"))
    asked = exam.get("settings/tags", {"module": "Contacts"}, fresh=True)
    if asked.status >= 400:
        raise NotCheckable(asked.said)
    names = [t.get("name") for t in asked.reply.object().get("tags") or []]
    return judged(exam.mark in names, "not listed", batch.said("tag"), asked.said)


def _updated(exam: Examination) -> Batch:
    one, _ = material.texts(exam)
    row = {"id": material.contacts(exam).id("full"), one: None}
    return exam.made.update("clear", "Contacts", {"row": row})


@statement("9.41a", "An update is 200 with five details keys", writes=True)
def update_form(exam: Examination) -> Finding:
    """One update."""
    batch = _updated(exam)
    keys = set(batch.details("row"))
    holds = batch.exchange.status == 200 and batch.ok("row") and keys == _FIVE
    return judged(holds, f"{batch.exchange.status}, {', '.join(sorted(keys))}", batch.said("row"))


@statement("9.41b", "null clears a field, absent keys leave theirs alone", writes=True)
def update_null(exam: Examination) -> Finding:
    """Same update as 9.41a, and the record."""
    one, two = material.texts(exam)
    batch = _updated(exam)
    found = exam.made.present("cleared", "Contacts", batch.id("row"), one, two)
    wrong = [] if found.get(one) is None else ["null did not clear"]
    wrong += [] if found.get(two) == "kept" else ["an absent key changed its field"]
    return judged(not wrong, ", ".join(wrong), batch.said("row"))


@statement("9.42", "An update of an unknown id is INVALID_DATA in that row's result", writes=True)
def update_unknown(exam: Examination) -> Finding:
    """A contact that is deleted at once, and two updates of it, in bulk and by path."""
    known = material.single(exam).id("single")
    unknown = material.gone(exam)
    rows = {"unknown": {"id": unknown, _NAME: exam.mark}, "known": {"id": known}}
    bulk = exam.made.update("unknown", "Contacts", rows)
    path = f"Contacts/{unknown}"
    alone = exam.made.update("unknown alone", "Contacts", {"row": {_NAME: exam.mark}}, path=path)
    wrong = [] if bulk.code("unknown") == "INVALID_DATA" else [bulk.said("unknown")]
    if not alone.exchange.rows:
        wrong.append("at top level for PUT {Module}/{id}")
    return judged(not wrong, "; ".join(wrong), bulk.said("unknown"), alone.exchange.said)


def change_moves_time(exam: Examination, name: str, change: Callable[[], Batch]) -> Finding:
    """Return whether a change without effect moves Modified_Time."""
    record = material.single(exam).id("single")
    before = exam.made.present(f"before {name}", "Contacts", record, MODIFIED)
    exam.wait(_A_SECOND)
    batch = change()
    if not batch.ok("row"):
        raise NotCheckable(batch.said("row"))
    after = exam.made.present(f"after {name}", "Contacts", record, MODIFIED)
    moved = timestamps.parse(after[MODIFIED]) > timestamps.parse(before[MODIFIED])
    return judged(moved, "it stays", batch.said("row"))


@statement("9.46a", "An update that changes nothing moves Modified_Time", writes=True)
def no_op_update(exam: Examination) -> Finding:
    """One update and two reads."""
    row = {"id": material.single(exam).id("single"), **material.named(exam, "single")}
    return change_moves_time(
        exam, "update", lambda: exam.made.update("no-op", "Contacts", {"row": row})
    )


@statement("section 4c", "null for a mandatory field is INVALID_DATA", writes=True)
def null_mandatory(exam: Examination) -> Finding:
    """One update."""
    row = {"id": material.single(exam).id("single"), _NAME: None}
    batch = exam.made.update("null", "Contacts", {"row": row})
    return judged(batch.code("row") == "INVALID_DATA", batch.code("row"), batch.said("row"))


@statement("section 3.1", "If-Unmodified-Since on PUT: 412 for a record changed since", writes=True)
def unmodified_since(exam: Examination) -> Finding:
    """One update that changes nothing."""
    record = material.single(exam).id("single")
    batch = exam.made.update(
        "unmodified",
        "Contacts",
        {"row": material.named(exam, "single")},
        path=f"Contacts/{record}",
        headers={"If-Unmodified-Since": material.LONG_AGO},
    )
    asked = batch.exchange
    observed = "ignored" if asked.status == 200 else asked.said
    return judged(asked.status == 412, observed, asked.said)


def _row(batch: Batch, name: str, code: str, what: str) -> Finding:
    if name not in batch.names:
        raise NotCheckable(f"the account has no {what}")
    observed = "accepted" if batch.ok(name) else batch.code(name)
    if batch.code(name) == "MANDATORY_NOT_FOUND" != code:
        raise NotCheckable(f"refused for another reason: {batch.said(name)}")
    return judged(batch.code(name) == code, observed, batch.said(name))


@statement("9.14b", "A deal needs Deal_Name, Sub_Pipeline and Stage, and nothing else", writes=True)
def deal_needs(exam: Examination) -> Finding:
    """One insert of good and bad deals, which other checks share."""
    batch = material.deals(exam)
    if not batch.ok("good"):
        return refuted(batch.said("good"), batch.said("good"))
    wrong = [
        batch.said(f"without {name}")
        for name in ("Deal_Name", "Sub_Pipeline", "Stage")
        if batch.code(f"without {name}") != "MANDATORY_NOT_FOUND"
        or batch.details(f"without {name}").get("api_name") != name
    ]
    return judged(not wrong, "; ".join(wrong), batch.said("good"))


@statement("9.52", "A Stage outside the Sub_Pipeline is INVALID_DATA", writes=True)
def stage_outside(exam: Examination) -> Finding:
    """Same insert as 9.14b."""
    return _row(material.deals(exam), "stage", "INVALID_DATA", "stage of another sub-pipeline")


@statement("11.17a", "A Sub_Pipeline outside the Pipeline is INVALID_DATA", writes=True)
def sub_pipeline_outside(exam: Examination) -> Finding:
    """Same insert as 9.14b."""
    return _row(material.deals(exam), "sub", "INVALID_DATA", "second Team Pipeline")


@statement("11.17b", "Related_To without $related_module is DEPENDENT_FIELD_MISSING", writes=True)
def orphan(exam: Examination) -> Finding:
    """One insert of good and bad tasks, which other checks share."""
    if "Related_To" not in exam.fields("Tasks"):
        raise NotCheckable("Tasks have no field Related_To")
    return _row(material.tasks(exam), "orphan", "DEPENDENT_FIELD_MISSING", "such field")


@statement("11.12b", "An unknown value of an ordinary picklist is refused", writes=True)
def unknown_choice(exam: Examination) -> Finding:
    """Same insert as 11.17b."""
    batch = material.tasks(exam)
    return judged(not batch.ok("choice"), "accepted", batch.said("choice"))


@statement("11.12c", "An empty text for a field that is no text is INVALID_DATA", writes=True)
def empty_text(exam: Examination) -> Finding:
    """Same insert as 11.17b."""
    return _row(material.tasks(exam), "empty", "INVALID_DATA", "date field")


@statement("section 4d", "Z is accepted as the offset of a time", writes=True)
def zulu(exam: Examination) -> Finding:
    """One insert of two events."""
    batch = material.events(exam)
    batch.id("offset")
    return judged(batch.ok("zulu"), batch.said("zulu"), batch.said("zulu"))
