"""The ways to a simulator: context manager, pytest plugin, serve() in another process, admin."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import requests

from bigin_client.testing import BiginSimulator, SimulatorAdmin, Switches, serve


def test_start_and_stop():
    sim = BiginSimulator(sizes={"Contacts": 3}, rate_limit=None)
    sim.start()
    url = sim.base_url
    assert requests.get(f"{url}/connections", timeout=5).status_code == 401
    sim.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/connections", timeout=5)
    assert sim.store.count("Contacts") == 3
    sim.start()
    assert sim.base_url == url
    sim.stop()


def test_seeds_have_keys_of_their_own():
    keys = {BiginSimulator(seed=seed, sizes={}).api_key for seed in (1, 1, 2)}
    assert len(keys) == 2
    assert all(key.startswith("sim-key-") for key in keys)


def test_the_clock():
    sim = BiginSimulator(sizes={}, now=datetime(2026, 3, 8, 9, 59, tzinfo=timezone.utc))
    assert abs((sim.clock.now() - datetime(2026, 3, 8, 9, 59, tzinfo=timezone.utc)).seconds) < 2
    sim.clock.freeze()
    shown = sim.clock.now()
    sim.clock.advance(61)
    assert sim.clock.now() == shown + timedelta(seconds=61)
    sim.clock.set(datetime(2030, 1, 1, tzinfo=timezone.utc))
    assert sim.clock.now().year == 2030
    sim.clock.resume()
    assert sim.clock.now() >= datetime(2030, 1, 1, tzinfo=timezone.utc)


def test_the_pytest_plugin(tmp_path, root):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import pytest

        def test_fixture(bigin_simulator):
            assert bigin_simulator.store.count("Contacts") > 200
            assert bigin_simulator.rate_limit is None

        @pytest.mark.parametrize("bigin_simulator", [{"sizes": {"Contacts": 5}}], indirect=True)
        def test_arguments(bigin_simulator):
            assert bigin_simulator.store.count("Contacts") == 5
    """)
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "bigin_client.testing.plugin",
         "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def served():
    """The admin of a simulator that serve() runs, in a thread of its own."""
    found: list[BiginSimulator] = []
    ready, stop = threading.Event(), threading.Event()

    def on_ready(sim):
        found.append(sim)
        ready.set()

    thread = threading.Thread(target=serve, kwargs={
        "seed": 4, "sizes": {"Contacts": 7, "Accounts": 2}, "rate_limit": None,
        "time_zone": "UTC", "switches": {"index_lag": 0.0}, "ready": on_ready, "stop": stop,
    })  # fmt: skip
    thread.start()
    assert ready.wait(10)
    yield found[0], SimulatorAdmin(found[0].base_url)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_admin_reads_and_changes_the_store(served):
    sim, admin = served
    info = admin.info()
    assert (info["api_key"], info["connection_id"]) == (sim.api_key, sim.connection_id)
    assert info["modules"]["Contacts"] == 7
    rows = admin.records("Contacts")
    assert rows == sim.store.records("Contacts")
    id = admin.insert("Contacts", {"Last_Name": "Über", "Custom_Currency": 0.1})
    assert admin.get("Contacts", id)["Custom_Currency"] == Decimal("0.1")
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    admin.update("Contacts", id, {"Title": "T"}, at=moment)
    assert admin.get("Contacts", id)["Modified_Time"] == "2026-01-02T03:04:05+00:00"
    admin.delete("Contacts", id)
    assert admin.get("Contacts", id) is None
    assert [row["id"] for row in admin.deleted("Contacts")] == [id]
    admin.restore("Contacts", id)
    assert admin.count("Contacts") == 8
    assert admin.call("POST", "fields/Contacts", {"api_name": "New", "data_type": "text"})
    assert "New" in admin.records("Contacts")[0]
    admin.call("DELETE", "fields/Contacts/New")
    admin.call("POST", "modules", {"api_name": "Cars", "fields": [
        {"api_name": "Wheels", "data_type": "integer"}]})  # fmt: skip
    car = admin.insert("Cars", {"Name": "Beetle", "Wheels": 4})
    assert admin.get("Cars", car)["Wheels"] == 4
    with pytest.raises(LookupError):
        admin.records("Nope")
    with pytest.raises(ValueError, match="is one of"):
        admin.switch(token_nature="cookie")


def test_admin_steers_the_rest(served):
    sim, admin = served
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {sim.api_key}"
    url = f"{sim.base_url}/zoho-bigin/bigin/v2/Contacts?fields=Last_Name"
    assert session.get(url, timeout=5).status_code == 200
    log = admin.requests()
    assert [entry["operation"] for entry in log] == ["list"]
    assert sim.api_key not in str(log)
    assert [item["rule"] for item in admin.audit()] == ["missing_connection"]
    assert admin.credits() == {"used": 1, "left": sim.credits_left, "limit": 51_000}
    admin.call("PUT", "credits", {"limit": 500, "use": 10})
    assert admin.credits() == {"used": 11, "left": 489, "limit": 500}
    admin.fault("status", status=503)
    assert session.get(url, timeout=5).status_code == 503
    assert admin.call("GET", "faults") == [
        {"kind": "status", "fired": 1, "times": 1, "seen": 1}
    ]  # fmt: skip
    admin.call("DELETE", "faults")
    admin.switch(if_modified_since="ignored")
    switches = admin.call("GET", "switches")
    assert switches["if_modified_since"]["value"] == "ignored"
    assert set(switches) == set(Switches.describe())
    before = admin.now()
    admin.advance(3_600)
    assert (admin.now() - before).total_seconds() >= 3_600
    admin.call("PUT", "clock", {"freeze": True, "set": "2027-01-01T00:00:00Z"})
    assert admin.now() == datetime(2027, 1, 1, tzinfo=timezone.utc)
    assert "tasks" not in admin.scopes(revoke=("Tasks",))
    assert "tasks" in admin.scopes(grant=("Tasks",))
    settings = admin.call("PUT", "settings", {"rate_limit": 5, "time_zone": "Asia/Kolkata"})
    assert settings == {"rate_limit": 5, "time_zone": "Asia/Kolkata"}
    second = admin.call("POST", "connections", {"status": "PENDING"})["id"]
    admin.call("PUT", f"connections/{second}", {"status": "ACTIVE"})
    assert [item["status"] for item in admin.call("GET", "connections")] == ["ACTIVE"] * 2
    assert SimulatorAdmin(sim.base_url, second).count("Contacts") == 0
    admin.clear_log()
    assert admin.requests() == []
    with pytest.raises(LookupError):
        admin.call("GET", "nonsense")
    session.close()


def test_serve_in_another_process(root):
    code = (
        "from bigin_client.testing import serve; "
        "serve(seed=9, sizes={'Contacts': 3}, "
        "ready=lambda sim: print(sim.base_url, flush=True))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        admin = SimulatorAdmin(child.stdout.readline().strip())
        assert admin.count("Contacts") == 3
        assert admin.info()["api_key"] == BiginSimulator(seed=9, sizes={}).api_key
        child.terminate()


# --- switches ---------------------------------------------------------------------------------


def test_every_switch_is_documented():
    for name, entry in Switches.describe().items():
        assert entry["reference"], name
        assert entry["meaning"], name


def test_alternatives_can_all_be_set():
    switches = Switches()
    alternatives = Switches.alternatives()
    for name, others in alternatives.items():
        for other in others:
            setattr(switches, name, other)
            assert getattr(switches, name) == other
    numbers = {int(part.split(".")[1]) for entry in Switches.describe().values()
               for part in entry["reference"].replace(" ", "").split(",")
               if part.startswith("11.")}  # fmt: skip
    assert numbers == set(range(1, 19))


def test_a_simulator_with_everything_flipped_still_works():
    flipped = {name: others[0] for name, others in Switches.alternatives().items()
               if name not in ("if_modified_since", "unknown_data_types")}  # fmt: skip
    with BiginSimulator(rate_limit=None, **flipped) as sim:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {sim.api_key}"
        url = f"{sim.base_url}/zoho-bigin/bigin/v2/"
        for name in sim.store.modules:
            reply = session.get(f"{url}{name}", params={"fields": "Modified_Time"}, timeout=5)
            assert reply.status_code == (404 if name == "Social" else 200)
        row = {"data": [{"Last_Name": "A"}]}
        assert session.post(f"{url}Contacts", json=row, timeout=5).status_code == 201
        session.close()
