"""The story against the simulator, from the first extract to the last figure."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import changes
import environment
import extract_step
import load_step
import service
import summary
from airflow_step import Airflow
from scenario import Scenario
from service import SimulatedAccount
from stage import Stage, Step

Result = TypeVar("Result")


def tell(stage: Stage, seed: int) -> None:
    """Run all steps.

    Args:
        stage: Where.
        seed: Makes the data.
    """
    scenario = Scenario.of(seed)
    account = _begin(stage, scenario)
    airflow = Airflow(stage)
    start = account.counts()
    full = _step(stage, account, "full extract", lambda: extract_step.full(stage, account))
    done = _change(stage, account, scenario)
    now = _step(
        stage,
        account,
        "incremental extract",
        lambda: extract_step.incremental(stage, account, done),
    )
    loaded = _step(
        stage, account, "dry run and load", lambda: load_step.load(stage, account, scenario)
    )
    flown = _step(stage, account, "Airflow's DAGs", lambda: airflow.fly(account, scenario))
    summary.show(stage, summary.Figures(start, full, done, now, loaded, flown, account.counts()))


def _begin(stage: Stage, scenario: Scenario) -> SimulatedAccount:
    stage.story.title("A Bigin account to play with: the simulator, on this machine alone")
    bigin = stage.program("dev", "bigin")
    stage.story.command(f"bigin {shlex.join(service.arguments(scenario))}")
    account = service.start(stage.processes, scenario, bigin, stage.work.folder)
    stage.processes.environment |= {
        "MATON_API_BASE_URL": account.base_url,
        "MATON_API_KEY": account.api_key,
    }
    script = environment.write_script(stage.work, stage.processes.environment)
    counts = account.counts()
    stage.checks.equal("records in the account at the start", counts, scenario.sizes)
    stage.story.say(
        f"It holds {sum(counts.values())} records in {len(counts)} modules and allows 10 requests "
        "a second, as Maton does.",
        f"To type the commands below yourself: --keep, then in another terminal: . {script}",
    )
    return account


def _change(stage: Stage, account: SimulatedAccount, scenario: Scenario) -> changes.Changes:
    stage.story.title("Meanwhile people work in Bigin")
    done = changes.make(account, scenario)
    for module in done.modules():
        stage.story.say(
            f"{module}: {len(done.edited[module])} edited, {len(done.inserted[module])} added, "
            f"{len(done.deleted[module])} deleted"
        )
    return done


def _step(stage: Stage, account: SimulatedAccount, name: str, work: Callable[[], Result]) -> Result:
    """Do a step and note what it took."""
    began, (requests, credits_used) = time.monotonic(), account.usage()
    result = work()
    requests_now, credits_now = account.usage()
    took = time.monotonic() - began
    stage.steps.append(Step(name, took, requests_now - requests, credits_now - credits_used))
    return result


def wait(stage: Stage) -> None:
    """Leave the simulator running until Ctrl-C."""
    stage.story.say("", "The simulator goes on; Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
