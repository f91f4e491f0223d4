"""Paths, keys and connections (bigin-api.md section 9, 1 to 9; maton.md)."""

from __future__ import annotations

from typing import Any, Final

from bigin_client.connections import ACTIVE, APP, FAILED
from bigin_client.contract.examination import Examination, first
from bigin_client.contract.statements import (
    Finding,
    NotCheckable,
    confirmed,
    judged,
    refuted,
    statement,
    unasked,
)
from bigin_client.errors import BiginError
from bigin_client.types import ConnectionInfo

_NO_PATH: Final = "settings/bigin_contract_no_such_path"
_NO_CONNECTION: Final = "00000000-0000-4000-8000-000000000000"


def shape_of(body: dict[str, Any]) -> str:
    """Return which of the gateway's error shapes a body has (maton.md A5)."""
    error = body.get("error")
    if isinstance(error, dict) and "message" in error:
        return "error.message"
    if "message" in body:
        return "message"
    if isinstance(error, str):
        return "error"
    if isinstance(body.get("detail"), list):
        return "detail list"
    return "detail" if "detail" in body else "none that is known"


@statement("9.1", "An unknown path is 404 INVALID_URL_PATTERN, in a top-level object")
def unknown_path(exam: Examination) -> Finding:
    """One request."""
    asked = exam.get(_NO_PATH)
    return judged(asked.refused(404, "INVALID_URL_PATTERN"), asked.said, asked.said)


def _with_wrong_key(exam: Examination) -> tuple[int, dict[str, Any]]:
    # A store of its own: the pace of a key that is none concerns nobody.
    status, body = exam.knock(api_key="bigin-contract-no-such-key", rate_limit_store="memory")
    if status == 429 or status >= 500:
        raise NotCheckable(f"no answer: HTTP {status}")
    return status, body


@statement("9.2", "A wrong Maton key is 401 in a shape of Maton's, without code")
def wrong_key(exam: Examination) -> Finding:
    """One request to the gateway, which does not pass it on."""
    status, body = _with_wrong_key(exam)
    said = f"a wrong key → {status}, keys {sorted(body)}"
    return judged(status == 401 and "code" not in body, said, said)


@statement("maton A5a", 'The gateway\'s own errors are {"message": text}', depends=("9.2",))
def gateway_shape(exam: Examination) -> Finding:
    """Same reply as 9.2."""
    _, body = _with_wrong_key(exam)
    shape = shape_of(body)
    return judged(shape == "message", shape, f"keys {sorted(body)}")


unasked(
    "9.3",
    "Without a connection for the app: 400 in a shape of Maton's",
    "an examination needs a connection; without one it ends before the first statement",
)


def _with_status(exam: Examination, status: str) -> str:
    found: ConnectionInfo = first(
        (c for c in exam.connections() if c.get("status") == status),
        f"the gateway has no {status} connection to {APP}",
    )
    return found["connection_id"]


def _answers(exam: Examination, connection_id: str, wanted: int) -> Finding:
    status, body = exam.knock(connection_id=connection_id)
    if status == 429 or (status >= 500 and wanted < 500):
        raise NotCheckable(f"no answer: HTTP {status}")
    said = f"GET users with that connection → {status}, keys {sorted(body)}"
    return judged(status == wanted and "code" not in body, str(status), said)


@statement("11.9a", "A Maton-Connection that does not exist is 400 in a shape of Maton's")
def unknown_connection(exam: Examination) -> Finding:
    """One request."""
    return _answers(exam, _NO_CONNECTION, 400)


@statement("11.9b", "A Maton-Connection that is PENDING is 400 in a shape of Maton's")
def pending_connection(exam: Examination) -> Finding:
    """Uses a connection that is PENDING anyway, or one that the examination makes."""
    if exam.workshop is not None:
        return _answers(exam, exam.workshop.connection(), 400)
    return _answers(exam, _with_status(exam, "PENDING"), 400)


@statement("maton A5b", "A FAILED connection (expired grant) is 500 in a shape of Maton's")
def failed_connection(exam: Examination) -> Finding:
    """Uses a connection that is FAILED anyway."""
    return _answers(exam, _with_status(exam, FAILED), 500)


unasked(
    "11.9c",
    "The gateway checks key, rate, connection in this order",
    "would need more than 10 requests in a second",
)


@statement("maton A2", "Without Maton-Connection, and several ACTIVE, one of them serves")
def default_connection(exam: Examination) -> Finding:
    """One request without the header; only where there are several connections."""
    active = [c for c in exam.connections() if c.get("status") == ACTIVE]
    if len(active) < 2:
        raise NotCheckable("there is one ACTIVE connection only")
    path = f"/{APP}/bigin/v2/users"
    try:
        reply = exam.client.transport.gateway("GET", path, params={"type": "CurrentUser"})
    except BiginError as error:
        if error.status not in {400, 404, 412}:
            raise
        return refuted(f"refused with {error.status}", f"GET users, no header → {error.status}")
    exam.uncounted += 1
    return confirmed(f"GET users, no header → {reply.status}")


@statement(
    "11.10a",
    'POST /connections answers {"connection": {"connection_id"}}',
    writes=True,
)
def connection_reply(exam: Examination) -> Finding:
    """Makes a connection that nobody authorises, and deletes it."""
    form = exam.made.connection_form()
    return judged(form == "nested connection_id", form, f"POST /connections → {form}")


@statement("11.10b", "DELETE /connections/{id} answers 200 with {}", writes=True)
def connection_deletion(exam: Examination) -> Finding:
    """Deletes the connection of 11.10a."""
    reply = exam.made.delete_connection()
    said = f"DELETE /connections/{{id}} → {reply.status}, {len(reply.body)} bytes"
    return judged(reply.status == 200, str(reply.status), said)


@statement("9.8", "Module names are case-sensitive: `contacts` is 400 INVALID_MODULE")
def lower_case(exam: Examination) -> Finding:
    """One request."""
    return _no_module(exam, "contacts")


@statement("9.9", "`Deals` and `Companies` are no modules: 400 INVALID_MODULE")
def old_names(exam: Examination) -> Finding:
    """Two requests."""
    found = [_no_module(exam, name) for name in ("Deals", "Companies")]
    return next((f for f in found if f.observed), found[0])


@statement("11.2", "An unknown first segment, and Social, are 400 INVALID_MODULE")
def no_such_module(exam: Examination) -> Finding:
    """Two requests."""
    names = ["Bigin_Contract_No_Such_Module"]
    social = exam.modules().get("Social")
    if social is not None and not social.api_supported:
        names.append("Social")
    found = [_no_module(exam, name) for name in names]
    return next((f for f in found if f.observed), found[0])


def _no_module(exam: Examination, name: str) -> Finding:
    asked = exam.get(name, {"fields": "Modified_Time"})
    observed = asked.code or str(asked.status)
    return judged(asked.refused(400, "INVALID_MODULE"), observed, asked.said)


@statement(
    "section 6", "A method that a path does not have is 400 INVALID_REQUEST_METHOD", writes=True
)
def wrong_method(exam: Examination) -> Finding:
    """POST to the deleted feed, with no row that could be written."""
    asked = exam.probe.send("POST", "Contacts/deleted", body={"data": []})
    holds = asked.refused(400, "INVALID_REQUEST_METHOD")
    return judged(holds, f"{asked.status} {asked.code}", asked.said)


@statement("10.12", "The gateway passes /bigin/bulk/v2 on to Bigin")
def bulk_routed(exam: Examination) -> Finding:
    """Asks for a bulk job that does not exist: no credits of a job are spent."""
    asked = exam.get("/bigin/bulk/v2/read/1000000000000000001", scopes=True)
    if asked.status == 404 or asked.code in (None, "INVALID_URL_PATTERN"):
        return refuted("not routed", asked.said)
    return confirmed(asked.said)
