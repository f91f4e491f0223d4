"""Search and COQL (bigin-api.md 3.5, 3.6; 9.5, 9.55 to 9.58; 11.15; 10.3)."""

from __future__ import annotations

import re
from typing import Final

from bigin_client.contract.examination import Examination, first
from bigin_client.contract.probe import Exchange
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    judged,
    refuted,
    statement,
)
from bigin_client.criteria import field
from bigin_client.paging import PAGE_SIZE

_NO_SCOPE: Final = "OAUTH_SCOPE_MISMATCH"
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]{3,20}")
#: A condition that every record meets.
_ALWAYS: Final = "Modified_Time > '1990-01-01T00:00:00+00:00'"
_NEVER: Final = "Modified_Time > '2200-01-01T00:00:00+00:00'"


def _search(exam: Examination) -> Exchange:
    """Return a search that finds at least one contact: by the last name of one that is there."""
    names = (
        n for r in exam.rows("Contacts")
        if isinstance(n := r.get("Last_Name"), str) and _PLAIN_WORD.fullmatch(n)
    )  # fmt: skip
    name = first(names, "no contact with a plain last name was seen")
    criteria = str(field("Last_Name").equals(name))
    return exam.get("Contacts/search", {"criteria": criteria, "per_page": 5}, scopes=True)


def _usable_search(exam: Examination) -> Exchange:
    asked = _search(exam)
    if asked.status in {401, 403}:
        raise NotCheckable(f"the connection may not search: {asked.said}")
    return asked


@statement("9.5", "Without the securesearch grant, search is 401 OAUTH_SCOPE_MISMATCH")
def search_scope(exam: Examination) -> Finding:
    """One request, which other checks share."""
    asked = _search(exam)
    if asked.status < 400:
        raise NotCheckable("the connection may search: it has the grant, or needs none")
    return judged(asked.refused(401, _NO_SCOPE), asked.said, asked.said)


@statement("10.3j", "The connection's scopes cover search")
def search_allowed(exam: Examination) -> Finding:
    """Same reply as 9.5."""
    asked = _search(exam)
    return judged(asked.status not in {401, 403}, asked.said, asked.said)


@statement("9.56a", "Search without fields returns every column and $ keys")
def search_columns(exam: Examination) -> Finding:
    """Same reply as 9.5."""
    asked = _usable_search(exam)
    row = first(asked.rows, f"the search found nothing: {asked.said}")
    missing = sorted(exam.fields("Contacts").keys() - row.keys())
    dollars = [k for k in row if k.startswith("$")]
    wrong = [f"without {m}" for m in missing] + ([] if dollars else ["no $ keys"])
    return judged(not wrong, ", ".join(wrong), f"{asked.said}, {len(row)} keys")


@statement("9.56b", "info of a search has no token keys")
def search_info(exam: Examination) -> Finding:
    """Same reply as 9.5."""
    asked = _usable_search(exam)
    if not asked.info:
        raise NotCheckable(f"the search found nothing: {asked.said}")
    tokens = [k for k in asked.info if "token" in k]
    return judged(not tokens, f"with {', '.join(tokens)}", asked.said)


@statement("9.56c", "A search that finds nothing is 204", depends=("10.3j",))
def search_nothing(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get("Contacts/search", {"email": "bigin-contract@no-such-domain.invalid"})
    return judged(asked.status == 204, asked.said, asked.said)


@statement("9.56d", "A search past 2,000 rows is refused", depends=("10.3j",))
def search_too_deep(exam: Examination) -> Finding:
    """One request."""
    params: dict[str, str | int] = {"word": "bigin", "per_page": PAGE_SIZE, "page": 11}
    asked = exam.get("Contacts/search", params)
    return judged(asked.status == 400, asked.said, asked.said)


@statement("9.56e", "A search without selector is 400 EXPECTED_PARAM_MISSING", depends=("10.3j",))
def search_for_what(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get("Contacts/search")
    return judged(asked.refused(400, "EXPECTED_PARAM_MISSING"), asked.said, asked.said)


def _coql(exam: Examination, query: str) -> Exchange:
    asked = exam.coql(query)
    if asked.status in {401, 403} or asked.refused(404, "INVALID_URL_PATTERN"):
        raise NotCheckable(f"the connection may not use COQL: {asked.said}")
    return asked


def _small(exam: Examination) -> Exchange:
    return _coql(exam, f"select id, Account_Name from Contacts where {_ALWAYS} limit 0, 20")


@statement("10.3k", "The connection's scopes cover COQL")
def coql_allowed(exam: Examination) -> Finding:
    """One query, which other checks share."""
    asked = exam.coql(f"select id, Account_Name from Contacts where {_ALWAYS} limit 0, 20")
    if asked.refused(404, "INVALID_URL_PATTERN"):
        return refuted("no such path", asked.said)
    return judged(asked.status not in {401, 403}, asked.said, asked.said)


@statement("9.58a", "COQL's default order is id ascending")
def coql_order(exam: Examination) -> Finding:
    """Same reply as 10.3k."""
    asked = _small(exam)
    ids = [int(r["id"]) for r in asked.rows]
    if len(ids) < 2:
        raise NotCheckable(f"fewer than two contacts: {asked.said}")
    return judged(ids == sorted(ids), "another order", asked.said)


@statement("9.58b", "COQL returns at most 200 rows a call: LIMIT 201 is refused")
def coql_limit(exam: Examination) -> Finding:
    """One query."""
    asked = _coql(exam, f"select id from Contacts where {_ALWAYS} limit 0, 201")
    return judged(asked.status == 400, asked.said, asked.said)


@statement("9.58c", "COQL's offset and limit reach 10,000 rows: more is refused")
def coql_reach(exam: Examination) -> Finding:
    """One query."""
    asked = _coql(exam, f"select id from Contacts where {_ALWAYS} limit 9900, 200")
    return judged(asked.status == 400, asked.said, asked.said)


@statement("9.58d", "A query that finds nothing is 204")
def coql_nothing(exam: Examination) -> Finding:
    """One query."""
    asked = _coql(exam, f"select id from Contacts where {_NEVER}")
    return judged(asked.status == 204, asked.said, asked.said)


@statement("9.58e", "A query that does not parse is 400 SYNTAX_ERROR")
def coql_fault(exam: Examination) -> Finding:
    """One query."""
    asked = _coql(exam, "select id from")
    return judged(asked.refused(400, "SYNTAX_ERROR"), asked.code or asked.said, asked.said)


@statement("11.15a", "COQL refuses a query without WHERE")
def coql_where(exam: Examination) -> Finding:
    """One query."""
    asked = _coql(exam, "select id from Contacts limit 0, 1")
    return judged(asked.status == 400, "accepted", asked.said)


@statement("11.15b", "Lookups in COQL rows are {id} alone")
def coql_lookup(exam: Examination) -> Finding:
    """Same reply as 10.3k."""
    values = [v for r in _small(exam).rows if isinstance(v := r.get("Account_Name"), dict)]
    value = first(values, "no contact with a company among the first 20")
    return judged(set(value) == {"id"}, f"{{{', '.join(sorted(value))}}}", _small(exam).said)
