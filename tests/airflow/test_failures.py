"""What a failed task raises, what is retried, how a task is stopped, and what nobody may see."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_bigin import failures
from airflow_provider_bigin.failures import BIGIN_RETRY_POLICY, as_task_failure
from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from airflow_provider_bigin.operators.modules import BiginListModulesOperator
from airflow_provider_bigin.sensors.record import BiginRecordSensor
from bigin_client import errors
from bigin_client.errors import CancelledError, RejectedRecordsError
from tests.airflow.conftest import needs_3_3

SUMMARY = {"rows": 1}


def made(kind):
    facts = {"summary": SUMMARY} if kind is RejectedRecordsError else {}
    return kind("something", status=400, code="CODE", hint="Do this.", **facts)


@needs_3_3
@pytest.mark.parametrize(
    ("kind", "action", "delay"),
    [
        (errors.AuthenticationError, "fail", None),
        (errors.SettingsError, "fail", None),
        (errors.WindowError, "fail", None),
        (errors.ScopeError, "fail", None),
        (errors.RateLimitedError, "retry", timedelta(minutes=1)),
        (errors.CreditsExhaustedError, "retry", timedelta(hours=1)),
        (errors.ServiceError, "default", None),
        (errors.PagingError, "default", None),
    ],
)
def test_the_retry_policy_knows_our_errors(kind, action, delay):
    decision = BIGIN_RETRY_POLICY.evaluate(made(kind), 1, 3)
    assert decision.action.value == action
    assert decision.retry_delay == delay


@needs_3_3
def test_every_operator_and_sensor_has_the_policy_mapped_or_not(tmp_path):
    assert BiginListModulesOperator(task_id="a").retry_policy is BIGIN_RETRY_POLICY
    sensor = BiginRecordSensor(task_id="b", module="Contacts", record_id="1")
    assert sensor.retry_policy is BIGIN_RETRY_POLICY
    mapped = BiginExtractToFileOperator.partial(task_id="c", output_path=str(tmp_path))
    assert mapped.kwargs["retry_policy"] is BIGIN_RETRY_POLICY
    mapped._expand_called = True


@pytest.mark.parametrize("kind", failures.PERMANENT)
def test_before_3_3_errors_that_no_retry_mends_fail_the_task_at_once(monkeypatch, kind):
    """They stay what they are, too: a callback can tell them apart and read their facts."""
    monkeypatch.setattr(failures, "BIGIN_RETRY_POLICY", None)
    failure = as_task_failure(made(kind))
    assert isinstance(failure, AirflowFailException)
    assert isinstance(failure, kind)
    assert (failure.code, str(failure)) == ("CODE", str(made(kind)))


@needs_3_3
def test_refusals_are_final_whatever_the_policy():
    assert isinstance(as_task_failure(made(RejectedRecordsError)), AirflowFailException)
    for kind in (errors.ServiceError, errors.AuthenticationError):
        assert not isinstance(as_task_failure(made(kind)), AirflowFailException)


def test_a_killed_task_stops_between_two_requests(bigin_default, tasks, tmp_path):
    operator = BiginExtractToFileOperator(
        task_id="t", module="Contacts", output_path=str(tmp_path), mode="full"
    )
    bigin_default.faults.add("status", status=503, times=None, match={"operation": "list"})
    killed_at = []

    def kill():
        killed_at.append(time.monotonic())
        operator.on_kill()

    timer = threading.Timer(1.5, kill)
    timer.start()
    with pytest.raises(CancelledError):
        operator.execute(tasks.context())
    timer.join()
    assert time.monotonic() - killed_at[0] < 10, "without the kill it would retry for minutes"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_task_that_is_killed_before_its_first_request_sends_none(bigin_default, tasks, tmp_path):
    operator = BiginExtractToFileOperator(
        task_id="t", module="Contacts", output_path=str(tmp_path), mode="full"
    )
    operator.on_kill()
    with pytest.raises(CancelledError):
        operator.execute(tasks.context())
    assert bigin_default.requests == []


@needs_3_3
def test_no_key_and_no_contents_in_logs_xcom_and_errors(
    bigin_default, tasks, tmp_path, capfd, caplog
):
    """Everything that Airflow shows of a run is scanned, at the lowest log level."""
    caplog.set_level(logging.DEBUG)
    secret = "Zaphod"
    source = tmp_path / "in.jsonl"
    rows = [{"Last_Name": secret, "Email": f"{secret}@example.org"}, {"Email": f"{secret}@x"}]
    source.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(RejectedRecordsError) as failure:
        BiginLoadFromFileOperator(
            task_id="l",
            module="Contacts",
            input_path=str(source),
            match_on="Email",
            rejects_path=str(tmp_path / "rejects.jsonl"),
        ).execute(tasks.context())
    BiginExtractToFileOperator(
        task_id="e", module="Contacts", output_path=str(tmp_path / "out")
    ).execute(tasks.context("run-2"))
    out, err = capfd.readouterr()
    shown = "\n".join(
        [
            *(out, err, caplog.text, repr(failure.value), json.dumps(tasks.pushed)),
            *(json.dumps(tasks.task_state), repr(tasks.asset_state)),
        ]
    )
    assert bigin_default.api_key not in shown
    assert secret not in shown
    assert "Authorization" not in shown


@needs_3_3
def test_a_run_without_a_logical_date(bigin_default, tasks, tmp_path):
    """Trap: runs started by API may have no date and no interval; nothing here needs one."""
    context = tasks.context("manual__x")
    assert "logical_date" not in context
    summary = BiginExtractToFileOperator(
        task_id="t", module="Contacts", output_path=str(tmp_path)
    ).execute(context)
    assert summary["rows"] == bigin_default.store.count("Contacts")
