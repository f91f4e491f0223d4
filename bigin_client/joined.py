"""Conditions of the service's query languages, joined by ``and`` and ``or``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import Self


@dataclass(frozen=True)
class Joinable:
    """A condition, or several joined; a subclass says how its language joins them.

    Attributes:
        text: As the service reads it.
        conditions: How many it holds.
    """

    text: str = field(repr=False)  # values are data: they must not get into a log
    conditions: int = 1

    #: What holds the conditions, how many it may hold, and what stands around ``and``.
    holder: ClassVar[str]
    most: ClassVar[int]
    space: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.text

    def __and__(self, other: Self) -> Self:
        return self._join("and", other)

    def __or__(self, other: Self) -> Self:
        return self._join("or", other)

    def _join(self, word: str, other: Self) -> Self:
        total = self.conditions + other.conditions
        if total > self.most:
            msg = f"a {self.holder} holds at most {self.most} conditions, not {total}"
            raise ValueError(msg)
        return type(self)(f"({self.text}{self.space}{word}{self.space}{other.text})", total)
