"""Write docs/licences.md: what our packages bring along, and under which licences.

``python .ci/licences.py ENVIRONMENT…`` with environments in which the extras are installed. Who
is in the list follows from the packages' own metadata; pip-licenses reads the licences.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
#: Run inside an environment: prints the names of all that the project and its extras need there.
NEEDED = """
import importlib.metadata as m, json, re
from packaging.requirements import Requirement
seen, queue = {}, [("bigin-connectors", ("airflow", "parquet", "redis", "singer"))]
while queue:
    name, extras = queue.pop()
    try:
        found = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    key = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
    if set(extras) <= seen.get(key, set()) and key in seen:
        continue
    seen.setdefault(key, set()).update(extras)
    for line in found.requires or ():
        wanted = Requirement(line)
        contexts = [{"extra": e} for e in ("", *extras)]
        if wanted.marker is None or any(wanted.marker.evaluate(c) for c in contexts):
            queue.append((wanted.name, tuple(wanted.extras)))
print(json.dumps(sorted(set(seen) - {"bigin-connectors"})))
"""
INTRODUCTION = """\
# Licences of third parties

`bigin-connectors` is under the Apache License 2.0. Nothing of others is copied into it; these are
the packages that it and its extras need, with their own dependencies, as installed on Linux. Made
by `make licences` from the packages' metadata; a test fails when one is missing here.

| Package | Licence |
|---|---|
"""


def main() -> None:
    """Write the page."""
    licences: dict[str, str] = {}
    for environment in sys.argv[1:]:
        python = ROOT / environment / "bin" / "python"
        names = json.loads(_output(str(python), "-c", NEEDED))
        options = ["--python", str(python), "--from", "mixed", "--format", "json", "--packages"]
        program = str(Path(sys.executable).with_name("pip-licenses"))
        entries: list[dict[str, Any]] = json.loads(_output(program, *options, *names))
        licences |= {_normal(e["Name"]): _short(e["License"]) for e in entries}
    rows = [f"| {name} | {licence} |\n" for name, licence in sorted(licences.items())]
    PAGE.write_text(INTRODUCTION + "".join(rows), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(rows)} packages")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _short(licence: str) -> str:
    """Return one line: a few packages put a whole text where a name belongs."""
    return licence.strip().splitlines()[0].replace("|", "/") if licence.strip() else "UNKNOWN"


if __name__ == "__main__":
    main()
