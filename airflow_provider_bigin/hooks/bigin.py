"""`BiginHook`: an Airflow connection of type ``bigin`` and what can be asked through it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import BaseHook, Connection

from bigin_client import timestamps
from bigin_client.errors import BiginError, NotFoundError, ScopeError, SettingsError
from bigin_client.types import ConnectionInfo, Record, RecordId

if TYPE_CHECKING:
    from bigin_client import BiginClient, RowResult

WriteMode = Literal["insert", "update", "upsert"]

#: The gateway's word for Bigin.
MATON_APP = "zoho-bigin"
#: Seconds that the connection test may spend on one request; the form's user is waiting.
_TEST_TIMEOUT = 10.0
_TEST_MAX_WAIT = 5.0


class BiginHook(BaseHook):
    """Talk to Zoho Bigin through the Maton gateway.

    The connection: **password** is the Maton API key, **host** the gateway's base URL (empty:
    https://api.maton.ai), the extra fields carry the names of the settings
    (``connection_id``, ``requests_per_second``, …). What is empty comes from ``[bigin]`` in
    airflow.cfg, then from the environment (``MATON_API_KEY``, …).

    :param bigin_conn_id: Airflow connection of type ``bigin``.
    :param connection_id: Maton connection; overrides the Airflow connection's extra field.
    :param requests_per_second: Pace of this process; overrides likewise.
    :param request_timeout: Seconds; overrides likewise.
    """

    conn_name_attr = "bigin_conn_id"
    default_conn_name = "bigin_default"
    conn_type = "bigin"
    hook_name = "Zoho Bigin (Maton)"

    def __init__(
        self,
        bigin_conn_id: str = default_conn_name,
        *,
        connection_id: str | None = None,
        requests_per_second: float | None = None,
        request_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bigin_conn_id = bigin_conn_id
        self.connection_id = connection_id
        self.requests_per_second = requests_per_second
        self.request_timeout = request_timeout
        self._client: BiginClient | None = None
        self._cancelled = False
        self._noted: set[tuple[str, str]] = set()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the form; only Airflow 2 asks."""
        from airflow_provider_bigin.hooks import form

        return form.widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the behaviour of the standard fields; only Airflow 2 asks."""
        from airflow_provider_bigin.hooks import form

        return form.field_behaviour()

    # -- the client ------------------------------------------------------------------------

    @staticmethod
    def client_from_connection(conn: Connection, **over: Any) -> BiginClient:
        """Return a client for an Airflow connection; pure, so that triggers can use it too."""
        from airflow_provider_bigin.connection import client_from_connection

        return client_from_connection(conn, **over)

    def get_conn(self) -> BiginClient:
        """Return the client; the Airflow connection is read once per hook."""
        if self._client is None:
            self._client = self.new_client()
        if self._cancelled:
            self._client.transport.cancel()
        return self._client

    def new_client(self, **over: Any) -> BiginClient:
        """Return a client of the caller's own; `over` comes before the connection's settings."""
        given = {
            "connection_id": self.connection_id,
            "requests_per_second": self.requests_per_second,
            "request_timeout": self.request_timeout,
        }
        conn = self.get_connection(self.bigin_conn_id)
        return self.client_from_connection(conn, **{**given, **over})

    def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def cancel(self) -> None:
        """Let running and waiting requests of another thread end; for ``on_kill``.

        A task may be killed before its client is made: then its first request ends.
        """
        self._cancelled = True
        if self._client is not None:
            self._client.transport.cancel()

    def test_connection(self) -> tuple[bool, str]:
        """Return whether key, connection and account work, and which of them does not."""
        from airflow_provider_bigin.hooks import checks

        try:
            timeout = min(self.request_timeout or _TEST_TIMEOUT, _TEST_TIMEOUT)
            with self.new_client(request_timeout=timeout, max_wait=_TEST_MAX_WAIT) as client:
                return True, checks.check_connection(client)
        except BiginError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - the form must get an answer; its text may quote the key
            return False, f"Unexpected {type(error).__name__}; see the log of the API server"

    # -- what Airflow is told ----------------------------------------------------------------

    def count_requests(self, module: str | None) -> None:
        """Add what was sent to Airflow's metrics; once, at the end of a task."""
        from airflow_provider_bigin import metrics

        if self._client is not None:
            sent = self._client.transport
            name = None if module is None else self._api_name(module)
            metrics.count(name, requests=sent.requests_sent, rate_limited=sent.requests_limited)

    def note_read(self, module: str) -> None:
        """Tell Airflow's lineage that a module was read."""
        self._note("add_input_asset", module)

    def note_written(self, module: str) -> None:
        """Tell Airflow's lineage that a module was written."""
        self._note("add_output_asset", module)

    def note_files(self, paths: Iterable[str], *, read: bool = False) -> None:
        """Tell Airflow's lineage which files were put in place, or read."""
        note = _lineage("add_input_asset" if read else "add_output_asset")
        for path in paths:
            note(context=self, uri=path if "://" in path else f"file://{path}")

    def _note(self, how: str, module: str) -> None:
        from airflow_provider_bigin.assets import SCHEME

        name = self._api_name(module)
        if (how, name) not in self._noted:
            self._noted.add((how, name))
            account = {"org": self.connection_id or self.bigin_conn_id, "module": name}
            _lineage(how)(context=self, scheme=SCHEME, asset_kwargs=account)

    def _api_name(self, module: str) -> str:
        """Return a module's API name if it is known by now; nothing is sent for it."""
        with suppress(NotFoundError):
            if self._client is not None and self._client.metadata.has_modules:
                return self._client.metadata.module(module).api_name
        return module

    # -- reads -----------------------------------------------------------------------------

    def module_url(self, module: str) -> str | None:
        """Return the address of a module in Bigin's own pages, None when it is not known.

        Nothing is sent for it. Source: ``web_link`` of ``settings/modules`` (bigin-api.md
        section 2, [rec]).
        """
        if self._client is None or not self._client.metadata.has_modules:
            return None
        link = self._client.metadata.module(module).raw.get("web_link")
        return link if isinstance(link, str) and link.startswith("https://") else None

    def list_modules(self) -> list[str]:
        """Return the API names of the account's modules that the API serves, parents first."""
        return [m.api_name for m in self.get_conn().modules() if m.api_supported]

    def readable(self, modules: Iterable[str]) -> list[str]:
        """Return those of some modules that the connection may read (1 credit each).

        ``settings/modules`` lists modules without scope too, so each is asked for one record.
        Only a definitive refusal leaves a module out, with a warning that names it; any other
        failure is raised.
        """
        from bigin_client.records import ListQuery

        records = self.get_conn().records
        found = []
        for module in modules:
            with _unless_refused(self.log, module):
                records.fetch(ListQuery(module, ("Created_Time",), page_size=1))
                found.append(module)
        return found

    def list_fields(self, module: str) -> list[dict[str, Any]]:
        """Return a module's fields: api_name, label, data_type, mandatory, writable and more."""
        names = (
            "api_name", "label", "data_type", "json_type", "length", "decimal_place", "mandatory",
            "writable", "unique", "custom", "lookup_module",
        )  # fmt: skip
        return [
            {
                **{n: getattr(field, n) for n in names},
                "picklist": [v.actual for v in field.picklist],
            }
            for field in self.get_conn().fields(module)
        ]

    def list_users(self, type: str = "ActiveUsers") -> list[dict[str, Any]]:  # noqa: A002 - the service's word
        """Return the users of a type, for example ``CurrentUser``."""
        return self.get_conn().users(type)

    def get_record(
        self, module: str, record_id: RecordId, fields: Sequence[str] | None = None
    ) -> Record | None:
        """Return one record, None when it does not exist (any more)."""
        record = self.get_conn().get_record(module, record_id, fields)
        self.note_read(module)
        return record

    def iter_records(
        self,
        module: str,
        fields: Sequence[str] | None = None,
        *,
        since: str | None = None,
        until: str | None = None,
        cvid: str | None = None,
        include_deleted: bool = False,
    ) -> Iterator[Record]:
        """Yield every record, or those changed since a time.

        :param module: API name or alias.
        :param fields: Names; None: every readable field.
        :param since: Only records modified at this time or later.
        :param until: Only records modified before this time.
        :param cvid: Custom view to read instead.
        :param include_deleted: Also yield what was deleted since, as tombstones: dicts with
            ``id`` and ``deleted_time``.
        """
        first, last = _instant(since), _instant(until)
        hidden = bool((first or last) and fields is not None and "Modified_Time" not in fields)
        asked = [*fields, "Modified_Time"] if hidden and fields is not None else fields
        pages = self.get_conn().extract(
            module, asked, since=since, deleted_since=since, deletes=include_deleted, cvid=cvid
        )
        for page in pages:
            self.note_read(module)
            for record in page.records:
                if _within(record.get("Modified_Time"), first, last):
                    if hidden:
                        del record["Modified_Time"]
                    yield record
            for tombstone in page.tombstones:
                if _within(tombstone["deleted_time"], first, last):
                    yield dict(tombstone)

    def search(
        self,
        module: str,
        *,
        criteria: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        word: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Yield what a search finds; its index lags 10 to 20 s, and text matching is loose."""
        found = self.get_conn().search_records(
            module, criteria=criteria, email=email, phone=phone, word=word
        )
        for number, record in enumerate(found):
            self.note_read(module)
            if limit is not None and number >= limit:
                return
            yield record

    # -- writes ----------------------------------------------------------------------------

    def write(
        self,
        module: str,
        records: Iterable[Record],
        mode: WriteMode,
        *,
        match_on: Sequence[str] | None = None,
        run_workflows: bool = True,
    ) -> Iterator[RowResult]:
        """Write records as they are; yields a result per record, in input order.

        An insert whose reply is lost raises and is not sent again. For files and tables use
        the load operators, which check, compare and settle.
        """
        client = self.get_conn()
        if mode not in get_args(WriteMode):
            raise SettingsError("mode must be insert, update or upsert")
        self.note_written(module)
        if mode == "insert":
            return client.insert_records(module, records, run_workflows=run_workflows)
        if mode == "update":
            return client.update_records(module, records, run_workflows=run_workflows)
        return client.upsert_records(module, records, match_on, run_workflows=run_workflows)

    def delete(
        self, module: str, ids: Iterable[RecordId], *, run_workflows: bool = True
    ) -> Iterator[RowResult]:
        """Delete records by id; deleting Accounts takes their Contacts along."""
        self.note_written(module)
        return self.get_conn().delete_records(module, ids, run_workflows=run_workflows)

    # -- connections of the Maton account ----------------------------------------------------

    def maton_list_connections(
        self, *, app: str | None = MATON_APP, status: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the Maton account's connections, without their ``url``."""
        return [_public(c) for c in self.get_conn().connections.list(app=app, status=status)]

    def maton_get_connection(self, connection_id: str) -> dict[str, Any]:
        """Return one connection, without its ``url``."""
        return _public(self.get_conn().connections.get(connection_id))

    def maton_create_connection(
        self, *, app: str = MATON_APP, return_url: bool = False
    ) -> dict[str, Any]:
        """Create a connection, PENDING until a person has opened its ``url``.

        :param app: The gateway's word for the service.
        :param return_url: Return ``url`` too. It is as good as a secret, so it is masked in
            logs.
        """
        created = self.get_conn().connections.create(app=app)
        url = created.get("url")
        if url:
            _mask(url)
        public = _public(created)
        return {**public, "url": url} if return_url else public

    def maton_delete_connection(self, connection_id: str) -> None:
        """Delete a connection."""
        self.get_conn().connections.delete(connection_id)


def _lineage(how: str) -> Callable[..., None]:
    """Return a method of Airflow's collector; nothing is collected unless somebody reads it."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    note: Callable[..., None] = getattr(get_hook_lineage_collector(), how)  # type: ignore[no-untyped-call]
    return note


#: Where `mask_secret` is: common-compat has it from 1.21 on, which Python 3.10 does not get; then
#: Airflow 3's own places, then Airflow 2's.
_MASKERS = (
    "airflow.providers.common.compat.sdk",
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def _mask(secret: str) -> None:
    """Let Airflow's logs show asterisks for a text from now on."""
    for name in _MASKERS:
        try:
            masker = importlib.import_module(name).mask_secret
        except (ImportError, AttributeError):
            continue
        masker(secret)
        return
    raise ImportError("this Airflow has no mask_secret: the link cannot be kept out of its logs")


@contextmanager
def _unless_refused(log: Any, module: str) -> Iterator[None]:
    """Pass over a module that the connection may not read, saying so."""
    try:
        yield
    except (ScopeError, NotFoundError) as refusal:
        log.warning("Module %s is left out: %s", module, refusal)


def _public(info: ConnectionInfo) -> dict[str, Any]:
    """Return what may be shown: ``url`` lets anyone authorise, ``metadata`` is not ours."""
    shown = ("connection_id", "status", "app", "method", "creation_time", "last_updated_time")
    return {n: info[n] for n in shown if n in info}  # type: ignore[literal-required]


def _instant(time: str | None) -> str | None:
    return None if time is None else timestamps.normalise(time)


def _within(time: str | None, first: str | None, last: str | None) -> bool:
    """Whether a time, in our form, lies in ``first <= time < last``."""
    if first is None and last is None:
        return True
    return time is not None and (not first or time >= first) and (not last or time < last)
