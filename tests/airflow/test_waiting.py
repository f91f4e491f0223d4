"""Sensors and triggers: the same rules in a worker, between reschedules, and deferred."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.providers.common.compat.module_loading import import_string
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_bigin.sensors.changes import BiginRecordsChangedSensor
from airflow_provider_bigin.sensors.connection import MatonConnectionActiveSensor
from airflow_provider_bigin.sensors.record import BiginRecordSensor
from airflow_provider_bigin.triggers.changes import BiginRecordsChangedTrigger
from airflow_provider_bigin.triggers.connection import MatonConnectionTrigger
from airflow_provider_bigin.triggers.record import BiginRecordTrigger
from bigin_client.errors import (
    AuthenticationError,
    ConnectionUnavailableError,
    ServiceError,
    SettingsError,
)
from tests.airflow.conftest import needs_3_3

pytestmark = pytest.mark.usefixtures("bigin_default")


def new(sim, **fields):
    made = sim.store.insert("Contacts", {"Last_Name": "Awaited", **fields})
    return made["id"] if isinstance(made, dict) else made


def soon(sensor, **arguments):
    return sensor(**{"task_id": "t", "poke_interval": 0.05, "timeout": 1, **arguments})


def deferred(sensor, context):
    """Return what a sensor is deferred with."""
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute(context)
    return deferral.value


def first_event(trigger, limit=10.0):
    """Run a trigger, as stored and made anew, until its first event."""
    path, arguments = trigger.serialize()
    json.dumps(arguments)
    again = import_string(path)(**arguments)
    assert again.serialize() == (path, arguments)

    async def go():
        events = again.run()
        try:
            return await asyncio.wait_for(anext(events), limit)
        finally:
            await events.aclose()

    return asyncio.run(go()).payload


def wrong_key(sim, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_BIGIN_DEFAULT",
        json.dumps({"conn_type": "bigin", "host": sim.base_url, "password": "wrong-key-000"}),
    )


# --- records ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["record_id", "criteria"])
def test_a_record_that_is_there(bigin_default, tasks, how):
    record_id = new(bigin_default, Title="There")
    bigin_default.clock.advance(60)
    asked = {"record_id": record_id, "criteria": "(Title:equals:There)"}
    sensor = soon(BiginRecordSensor, module="Contacts", **{how: asked[how]})
    assert sensor.execute(tasks.context()) == [record_id]


def test_min_count_and_the_cap_of_ids(bigin_default, tasks):
    for _ in range(4):
        new(bigin_default, Title="Several")
    bigin_default.clock.advance(60)
    arguments = {"module": "Contacts", "criteria": "(Title:equals:Several)"}
    sensor = soon(BiginRecordSensor, **arguments, min_count=4, max_xcom_records=2)
    assert len(sensor.execute(tasks.context())) == 2
    with pytest.raises(AirflowSensorTimeout):
        soon(BiginRecordSensor, **arguments, min_count=5).execute(tasks.context())


def test_it_has_to_know_what_to_look_for(tasks):
    with pytest.raises(SettingsError, match="either criteria or record_id"):
        soon(BiginRecordSensor, module="Contacts").execute(tasks.context())


def test_deferred_until_it_comes(bigin_default, tasks):
    sensor = soon(
        BiginRecordSensor, module="Contacts", criteria="(Title:equals:Later)", deferrable=True
    )
    deferral = deferred(sensor, tasks.context())
    assert isinstance(deferral.trigger, BiginRecordTrigger)
    assert deferral.method_name == "execute_complete"
    assert deferral.timeout == timedelta(seconds=61)
    record_id = new(bigin_default, Title="Later")
    bigin_default.clock.advance(60)
    event = first_event(deferral.trigger)
    assert event == {"status": "success", "ids": [record_id], "count": 1}
    assert sensor.execute_complete(tasks.context(), event) == [record_id]


def test_a_pace_of_its_own_holds_deferred_or_not(tasks):
    sensor = soon(BiginRecordSensor, **MISSING, deferrable=True, requests_per_second=4.5)
    trigger = deferred(sensor, tasks.context()).trigger
    assert sensor._client.settings.requests_per_second == 4.5
    assert asyncio.run(trigger.poller().client()).settings.requests_per_second == 4.5


def test_what_is_there_already_is_not_deferred(bigin_default, tasks):
    record_id = new(bigin_default)
    sensor = soon(BiginRecordSensor, module="Contacts", record_id=record_id, deferrable=True)
    assert sensor.execute(tasks.context()) == [record_id]


# --- changes ----------------------------------------------------------------------------------


def test_a_change_after_a_time(bigin_default, tasks):
    newest = max(r["Modified_Time"] for r in bigin_default.store.records("Contacts"))
    latest = datetime.fromisoformat(newest).astimezone(timezone.utc).isoformat()
    before = soon(BiginRecordsChangedSensor, module="contacts", since=latest)
    with pytest.raises(AirflowSensorTimeout):
        before.execute(tasks.context())
    record_id = bigin_default.store.records("Contacts")[0]["id"]
    bigin_default.clock.advance(5)
    bigin_default.store.update("Contacts", record_id, {"Title": "Now"})
    found = before.execute(tasks.context())
    assert found > latest
    assert bigin_default.requests[-1].params["per_page"] == "1", "one record is enough"


def test_any_record_will_do_without_a_time(tasks):
    assert soon(BiginRecordsChangedSensor, module="Contacts").execute(tasks.context())
    with pytest.raises(AirflowSensorTimeout):
        soon(BiginRecordsChangedSensor, module="Calls").execute(tasks.context())


# --- connections ------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_connection_is_authorised_by_a_person(bigin_default, tasks, deferrable):
    pending = bigin_default.add_connection("PENDING")
    sensor = soon(MatonConnectionActiveSensor, connection_id=pending, deferrable=deferrable)
    if deferrable:
        deferral = deferred(sensor, tasks.context())
        assert isinstance(deferral.trigger, MatonConnectionTrigger)
        bigin_default.set_connection_status(pending, "ACTIVE")
        event = first_event(deferral.trigger)
        assert sensor.execute_complete(tasks.context(), event) == pending
    else:
        with pytest.raises(AirflowSensorTimeout):
            sensor.execute(tasks.context())
        bigin_default.set_connection_status(pending, "ACTIVE")
        assert sensor.execute(tasks.context()) == pending


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_connection_is_not_waited_for(bigin_default, tasks, deferrable):
    broken = bigin_default.add_connection("PENDING")
    sensor = soon(MatonConnectionActiveSensor, connection_id=broken, deferrable=deferrable)
    if deferrable:
        deferral = deferred(sensor, tasks.context())
        bigin_default.set_connection_status(broken, "FAILED")
        with pytest.raises(ConnectionUnavailableError, match="FAILED"):
            sensor.execute_complete(tasks.context(), first_event(deferral.trigger))
    else:
        bigin_default.set_connection_status(broken, "FAILED")
        with pytest.raises(ConnectionUnavailableError, match="FAILED"):
            sensor.execute(tasks.context())


# --- the same rules everywhere ----------------------------------------------------------------

MISSING = {"module": "Contacts", "record_id": "5725774000009999999"}


@pytest.mark.parametrize(
    ("rules", "expected"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)]
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_time_is_up(tasks, rules, expected, deferrable):
    sensor = soon(BiginRecordSensor, **MISSING, **rules, deferrable=deferrable)
    if not deferrable:
        with pytest.raises(expected):
            sensor.execute(tasks.context())
        return
    event = first_event(deferred(sensor, tasks.context()).trigger)
    assert event == {"status": "timeout"}
    with pytest.raises(expected):
        sensor.execute_complete(tasks.context(), event)


@pytest.mark.parametrize("mode", ["poke", "deferred"])
@pytest.mark.parametrize(
    ("rules", "expected"),
    [({}, AuthenticationError), ({"never_fail": True}, AirflowSkipException)],
)
def test_a_wrong_key_fails_at_once(bigin_default, tasks, monkeypatch, mode, rules, expected):
    sensor = soon(BiginRecordSensor, **MISSING, **rules, deferrable=mode == "deferred")
    if mode == "poke":
        wrong_key(bigin_default, monkeypatch)
        with pytest.raises(expected):
            sensor.execute(tasks.context())
        return
    deferral = deferred(sensor, tasks.context())
    wrong_key(bigin_default, monkeypatch)
    event = first_event(deferral.trigger)
    assert event["error_type"] == "AuthenticationError"
    assert "wrong-key-000" not in json.dumps(event)
    with pytest.raises(expected):
        sensor.execute_complete(tasks.context(), event)


def trouble(sim, times):
    sim.faults.add("status", status=503, times=times)


@pytest.mark.parametrize("mode", ["poke", "deferred"])
def test_passing_trouble_is_put_up_with(bigin_default, tasks, mode):
    record_id = new(bigin_default)
    sensor = soon(
        BiginRecordSensor,
        module="Contacts",
        record_id=record_id,
        max_consecutive_failures=3,
        deferrable=mode == "deferred",
        timeout=60,
    )
    trouble(bigin_default, 3)
    if mode == "poke":
        assert sensor.execute(tasks.context()) == [record_id]
        return
    event = first_event(deferred(sensor, tasks.context()).trigger)
    assert event["status"] == "success"


@pytest.mark.parametrize(
    # Airflow 2.11 asks its database when the first reschedule was.
    "mode",
    ["poke", pytest.param("reschedule", marks=needs_3_3), "deferred"],
)
def test_trouble_that_does_not_pass_fails(bigin_default, tasks, mode):
    from airflow.exceptions import AirflowRescheduleException

    trouble(bigin_default, 100)
    arguments = {**MISSING, "max_consecutive_failures": 2}
    if mode == "deferred":
        sensor = soon(BiginRecordSensor, **arguments, deferrable=True)
        event = first_event(deferred(sensor, tasks.context()).trigger)
        with pytest.raises(ServiceError):
            sensor.execute_complete(tasks.context(), event)
    elif mode == "poke":
        with pytest.raises(ServiceError):
            soon(BiginRecordSensor, **arguments).execute(tasks.context())
    else:
        context = tasks.context()
        context["ti"].get_first_reschedule_date.return_value = None
        for _ in range(2):
            # A new process each time: only Airflow's store can count.
            with pytest.raises(AirflowRescheduleException):
                soon(BiginRecordSensor, **arguments, mode="reschedule").execute(context)
        with pytest.raises(ServiceError):
            soon(BiginRecordSensor, **arguments, mode="reschedule").execute(context)


def test_silent_fail_waits_on(bigin_default, tasks):
    trouble(bigin_default, 100)
    sensor = soon(
        BiginRecordSensor, **MISSING, silent_fail=True, max_consecutive_failures=0, deferrable=True
    )
    event = first_event(deferred(sensor, tasks.context()).trigger)
    assert event == {"status": "timeout"}


def test_an_unexpected_error_in_the_trigger_ends_the_wait(tasks, monkeypatch):
    from airflow_provider_bigin import waiting

    sensor = soon(BiginRecordSensor, **MISSING, deferrable=True)
    deferral = deferred(sensor, tasks.context())

    def broken(*_):
        raise ValueError("contents of a record")

    monkeypatch.setattr(waiting.RecordLook, "once", broken)
    event = first_event(deferral.trigger)
    assert event["message"] == "unexpected ValueError in the trigger"
    with pytest.raises((AirflowException, Exception), match="unexpected ValueError"):
        sensor.execute_complete(tasks.context(), event)


# --- triggers ---------------------------------------------------------------------------------


def test_a_slow_service_does_not_block_the_loop(bigin_default):
    """Ten triggers wait for slow replies; a heartbeat beside them keeps its time."""
    bigin_default.faults.add("slow", seconds=1.0, times=100)
    triggers = [
        BiginRecordTrigger(**MISSING, poll_interval=0.1, deadline=time.time() + 2)
        for _ in range(10)
    ]

    async def go():
        gaps = []

        async def heartbeat():
            last = time.monotonic()
            while True:
                await asyncio.sleep(0.02)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()

        beating = asyncio.create_task(heartbeat())
        waiting = [asyncio.create_task(anext(t.run())) for t in triggers]
        events = await asyncio.gather(*waiting)
        beating.cancel()
        return gaps, [e.payload for e in events]

    gaps, events = asyncio.run(go())
    assert events == [{"status": "timeout"}] * 10
    assert len(gaps) > 30
    assert sorted(gaps)[int(len(gaps) * 0.95)] < 0.3


def test_a_trigger_that_is_cancelled_lets_go_of_its_thread():
    async def go():
        trigger = BiginRecordTrigger(**MISSING, poll_interval=60)
        task = asyncio.create_task(anext(trigger.run()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    asyncio.run(go())
    assert time.monotonic() - started < 5


class Kept:
    """The asset's state store of an event trigger."""

    def __init__(self):
        self.values = {}

    async def aget(self, key, default=None):
        return self.values.get(key, default)

    async def aset(self, key, value):
        self.values[key] = value


def watch(kept, changes, seconds=3.0):
    """Run a watcher; make changes while it runs; return its events."""

    async def go():
        trigger = BiginRecordsChangedTrigger(module="Contacts", poll_interval=0.05)
        trigger.asset_state_store = kept
        events = []

        async def collect():
            async for event in trigger.run():
                events.append(event.payload)  # noqa: PERF401 - read while it runs

        task = asyncio.create_task(collect())
        await asyncio.sleep(1)
        for change in changes:
            await asyncio.to_thread(change)
            await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return events

    return asyncio.run(asyncio.wait_for(go(), seconds + len(changes)))


def test_a_watcher_fires_at_each_change_and_at_nothing_else(bigin_default):
    record_id = bigin_default.store.records("Contacts")[0]["id"]

    def change():
        bigin_default.clock.advance(5)
        bigin_default.store.update("Contacts", record_id, {"Title": str(time.time())})

    kept = Kept()
    events = watch(kept, [change, change])
    assert len(events) == 2
    assert events[0]["latest"] == events[1]["since"] < events[1]["latest"]
    # A restarted watcher finds what changed while it was away, once.
    change()
    again = watch(kept, [])
    assert [e["since"] for e in again] == [events[1]["latest"]]
    assert watch(kept, []) == []


def test_a_watcher_of_an_empty_module_fires_at_the_first_record(bigin_default):
    for record in bigin_default.store.records("Contacts"):
        bigin_default.store.delete("Contacts", record["id"])
    (event,) = watch(Kept(), [lambda: new(bigin_default)])
    assert event["module"] == "Contacts"


def test_triggers_hold_no_secret(bigin_default):
    for trigger in (
        BiginRecordTrigger(**MISSING),
        BiginRecordsChangedTrigger(module="Contacts"),
        MatonConnectionTrigger(awaited_id="x"),
    ):
        assert bigin_default.api_key not in json.dumps(trigger.serialize())
        assert bigin_default.api_key not in repr(vars(trigger))
