"""Figures that were read twice, from two places, and whether they agree."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

#: Ids shown of a set that differs.
_SHOWN = 3


class Checks:
    """Collects disagreements, so that all of them are named at the end.

    Attributes:
        made: Comparisons so far.
        disagreements: What did not agree, in plain words.
    """

    def __init__(self) -> None:
        self.made = 0
        self.disagreements: list[str] = []

    def equal(self, what: str, found: object, expected: object) -> bool:
        """Compare a figure with the one that it must be."""
        self.made += 1
        if found == expected:
            return True
        self.disagreements.append(f"{what}: found {found}, expected {expected}")
        return False

    def same_ids(self, what: str, found: AbstractSet[str], expected: AbstractSet[str]) -> bool:
        """Compare two sets of record ids."""
        self.made += 1
        if found == expected:
            return True
        parts = []
        for word, ids in (("missing", expected - found), ("too many", found - expected)):
            if ids:
                more = ", ..." if len(ids) > _SHOWN else ""
                parts.append(f"{len(ids)} {word} ({', '.join(sorted(ids)[:_SHOWN])}{more})")
        self.disagreements.append(f"{what}: {', '.join(parts)}")
        return False
