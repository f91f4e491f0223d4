"""`TapBigin`: settings, catalog, order of the streams, endings."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator
from typing_extensions import override

from bigin_client import BiginClient, Settings, console, timestamps
from bigin_client.environment import settings_from
from bigin_client.errors import BiginError, NotFoundError, SettingsError
from bigin_client.extract import ReadAhead
from bigin_client.extract.ahead import MEGABYTE
from bigin_client.extract.bookmarks import parse
from bigin_client.metadata import parents_first
from tap_bigin import modules, related_lists, settings
from tap_bigin.account_streams import (
    ACCOUNT_STREAMS,
    DELETED_RECORDS,
    MAY_BE_REFUSED,
    AccountStream,
    DeletedRecordsStream,
)
from tap_bigin.progress import Progress
from tap_bigin.related_lists import RelatedStream
from tap_bigin.report import Report
from tap_bigin.streams import BOOKMARK, ModuleStream
from tap_bigin.writer import Writer

if TYPE_CHECKING:
    from types import FrameType

    import click
    from singer_sdk.singerlib import CatalogEntry


class TapBigin(Tap):
    """Zoho Bigin through the Maton gateway: every module, its changes and its deletions."""

    name = "tap-bigin"
    package_name = "bigin-connectors"
    dynamic_catalog = True
    message_writer_class = Writer
    config_jsonschema: ClassVar[dict[str, Any]] = settings.CONFIG
    #: What is not offered is not named: no BATCH, no ACTIVATE_VERSION.
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **arguments: Any) -> None:
        self.state_written_at = time.monotonic()
        self.report = Report(self.logger)
        self.progress = Progress(self.logger, self._credits_left)
        self._client: BiginClient | None = None
        self._asks_all = False
        self._ahead: ReadAhead | None = None
        self._stopping = False
        self._unreadable: list[modules.LeftOut] = []
        self._ordered = False
        super().__init__(**arguments)

    # -- what the streams use --------------------------------------------------------------

    @property
    def client(self) -> BiginClient:
        """The account; made when first needed, so that ``--about`` needs no key."""
        if self._client is None:
            self._client = BiginClient(Settings.from_mapping(self.config), front_end="tap-bigin")
        return self._client

    @property
    def choice(self) -> modules.Choice:
        """The setting `modules`."""
        return modules.Choice(self.config.get("modules"))

    @property
    def start_date(self) -> str | None:
        """The setting `start_date` in UTC."""
        seconds = parse(self.config.get("start_date"), "start_date", is_setting=True)
        return None if seconds is None else timestamps.from_seconds(seconds)

    def module_streams(self) -> Iterator[ModuleStream]:
        """Yield the selected modules' streams, parents first."""
        for stream in self.streams.values():
            if isinstance(stream, ModuleStream) and stream.selected:
                yield stream

    def read_ahead(self) -> None:
        """Let all selected modules send their requests while one is emitted (only once)."""
        megabytes = int(self.config.get("page_buffer_mb", 64))
        if self._ahead is not None or megabytes <= 0:
            return
        self._ahead = ReadAhead(megabytes * MEGABYTE)
        for stream in self.module_streams():
            stream.read_ahead(self._ahead)

    @property
    def reads_deletions(self) -> bool:
        """Whether the stream `deleted_records` is selected."""
        stream = self.streams.get(DELETED_RECORDS)
        return stream is not None and stream.selected

    def deleted_bookmarks(self) -> dict[str, Any]:
        """Return the writable bookmarks of the deletions, by module."""
        streams = self.state.setdefault("bookmarks", {})
        bookmarks: dict[str, Any] = streams.setdefault(DELETED_RECORDS, {}).setdefault(
            "modules", {}
        )
        return bookmarks

    def flush(self) -> None:
        """Hand over the messages that wait in the writer."""
        if isinstance(self.message_writer, Writer):
            self.message_writer.flush()

    def view_of(self, module: str) -> Mapping[str, Any]:
        """The part of a module that is read: ``cvid`` or ``pipeline_id``, nothing for all."""
        return modules.setting_of(self.config.get("views"), module) or {}

    def compares_ids(self, module: str) -> bool:
        """Whether deletions in a module are found by comparing ids (`detect_deletes`)."""
        told = self.config.get("deletes") == "rows" or self.reads_deletions
        return told and modules.setting_of(self.config.get("detect_deletes"), module) == "full"

    def failed(self, stream: str, error: BiginError) -> None:
        """Note that a stream could not be read; the run fails at the end."""
        self.report.failed(stream, error)

    def has_failed(self, stream: str) -> bool:
        """Whether a stream could not be read in this run."""
        return stream in self.report.failures

    def _credits_left(self) -> int | None:
        """How many credits this run may still spend, as far as anybody has said."""
        meter, most = self.client.transport.credits, self.config.get("max_credits")
        known = [
            n for n in (meter.left, None if most is None else most - meter.used) if n is not None
        ]
        return min(known, default=None)

    # -- catalog ---------------------------------------------------------------------------

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """Name → stream: what others refer to first, parents before children, deletions last."""
        found = super().streams
        if not self._ordered:
            self._streams = found = _in_order(found)
            self._ordered = True
        return found

    @override
    def discover_streams(self) -> Sequence[Stream]:
        if self.input_catalog is not None:
            # Nothing is asked of the account: the catalog says it all.
            return [s for e in self.input_catalog.values() if (s := self._of_entry(e)) is not None]
        streams: list[Stream] = []
        rows = self.config.get("deletes") == "rows"
        for found in modules.discover(self.client, self.choice, deleted_at=rows):
            if isinstance(found, modules.LeftOut):
                self._unreadable.append(found)
                self.report.left_out(stream_name(found.name), found.error)
                continue
            name = stream_name(found.module.api_name)
            streams.append(ModuleStream(self, name, found.module.api_name, found.schema))
        streams += self._related([s.module for s in streams if isinstance(s, ModuleStream)])
        if self.config.get("deletes") == "stream":
            streams.append(DeletedRecordsStream(self))
        return [*self._of_the_account(), *streams]

    @override
    def run_discovery(self) -> str:
        self._asks_all = True
        return super().run_discovery()

    def _of_the_account(self) -> Iterator[AccountStream]:
        """Yield the account's own streams; for a catalog, those that can be read."""
        for name, make in ACCOUNT_STREAMS.items():
            stream = make(self)
            # A sync without a catalog finds out when it reads them.
            refusal = stream.refusal() if self._asks_all and name in MAY_BE_REFUSED else None
            if refusal is None:
                yield stream
            else:
                self.leave_out(name, refusal)

    def leave_out(self, stream: str, error: BiginError) -> None:
        """Say that the connection has no scope for a stream nobody has asked for."""
        self.logger.warning("%s is left out: %s", stream, error)
        self.report.left_out(stream, error)

    def _related(self, parents: list[str]) -> Iterator[RelatedStream]:
        wanted = self.config.get("related_lists")
        if not wanted:
            return
        choice = modules.Choice(wanted, "related_lists")
        lists = related_lists.discover(self.client, choice, parents, self._unreadable)
        for related, schema in lists:
            yield RelatedStream(self, related.stream, schema)

    def _of_entry(self, entry: CatalogEntry) -> Stream | None:
        name = entry.tap_stream_id
        if name in ACCOUNT_STREAMS:
            return ACCOUNT_STREAMS[name](self)
        if name == DELETED_RECORDS:
            off = self.config.get("deletes") != "stream"
            return None if off else DeletedRecordsStream(self)
        schema = entry.schema.to_dict()
        if related_lists.PARENT_ID in (entry.key_properties or ()):
            return RelatedStream(self, name, schema)
        module = module_name(name)
        if not self.choice.takes(module):
            return None
        return ModuleStream(self, name, module, schema)

    # -- command line ----------------------------------------------------------------------

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's form
        cls.append_builtin_config(cls.config_jsonschema)
        parse_environment_config({}, cls._env_var_prefix)  # an .env file, as usual
        return settings_from(os.environ, cls._env_var_prefix, cls.config_jsonschema)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            files = ", ".join(v for v in value if v != "ENV")
            raise SettingsError(
                f"The config {files} cannot be read: {_why(error)}",
                hint="It must be a JSON object in a readable file.",
            ) from None

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        state: Any = None,
        catalog: Any = None,
    ) -> None:
        if about:
            cls.print_about(about_format)
            return
        found = _read_json(state, "state")
        known = _read_json(catalog, "catalog")
        try:
            tap = cls(
                config=config.config, state=found, catalog=known, parse_env_config=config.parse_env
            )
        except ConfigValidationError as error:
            raise SettingsError(f"Wrong settings: {'; '.join(error.errors)}") from None
        if code := tap.run():
            raise SystemExit(code)

    def run(self) -> int:
        """Sync all selected streams; returns the exit code.

        Raises:
            BiginError: The run cannot go on; the state of what was done has been written.
        """
        self._check_state()
        self._check_names()
        try:
            self.sync_all()
        except BrokenPipeError:
            raise
        except BaseException:
            self._write_last_state()
            self._tell_end(early=True)
            raise
        self._note_missing()
        self.flush()
        self._tell_end()
        if self._client is not None:
            self._client.close()
        return console.worst(e.exit_code for e in self.report.failures.values())

    def _tell_end(self, *, early: bool = False) -> None:
        self.progress.stop()
        selected = [n for n, s in self.streams.items() if s.selected]
        self.report.end(self._client, selected if early else [])

    def _write_last_state(self) -> None:
        if isinstance(self.message_writer, Writer):
            self.message_writer.resume()
        self.state_writer.write_state(self.state)
        self.flush()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if self._stopping:
            os._exit(128 + signum)
        self._stopping = True
        self.logger.warning("Stopped by signal %d; the state of what was written follows", signum)
        if self._client is not None:
            self._client.transport.cancel()
        if isinstance(self.message_writer, Writer):
            # Amid a message it only notes the signal, and leaves once the line is whole.
            self.message_writer.stop(128 + signum)
            return
        raise SystemExit(128 + signum)

    # -- checks ----------------------------------------------------------------------------

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self.append_builtin_config(self.config_jsonschema)
        errors = list(JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config))
        if errors and raise_errors:
            raise settings.refusal(errors)
        unknown = sorted(self._config.keys() - self.config_jsonschema["properties"].keys())
        if unknown:
            self.logger.warning("No such setting, ignored: %s", ", ".join(unknown))
        parse(self._config.get("start_date"), "start_date", is_setting=True)
        return [str(settings.refusal([e])) for e in errors]

    def _check_state(self) -> None:
        """Make sure that the bookmarks can be read, before anything is asked.

        Raises:
            SettingsError: One cannot.
        """
        for name, stream in (self.state.get("bookmarks") or {}).items():
            if not isinstance(stream, Mapping):
                raise SettingsError(f"The state of {name} is no object")
            parse(stream.get(BOOKMARK), f"The bookmark of {name}")

    def _check_names(self) -> None:
        """Make sure that a setting for a module is not for one that is not there.

        Raises:
            SettingsError: It is: a view left aside would mean all records instead of some.
        """
        known = [s.module for s in self.streams.values() if isinstance(s, ModuleStream)]
        asked = self._client is not None and self.client.metadata.has_modules
        # Left out by `modules`, or not readable, which is told elsewhere.
        others = list(self.client.modules()) if asked else []
        everything = [*known, *(m.api_name for m in others)]
        for setting in ("views", "detect_deletes"):
            for name, value in (self.config.get(setting) or {}).items():
                if any(modules.setting_of({name: value}, m) for m in everything):
                    continue
                text = f"{setting}: there is no stream of a module {name}"
                if not asked and not self.choice.takes(name):
                    self.logger.warning("%s, or `modules` leaves it out", text)
                    continue
                raise SettingsError(text, hint=f"There are: {', '.join(known)}.")

    def _note_missing(self) -> None:
        """Fail for streams that were wanted but are not there."""
        unreadable = {stream_name(u.name): u for u in self._unreadable}
        for name in self.state.get("bookmarks") or {}:
            has_bookmark = self.state["bookmarks"][name].get(BOOKMARK)
            if name in self.streams or not has_bookmark or not self.choice.takes(module_name(name)):
                continue
            error = unreadable[name].error if name in unreadable else None
            self.failed(
                name,
                error
                or NotFoundError(
                    f"{name} has a bookmark but has left the catalog",
                    hint=f'Discover again, or leave it out with modules: ["!{name}"].',
                ),
            )
        for name, left_out in unreadable.items():
            if self.choice.names(left_out.name):
                self.failed(name, left_out.error)


def stream_name(module: str) -> str:
    """Return the stream's name: the module's, unless a stream of ours has it already."""
    taken = {*ACCOUNT_STREAMS, DELETED_RECORDS}
    return f"{module}_records" if module.casefold() in taken else module


def module_name(stream: str) -> str:
    """Return the module of a stream, the reverse of `stream_name`."""
    module = stream.removesuffix("_records")
    return module if stream_name(module) == stream else stream


def _in_order(streams: Mapping[str, Stream]) -> dict[str, Stream]:
    account = [n for n in ACCOUNT_STREAMS if n in streams]
    rest = [n for n in streams if n not in account and n != DELETED_RECORDS]
    last = [DELETED_RECORDS] if DELETED_RECORDS in streams else []
    return {n: streams[n] for n in [*account, *parents_first(rest), *last]}


def _read_json(file: Any, what: str) -> Any:
    """Return the content of an opened file, None if there is none."""
    if file is None:
        return None
    try:
        content = json.loads(file.read() or "{}")
    except ValueError as error:
        raise SettingsError(f"The {what} is not JSON: {_why(error)}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"The {what} is not a JSON object")
    if not isinstance(content.get("bookmarks", {}), (dict, NoneType)):
        raise SettingsError(f"The bookmarks of the {what} are not a JSON object")
    return content


def _why(error: Exception) -> str:
    """Return what went wrong with a file, without its content."""
    if isinstance(error, ValueError) and hasattr(error, "lineno"):
        # The SDK may decode with another library than ours; both say where.
        return f"line {error.lineno}, column {getattr(error, 'colno', 1)}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
