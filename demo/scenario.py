"""What a seed decides: how much data there is and what happens to it."""

from __future__ import annotations

import random
from dataclasses import dataclass

#: Smallest and largest number of records that a seed gives a module.
_RANGES = {
    "Accounts": (40, 80),
    "Products": (20, 40),
    "Contacts": (430, 640),
    "Pipelines": (90, 150),
    "Associated_Products": (40, 80),
    "Tasks": (60, 110),
    "Events": (20, 50),
    "Calls": (20, 50),
    "Notes": (30, 70),
    "Attachments": (5, 15),
}


@dataclass(frozen=True)
class Scenario:
    """The numbers of one demo.

    Attributes:
        seed: Makes the data, too.
        sizes: Module → records in the account at the start.
        edits: Module → records that somebody edits in Bigin between the two extracts.
        inserts: Module → records that somebody adds meanwhile.
        deletions: Module → records that somebody deletes meanwhile.
        enriched: Contacts that get another job title in the warehouse.
        prospects: Contacts that only the warehouse knows.
    """

    seed: int
    sizes: dict[str, int]
    edits: dict[str, int]
    inserts: dict[str, int]
    deletions: dict[str, int]
    enriched: int
    prospects: int

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """Return the scenario of a seed."""
        rng = random.Random(f"demo/{seed}")
        return cls(
            seed=seed,
            sizes={name: rng.randint(*both) for name, both in _RANGES.items()},
            edits={"Contacts": rng.randint(20, 40), "Pipelines": rng.randint(5, 15)},
            inserts={"Contacts": rng.randint(3, 9), "Tasks": rng.randint(2, 6)},
            deletions={"Contacts": rng.randint(2, 6), "Tasks": rng.randint(2, 6)},
            enriched=rng.randint(25, 60),
            prospects=rng.randint(4, 9),
        )
