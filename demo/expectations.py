"""What must become of rows that go to Bigin, worked out from the account alone.

Deliberately apart from the load engine: shared code would share the mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks import Checks

Record = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass
class Expectation:
    """Rows for Contacts that are matched by e-mail, and the account before they are loaded.

    Args:
        rows: Column → value.
        fields: Column → field; one column goes into Email, one into Last_Name.
        before: Id → contact.
    """

    rows: Sequence[Row]
    fields: Mapping[str, str]
    before: Mapping[str, Record]

    def __post_init__(self) -> None:
        self._email = next(c for c, name in self.fields.items() if name == "Email")
        self._last_name = next(c for c, name in self.fields.items() if name == "Last_Name")
        present = _by_email(self.before)
        self.fates = [self._fate(row, present) for row in self.rows]

    @property
    def outcomes(self) -> dict[str, int]:
        """Return outcome → rows."""
        return dict(Counter(self.fates))

    def _fate(self, row: Row, present: Mapping[str, Record]) -> str:
        found = present.get(self._key(row))
        if found is None:
            return "created" if row[self._last_name] else "rejected"
        return "unchanged" if self._holds(found, row) else "updated"

    def _key(self, row: Row) -> str:
        return str(row[self._email]).casefold()

    def _holds(self, record: Record, row: Row) -> bool:
        """Whether a contact has what a row says; empty columns say nothing."""
        return all(
            record[name] == row[column] for column, name in self.fields.items() if row[column]
        )

    def check(self, checks: Checks, what: str, after: Mapping[str, Record]) -> None:
        """Look in the account for what was, and what was not, to be written."""
        created = self.fates.count("created")
        checks.equal(f"contacts in Bigin after the {what}", len(after), len(self.before) + created)
        present = _by_email(after)
        wrong, moved, stray = set(), set(), set()
        for row, fate in zip(self.rows, self.fates, strict=True):
            key = self._key(row)
            record = present.get(key)
            if fate == "rejected":
                stray |= {key} if record else set()
            elif record is None or not self._holds(record, row):
                wrong.add(key)
            elif fate == "unchanged" and record != self.before[record["id"]]:
                moved.add(key)
        checks.same_ids(f"contacts that do not hold what a row of the {what} said", wrong, set())
        checks.same_ids(f"unchanged contacts that the {what} wrote all the same", moved, set())
        checks.same_ids(f"refused rows of the {what} that are in Bigin", stray, set())


def _by_email(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return contacts by e-mail, whose case does not count for Bigin."""
    return {r["Email"].casefold(): r for r in records.values() if r["Email"]}
