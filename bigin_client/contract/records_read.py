"""Single records, related lists and the forms of values (bigin-api.md 3.2, 3.8, 4; 9.30, 9.31)."""

from __future__ import annotations

from bigin_client.account import PIPELINES
from bigin_client.contract.examination import PARENT_WORDS, Examination, first
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
)
from bigin_client.records import MODIFIED
from bigin_client.types import Record

#: Records tried where one may have been deleted since it was listed.
_TRIES = 3
_ACTIVITIES = ("Tasks", "Events", "Calls")


@statement("9.30a", "One record comes as data of one, without info")
def one_record(exam: Examination) -> Finding:
    """One request; another where the record was deleted in the meantime."""
    module = exam.main()
    for record in exam.rows(module)[:_TRIES]:
        asked = exam.get(f"{module}/{record['id']}", {"fields": MODIFIED})
        if asked.status != 204:
            holds = asked.status == 200 and len(asked.rows) == 1 and not asked.info
            keys = sorted(asked.reply.object())
            return judged(holds, f"{asked.said}, keys {keys}", asked.said)
    raise NotCheckable("records that a list showed are not there any more")


@statement("9.30b", "An id that does not exist is 204")
def no_record(exam: Examination) -> Finding:
    """One request, with an id of this account's form that no record has."""
    module = exam.main()
    highest = max(int(r["id"]) for m in exam.readable().values() for r in m)
    asked = exam.get(f"{module}/{highest + 10**12}", {"fields": MODIFIED})
    return judged(asked.status == 204, asked.said, asked.said)


@statement("9.30c", "An id that is no number is 400 INVALID_DATA")
def malformed_id(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get(f"{exam.main()}/bigin-contract", {"fields": MODIFIED})
    return judged(asked.refused(400, "INVALID_DATA"), asked.said, asked.said)


@statement("9.31", "A related list has a list's info without sort keys, and is 204 when empty")
def related_list(exam: Examination) -> Finding:
    """Three requests: the contacts of a company that has some, a contact, its products."""
    contacts = exam.rows("Contacts")
    companies = dict.fromkeys(
        str(c["id"]) for r in contacts if isinstance(c := r.get("Account_Name"), dict)
    )
    asked = (
        exam.get(f"Accounts/{company}/Contacts", {"fields": MODIFIED})
        for company in list(companies)[:_TRIES]
    )
    full = first((a for a in asked if a.status != 204), "no contact with a company was seen")
    if not full.rows:
        return refuted(full.said, full.said)
    keys = full.info.keys()
    wrong = [f"without {k}" for k in ("per_page", "count", "more_records") if k not in keys]
    wrong += [f"with {k}" for k in ("sort_by", "sort_order") if k in keys]
    contact = first(
        (r["id"] for r in contacts[:_TRIES] if _is_there(exam, str(r["id"]))),
        "contacts that a list showed are not there any more",
    )
    other = exam.get(f"Contacts/{contact}/Products", {"fields": "Product_Name"})
    if not other.rows and other.status != 204:
        wrong.append(other.said)
    return judged(not wrong, ", ".join(wrong), full.said, other.said)


def _is_there(exam: Examination, contact: str) -> bool:
    return exam.get(f"Contacts/{contact}", {"fields": MODIFIED}).status == 200


@statement("10.6a", "Pipeline reads as {name, id}")
def pipeline_form(exam: Examination) -> Finding:
    """Looks at the first page of deals."""
    values = [v for r in exam.rows(PIPELINES) if (v := r.get("Pipeline")) is not None]
    value = first(values, "no deal with a Pipeline was seen")
    holds = all(isinstance(v, dict) and {"name", "id"} <= v.keys() for v in values)
    return judged(holds, f"as {_form(value)}", f"{len(values)} deals")


@statement("10.6b", "Lists return the rows of the subform Associated_Products")
def subform_in_lists(exam: Examination) -> Finding:
    """One request: a deal by id, compared with the list."""
    listed = {str(r["id"]): r for r in exam.rows(PIPELINES)}
    if any(r.get("Associated_Products") for r in listed.values()):
        return confirmed(f"{len(listed)} deals")
    parents = (
        p.get("id") for r in exam.rows("Associated_Products")
        if isinstance(p := r.get("Parent_Id"), dict)
    )  # fmt: skip
    deal = first((str(p) for p in parents if str(p) in listed), "no deal with line items was seen")
    asked = exam.get(f"{PIPELINES}/{deal}", {"fields": "Associated_Products"})
    items = asked.rows[0].get("Associated_Products") if asked.rows else None
    if not items:
        raise NotCheckable(f"the deal of a line item shows none itself: {asked.said}")
    return refuted("null in lists, rows in one record", asked.said)


@statement("10.7a", "An activity's parent is Related_To with $related_module")
def activity_parent(exam: Examination) -> Finding:
    """Looks at the first pages of activities, which are asked for the CRM's names too."""
    for module in _ACTIVITIES:
        for record in exam.readable().get(module, []):
            if isinstance(record.get("Related_To"), dict) and record.get("$related_module"):
                return confirmed(f"{module}: Related_To, $related_module")
            if record.get("What_Id"):
                return refuted("What_Id", f"{module}: What_Id")
    raise NotCheckable("no activity with a parent was seen")


@statement("10.7b", "A note's Parent_Id is {name, id}, its module is in $se_module")
def note_parent(exam: Examination) -> Finding:
    """Looks at the first page of notes."""
    parent: Record
    for record in exam.rows("Notes"):
        parent = record.get("Parent_Id") or {}
        if not isinstance(parent, dict) or not parent.get("id"):
            continue
        if isinstance(parent.get("module"), dict):
            return refuted("Parent_Id names the module itself", "Notes: Parent_Id.module")
        return judged(bool(record.get("$se_module")), "no $se_module", "Notes: Parent_Id")
    raise NotCheckable("no note with a parent was seen")


@statement("section 1.4", "The word for deals as a parent is Deals")
def word_for_deals(exam: Examination) -> Finding:
    """Looks at the first pages of activities and notes."""
    words = {
        str(record[w])
        for module in (*_ACTIVITIES, "Notes")
        for record in exam.readable().get(module, [])
        for w in PARENT_WORDS
        if record.get(w)
    }
    if not words & {"Deals", PIPELINES}:
        raise NotCheckable("no activity or note of a deal was seen")
    return judged(PIPELINES not in words, PIPELINES, f"words {', '.join(sorted(words))}")


@statement("11.12a", "An empty multi-select is read as null")
def empty_multiselect(exam: Examination) -> Finding:
    """Looks at the first pages; needs a multi-select field that is empty somewhere."""
    seen = []
    for module, rows in exam.readable().items():
        names = [n for n, f in exam.fields(module).items() if f.data_type == "multiselectpicklist"]
        seen += [r[n] for r in rows for n in names if n in r and not r[n]]
    value = first(iter(seen), "no empty multi-select was seen")
    return judged(all(v is None for v in seen), _form(value), f"{len(seen)} empty values")


@statement("section 4a", "Ids and bigint values are texts of digits")
def ids_are_text(exam: Examination) -> Finding:
    """Looks at the first pages."""
    ids = [r["id"] for rows in exam.readable().values() for r in rows]
    if not ids:
        raise NotCheckable("no record was seen")
    wrong = [i for i in ids if not (isinstance(i, str) and i.isdigit())]
    return judged(not wrong, _form(wrong[0]) if wrong else "", f"{len(ids)} records")


@statement("section 4b", "Owner, Created_By and Modified_By read as {name, id, email}")
def people(exam: Examination) -> Finding:
    """Looks at the first pages."""
    seen = [
        v
        for rows in exam.readable().values()
        for r in rows
        for n in ("Owner", "Created_By", "Modified_By")
        if (v := r.get(n)) is not None
    ]
    if not seen:
        raise NotCheckable("no record was seen")
    wrong = [v for v in seen if not (isinstance(v, dict) and {"name", "id", "email"} <= v.keys())]
    return judged(not wrong, _form(wrong[0]) if wrong else "", f"{len(seen)} values")


def _form(value: object) -> str:
    """Return a value's form, without the value."""
    if isinstance(value, dict):
        return f"an object of {', '.join(sorted(value))}"
    if isinstance(value, list):
        return "an array" if value else "[]"
    return "a text" if isinstance(value, str) else type(value).__name__
