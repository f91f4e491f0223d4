"""Relations and deletions (bigin-api.md 3.3, 3.4, 3.8; 9.32, 9.33, 9.47 to 9.49; 10.8; 11.11)."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from bigin_client import timestamps
from bigin_client.account import PIPELINES
from bigin_client.contract import material
from bigin_client.contract.examination import Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import Finding, NotCheckable, judged, refuted, statement
from bigin_client.contract.workshop import Batch
from bigin_client.records import MODIFIED

_ACTIVITY: Final = "Last_Activity_Time"
_A_SECOND: Final = 1.1
_FEED: Final = {"type": "all", "page": 1, "per_page": 200}


def _link(exam: Examination, time: str) -> Exchange:
    contact, product = material.single(exam).id("single"), material.product(exam)
    path = f"Contacts/{contact}/Products/{product}"
    return exam.made.once(f"link {time}", lambda: exam.probe.send("PUT", path, body={"data": [{}]}))


@statement("9.33", "Linking a product moves Last_Activity_Time, not Modified_Time", writes=True)
def link_moves(exam: Examination) -> Finding:
    """A product, a link and two reads."""
    contact = material.single(exam).id("single")
    material.product(exam)
    before = exam.made.present("before link", "Contacts", contact, MODIFIED, _ACTIVITY)
    exam.wait(_A_SECOND)
    asked = _link(exam, "first")
    if asked.status != 200:
        raise NotCheckable(asked.said)
    after = exam.made.present("after link", "Contacts", contact, MODIFIED, _ACTIVITY)
    if not before.get(_ACTIVITY) or not after.get(_ACTIVITY):
        raise NotCheckable(f"the contact shows no {_ACTIVITY}")
    wrong = [] if _moved(before, after, _ACTIVITY) else [f"{_ACTIVITY} stays"]
    wrong += [f"{MODIFIED} moves"] if _moved(before, after, MODIFIED) else []
    return judged(not wrong, ", ".join(wrong), asked.said)


def _moved(before: dict[str, Any], after: dict[str, Any], name: str) -> bool:
    return timestamps.parse(after[name]) > timestamps.parse(before[name])


@statement("9.32", "Linking twice: relation added, then relation updated, both 200", writes=True)
def link_twice(exam: Examination) -> Finding:
    """Two links, one of them that of 9.33."""
    asked = [_link(exam, "first"), _link(exam, "second")]
    said = [str(a.rows[0].get("message")) if a.rows else a.said for a in asked]
    holds = said == ["relation added", "relation updated"]
    holds = holds and {a.status for a in asked} == {200}
    return judged(holds, "; ".join(said), *(a.said for a in asked))


@statement("9.49a", "A lookup is written as {id} and read as {name, id}", writes=True)
def lookup_form(exam: Examination) -> Finding:
    """A company, a contact of it, and a read."""
    contact = material.relatives(exam).id("linked")
    company = material.companies(exam).id("parent")
    value = exam.made.present("lookup", "Contacts", contact, "Account_Name").get("Account_Name")
    if not isinstance(value, dict):
        return refuted("no object", "Contacts: Account_Name")
    holds = {"name", "id"} <= value.keys() and str(value["id"]) == company
    return judged(holds, f"{{{', '.join(sorted(value))}}}", "Contacts: Account_Name")


@statement(
    "9.49b", "A lookup's name follows when its target is renamed", writes=True, depends=("9.49a",)
)
def lookup_name(exam: Examination) -> Finding:
    """An update of the company and a read."""
    contact = material.relatives(exam).id("linked")
    name = f"{exam.mark} renamed"
    row = {"id": material.companies(exam).id("parent"), "Account_Name": name}
    batch = exam.made.update("rename", "Accounts", {"row": row})
    if not batch.ok("row"):
        raise NotCheckable(batch.said("row"))
    value = exam.made.present("renamed", "Contacts", contact, "Account_Name").get("Account_Name")
    shown = value.get("name") if isinstance(value, dict) else None
    return judged(shown == name, "it keeps the old one", batch.said("row"))


def _victim(exam: Examination) -> str:
    return material.relatives(exam).id("victim")


def _delete_victim(exam: Examination) -> Batch:
    """Delete the contact that a deal and a note point to, after both were made."""

    def prepare() -> str:
        # What cannot be made is said by the statement that needs it.
        with contextlib.suppress(NotCheckable):
            material.note(exam)
        with contextlib.suppress(NotCheckable):
            deal = material.deals(exam).id("good")
            exam.made.present("deal before", PIPELINES, deal, "Contact_Name", MODIFIED)
        return ""

    exam.made.once("before victim", prepare)
    return exam.made.delete("victim", "Contacts", [_victim(exam)])


@statement("9.47a", "A deletion by ids is 200 with a result per id, record deleted", writes=True)
def deletion(exam: Examination) -> Finding:
    """One deletion of one record that the examination made."""
    batch, victim = _delete_victim(exam), _victim(exam)
    holds = batch.exchange.status == 200 and batch.ok(victim)
    message = batch.result(victim).get("message")
    return judged(
        holds and message == "record deleted",
        f"{batch.exchange.said}, {message}",
        batch.exchange.said,
    )


@statement("9.47b", "A second deletion of an id is INVALID_DATA in its row", writes=True)
def second_deletion(exam: Examination) -> Finding:
    """One deletion of what is gone."""
    _delete_victim(exam)
    batch = exam.made.delete("victim again", "Contacts", [_victim(exam)])
    if not batch.exchange.rows:
        return refuted(batch.exchange.said, batch.exchange.said)
    code = batch.code(_victim(exam))
    return judged(code == "INVALID_DATA", code, batch.exchange.said)


@statement("9.30d", "A deleted record is 204", writes=True, depends=("9.47a",))
def deleted_record(exam: Examination) -> Finding:
    """One read."""
    found = exam.made.read("victim gone", "Contacts", _victim(exam), "Last_Name")
    return judged(found is None, "still there", "GET Contacts/{id}")


@statement(
    "11.11a",
    "A lookup to a deleted record is null, without moving Modified_Time",
    writes=True,
    depends=("9.47a",),
)
def lookup_to_deleted(exam: Examination) -> Finding:
    """Two reads of a deal whose contact was deleted."""
    deal = material.deals(exam).id("good")
    before = exam.made.present("deal before", PIPELINES, deal, "Contact_Name", MODIFIED)
    if not before.get("Contact_Name"):
        raise NotCheckable("the deal did not take its contact")
    after = exam.made.present("deal after", PIPELINES, deal, "Contact_Name", MODIFIED)
    wrong = ["kept"] if after.get("Contact_Name") else []
    wrong += [f"{MODIFIED} moves"] if _moved(before, after, MODIFIED) else []
    return judged(not wrong, ", ".join(wrong), f"{PIPELINES}: Contact_Name")


@statement("11.11b", "Notes of a deleted record are deleted", writes=True, depends=("9.47a",))
def notes_of_deleted(exam: Examination) -> Finding:
    """One read of a note whose contact was deleted."""
    found = exam.made.read("note after", "Notes", material.note(exam), "Note_Title")
    return judged(found is None, "kept", "GET Notes/{id}")


def _delete_company(exam: Examination) -> Batch:
    material.relatives(exam).id("linked")
    company = material.companies(exam).id("parent")
    batch = exam.made.delete("company", "Accounts", [company])
    if not batch.ok(company):
        raise NotCheckable(batch.exchange.said)
    return batch


@statement("9.48", "Deleting a company deletes its contacts", writes=True)
def cascade(exam: Examination) -> Finding:
    """One deletion of a company that the examination made, and a read of its only contact."""
    batch = _delete_company(exam)
    contact = material.relatives(exam).id("linked")
    found = exam.made.read("linked gone", "Contacts", contact, "Last_Name")
    return judged(found is None, "the contact stays", batch.exchange.said)


@statement(
    "10.8",
    "The deleted feed lists contacts that went along with their company",
    writes=True,
    depends=("9.48",),
)
def cascade_in_feed(exam: Examination) -> Finding:
    """One page of the feed, where the contact deleted by itself has to be too."""
    asked = exam.get("Contacts/deleted", _FEED, fresh=True)
    ids = {str(r.get("id")) for r in asked.rows}
    if _victim(exam) not in ids:
        raise NotCheckable(f"the feed's first page does not show a fresh deletion: {asked.said}")
    linked = material.relatives(exam).id("linked")
    return judged(linked in ids, "not listed", asked.said)
