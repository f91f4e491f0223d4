"""What shows only between writes and reads: tokens, COQL's lag (9.26; 11.1, 11.15)."""

from __future__ import annotations

from typing import Final

from bigin_client.contract import material
from bigin_client.contract.examination import Examination
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import Finding, NotCheckable, judged, statement

_CHAIN: Final = 6


def _chain(exam: Examination) -> tuple[list[str], Exchange]:
    """Read two of six new contacts, newest first, change the rest, and follow the token.

    Of the six, newest first, the first page shows 6 and 5. Then 6 is deleted and 4 changed. A
    keyset token goes on behind 5: 4 as changed, 3. An offset skips one: 3, 2. A snapshot shows 4
    as it was, 3.
    """
    one, _ = material.texts(exam)
    rows = {str(n): material.named(exam, f"token {n}", **{one: "old"}) for n in range(_CHAIN)}
    batch = exam.made.insert("chain", "Contacts", rows)
    ids = sorted((batch.id(n) for n in rows), key=int, reverse=True)
    params = {"fields": f"Last_Name,{one}", "per_page": 2}

    def follow() -> Exchange:
        start = exam.get("Contacts", params, fresh=True)
        token = start.info.get("next_page_token")
        if [str(r["id"]) for r in start.rows] != ids[:2] or not token:
            raise NotCheckable(f"the newest contacts are others, or no token: {start.said}")
        exam.made.delete("chain 6", "Contacts", ids[:1])
        exam.made.update("chain 4", "Contacts", {"row": {"id": ids[2], one: "new"}})
        return exam.get("Contacts", {**params, "page_token": str(token)}, fresh=True)

    return ids, exam.made.once("follow", follow)


def _nature(exam: Examination) -> tuple[str, str]:
    ids, asked = _chain(exam)
    one, _ = material.texts(exam)
    seen = [str(r["id"]) for r in asked.rows]
    if seen == ids[3:5]:
        return "offset", asked.said
    if seen == ids[2:4]:
        changed = asked.rows[0].get(one) == "new"
        return ("keyset" if changed else "snapshot"), asked.said
    raise NotCheckable(f"neither: the account is changing at the moment, {asked.said}")


@statement("9.26", "A token chain is no snapshot: rows not yet read show later writes", writes=True)
def no_snapshot(exam: Examination) -> Finding:
    """Six contacts, two pages, a deletion and an update."""
    nature, said = _nature(exam)
    if nature == "offset":
        raise NotCheckable("the changed row was skipped: the token is an offset")
    return judged(nature == "keyset", nature, said)


@statement(
    "11.1", "A token is a keyset: a deletion among the rows read hides no other", writes=True
)
def token_nature(exam: Examination) -> Finding:
    """Same requests as 9.26."""
    nature, said = _nature(exam)
    return judged(nature == "keyset", nature, said)


def at_once(exam: Examination) -> tuple[Exchange, Exchange, float]:
    """Insert a contact and look for it by search and by COQL at once."""

    def look() -> tuple[Exchange, Exchange, float]:
        address = material.email(exam, 2)
        material.single(exam).id("single")
        began = exam.clock()
        search = exam.get("Contacts/search", {"email": address}, fresh=True, scopes=True)
        coql = exam.coql(f"select id from Contacts where Email = '{address}'")
        return search, coql, began

    return exam.made.once("at once", look)


@statement("11.15c", "COQL sees a write at once", writes=True)
def coql_lag(exam: Examination) -> Finding:
    """One query straight after an insert."""
    _, asked, _ = at_once(exam)
    if asked.status >= 400:
        raise NotCheckable(asked.said)
    return judged(bool(asked.rows), "it lags", asked.said)
