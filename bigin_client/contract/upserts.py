"""Upserts (bigin-api.md 3.3; 9.43 to 9.46; 11.7, 11.8)."""

from __future__ import annotations

from bigin_client.contract import material
from bigin_client.contract.examination import Examination
from bigin_client.contract.statements import Finding, NotCheckable, judged, refuted, statement
from bigin_client.contract.workshop import Batch
from bigin_client.contract.writes import change_moves_time
from bigin_client.types import Record


def _upsert(exam: Examination, name: str, **rows: Record) -> Batch:
    return exam.made.upsert(name, "Contacts", rows, "Email")


def _new(exam: Examination) -> Batch:
    row = material.named(exam, "new", Email=material.email(exam, 3))
    return _upsert(exam, "upsert new", row=row)


def _again(exam: Examination) -> Batch:
    row = material.named(exam, "single", Email=material.email(exam, 2))
    return _upsert(exam, "upsert again", row=row)


@statement(
    "9.43a", "An upsert that inserts is 201 with action insert, duplicate_field null", writes=True
)
def upsert_inserts(exam: Examination) -> Finding:
    """One upsert."""
    batch = _new(exam)
    result = batch.result("row")
    wrong = [] if batch.exchange.status == 201 else [f"HTTP {batch.exchange.status}"]
    if result.get("action") != "insert":
        wrong.append(f"action {result.get('action')}")
    if "duplicate_field" not in result or result["duplicate_field"] is not None:
        wrong.append("duplicate_field is not null")
    return judged(not wrong, "; ".join(wrong), batch.said("row"))


@statement("9.46b", "An upsert that changes nothing moves Modified_Time", writes=True)
def no_op_upsert(exam: Examination) -> Finding:
    """One upsert and two reads."""
    return change_moves_time(exam, "upsert", lambda: _again(exam))


@statement(
    "9.43b",
    "An upsert that updates is 200 with action update and the field that matched",
    writes=True,
)
def upsert_updates(exam: Examination) -> Finding:
    """Same upsert as 9.46b."""
    batch = _again(exam)
    result, made = batch.result("row"), material.single(exam).id("single")
    wrong = [] if batch.exchange.status == 200 else [f"HTTP {batch.exchange.status}"]
    if result.get("action") != "update" or batch.id("row") != made:
        wrong.append(f"action {result.get('action')}")
    if result.get("duplicate_field") != "Email":
        wrong.append(f"duplicate_field {result.get('duplicate_field')}")
    return judged(not wrong, "; ".join(wrong), batch.said("row"))


def _mixed(exam: Examination) -> Batch:
    _new(exam).id("row")
    return _upsert(
        exam,
        "upsert mixed",
        known=material.named(exam, "new", Email=material.email(exam, 3)),
        keyless=material.named(exam, "keyless"),
    )


@statement("9.44", "An upsert row without a value in any check field is inserted", writes=True)
def upsert_without_key(exam: Examination) -> Finding:
    """One upsert of two rows."""
    batch = _mixed(exam)
    action = batch.result("keyless").get("action")
    return judged(action == "insert", f"{batch.said('keyless')}, {action}", batch.said("keyless"))


@statement("11.7b", "An upsert with inserts and updates is 200", writes=True, depends=("9.44",))
def upsert_mixed_status(exam: Examination) -> Finding:
    """Same upsert as 9.44."""
    batch = _mixed(exam)
    if batch.result("known").get("action") != "update":
        raise NotCheckable(batch.said("known"))
    return judged(batch.exchange.status == 200, str(batch.exchange.status), batch.exchange.said)


@statement("9.45", "The same key twice in an upsert: in order, the second row updates", writes=True)
def upsert_twice(exam: Examination) -> Finding:
    """One upsert of two rows."""
    batch = _upsert(
        exam,
        "upsert twice",
        one=material.named(exam, "twice", Email=material.email(exam, 4)),
        two=material.named(exam, "twice again", Email=material.email(exam, 4)),
    )
    if not batch.ok("two"):
        return refuted(f"the second is refused: {batch.code('two')}", batch.said("two"))
    holds = batch.result("two").get("action") == "update" and batch.id("one") == batch.id("two")
    return judged(holds, "two records", batch.said("two"))


@statement("11.8a", "An upsert that matches several records updates the oldest", writes=True)
def upsert_several(exam: Examination) -> Finding:
    """Two companies of one name, and an upsert."""
    made = material.companies(exam)
    one, two = made.id("one"), made.id("two")
    row = {"Account_Name": f"{exam.mark} double"}
    batch = exam.made.upsert("upsert several", "Accounts", {"row": row}, "Account_Name")
    if not batch.exchange.rows or not batch.ok("row"):
        return refuted("refused", batch.exchange.said)
    which = {one: "the oldest", two: "the newest"}.get(batch.id("row"), "a new record")
    return judged(batch.id("row") == one, which, batch.said("row"))


@statement("11.8b", "An id in an upsert row is ignored", writes=True)
def upsert_with_id(exam: Examination) -> Finding:
    """One upsert with the id of one record and the e-mail of none."""
    known = material.contacts(exam).id("owner")
    row = material.named(exam, "owner", id=known, Email=material.email(exam, 5))
    batch = _upsert(exam, "upsert id", row=row)
    if not batch.ok("row"):
        return refuted(batch.said("row"), batch.said("row"))
    return judged(batch.id("row") != known, "used", batch.said("row"))


@statement("11.8c", "duplicate_check_fields with a field that is not unique is 400", writes=True)
def upsert_plain_field(exam: Examination) -> Finding:
    """One upsert."""
    one, _ = material.texts(exam)
    row = material.named(exam, "plain", **{one: exam.mark})
    asked = exam.made.upsert("upsert plain", "Contacts", {"row": row}, one).exchange
    return judged(asked.status == 400, "accepted", asked.said)
