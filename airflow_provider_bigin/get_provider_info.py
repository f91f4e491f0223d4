"""What Airflow reads about this provider at the start of every process.

Imports nothing: every ``airflow`` command and component runs it, and an error here breaks them
all. The connection form is declared here once; the form of Airflow 2.11 is made from it too.
"""

from __future__ import annotations

from typing import Any

_NAME = "Zoho Bigin"
_PACKAGE = "airflow_provider_bigin"


def _field(label: str, description: str, kind: str, **schema: Any) -> dict[str, Any]:
    """Return one extra field of the form; each may be left empty."""
    return {
        "label": label,
        "description": description,
        "schema": {"type": [kind, "null"], **schema},
    }


#: Extra fields of the connection, by setting name (design.md section 3). No default is filled in:
#: an empty field falls back to ``[bigin]`` in airflow.cfg, then to the environment.
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "connection_id": _field(
        "Maton connection id",
        "Empty: the one ACTIVE zoho-bigin connection of the key is used.",
        "string",
    ),
    "requests_per_second": _field(
        "Requests per second",
        "Pace of each process, 9 if empty. The account's limit of 10 is shared by all programs "
        "that use the key: divide it, or set the rate limit store.",
        "number",
        minimum=0,
    ),
    "rate_limit_store": _field(
        "Rate limit store",
        "Where processes share the pace: memory, a file (one machine) or redis://host:port/db "
        "(several workers). A password in it belongs into the environment variable "
        "BIGIN_RATE_LIMIT_STORE.",
        "string",
    ),
    "max_concurrency": _field(
        "Simultaneous requests",
        "5 if empty: the Free edition allows 5, paid ones 10.",
        "integer",
        minimum=1,
    ),
    "request_timeout": _field(
        "Timeout (s)", "Seconds to connect and to read; 30 if empty.", "number", minimum=1
    ),
    "max_wait": _field(
        "Longest wait (s)",
        "Seconds spent retrying one request; 300 if empty, 0: no retry.",
        "number",
        minimum=0,
    ),
    "max_credits": _field(
        "Most credits a task", "Stop before a task spends more API credits.", "integer", minimum=0
    ),
    "min_credits_left": _field(
        "Credits to leave",
        "Stop before the account has fewer API credits left than this.",
        "integer",
        minimum=0,
    ),
    "verify_tls": _field("Verify TLS", "Check certificates; true if empty.", "boolean"),
    "ca_bundle": _field("CA bundle", "File of certificates to trust on every worker.", "string"),
    "allow_http": _field(
        "Allow plain http",
        "Accept an http:// gateway that is not on this machine.",
        "boolean",
    ),
    "api_key_file": _field(
        "Maton API key file", "File on every worker that holds the key.", "string"
    ),
}


def _option(description: str, kind: str, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": example,
        "default": None,
    }


def _modules(kind: str, *names: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.{kind}.{n}" for n in names]}
    ]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "bigin-connectors",
        "name": _NAME,
        "description": "`Zoho Bigin <https://www.bigin.com/>`__ through the Maton gateway: extract "
        "modules to files, load files and SQL, wait for records.",
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://www.bigin.com/developer/docs/apis/v2/",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "bigin",
                "hook-name": "Zoho Bigin (Maton)",
                "hook-class-name": f"{_PACKAGE}.hooks.bigin.BiginHook",
                "ui-field-behaviour": {
                    # The port stays: Airflow 3.3.2's test button refuses connections without
                    # one, because the page sends 0 where nothing is stored.
                    "hidden-fields": ["login", "schema", "extra"],
                    "relabeling": {
                        "host": "Gateway base URL",
                        "port": "Gateway port",
                        "password": "Maton API key",
                    },
                    "placeholders": {"host": "https://api.maton.ai", "port": "443"},
                },
                "conn-fields": CONN_FIELDS,
            }
        ],
        "hooks": _modules("hooks", "bigin"),
        "operators": _modules(
            "operators", "connections", "delete", "extract", "load", "modules", "records"
        ),
        "sensors": _modules("sensors", "changes", "connection", "record"),
        "triggers": _modules("triggers", "changes", "connection", "record"),
        "extra-links": [f"{_PACKAGE}.links.BiginModuleLink"],
        "asset-uris": [
            {
                "schemes": ["bigin"],
                "handler": f"{_PACKAGE}.assets.sanitize_uri",
                "factory": f"{_PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{_PACKAGE}.assets.convert_asset_to_openlineage",
            }
        ],
        "config": {
            "bigin": {
                "description": "Defaults of all Bigin connections; a connection's own extra "
                "fields come first.",
                "options": {
                    "requests_per_second": _option(
                        "Pace of each process. The account's limit is 10 requests a second, "
                        "shared by everything that uses the key.",
                        "float",
                        "4.5",
                    ),
                    "rate_limit_store": {
                        **_option(
                            "Where processes share the pace: memory, a file or redis://…",
                            "string",
                            "redis://redis:6379/3",
                        ),
                        "sensitive": True,
                    },
                    "max_concurrency": _option(
                        "Simultaneous requests of one process.", "integer", "5"
                    ),
                },
            }
        },
    }
