"""What loads cost in credits: predicted against used (issue 6, item 3).

    python benchmarks/load_plan.py [records]

A simulated account of so many contacts (100,000), and two tables against it: one of the same
size of which 1 % differ, and one of 50 rows.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from bigin_client import BiginClient, Settings
from bigin_client.testing import BiginSimulator

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000


def main() -> None:
    """Run both loads and print a line for each."""
    with BiginSimulator(seed=1, sizes={"Contacts": RECORDS}, rate_limit=None) as sim:
        keys = [(r["id"], r["Email"], r["Last_Name"]) for r in sim.store.records("Contacts")]
        sim.clock.advance(3_600)
        times = {i: sim.store.get("Contacts", i)["Modified_Time"] for i, _, _ in keys[::1_000]}
        settings = Settings(
            api_key=sim.api_key,
            base_url=sim.base_url,
            requests_per_second=0,
            rate_limit_store="memory",
        )

        def table() -> Iterator[dict[str, Any]]:
            for number, (record_id, _, name) in enumerate(keys):
                row = {"id": record_id, "last_name": name}
                # Rows 50, 150, …: none of those whose times are compared below.
                yield {**row, "phone": "+49 1"} if number % 100 == 50 else row  # noqa: PLR2004

        mailed = [k for k in keys if k[1]][:50]
        few = [{"email": e, "last_name": n} for _, e, n in mailed]
        with BiginClient(settings) as client:
            client.modules()
            for name, rows, match_on in (
                (f"{RECORDS} rows, 1 % differ", table(), ["id"]),
                ("50 rows", few, ["Email"]),
            ):
                sim.clear_log()
                began, used = time.perf_counter(), sim.credits_used
                report = client.load("Contacts", rows, match_on=match_on)
                done = report.streams["Contacts"].outcomes
                print(
                    f"{name}: predicted {report.credits_predicted}, used "
                    f"{sim.credits_used - used} credits; {dict(done)}; "
                    f"{time.perf_counter() - began:.1f} s"
                )
        moved = sum(sim.store.get("Contacts", i)["Modified_Time"] != t for i, t in times.items())
        print(f"Modified_Time moved on {moved} of {len(times)} records that did not differ")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory, simulator included: {peak:.0f} MB")


if __name__ == "__main__":
    main()
