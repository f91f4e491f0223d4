"""Ids of one account: 19-digit strings that increase (bigin-api.md 1.4, 9.34)."""

from __future__ import annotations


class IdSource:
    """Hands out ids. Accounts have prefixes of their own, so ids never meet.

    Args:
        account: Number of the account, from 0.
        seed: Shifts the numbers, so that two seeds give different ids.
    """

    def __init__(self, account: int, seed: int) -> None:
        base = 5_725_767 + 10_007 * account + seed % 997
        self._next = base * 10**12 + 1_001_000 + (seed % 89) * 1_000

    def next(self) -> str:
        """The next id."""
        self._next += 7
        return str(self._next)
