"""The target's settings: their JSON Schema, and which of them a stream gets."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bigin_client.errors import SettingsError
from bigin_client.load import LoadOptions

#: Meltano's own test of a loader sends this stream; it must reach no service.
TEST_STREAM: Final = "meltano_test_stream"


def _setting(kind: str | list[str], title: str, description: str, **more: Any) -> dict[str, Any]:
    kinds = [kind] if isinstance(kind, str) else kind
    return {"type": [*kinds, "null"], "title": title, "description": description, **more}


def _secret(title: str, description: str) -> dict[str, Any]:
    return _setting("string", title, description, secret=True, writeOnly=True)


CONNECTION: Final[dict[str, dict[str, Any]]] = {
    "api_key": _secret("Maton API key", "Unset: MATON_API_KEY."),
    "api_key_file": _setting(
        "string", "Maton API key file", "File that holds the key, instead of api_key."
    ),
    "base_url": _setting(
        "string", "Gateway URL", "Unset: MATON_API_BASE_URL, else https://api.maton.ai."
    ),
    "allow_http": _setting(
        "boolean", "Allow plain http", "Plain http to another host than this machine."
    ),
    "connection_id": _setting(
        "string", "Maton connection", "Unset: the one active zoho-bigin connection of the key."
    ),
    "requests_per_second": _setting(
        "number",
        "Requests per second",
        "Even pace, 9 by default; the account allows 10, shared by all that uses the key.",
    ),
    "rate_limit_store": _setting(
        "string",
        "Rate limit store",
        "Unset: a file in the cache folder. Else a file, memory, or redis://...",
    ),
    "max_concurrency": _setting(
        "integer",
        "Simultaneous requests",
        "5 by default; the Free edition allows 5, paid ones 10.",
    ),
    "request_timeout": _setting(
        "number", "Request timeout", "Seconds to connect and to read, 30 by default."
    ),
    "max_wait": _setting(
        "number",
        "Longest wait",
        "Seconds spent on retrying one request, 300 by default; 0 is no retry.",
    ),
    "max_credits": _setting("integer", "Most credits", "Stop cleanly before this run spends more."),
    "min_credits_left": _setting(
        "integer", "Credits to leave", "Stop cleanly before fewer are left to the company."
    ),
    "verify_tls": _setting("boolean", "Verify TLS", "True by default."),
    "ca_bundle": _setting(
        "string", "CA bundle", "Certificates to trust; else the usual CA variables."
    ),
}

PER_STREAM: Final[dict[str, dict[str, Any]]] = {
    "mode": _setting(
        "string",
        "Load mode",
        "upsert by default.",
        enum=["upsert", "insert", "update", "delete", "mirror", None],
    ),
    "match_on": _setting(
        ["array", "string"],
        "Match on",
        "Fields that find the existing record.",
        items={"type": "string"},
    ),
    "compare": _setting(
        "string",
        "Read before writing",
        "auto (default) reads when that costs fewer credits.",
        enum=["auto", "always", "never", None],
    ),
    "nulls": _setting(
        "string",
        "Nulls",
        "Leave the field alone (default) or empty it.",
        enum=["ignore", "clear", None],
    ),
    "protect": _setting(
        "object",
        "Protected fields",
        "Field: always (never written over) or when_set (filled only if empty).",
    ),
    "run_workflows": _setting("boolean", "Run workflows", "False by default."),
    "on_delete": _setting(
        "string",
        "Deleted rows",
        "What happens to rows with _sdc_deleted_at.",
        enum=["ignore", "delete", None],
    ),
    "allow_cascade": _setting(
        "boolean", "Allow cascade", "Deleting Accounts takes their Contacts along."
    ),
    "strict": _setting(
        "boolean",
        "Strict",
        "Refuse a stream with unknown or read-only columns before its first write.",
    ),
    "allow_duplicates": _setting(
        "boolean", "Allow duplicates", "Let insert mode run without a row key."
    ),
    "settle_seconds": _setting(
        "number",
        "Settle time",
        "Seconds to wait before looking for unclear inserts, 60 by default.",
    ),
    "mirror_scope": _setting(
        ["string", "object"],
        "Mirror scope",
        "What mirror may delete in: all, or {Field: value}.",
    ),
    "max_delete_share": _setting(
        "number", "Largest share to delete", "Of the scope's records; 0.1 by default."
    ),
    "verify": _setting("boolean", "Verify", "Read back what was written and report differences."),
    "limit_rows": _setting("integer", "Row limit", "Load only the first rows."),
}

WHOLE_RUN: Final[dict[str, dict[str, Any]]] = {
    "streams": _setting(
        "object",
        "Streams",
        "Per stream name or pattern: module, mode, match_on, fields, lookups and settings below.",
        additionalProperties={"type": "object"},
    ),
    "max_rejects": _setting(
        ["integer", "string"],
        "Most rejects",
        "A number or a share such as 1%; above 0 it needs rejects_path.",
    ),
    "rejects_path": _setting(
        "string", "Rejects file", "Rows that were refused, with field, code and reason."
    ),
    "outcomes_path": _setting(
        "string", "Outcomes file", "Row key, Bigin id, outcome and time of each row."
    ),
    "before_path": _setting(
        "string", "Before file", "What updated or deleted records held before."
    ),
    "report_path": _setting(
        "string", "Report file", "JSON with the counts, requests and credits of the run."
    ),
    "report_html": _setting(
        "string", "Report page", "The report as a self-contained HTML page to look at."
    ),
    "journal_path": _setting(
        "string",
        "Journal file",
        "Inserts begun and done, on a local disk. Unset: one per module in the state folder.",
    ),
    "plan_path": _setting("string", "Plan file", "What a dry run would do, row by row."),
    "dry_run": _setting("boolean", "Dry run", "Everything but the writes; no state."),
}

#: Only within an entry of `streams`.
ONLY_PER_STREAM: Final = frozenset({"module", "fields", "lookups", "row_key", "source_id"})

CONFIG_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **CONNECTION,
        "streams": WHOLE_RUN["streams"],
        **PER_STREAM,
        **{k: v for k, v in WHOLE_RUN.items() if k != "streams"},
    },
}


@dataclass(frozen=True)
class StreamConfig:
    """What a stream is loaded into, and how."""

    module: str
    options: LoadOptions


class StreamConfigs:
    """Finds a stream's settings by its name.

    Args:
        config: The target's configuration.

    Raises:
        SettingsError: An entry cannot be used.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._defaults = {k: v for k, v in config.items() if k in PER_STREAM}
        self._entries: dict[str, Mapping[str, Any]] = dict(config.get("streams") or {})
        allowed = ONLY_PER_STREAM | PER_STREAM.keys()
        for name, entry in self._entries.items():
            unknown = sorted(set(entry) - allowed)
            if unknown:
                raise SettingsError(
                    f"streams.{name}: unknown setting {', '.join(unknown)}",
                    hint=f"Known: {', '.join(sorted(allowed))}.",
                )
            self.of(name)

    def named(self) -> list[str]:
        """Return the streams that the configuration names in full."""
        return [n for n in self._entries if not _is_pattern(n)]

    def of(self, stream: str) -> StreamConfig:
        """Return the settings of a stream: its entry, else the first pattern that fits."""
        entry = self._entries.get(stream)
        if entry is None:
            fitting = (p for p in self._entries if fnmatch.fnmatchcase(stream, p))
            entry = self._entries.get(next(fitting, ""), {})
        module = entry.get("module") or stream.replace("-", ".").split(".")[-1]
        try:
            options = LoadOptions.from_mapping({**self._defaults, **entry})
        except SettingsError as error:
            raise SettingsError(f"streams.{stream}: {error.message}", hint=error.hint) from None
        return StreamConfig(str(module), options)


def plain_numbers(value: Any) -> Any:
    """Return a configuration with floats for the decimals that the SDK reads."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {k: plain_numbers(v) for k, v in value.items()}
    return [plain_numbers(v) for v in value] if isinstance(value, list) else value


def _is_pattern(name: str) -> bool:
    return any(c in name for c in "*?[")
