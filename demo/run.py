"""The whole story of bigin-connectors in two minutes: ``make demo``, or ``python demo/run.py``.

An account in the simulator goes into DuckDB through tap-bigin, changes, is read again, gets rows
back through target-bigin, and is extracted and loaded by Airflow. Every figure that is shown is
read back from where it ended up and compared; the exit code is 1 if any two disagree.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import filelock
import real_account
import simulated
from environment import variables
from processes import Processes
from project import Workplace
from stage import Stage
from story import Story
from warehouse import Warehouse

ROOT = Path(__file__).resolve().parent.parent
#: Exit codes.
DISAGREES, REFUSED, INTERRUPTED = 1, 2, 130


def main() -> int:
    """Run the demo; returns the exit code."""
    options = _options()
    story = Story()
    real = False
    if os.environ.get("MATON_API_KEY"):
        if not sys.stdin.isatty():
            story.problem(real_account.NO_TERMINAL)
            return REFUSED
        real = real_account.may_be_read()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    folder: Path = options.folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        with lock.acquire(timeout=0):
            return _run(story, folder, options, real=real)
    except filelock.Timeout:
        story.problem(f"Another demo is running in {folder}; give this one --folder DIR.")
        return REFUSED
    except (FileExistsError, FileNotFoundError) as error:
        story.problem(str(error))
        return REFUSED
    except (RuntimeError, TimeoutError) as error:
        story.problem(str(error))
        return DISAGREES
    except KeyboardInterrupt:
        story.problem("Interrupted; all programs were stopped.")
        return INTERRUPTED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo/run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="changes the data and the figures")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "output" / "demo",
        help="where everything is left for looking (default: output/demo); replaced by each run",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the simulator running afterwards, until Ctrl-C, to type the commands oneself",
    )
    return parser.parse_args()


def _run(story: Story, folder: Path, options: argparse.Namespace, *, real: bool) -> int:
    work = Workplace(ROOT, folder)
    with Processes(variables(work, real=real), work.logs) as processes:
        stage = Stage(work, processes, story, Warehouse(work.warehouse))
        try:
            if real:
                real_account.tell(stage)
            else:
                simulated.tell(stage, options.seed)
        except (RuntimeError, TimeoutError):
            _name_disagreements(stage)
            raise
        agree = _verdict(stage)
        if options.keep and not real:
            simulated.wait(stage)
    return 0 if agree else DISAGREES


def _verdict(stage: Stage) -> bool:
    """Say whether all figures agree."""
    checks, story = stage.checks, stage.story
    _name_disagreements(stage)
    if not checks.disagreements:
        story.say("", f"All {checks.made} comparisons agree. It took {story.seconds:.0f} s.")
    return not checks.disagreements


def _name_disagreements(stage: Stage) -> None:
    for line in stage.checks.disagreements:
        stage.story.problem(f"DISAGREES: {line}")


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End through the context managers, which stop all programs."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
