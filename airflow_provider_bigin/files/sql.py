"""Rows out of a SQL connection of Airflow, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from bigin_client.errors import SettingsError


class Query:
    """The rows of a query.

    Args:
        conn_id: Airflow connection; its hook must be one of the common SQL provider's.
        sql: The query.
        parameters: As the driver takes them.
        chunk_size: Rows in memory at a time.
    """

    #: A query gives what the tables hold now: no try can know that they are the same rows.
    fingerprint = None

    def __init__(self, conn_id: str, sql: str, parameters: Any, chunk_size: int) -> None:
        self._conn_id = conn_id
        self._sql = sql
        self._parameters = parameters
        self._chunk_size = chunk_size

    def rows(self, skip: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield ``(position, row)`` from 1, without the first `skip`."""
        yield from islice(enumerate(self._rows(), start=1), skip, None)

    def count(self) -> int:
        """Ask the database how many rows the query gives."""
        inner = self._sql.strip().rstrip(";")
        found = self._hook().get_first(
            f"select count(*) from ({inner}) counted",  # noqa: S608 - the user's own query
            self._parameters,
        )
        return int(found[0])

    def row_key(self, position: int) -> None:
        """Return nothing: only its columns name a row."""

    def _hook(self) -> Any:
        hook = BaseHook.get_hook(self._conn_id)
        if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
            raise SettingsError(f"{self._conn_id} is no SQL connection")
        return hook

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        with closing(self._hook().get_conn()) as connection:
            # PostgreSQL's drivers fetch everything unless the cursor has a name, that is,
            # lives on the server.
            named = "psycopg" in type(connection).__module__
            cursor = connection.cursor("bigin_load") if named else connection.cursor()
            with closing(cursor):
                cursor.arraysize = self._chunk_size
                if named:
                    cursor.itersize = self._chunk_size
                given = () if self._parameters is None else (self._parameters,)
                cursor.execute(self._sql, *given)
                names: list[str] | None = None
                while chunk := cursor.fetchmany(self._chunk_size):
                    if names is None:
                        names = self._names(cursor)
                    for values in chunk:
                        yield dict(zip(names, values, strict=True))

    def _names(self, cursor: Any) -> list[str]:
        names = [str(c[0]) for c in cursor.description or ()]
        if len(set(names)) != len(names):
            raise SettingsError("the query names a column twice", hint="Give each an alias.")
        return names
