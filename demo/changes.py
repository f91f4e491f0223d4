"""What people do in Bigin between the two extracts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scenario import Scenario
from service import SimulatedAccount

#: Module → fields that an edit sets; the number makes each edit another one.
_EDITS: dict[str, Callable[[int], dict[str, Any]]] = {
    "Contacts": lambda n: {"Title": f"Head of Region {n}", "Phone": f"+44 20 7946 {n:04d}"},
    "Pipelines": lambda n: {"Amount": 1000 + n / 4},
}
_INSERTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "Contacts": lambda n: {
        "First_Name": "Nadia",
        "Last_Name": f"Newcomer {n}",
        "Email": f"nadia.newcomer.{n}@example.com",
    },
    "Tasks": lambda n: {"Subject": f"Call back {n}", "Status": "Not Started"},
}


@dataclass
class Changes:
    """The ids that were touched, by module."""

    edited: dict[str, set[str]] = field(default_factory=dict)
    inserted: dict[str, set[str]] = field(default_factory=dict)
    deleted: dict[str, set[str]] = field(default_factory=dict)

    def touched(self, module: str) -> set[str]:
        """Return the ids that an incremental run must bring."""
        return self.edited.get(module, set()) | self.inserted.get(module, set())

    def modules(self) -> list[str]:
        """Return the modules with any change."""
        return sorted({*self.edited, *self.inserted, *self.deleted})


def make(account: SimulatedAccount, scenario: Scenario) -> Changes:
    """Edit, insert and delete records, as users of the web interface would."""
    rng = random.Random(f"changes/{scenario.seed}")
    done = Changes()
    # Bigin deletes notes and files along with their record, and has no feed that tells of them:
    # a full read alone would show it. This story keeps to what an incremental run can see.
    parents = {
        record["Parent_Id"]["id"]
        for module in ("Notes", "Attachments")
        for record in account.records(module).values()
        if record["Parent_Id"]
    }
    for module in sorted({*scenario.edits, *scenario.inserts, *scenario.deletions}):
        edits, deletions = scenario.edits.get(module, 0), scenario.deletions.get(module, 0)
        chosen = rng.sample(sorted(set(account.records(module)) - parents), edits + deletions)
        for number, record_id in enumerate(chosen[:edits]):
            account.admin.update(module, record_id, _EDITS[module](number))
        for record_id in chosen[edits:]:
            account.admin.delete(module, record_id)
        made = {
            account.admin.insert(module, _INSERTS[module](number))
            for number in range(scenario.inserts.get(module, 0))
        }
        done.edited[module] = set(chosen[:edits])
        done.deleted[module] = set(chosen[edits:])
        done.inserted[module] = made
    return done
