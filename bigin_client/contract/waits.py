"""The search index, which lags behind writes (bigin-api.md 3.5, 7.1; 9.55, 9.57)."""

from __future__ import annotations

from typing import Final

from bigin_client.contract import material
from bigin_client.contract.examination import Examination
from bigin_client.contract.over_time import at_once
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
)
from bigin_client.criteria import field

#: Seconds after which the index is asked again, and at most (7.1: 10 to 20 s).
_LAG: Final = 20.0
_LONGEST_LAG: Final = 60.0
_PAUSE: Final = 5.0


@statement(
    "9.55",
    "Search sees a write only after a lag of some seconds; lists and get at once",
    writes=True,
)
def search_lag(exam: Examination) -> Finding:
    """One search straight after an insert, others until it is found: up to a minute."""
    early, _, began = at_once(exam)
    if early.status >= 400:
        raise NotCheckable(early.said)
    if early.rows:
        return refuted("at once", early.said)
    waited = exam.clock() - began
    if waited < _LAG:
        exam.wait(_LAG - waited)
    while True:
        late = exam.get("Contacts/search", {"email": material.email(exam, 2)}, fresh=True)
        waited = exam.clock() - began
        if late.rows:
            return confirmed(early.said, late.said, observed=f"within {waited:.0f} s")
        if waited > _LONGEST_LAG:
            return refuted(f"not after {waited:.0f} s", early.said, late.said)
        exam.wait(_PAUSE)


@statement("9.57", "equals on a text also finds texts that hold all its words", writes=True)
def loose_equals(exam: Examination) -> Finding:
    """One search, after the lag of 9.55, for a name that another name contains."""
    batch = material.contacts(exam)
    exact, wordy = batch.id("exact"), batch.id("wordy")
    early, _, _ = at_once(exam)
    if early.status >= 400 or not (exam.holds("9.55") or early.rows):
        raise NotCheckable("the search does not show what was just made")
    criteria = str(field("Last_Name").equals(f"{exam.mark} alpha beta"))
    asked = exam.get("Contacts/search", {"criteria": criteria}, fresh=True)
    ids = {str(r.get("id")) for r in asked.rows}
    if exact not in ids:
        raise NotCheckable(f"the record itself is not found: {asked.said}")
    return judged(wordy in ids, "only the exact text", asked.said)
