"""The warehouse of the demo: a DuckDB file that target-duckdb fills, and what analysts do there.

target-duckdb lower-cases names, stores ``date-time`` as UTC timestamps without zone and objects
as JSON, and turns "" into NULL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from scenario import Scenario

#: Records that still exist: the tap tells deletions in a table of their own.
_LIVE = (
    "select * from {table} where id not in "
    "(select id from deleted_records where module = '{module}')"
)
#: How an analyst builds the table that goes back to Bigin. Deleted contacts must not return.
CUSTOMERS_SQL = """\
create or replace table customers as
select email, first_name, last_name, title as job_title, mailing_city as city
from contacts
where email is not null
  and id not in (select id from deleted_records where module = 'Contacts')
order by id"""
COPY_SQL = "copy customers to '{path}' (format json)"


class Warehouse:
    """Reads the DuckDB file afresh at each question, so that no answer is an old one.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, module: str) -> bool:
        """Whether there is a table for a module."""
        return module.casefold() in self._tables()

    def ids(self, module: str) -> set[str]:
        """Return the ids of the records that exist."""
        return {record_id for (record_id,) in self._query(f"select id from ({self._live(module)})")}

    def deleted(self, module: str) -> set[str]:
        """Return the ids of the records that were deleted."""
        sql = "select id from deleted_records where module = ?"
        return {record_id for (record_id,) in self._query(sql, [module])}

    def last_extraction(self) -> datetime:
        """Return when the newest row of any table left the tap, by the tap's clock (UTC)."""
        newest = "select max(_sdc_extracted_at) as at from "
        union = " union all ".join(newest + table for table in sorted(self._tables()))
        found: datetime = self._query(f"select max(at) from ({union})")[0][0]
        return found

    def extracted_after(self, module: str, moment: datetime) -> set[str]:
        """Return the ids of the rows that a later run than `moment` brought or refreshed."""
        sql = f"select id from {self._table(module)} where _sdc_extracted_at > ?"
        return {record_id for (record_id,) in self._query(sql, [moment])}

    def differing(self, module: str, records: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Return the ids whose plain columns are not what the account holds.

        Args:
            module: API name.
            records: Id → record as the account holds it.
        """
        with duckdb.connect(str(self._path), read_only=True) as connection:
            found = connection.sql(self._live(module))
            types = dict(zip(found.columns, map(str, found.types), strict=True))
            rows = found.fetchall()
        names = {name.casefold(): name for record in records.values() for name in record}
        compared = [
            (at, names[column], types[column])
            for at, column in enumerate(types)
            if column in names and types[column] != "JSON"
        ]
        key = list(types).index("id")
        return {
            row[key]
            for row in rows
            if row[key] in records
            and any(
                not _same(row[at], records[row[key]].get(name), kind) for at, name, kind in compared
            )
        }

    def write_customers(self, path: Path, scenario: Scenario) -> None:
        """Build the table ``customers``, work on it as analysts do, write it as JSON lines."""
        title = f"Champion {scenario.seed}"
        people: list[tuple[str | None, ...]] = [
            (f"prospect.{number}@example.net", "Pat", f"Prospect {number}", "Buyer", "Lyon")
            for number in range(scenario.prospects)
        ]
        # Bigin wants a last name; nobody noticed that this one is missing.
        people.append(("no.lastname@example.net", "Cher", None, "Singer", "Malibu"))
        with duckdb.connect(str(self._path)) as connection:
            connection.execute(CUSTOMERS_SQL)
            connection.execute(
                "update customers set job_title = ? where email in "
                "(select email from customers order by hash(email, ?) limit ?)",
                [title, scenario.seed, scenario.enriched],
            )
            connection.executemany("insert into customers values (?, ?, ?, ?, ?)", people)
            connection.execute(COPY_SQL.format(path=str(path).replace("'", "''")))

    def _live(self, module: str) -> str:
        return _LIVE.format(table=self._table(module), module=module)

    def _table(self, module: str) -> str:
        if not self.has(module):
            raise RuntimeError(f"DuckDB has no table for {module}")
        return f'"{module.casefold()}"'

    def _tables(self) -> set[str]:
        sql = (
            "select table_name from information_schema.columns "
            "where column_name = '_sdc_extracted_at'"
        )
        return {name for (name,) in self._query(sql)}

    def _query(self, sql: str, parameters: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _same(column: Any, value: Any, kind: str) -> bool:
    """Whether a column holds a field's value, as far as target-duckdb keeps it."""
    if value is None or value == "":
        return column is None
    if column is None:
        return False
    if kind == "TIMESTAMP":
        moment: datetime = datetime.fromisoformat(value).astimezone(timezone.utc)
        return bool(column == moment.replace(tzinfo=None))
    if kind == "DOUBLE":
        return bool(column == float(Decimal(str(value))))
    return bool(column == value)
