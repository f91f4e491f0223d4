"""Killed anywhere: the same command, with the last state that got out, finishes the work."""

from __future__ import annotations

import json
import random
import signal
import subprocess

import pytest

MODULES = ["Accounts", "Products", "Contacts", "Tasks"]


def run_and_kill(run_tap, after, **options):
    """Run, kill -9 after so many lines (None: let it end); returns code and whole messages."""
    with subprocess.Popen(
        run_tap.command(**options), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        messages = []
        for number, line in enumerate(process.stdout, 1):
            if line.endswith(b"\n"):  # half a line is what a kill may leave
                messages.append(json.loads(line))
            if number == after:
                process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    return process.returncode, messages


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_points_nothing_is_lost(tap, seed):
    """SIGKILL, with changes going on; the warehouse ends equal to the store."""
    rng = random.Random(seed)
    run_tap = tap(sizes=dict.fromkeys(MODULES, 600), token_nature="offset")
    sim = run_tap.sim
    config = {"modules": MODULES}
    warehouse: dict[str, dict[str, dict]] = {m: {} for m in MODULES}
    state = None
    kills = 0
    for attempt in range(8):
        after = None if attempt == 7 else rng.randrange(30, 900)
        code, messages = run_and_kill(run_tap, after, config=config, state=state)
        for message in messages:
            if message["type"] == "STATE":
                state = message["value"]
            elif message["type"] == "RECORD" and message["stream"] in warehouse:
                warehouse[message["stream"]][message["record"]["id"]] = message["record"]
            elif message["type"] == "RECORD" and message["stream"] == "deleted_records":
                row = message["record"]
                warehouse[row["module"]].pop(row["id"], None)
        kills += code == -signal.SIGKILL
        if attempt < 6:
            for module in MODULES:
                ids = sorted(r["id"] for r in sim.store.records(module))
                sim.store.update(module, rng.choice(ids), {"Description": f"Edit {attempt}"})
                sim.store.delete(module, rng.choice(ids))
            sim.clock.advance(5)
    assert kills >= 3
    assert code == 0
    for module in MODULES:
        truth = {r["id"]: r["Description"] for r in sim.store.records(module)}
        assert {i: r["Description"] for i, r in warehouse[module].items()} == truth, module
