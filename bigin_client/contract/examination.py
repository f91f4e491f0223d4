"""One examination of one account: what the checks share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bigin_client.account import PIPELINES
from bigin_client.client import BiginClient
from bigin_client.contract.probe import Exchange, Params, Probe
from bigin_client.contract.statements import Finding, NotCheckable, Verdict
from bigin_client.errors import BiginError
from bigin_client.metadata import Field, Module
from bigin_client.paging import MAX_FIELDS, PAGE_SIZE
from bigin_client.records import MODIFIED
from bigin_client.transport import Transport
from bigin_client.types import ConnectionInfo, Record

if TYPE_CHECKING:
    from bigin_client.contract.workshop import Workshop

#: Modules whose newest page is read, the likeliest to hold records first.
SAMPLED: Final[tuple[str, ...]] = (
    "Contacts",
    "Accounts",
    PIPELINES,
    "Products",
    "Tasks",
    "Events",
    "Calls",
    "Notes",
    "Associated_Products",
)
#: Keys that name a parent's module; lists return them when asked ([code], bigin-api.md 1.4).
PARENT_WORDS: Final = ("$related_module", "$se_module")
#: Asked for beside the documented names: the CRM family calls an activity's parent so.
CRM_PARENTS: Final = ("What_Id", "Who_Id")


class Examination:
    """Answers that several checks need, each asked for once.

    Args:
        client: The account.
        wait: Waits so many seconds.
        clock: Seconds, for measuring waits.
    """

    def __init__(
        self, client: BiginClient, *, wait: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self.client = client
        self.probe = Probe(client.transport)
        self.wait = wait
        self.clock = clock
        #: Marks everything that this run makes.
        self.mark = f"bigin-contract {secrets.token_hex(4)}"
        self.findings: dict[str, Finding] = {}
        #: Makes and removes records; None where nothing may be written.
        self.workshop: Workshop | None = None
        #: Credits of requests that the client takes for the gateway's own.
        self.uncounted = 0
        self._others: list[Transport] = []
        self._connections: list[ConnectionInfo] | None = None
        self._queries: dict[str, Exchange] = {}

    # -- other ways in ---------------------------------------------------------------------

    def knock(self, path: str = "users", **settings: Any) -> tuple[int, dict[str, Any]]:
        """Ask once with other settings (a wrong key, another connection); no retry.

        Returns:
            The status and the body, whoever answered.
        """
        pinned = {"connection_id": self.client.transport.connection_id, "max_wait": 0}
        transport = Transport(
            replace(self.client.settings, **{**pinned, **settings}), front_end="bigin"
        )
        self._others.append(transport)
        try:
            exchange = Probe(transport).get(path, {"type": "CurrentUser"})
        except BiginError as error:
            if error.status is None:
                raise
            return error.status, {}
        finally:
            transport.close()
        return exchange.status, exchange.reply.object()

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        others = sum(t.requests_sent for t in self._others)
        return self.client.transport.requests_sent + others

    @property
    def credits(self) -> int:
        """Credits spent so far, by the rules of bigin-api.md section 5."""
        others = sum(t.credits.used for t in self._others)
        return self.client.transport.credits.used + others + self.uncounted

    # -- metadata --------------------------------------------------------------------------

    def modules(self) -> dict[str, Module]:
        """Return the account's modules."""
        found = self._settings("modules")
        return {m.api_name: m for m in map(Module.from_api, found)}

    def fields(self, module: str) -> dict[str, Field]:
        """Return a module's fields, ``id`` left out should it be listed."""
        found = self._settings("fields", module=module)
        return {f.api_name: f for f in map(Field.from_api, found) if f.api_name != "id"}

    def _settings(self, what: str, **params: str) -> list[dict[str, Any]]:
        asked = self.probe.get(f"settings/{what}", params)
        found = asked.reply.object().get(what)
        if not isinstance(found, list):
            raise NotCheckable(asked.said)
        return [f for f in found if isinstance(f, dict) and f.get("api_name")]

    def field_of(self, module: str, test: Callable[[Field], bool], what: str) -> str:
        """Return the first writable field of a module that passes a test."""
        for field in self.fields(module).values():
            if field.creatable and field.updatable and test(field):
                return field.api_name
        raise NotCheckable(f"{module} has no writable field that is {what}")

    def layouts(self) -> list[dict[str, Any]]:
        """Return the Team Pipelines: layouts of Pipelines."""
        asked = self.probe.get("settings/layouts", {"module": PIPELINES})
        found = asked.reply.object().get("layouts")
        if not isinstance(found, list):
            raise NotCheckable(asked.said)
        return [f for f in found if isinstance(f, dict) and f.get("id")]

    def connections(self) -> list[ConnectionInfo]:
        """Return the gateway's connections to Bigin."""
        if self._connections is None:
            self._connections = self.client.connections.list()
        return self._connections

    # -- records ---------------------------------------------------------------------------

    def names(self, module: str, *, guesses: bool = True) -> list[str]:
        """Return up to 50 names to ask a module for, those that checks look at among them.

        Args:
            module: API name.
            guesses: Names that no metadata lists, too.
        """
        first = [MODIFIED]
        if guesses and module in _WITH_PARENT:
            first += ["Related_To", "Parent_Id", *PARENT_WORDS, *CRM_PARENTS]
        try:
            known = list(self.fields(module))
        except NotCheckable:
            known = []
        # Long texts are of no use here.
        known = [n for n in known if n not in {"Description", "Note_Content", "Record_Image"}]
        late = [n for n in known if n not in _LOOKED_AT]
        wanted = [*first, *(n for n in known if n in _LOOKED_AT), *late]
        return list(dict.fromkeys(wanted))[:MAX_FIELDS]

    def sample(self, module: str) -> Exchange:
        """Return a module's first page in the default order; a refusal too."""
        asked = self._sample(module, self.names(module))
        if asked.status == 400 and module in _WITH_PARENT:
            # Unknown names may be refused (9.13).
            asked = self._sample(module, [*self.names(module, guesses=False), *PARENT_WORDS])
        return asked

    def _sample(self, module: str, names: list[str]) -> Exchange:
        fields = ",".join(names[:MAX_FIELDS])
        return self.probe.get(module, {"fields": fields, "per_page": PAGE_SIZE}, scopes=True)

    def rows(self, module: str) -> list[Record]:
        """Return the records of a module's first page.

        Raises:
            NotCheckable: There is none, or they cannot be read.
        """
        exchange = self.sample(module)
        if not exchange.rows:
            raise NotCheckable(f"{module} has no records here: {exchange.said}")
        return exchange.rows

    def readable(self) -> dict[str, list[Record]]:
        """Return the sampled modules that hold records."""
        found = {}
        for module in SAMPLED:
            if module in self.modules():
                try:
                    found[module] = self.rows(module)
                except (NotCheckable, BiginError):
                    continue
        return found

    def main(self, least: int = 1) -> str:
        """Return the module with the most records.

        Args:
            least: Records that it must have.
        """
        readable = self.readable()
        best = max(readable, key=lambda m: len(readable[m]), default=None)
        if best is None or len(readable[best]) < least:
            raise NotCheckable(f"no module holds {least} records or more")
        return best

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        cost: int = 1,
        fresh: bool = False,
        scopes: bool = False,
    ) -> Exchange:
        """Short for `Probe.get`."""
        return self.probe.get(path, params, headers=headers, cost=cost, fresh=fresh, scopes=scopes)

    def coql(self, query: str) -> Exchange:
        """Ask a COQL query, each but once; it only reads, though it is a POST.

        A missing scope is an answer.
        """
        if query not in self._queries:
            body = {"select_query": query}
            self._queries[query] = self.probe.send("POST", "coql", body=body, scopes=True)
        return self._queries[query]

    @property
    def made(self) -> Workshop:
        """The workshop of an examination that may write."""
        if self.workshop is None:
            raise NotCheckable("no records may be made")
        return self.workshop

    def holds(self, number: str) -> bool:
        """Whether a statement was confirmed earlier in this run."""
        found = self.findings.get(number)
        return found is not None and found.verdict is Verdict.CONFIRMED


_WITH_PARENT: Final = frozenset({"Tasks", "Events", "Calls", "Notes"})
#: Fields that some check looks at.
_LOOKED_AT: Final = frozenset(
    {
        "Account_Name", "Associated_Products", "Contact_Name", "Created_By", "Created_Time",
        "Email", "Last_Activity_Time", "Last_Name", "Modified_By", "Owner", "Parent_Id",
        "Pipeline", "Related_To", "Secondary_Contacts", "Sub_Pipeline", "Tag",
    }
)  # fmt: skip


def why(error: BiginError) -> str:
    """Return a failure in a few words."""
    facts = [f"HTTP {error.status}" if error.status else "", error.code or ""]
    return " ".join(f for f in facts if f) or error.message


def first(items: Iterable[Any], reason: str) -> Any:
    """Return the first item, or say why the check cannot be made."""
    for item in items:
        return item
    raise NotCheckable(reason)
