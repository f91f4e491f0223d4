"""What the Airflow provider costs a process that parses DAG files: importing all of it.

Processor time beside what Airflow itself imports, median of several processes. Budget: 150 ms.
Run with .venv/airflow/bin/python.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Final

RUNS: Final = 7
BUDGET: Final = 0.150

_TIMING: Final = """
import sys, time
import airflow.providers.common.compat.sdk as sdk
import airflow.providers.common.compat.connection
import airflow.triggers.base
for name in ("BaseHook", "BaseOperator", "BaseSensorOperator", "BaseOperatorLink", "Asset",
             "AirflowFailException", "ObjectStoragePath", "Context", "conf", "mask_secret",
             "ExceptionRetryPolicy", "Connection"):
    getattr(sdk, name)
import importlib
from airflow_provider_bigin.get_provider_info import get_provider_info
started = time.process_time()
for kind in ("hooks", "operators", "sensors", "triggers"):
    for entry in get_provider_info().get(kind, []):
        for module in entry["python-modules"]:
            importlib.import_module(module)
print(time.process_time() - started)
"""


def measure() -> float:
    """Return the seconds of processor time of one process."""
    run = subprocess.run(
        [sys.executable, "-c", _TIMING], check=True, capture_output=True, text=True
    )
    return float(run.stdout.split()[-1])


def main() -> None:
    """Print the median and the range."""
    seconds = sorted(measure() for _ in range(RUNS))
    middle = statistics.median(seconds)
    print(
        f"importing the provider: {middle * 1000:.0f} ms "
        f"({seconds[0] * 1000:.0f} to {seconds[-1] * 1000:.0f}), budget {BUDGET * 1000:.0f}"
    )
    if middle > BUDGET:
        sys.exit("above the budget")


if __name__ == "__main__":
    main()
