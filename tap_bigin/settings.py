"""The tap's settings, as a JSON Schema: what ``--about`` shows and what a config must fit."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from bigin_client.errors import SettingsError

_STRINGS = th.ArrayType(th.StringType)

SHARED = (
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="Maton API key",
        description="Unset: MATON_API_KEY.",
    ),
    th.Property(
        "api_key_file",
        th.StringType,
        title="Maton API key file",
        description="File that holds the key, instead of api_key.",
    ),
    th.Property(
        "base_url",
        th.StringType,
        title="Gateway URL",
        description="Unset: MATON_API_BASE_URL, else https://api.maton.ai.",
    ),
    th.Property(
        "allow_http",
        th.BooleanType,
        title="Allow plain http",
        description="Plain http to another host than this machine.",
    ),
    th.Property(
        "connection_id",
        th.StringType,
        title="Maton connection",
        description="Unset: the one active zoho-bigin connection of the key.",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType,
        title="Requests per second",
        description="Even pace, 9 by default; the account allows 10, shared by all that uses the "
        "key.",
    ),
    th.Property(
        "rate_limit_store",
        th.StringType,
        title="Rate limit store",
        description="Unset: a file in the cache folder. Else a file, memory, or redis://...",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType,
        title="Simultaneous requests",
        description="5 by default; the Free edition allows 5, paid ones 10.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType,
        title="Request timeout",
        description="Seconds to connect and to read, 30 by default.",
    ),
    th.Property(
        "max_wait",
        th.NumberType,
        title="Longest wait",
        description="Seconds spent on retrying one request, 300 by default; 0 is no retry.",
    ),
    th.Property(
        "max_credits",
        th.IntegerType,
        title="Most credits",
        description="Stop cleanly before this run spends more.",
    ),
    th.Property(
        "min_credits_left",
        th.IntegerType,
        title="Credits to leave",
        description="Stop cleanly before fewer are left to the company.",
    ),
    th.Property("verify_tls", th.BooleanType, title="Verify TLS", description="True by default."),
    th.Property(
        "ca_bundle",
        th.StringType,
        title="CA bundle",
        description="Certificates to trust; else the usual CA variables.",
    ),
)

OWN = (
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Records changed before it are not read. Unset: everything.",
    ),
    th.Property(
        "modules",
        _STRINGS,
        title="Modules",
        description="Names and globs; a leading ! leaves out. Unset: every readable module.",
    ),
    th.Property(
        "deletes",
        th.StringType,
        allowed_values=["stream", "rows", "off"],
        default="stream",
        title="Deletions",
        description="A stream of its own (default), marked rows in the module's stream, or none.",
    ),
    th.Property(
        "detect_deletes",
        th.ObjectType(additional_properties=th.StringType(allowed_values=["full"])),
        title="Detect deletions",
        description="Module to full: find deletions by comparing all ids in each run, for modules "
        'that no deleted feed covers: {"Notes": "full"}.',
    ),
    th.Property(
        "related_lists",
        _STRINGS,
        title="Related lists",
        description="Names and globs of related lists to read as streams, such as "
        "Contacts_Products or *_Attachments: one request for each parent record. Unset: none.",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType,
        default=300,
        title="Lookback",
        description="Seconds subtracted from a bookmark when it is read, 300 by default.",
    ),
    th.Property(
        "page_buffer_mb",
        th.IntegerType,
        default=64,
        title="Page buffer",
        description="Megabytes of pages read ahead, 64 by default; 0: one request at a time.",
    ),
    th.Property(
        "full_refresh_days",
        th.IntegerType,
        title="Full refresh",
        description="Read a module whole again after so many days: formulas, roll-ups and "
        "relations change without moving Modified_Time. Unset: never.",
    ),
    th.Property(
        "views",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("cvid", th.StringType),
                th.Property("pipeline_id", th.StringType),
                additional_properties=False,
            )
        ),
        title="Views",
        description='Module to custom view or Team Pipeline: {"Pipelines": {"pipeline_id": "..."}}'
        " or cvid.",
    ),
)

CONFIG: dict[str, Any] = th.PropertiesList(*SHARED, *OWN).to_dict()


def refusal(errors: list[Any]) -> SettingsError:
    """Return the error for a config that does not fit the schema.

    The validator's own text shows the value, which may be the key; ours names the setting and
    what is expected.

    Args:
        errors: `jsonschema` validation errors.
    """
    lines = []
    for error in errors:
        where = ".".join(str(p) for p in error.absolute_path) or "the config"
        if error.validator == "type":
            wanted = error.validator_value
            kinds = wanted if isinstance(wanted, list) else [wanted]
            lines.append(f"{where} must be of type {' or '.join(k for k in kinds if k != 'null')}")
        elif error.validator == "enum":
            lines.append(f"{where} must be one of {', '.join(map(str, error.validator_value))}")
        elif error.validator == "required":
            lines.append(f"{where} lacks {', '.join(error.validator_value)}")
        else:
            lines.append(f"{where} does not fit ({error.validator})")
    return SettingsError("; ".join(dict.fromkeys(lines)), hint="See: tap-bigin --about")
