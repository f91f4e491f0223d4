"""`TargetBigin`: Singer messages in, records in Bigin, STATE out."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from singer_sdk import Target
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import (
    ConfigValidationError,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from bigin_client.client import BiginClient
from bigin_client.console import ExitCode, worst
from bigin_client.environment import settings_from
from bigin_client.errors import BiginError, RejectedRecordsError, SettingsError
from bigin_client.load import LoadReport, LoadRun, RunOptions, summary
from bigin_client.settings import Settings
from target_bigin.config import CONFIG_SCHEMA, TEST_STREAM, StreamConfigs, plain_numbers
from target_bigin.reader import MessageReader
from target_bigin.sinks import BiginSink
from target_bigin.state import StateKeeper
from target_bigin.streams import ROW_KEY_MISSING, Streams

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger(__name__)

#: Seconds that a STATE waits for batches to fill before they are written all the same.
STATE_SECONDS: Final = 30.0


class TerminatedError(BaseException):
    """A signal asked the process to end.

    Not an `Exception`: nothing on the way to the top may take it for a failed row.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class MissingKeysError(RejectedRecordsError, MissingKeyPropertiesError):
    """Rows were refused, some of them for want of their key properties."""


class TargetBigin(Target):
    """Zoho Bigin through the Maton gateway: upsert, update or delete records."""

    name = "target-bigin"
    package_name = "bigin-connectors"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    default_sink_class = BiginSink
    message_reader_class = MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._max_parallelism = 1
        config = plain_numbers(dict(self.config))
        self._configs = StreamConfigs(config)
        self._options = RunOptions.from_mapping(config)
        self._client = BiginClient(Settings.from_mapping(config), front_end=self.name)
        self._run = LoadRun(self._client, self._options)
        self._states = StateKeeper()
        self._streams = Streams(self._run, self._configs, self._states)
        self._state_since: float | None = None
        self._may_interrupt = False
        self._signal: int | None = None
        self.report: LoadReport | None = None
        self._streams.check_named()
        reader = self.message_reader
        if isinstance(reader, MessageReader):
            reader.on_idle = self._idle
            reader.waiting = self._waiting

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add only built-in settings that do something here (no load_method and the like)."""
        super(Target, cls).append_builtin_config(config_jsonschema)

    # -- messages --------------------------------------------------------------------------------

    def announce(self, stream: str, columns: list[str], key: list[str]) -> None:
        """Take a stream's SCHEMA, the first or a later one."""
        if stream == TEST_STREAM:
            # `meltano config test` asks whether the settings lead into an account.
            self._client.modules()
        else:
            self._streams.announce(stream, columns, key)

    def load_row(self, stream: str, row: dict[str, Any], version: int | None = None) -> None:
        """Load one row."""
        if stream != TEST_STREAM:
            self._streams.load(stream, row, version)

    def note_version(self, stream: str, version: int) -> None:
        """Take an ACTIVATE_VERSION, which only mirror mode heeds."""
        self._streams.note_version(stream, version)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Map a row and load it; see `BiginSink` for what is left out, and why."""
        stream = message_dict["stream"]
        maps = self.mapper.stream_maps.get(stream)
        if maps is None:
            raise RecordsWithoutSchemaException(
                f"A record of stream {stream} came before its schema"
            )
        record = message_dict["record"]
        for stream_map in maps:
            row = stream_map.transform(dict(record) if len(maps) > 1 else record)
            if row is not None:
                self.load_row(stream_map.stream_alias, row, message_dict.get("version"))
        if self._signal is not None:
            raise TerminatedError(self._signal)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self._states.state(message_dict["value"])
        if self._state_since is None:
            self._state_since = time.monotonic()
        if time.monotonic() - self._state_since > STATE_SECONDS:
            self._streams.settle()
        self._tell_state()

    @override
    def process_endofpipe(self) -> None:
        """Settle everything, tell the state, write the report; raise what failed."""
        self.finish()
        self._raise_failures()

    def _idle(self) -> None:
        if self._states.is_waiting:
            self._streams.settle()
            self._tell_state()

    # -- state -----------------------------------------------------------------------------------

    def _tell_state(self) -> None:
        state = self._states.advance()
        if not self._states.is_waiting:
            self._state_since = None
        elif state is not None:
            self._state_since = time.monotonic()
        if state is None or self._options.dry_run:
            return
        self._run.sync_files()
        sys.stdout.write(json.dumps(state, default=str) + "\n")
        sys.stdout.flush()

    # -- the end ---------------------------------------------------------------------------------

    def finish(self) -> LoadReport:
        """Settle everything that was read, tell the state, write the report."""
        if self.report is None:
            try:
                self._streams.end_input()
                self._tell_state()
                self.report = self._run.close()
            finally:
                self._run.abandon()
                self._client.close()
            for name, entry in self.report.streams.items():
                log.info("%s: %s", name, entry.summary())
            summary.show(self.report, sys.stderr)
        return self.report

    def _raise_failures(self) -> None:
        report = self.finish()
        codes = report.exit_codes
        if not codes:
            return
        error = self._failure(report)
        error.exit_code = worst(codes)  # type: ignore[misc]  # this one's, not the class's
        raise error

    def _failure(self, report: LoadReport) -> BiginError:
        if report.failures:
            return self._run.stopped or self._streams.first_failure() or _failed(report)
        codes: dict[str, int] = {}
        for entry in report.streams.values():
            for code, count in entry.rejects_by_code.items():
                codes[code] = codes.get(code, 0) + count
        listed = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
        path = self._options.rejects_path
        hint = f"They are in {path}." if path else "Set rejects_path to keep them."
        if self._states.held == "refused":
            hint += " The state stops before the first of them: with rejects_path it passes them."
        kind = MissingKeysError if ROW_KEY_MISSING in codes else RejectedRecordsError
        return kind(
            f"{report.refused} of {report.rows} rows were refused ({listed})",
            summary=report.to_dict(),
            hint=hint,
        )

    # -- signals and the command line -------------------------------------------------------------

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """While waiting for input, a signal ends the run at once."""
        self._may_interrupt = True
        try:
            if self._signal is not None:
                raise TerminatedError(self._signal)
            yield
        finally:
            self._may_interrupt = False

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End when the message at hand is done; at once while waiting for input."""
        if self._signal is not None:
            # Asked twice: no more patience.
            self._client.transport.cancel()
            return
        self._signal = signum
        if self._may_interrupt:
            raise TerminatedError(signum)

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's form
        cls.append_builtin_config(cls.config_jsonschema)
        parse_environment_config({}, cls._env_var_prefix)  # an .env file, as usual
        return settings_from(os.environ, cls._env_var_prefix, cls.config_jsonschema)

    @classmethod
    @override
    def cb_config(cls, ctx: Any, param: Any, value: tuple[str, ...]) -> _ConfigInput:
        """Read the configuration files; a bad one is a wrong setting."""
        for path in value:
            if path != "ENV":
                _check_config_file(path)
        return super().cb_config(ctx, param, value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # the SDK's own Target does so too
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target; see `bigin_client.console` for the exit codes."""
        if about:
            cls.print_about(about_format)
            return
        config = config or _ConfigInput()
        try:
            target = cls(config=config.config, parse_env_config=config.parse_env)
        except ConfigValidationError as error:
            raise SettingsError(f"Wrong settings: {'; '.join(error.errors)}") from None
        target.listen_until_the_end(file_input)

    def listen_until_the_end(self, file_input: IO[str] | None) -> None:
        """Listen; whatever ends it, what was read is settled and its state told."""
        try:
            self.listen(file_input)
        except TerminatedError as stop:
            log.warning("Signal %d: settling what was read", stop.signal_number)
            self._finish_before_leaving()
        except Exception as error:
            if self._signal is None:
                if self.report is not None:
                    raise
                raise self._ended_early(error) from None
            self._say_failure(error)
            self._finish_before_leaving()
        if self._signal is not None:  # it may have come while the last rows were settled
            self._leave(self._signal)

    def _ended_early(self, error: Exception) -> Exception:
        """Settle and report what came before the input, or the target, broke.

        Returns:
            The error to raise. Its exit code is the run's: 2 would say that nothing was sent.
        """
        if isinstance(error, RecordsWithoutSchemaException):
            error = SettingsError(str(error))
        told = error if isinstance(error, BiginError) else _unexpected(error)
        self._run.fail(told)
        told.exit_code = worst(self.finish().exit_codes)  # type: ignore[misc]  # this one's
        return error

    def _finish_before_leaving(self) -> None:
        """Settle what can be settled: whatever fails now, the exit code is the signal's."""
        try:
            self.finish()
        except Exception as error:  # noqa: BLE001 - said, and outranked
            self._say_failure(error)

    @staticmethod
    def _say_failure(error: Exception) -> None:
        # The text of any other may hold a record's contents.
        known = isinstance(error, BiginError)
        log.error("%s", error if known else f"unexpected {type(error).__name__}")

    def _leave(self, signal_number: int) -> NoReturn:
        sys.exit(128 + signal_number)


def _failed(report: LoadReport) -> BiginError:
    return BiginError("; ".join(message for _, message in report.failures))


def _unexpected(error: Exception) -> BiginError:
    # Its text may hold a record's contents.
    found = BiginError(f"unexpected {type(error).__name__}")
    found.exit_code = ExitCode.UNEXPECTED  # type: ignore[misc]  # this one's, not the class's
    return found


def _check_config_file(path: str) -> None:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The configuration {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"The configuration {path} is no valid JSON") from None
    if not isinstance(found, dict):
        raise SettingsError(f"The configuration {path} is no JSON object")
