"""What is read: a module, its fields in groups, the requests for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from bigin_client.credits import VIEW_READ
from bigin_client.errors import RequestError
from bigin_client.extract.crew import crew_of
from bigin_client.field_types import FieldType
from bigin_client.paging import PAGE_SIZE
from bigin_client.records import MODIFIED, ListQuery, Records, field_groups
from bigin_client.reply import Reply
from bigin_client.types import Approved, Record, SortOrder

log = logging.getLogger(__name__)


class Source:
    """One module as one extraction reads it. Safe to use from several threads.

    Args:
        records: Sends the requests.
        module: API name.
        types: Field API name → how its values are read; the fields to emit, in this order.
        modified: Whether the module has a Modified_Time. It is then asked for in every field
            group, emitted only if it is among `types`.
        has_feed: Whether the module has a deleted feed.
        cvid: Custom view to read instead of the module.
        pipeline_id: Team Pipeline to read; Pipelines only.
        page_size: Records a page.
        parent: Extraction that this one's requests count for too.
    """

    def __init__(
        self,
        records: Records,
        module: str,
        types: Mapping[str, FieldType],
        *,
        modified: bool = True,
        has_feed: bool = True,
        cvid: str | None = None,
        pipeline_id: str | None = None,
        page_size: int = PAGE_SIZE,
        parent: Source | None = None,
    ) -> None:
        self.records = records
        self.module = module
        self.types = dict(types)
        self.modified = modified
        self.has_feed = has_feed
        self.cvid = cvid
        self.pipeline_id = pipeline_id
        self.page_size = page_size
        #: Records that wait for approval are asked for too (bigin-api.md 3.1): left out, they
        #: would be missing without a trace. A view decides itself what it shows.
        self.approved: Approved | None = None if cvid else "both"
        #: The reply that the read began with, for its Date header.
        self.first_reply: Reply | None = None
        self.crew = crew_of(records)
        self.requests = 0
        self.credits = 0
        self._parent = parent
        #: The extraction's own source.
        self.root: Source = self if parent is None else parent.root
        #: Whether the service has answered a list yet.
        self.answered = False
        self._lock = threading.Lock()
        self._regroup()

    @property
    def feed_tells_all(self) -> bool:
        """Whether every deletion shows in the deleted feed.

        Contacts that go along with their company may be missing from it (bigin-api.md section
        10, question 8).
        """
        return self.has_feed and self.module != "Contacts"

    def _regroup(self) -> None:
        wanted = [n for n in self.types if n != "id"]
        if self.modified and MODIFIED not in wanted:
            wanted.append(MODIFIED)
        # `fields` must not be empty (bigin-api.md 3.1), and id is never asked for.
        self.names: list[str] = wanted or ["Created_Time"]
        self.groups = field_groups(self.names, anchor=MODIFIED if self.modified else None)

    def narrow(self) -> Source:
        """Return the same module with as few fields as the service allows: for ids."""
        name = MODIFIED if self.modified else self.names[0]
        types = {name: self.types[name]} if name in self.types else {}
        return Source(
            self.records,
            self.module,
            types,
            modified=self.modified,
            has_feed=self.has_feed,
            cvid=self.cvid,
            pipeline_id=self.pipeline_id,
            page_size=self.page_size,
            parent=self,
        )

    def drop_fields(self, names: Sequence[str]) -> None:
        """Stop asking for fields that the account has no more."""
        for name in names:
            self.types.pop(name, None)
        self._regroup()

    def query(
        self,
        group: tuple[str, ...] | None = None,
        *,
        sort_by: str | None = None,
        sort_order: SortOrder | None = None,
        since: int | None = None,
        limit: int | None = None,
        ids: tuple[str, ...] | None = None,
    ) -> ListQuery:
        """Return a question about the first, or another, field group."""
        return ListQuery(
            module=self.module,
            fields=self.groups[0] if group is None else group,
            sort_by=sort_by,
            sort_order=sort_order,
            modified_since=None if since is None else datetime.fromtimestamp(since, timezone.utc),
            cvid=self.cvid,
            pipeline_id=self.pipeline_id,
            page_size=limit or self.page_size,
            ids=ids,
        )

    def fetch(self, query: ListQuery, token: str | None = None) -> Reply:
        """Send one list request.

        Raises:
            RequestError: The service refused it, with and without `approved`.
        """
        root = self.root
        asked = replace(query, approved=root.approved)
        try:
            reply = self.records.fetch(asked, token)
        except RequestError:
            # Nothing of a question is confirmed before it was answered once; beside a token,
            # every parameter has to stay as it was.
            if root.approved is None or root.answered or token is not None:
                raise
            self.count(1)
            reply = self.records.fetch(query, token)
            root.approved = None
            log.info(
                "%s: the service refuses approved=both; what waits for approval is left out",
                self.module,
            )
        root.answered = True
        if self.first_reply is None:
            self.first_reply = reply
        self.count(VIEW_READ if query.cvid else 1)
        return reply

    def get(self, record_id: str, names: Sequence[str] | None = None) -> Record | None:
        """Read one record by id, whole (all fields of this extraction) unless told otherwise."""
        chosen = self.names if names is None else names
        found = self.records.get(self.module, record_id, chosen)
        groups = len(field_groups([*chosen, MODIFIED]))
        self.count(groups, groups)
        return found

    def count(self, credits_used: int, requests: int = 1) -> None:
        """Note requests that were sent for this extraction."""
        with self._lock:
            self.requests += requests
            self.credits += credits_used
        if self._parent is not None:
            self._parent.count(credits_used, requests)
