"""The retry table, row by row (bigin-api.md section 6, maton.md A5)."""

import pytest

from bigin_client.retry import Action, Fault, Outcome, decide

RETRY, FEW, RAISE, RETURN = Action.RETRY, Action.RETRY_FEW, Action.RAISE, Action.RETURN

ROWS = [
    # outcome, what a read or another repeatable request does, what an insert does
    (Outcome(fault=Fault.NOT_SENT), RETRY, RETRY),
    (Outcome(fault=Fault.UNCLEAR), RETRY, RAISE),
    (Outcome(status=200), RETURN, RETURN),
    (Outcome(status=201), RETURN, RETURN),
    (Outcome(status=202), RETURN, RETURN),
    (Outcome(status=204), RETURN, RETURN),
    (Outcome(status=304), RETURN, RETURN),
    (Outcome(status=302), RAISE, RAISE),
    (Outcome(status=429, code="TOO_MANY_REQUESTS"), RETRY, RETRY),
    (Outcome(status=429, gateway_shape=True), RETRY, RETRY),
    (Outcome(status=401, code="INVALID_TOKEN"), FEW, FEW),
    (Outcome(status=401, code="AUTHENTICATION_FAILURE"), FEW, FEW),
    (Outcome(status=401, code="OAUTH_SCOPE_MISMATCH"), RAISE, RAISE),
    (Outcome(status=401, gateway_shape=True), RAISE, RAISE),
    (Outcome(status=403, code="NO_PERMISSION"), RAISE, RAISE),
    (Outcome(status=404, code="INVALID_URL_PATTERN"), RAISE, RAISE),
    (Outcome(status=412, gateway_shape=True), RAISE, RAISE),
    (Outcome(status=400, code="INVALID_DATA"), RAISE, RAISE),
    (Outcome(status=413), RAISE, RAISE),
    (Outcome(status=408), RETRY, RAISE),
    (Outcome(status=500, gateway_shape=True), FEW, RAISE),
    (Outcome(status=500, code="INTERNAL_ERROR"), RETRY, RAISE),
    (Outcome(status=500), RETRY, RAISE),
    (Outcome(status=502), RETRY, RAISE),
    (Outcome(status=503), RETRY, RAISE),
    (Outcome(status=504), RETRY, RAISE),
    (Outcome(status=501), RAISE, RAISE),
]


@pytest.mark.parametrize(("outcome", "repeatable", "insert"), ROWS)
def test_table(outcome, repeatable, insert):
    assert decide(outcome, idempotent=True) is repeatable
    assert decide(outcome, idempotent=False) is insert
