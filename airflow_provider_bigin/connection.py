"""An Airflow connection of type ``bigin`` → the settings of a client.

Precedence: an argument of hook or operator, the connection's extra field, ``[bigin]`` in
airflow.cfg, the environment, the default (design.md section 3).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection, conf

from airflow_provider_bigin.get_provider_info import CONN_FIELDS
from bigin_client import BiginClient, Settings
from bigin_client.errors import SettingsError

CONFIG_SECTION: Final = "bigin"
_CONFIG_OPTIONS: Final = ("requests_per_second", "rate_limit_store", "max_concurrency")
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def client_from_connection(conn: Connection, **over: Any) -> BiginClient:
    """Return a client for an Airflow connection; nothing is sent yet.

    Args:
        conn: Of type ``bigin``: the password is the Maton key, the host the gateway.
        over: Settings that come before those of the connection; None: not given.

    Raises:
        SettingsError: A value cannot be used.
    """
    return BiginClient(settings_from_connection(conn, **over), front_end="airflow")


def settings_from_connection(conn: Connection, **over: Any) -> Settings:
    """Return the settings for an Airflow connection; see `client_from_connection`."""
    values: dict[str, Any] = {}
    for name in _CONFIG_OPTIONS:
        given = conf.get(CONFIG_SECTION, name, fallback=None)
        if given not in (None, ""):
            values[name] = _converted(name, given, f"[{CONFIG_SECTION}] {name}")
    extra = conn.extra_dejson or {}
    for name in CONN_FIELDS:
        given = extra.get(name)
        if given not in (None, ""):
            values[name] = _converted(name, given, f"extra field {name} of {conn.conn_id}")
    values["api_key"] = conn.password
    values["base_url"] = _base_url(conn)
    values.update((n, _converted(n, v, n)) for n, v in over.items() if v is not None)
    return Settings.from_mapping(values)


def _base_url(conn: Connection) -> str | None:
    """Return the gateway's URL; a URI such as ``bigin://:key@host:port`` gives bare parts."""
    host = (conn.host or "").strip()
    if not host:
        return None
    if "://" not in host:
        # In the URI form of a connection, the scheme is its type. Loopback is the simulator.
        secure = host not in {"localhost", "127.0.0.1", "::1"}
        host = f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}"
    if conn.port and urlsplit(host).port is None:
        host = f"{host.rstrip('/')}:{conn.port}"
    return host


def _converted(name: str, value: Any, what: str) -> Any:
    """Return a value as its setting's type: forms, URIs and airflow.cfg give text."""
    kind = CONN_FIELDS[name]["schema"]["type"][0]
    if not isinstance(value, str) or kind == "string":
        return value
    try:
        if kind == "boolean":
            return _TRUTH[value.strip().casefold()]
        return int(value) if kind == "integer" else float(value)
    except (KeyError, ValueError):
        raise SettingsError(f"{what} must be a {kind}") from None
