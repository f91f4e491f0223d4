"""What every step of the demo works with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from checks import Checks
from processes import Finished, Processes
from project import Workplace
from story import Story
from warehouse import Warehouse

#: Seconds after which a program counts as hanging.
LIMIT = 300.0
#: A line of a plugin in Meltano's log.
_LOG_LINE = re.compile(r"^\S+Z \[\w+ *\] (?:tap|target)-bigin\S* +(.*)")


@dataclass
class Step:
    """What one step took."""

    name: str
    seconds: float
    requests: int | None
    credits: int | None


@dataclass
class Stage:
    """The run: where it works, what it starts, what it says, what it found.

    Attributes:
        work: The folder of the run.
        processes: Everything that is started.
        story: What is printed.
        warehouse: The DuckDB file.
        checks: Comparisons so far.
        steps: Time, requests and credits of each step.
    """

    work: Workplace
    processes: Processes
    story: Story
    warehouse: Warehouse
    checks: Checks = field(default_factory=Checks)
    steps: list[Step] = field(default_factory=list)

    def program(self, environment: str, name: str) -> Path:
        """Return a program of one of the environments under .venv."""
        return self.work.root / ".venv" / environment / "bin" / name

    def meltano(self, name: str, *arguments: str, expected: int = 0) -> Finished:
        """Run ``meltano`` in the run's project, shown as it would be typed.

        Raises:
            RuntimeError: It ended with another exit code than the expected one.
        """
        self.story.command(f"meltano {' '.join(arguments)}")
        command: list[str | Path] = [self.program("meltano", "meltano"), *arguments]
        done = self.processes.run(name, command, cwd=self.work.project, timeout=LIMIT)
        return self.require(done, expected)

    def require(self, done: Finished, expected: int = 0) -> Finished:
        """Make sure that a program ended as expected.

        Raises:
            RuntimeError: It did not; the message holds the end of its log.
        """
        if done.code != expected:
            tail = "\n".join(f"  | {line}" for line in done.text().splitlines()[-15:])
            raise RuntimeError(
                f"{done.log.stem} ended with exit code {done.code} instead of {expected}. "
                f"All it said: {done.log}; the end of it:\n{tail}"
            )
        return done


def plugin_lines(done: Finished, *words: str) -> list[str]:
    """Return what tap-bigin or target-bigin said in a Meltano run, of lines with these words."""
    found = (_LOG_LINE.match(line) for line in done.text().splitlines())
    return [m[1] for m in found if m and all(w in m[1] for w in words)]
