"""A simulator that serves until it is told to stop: what ``bigin simulate`` runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bigin_client.testing.simulator import BiginSimulator


def serve(
    *,
    seed: int = 1,
    sizes: Mapping[str, int] | None = None,
    port: int = 0,
    time_zone: str = "America/Los_Angeles",
    rate_limit: int | None = 10,
    now: datetime | None = None,
    frozen: bool = False,
    field_counts: Mapping[str, int] | None = None,
    edition: str = "premier",
    switches: Mapping[str, Any] | None = None,
    ready: Callable[[BiginSimulator], None] | None = None,
    stop: threading.Event | None = None,
) -> BiginSimulator:
    """Serve until ``stop`` is set or Ctrl-C is pressed; returns the stopped simulator.

    Args:
        seed: Of the generated data.
        sizes: Records per module.
        port: 0 picks a free one.
        time_zone: The org's.
        rate_limit: Requests a second, or None.
        now: What the clock shows at the start.
        frozen: The clock stands still.
        field_counts: Fields per module.
        edition: "free" or "premier".
        switches: Values of `Switches` by name.
        ready: Called once the port is open, to print where.
        stop: Ends it.
    """
    simulator = BiginSimulator(
        seed, sizes, time_zone, rate_limit, port=port, now=now, field_counts=field_counts,
        edition=edition, **(switches or {}),
    )  # fmt: skip
    if frozen:
        simulator.clock.freeze()
    ending = stop if stop is not None else threading.Event()
    with simulator:
        if ready is not None:
            ready(simulator)
        try:
            # In steps: on some systems a wait without an end cannot be interrupted.
            while not ending.wait(0.5):
                pass
        except KeyboardInterrupt:
            ending.set()
    return simulator
