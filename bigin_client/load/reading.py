"""Read of the account what the rows of a chunk may match, for the fewest credits.

Three ways: look the keys up with COQL (25 keys a credit), walk the whole module (200 records a
credit), or, on a unique field, read nothing and let the service's own upsert decide (10 rows a
credit, but it touches records that need no change). Keys are looked up until that has cost
half of what a walk would; then the module is walked and everything is known.

Without COQL keys of a unique field are searched (15 a credit). Search compares words, so what it
finds is compared again; what it may fail to find cannot double where the service itself guards
the field. Other keys it is not trusted with.

A look-up may miss what was written in the last seconds, because an index lags behind
(bigin-api.md 7.1): what was modified of late is read by list too, which shows writes at once.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bigin_client import coql, criteria
from bigin_client.errors import NotFoundError, PagingError, RequestError, ScopeError
from bigin_client.load.account import Account, TooManyError
from bigin_client.load.binding import ID
from bigin_client.load.index import Index
from bigin_client.load.rows import Row
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE
from bigin_client.types import Record

if TYPE_CHECKING:
    from bigin_client.load.options import Compare

log = logging.getLogger(__name__)

#: Keys in one query: the number of conditions that a query may have (bigin-api.md 3.6).
KEYS_A_QUERY: Final = 25
#: What was modified so long ago is in every index ([code: Nango], with room to spare).
RECENT: Final = timedelta(seconds=120)
#: Records modified of late that are read, and held in memory, beside the keys.
_MOST_RECENT: Final = 10_000
#: Credits that reading may cost more than writing blindly: an idle record is worth something.
_SLACK: Final = 5
#: Data types that COQL serves (bigin-api.md 3.6 names those that it does not).
_COQL_TYPES: Final = frozenset(
    {"text", "email", "phone", "website", "picklist", "bigint", "integer", "double", "decimal"}
    | {"currency", "percent", "boolean", "date", "datetime", "lookup", "ownerlookup", "userlookup"}
)
_TEXT_TYPES: Final = frozenset({"text", "email", "phone", "website", "picklist"})


class LookupUnavailableError(Exception):
    """Keys cannot be looked up in this account; the message says why."""


class Reading:
    """Reads for one stream.

    Args:
        account: Where to read.
        module: API name.
        index: Takes what was read.
        compare: What the user asked for.

    Attributes:
        complete: The index holds every record of the module.
    """

    def __init__(self, account: Account, module: str, index: Index, compare: Compare) -> None:
        if index.key is None:
            raise ValueError("insert mode reads nothing")
        self._account = account
        self._module = module
        self._index = index
        self._key = index.key
        self._compare = compare
        self._fields = index.asked
        self._count: int | None = None
        self._spent = 0
        self._looked_up = True
        self._searched = False
        self._checked_case = False
        self._said = False
        self.complete = False

    def read(self, rows: Sequence[Row], *, may_be_blind: bool = True) -> bool:
        """Make the index know the records of these rows.

        Args:
            rows: With their match keys.
            may_be_blind: None of the rows needs more than the service's own upsert.

        Returns:
            False when nothing was read, because writing blindly is cheaper: the rows go to
            the service's own upsert.
        """
        if self.complete or not rows:
            return True
        unique = self._key.unique and may_be_blind
        if self._compare == "never" and unique:
            return False
        before = self._account.credits_read
        try:
            if self._try_look_up(rows):
                return True
        finally:
            self._spent += self._account.credits_read - before
        blindly = -(-len(rows) // 10)
        if (
            unique
            and self._compare == "auto"
            and self._walk_cost() > self._spent + blindly + _SLACK
        ):
            self._spent += blindly
            return False
        self._walk()
        return True

    # -- the whole module ----------------------------------------------------------------------

    def _walk_cost(self) -> int:
        """Return the credits that a walk costs, 0 when the size of the module is not known."""
        if self._count is None:
            try:
                self._count = self._account.count(self._module)
            except (ScopeError, NotFoundError, RequestError):
                self._count = 0  # then a walk it is: the way that is always there
        groups = -(-len(self._fields) // (MAX_FIELDS - 1)) or 1
        return -(-self._count // PAGE_SIZE) * groups

    def _walk(self) -> None:
        for page in self._account.walk(self._module, self._fields):
            self._index.add(page)
        self.complete = True
        log.info("%s: all %d records were read", self._module, self._index.records)

    def _try_look_up(self, rows: Sequence[Row]) -> bool:
        if not (self._looked_up and self._look_up_is_cheaper(len(rows))):
            return False
        try:
            self._look_up(rows)
        except LookupUnavailableError as error:
            log.info("%s: keys are not looked up: %s", self._module, error)
        else:
            return True
        self._looked_up = self._key.unique and not self._searched
        self._searched, self._checked_case = True, False
        return self._try_look_up(rows)

    # -- keys ----------------------------------------------------------------------------------

    def _look_up_is_cheaper(self, rows: int) -> bool:
        pages = -(-rows // 100) if self._key.by_id else -(-rows // self._keys_a_query) + 1
        return self._spent + pages < self._limit

    @property
    def _limit(self) -> float:
        """Credits that looking up may cost.

        A first chunk may be all there is. After that, looking up goes on for half of what a walk
        costs: how long the input is nobody knows, and in the end both may be paid.
        """
        return self._walk_cost() if not self._spent else self._walk_cost() / 2

    @property
    def _keys_a_query(self) -> int:
        return criteria.MAX_CONDITIONS if self._searched else KEYS_A_QUERY

    def _look_up(self, rows: Sequence[Row]) -> None:
        if self._key.by_id:
            self._index.add(
                self._account.by_ids(self._module, [r.record_id or "" for r in rows], self._fields)
            )
            return
        recent = self._recent(len(rows))
        found = self._query(self._wanted(rows), self._probe(recent))
        self._index.add(self._whole(found))
        # Last, because the index that COQL reads may show older values.
        self._index.add(recent)
        if not self._said:
            self._said = True
            log.info("%s: keys are looked up instead of reading all records", self._module)

    def _recent(self, rows: int) -> list[Record]:
        pages = int(self._limit) - self._spent - rows // self._keys_a_query
        most = min(_MOST_RECENT, PAGE_SIZE * max(1, pages))
        try:
            return self._account.modified_of_late(self._module, RECENT, self._fields, most=most)
        except PagingError as error:
            raise LookupUnavailableError(error.message) from None
        except (TooManyError, RequestError):
            # Whatever way keys are looked up, these would have to be read too.
            self._searched = True
            raise LookupUnavailableError(
                "what was modified a moment ago cannot be listed for less than a walk"
            ) from None

    def _wanted(self, rows: Sequence[Row]) -> list[Any]:
        """Return the values to ask for, of the key's first field, in every spelling."""
        name = self._key.fields[0]
        kind = self._index.fields[name].data_type
        if kind not in _COQL_TYPES:
            raise LookupUnavailableError(f"{kind} fields cannot be looked up")
        values: dict[Any, None] = {}
        for row in rows:
            value = row.body.get(name)
            value = value.get(ID) if isinstance(value, dict) else value
            if not isinstance(value, str) or kind not in _TEXT_TYPES:
                values[value] = None
                continue
            for form in ("NFC", "NFD"):
                spelled = unicodedata.normalize(form, value)
                values.update(dict.fromkeys((value, spelled, spelled.strip())))
        return [v for v in values if v is not None]

    def _probe(self, recent: Sequence[Record]) -> tuple[str, str] | None:
        """Return an id and a key in another case than it has, to see whether case is regarded.

        Not known for Bigin: a query that does would miss keys that the service takes for equal.
        """
        name = self._key.fields[0]
        about = self._index.fields[name]
        if about.data_type not in _TEXT_TYPES or about.case_sensitive or self._checked_case:
            return None
        old = self._account.oldest(self._module, name)
        for record in [*old, *recent]:
            value = record.get(name)
            if isinstance(value, str) and value.swapcase() != value:
                return record[ID], value.swapcase()
        raise LookupUnavailableError("whether case is regarded cannot be found out")

    def _query(self, values: Sequence[Any], probe: tuple[str, str] | None) -> list[Record]:
        name = self._key.fields[0]
        known = self._index.fields
        served = [n for n in self._fields if n not in known or known[n].data_type in _COQL_TYPES]
        columns = list(dict.fromkeys([*self._key.fields, *served]))[: MAX_FIELDS - 1]
        found: list[Record] = []
        try:
            size = self._keys_a_query - 1
            parts = [values[i : i + size] for i in range(0, len(values), size)]
            if probe is not None:
                first = parts.pop(0) if parts else []
                rows = self._ask(name, [*first, probe[1]], columns)
                if all(r[ID] != probe[0] for r in rows):
                    raise LookupUnavailableError("a query regards case, the service does not")
                self._checked_case = True
                found += rows
            for rows in self._account.at_once(lambda p: self._ask(name, p, columns), parts):
                found += rows
        except (ScopeError, NotFoundError, RequestError, PagingError) as error:
            way = "search" if self._searched else "COQL"
            raise LookupUnavailableError(
                f"{way} is refused ({error.code or error.status or error.message})"
            ) from None
        return found

    def _ask(self, name: str, values: Sequence[Any], columns: Sequence[str]) -> list[Record]:
        if self._searched:
            wanted = criteria.field(name).equals(values[0])
            for value in values[1:]:
                wanted |= criteria.field(name).equals(value)
            return self._account.search(self._module, wanted, columns)
        listed = coql.column(name).is_in(values)
        query = coql.select(*columns).source(self._module).where(listed)
        return self._account.query(self._module, query, columns)

    def _whole(self, found: Sequence[Record]) -> Sequence[Record]:
        """Return the records with all compared fields: a query does not serve every type."""
        if not found or all(n in found[0] for n in self._fields):
            return found
        wanted = [r[ID] for r in found if self._index.key and self._index.key.digest(r)]
        return self._account.by_ids(self._module, wanted, self._fields)
