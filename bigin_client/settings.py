"""Settings that every front end shares (design.md section 3).

A setting that is not given comes from the environment, so ``export MATON_API_KEY=…`` is
enough everywhere.
"""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bigin_client.errors import SettingsError

DEFAULT_BASE_URL: Final = "https://api.maton.ai"
#: The account allows 10 (maton.md A3), shared with everything else that uses the key.
DEFAULT_REQUESTS_PER_SECOND: Final = 9.0
#: Free edition allows 5 simultaneous calls, paid ones 10 (bigin-api.md section 5).
DEFAULT_MAX_CONCURRENCY: Final = 5

_DEFAULTS: Final = {
    "requests_per_second": DEFAULT_REQUESTS_PER_SECOND,
    "max_concurrency": DEFAULT_MAX_CONCURRENCY,
}
_NUMBERS: Final = (
    "requests_per_second",
    "max_concurrency",
    "request_timeout",
    "max_wait",
    "max_credits",
    "min_credits_left",
)

#: Setting → environment variable.
ENVIRONMENT: Final = {
    "api_key": "MATON_API_KEY",
    "base_url": "MATON_API_BASE_URL",
    "connection_id": "BIGIN_CONNECTION_ID",
    "requests_per_second": "BIGIN_REQUESTS_PER_SECOND",
    "rate_limit_store": "BIGIN_RATE_LIMIT_STORE",
    "max_concurrency": "BIGIN_MAX_CONCURRENCY",
}


@dataclass(frozen=True)
class Settings:
    """How to reach one Bigin account, and how gently.

    Args:
        api_key: Maton API key. Never shown in a repr, a log or an error.
        api_key_file: File whose text is the key; used when `api_key` is not given.
        base_url: The gateway. Plain http is accepted only for loopback addresses, unless
            `allow_http` is true.
        connection_id: The gateway's connection to use. None: exactly one ACTIVE zoho-bigin
            connection must exist; it is found once and pinned on every request. The
            environment variable counts only when the key came from the environment too.
        requests_per_second: Even pacing; 0 switches it off, for loopback only.
        rate_limit_store: ``"memory"``, a file shared by the processes of this machine, or
            ``redis://…`` shared by several. None: a file in the user's cache folder.
        max_concurrency: Simultaneous requests.
        request_timeout: Seconds to connect, and seconds between two bytes of a reply.
        max_wait: Longest total time, in seconds, spent retrying one request; 0: no retry.
        max_credits: Stop cleanly before this run spends more API credits.
        min_credits_left: Stop cleanly before the account has fewer credits left, as far as
            the service tells (it does only past half of them).
        verify_tls: Check certificates.
        ca_bundle: File of certificates to trust instead of the usual ones.
        allow_http: Accept plain http to any host.

    Raises:
        SettingsError: A value cannot be used; nothing was sent.
    """

    api_key: str = field(default="", repr=False)
    api_key_file: str | None = None
    base_url: str = ""
    connection_id: str | None = None
    requests_per_second: float = field(default_factory=lambda: _from_env("requests_per_second"))
    #: May hold Redis' password.
    rate_limit_store: str | None = field(default=None, repr=False)
    max_concurrency: int = field(default_factory=lambda: _whole(_from_env("max_concurrency")))
    request_timeout: float = 30.0
    max_wait: float = 300.0
    max_credits: int | None = None
    min_credits_left: int | None = None
    verify_tls: bool = True
    ca_bundle: str | None = None
    allow_http: bool = False
    #: BIGIN_CONNECTION_ID of an environment whose key is not the one in use.
    unused_connection_id: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        env = os.environ
        key_was_given = bool(self.api_key or self.api_key_file)
        self._set("api_key", self._find_key(env))
        if not self.connection_id:
            from_environment = env.get(ENVIRONMENT["connection_id"], "").strip() or None
            # A key of another account with this shell's connection would be a mix-up.
            self._set(
                "unused_connection_id" if key_was_given else "connection_id", from_environment
            )
            if key_was_given:
                self._set("connection_id", None)
        base_url = self.base_url or env.get(ENVIRONMENT["base_url"], "") or DEFAULT_BASE_URL
        self._set("base_url", base_url.strip().rstrip("/"))
        store = self.rate_limit_store or env.get(ENVIRONMENT["rate_limit_store"], "").strip()
        self._set("rate_limit_store", store or None)
        self._check()

    @classmethod
    def from_env(cls) -> Settings:
        """Return the settings that the environment gives."""
        return cls()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Settings:
        """Return settings from a configuration; keys that are no setting are left aside.

        Args:
            values: For example a tap's config. None and ``""`` count as not given.
        """
        known = {f.name for f in fields(cls) if f.init}
        given: dict[str, Any] = {
            # Singer's config files are read with exact decimals.
            k: float(v) if isinstance(v, Decimal) else v
            for k, v in values.items()
            if k in known and v is not None and v != ""
        }
        return cls(**given)

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is on this machine (the simulator, or a test)."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _find_key(self, env: Mapping[str, str]) -> str:
        key = self.api_key
        if not key and self.api_key_file:
            try:
                key = Path(self.api_key_file).expanduser().read_text(encoding="utf-8")
            except (OSError, RuntimeError, UnicodeDecodeError) as error:
                msg = f"api_key_file {self.api_key_file} cannot be read: {type(error).__name__}"
                raise SettingsError(msg, hint="Name a readable file that holds the key.") from None
        key = (key or env.get(ENVIRONMENT["api_key"], "")).strip()
        if not key:
            msg = "No Maton API key"
            raise SettingsError(
                msg, hint="Set the setting api_key, or export MATON_API_KEY=<your key>."
            )
        if set(key) == {"*"} or not key.isascii() or not key.isprintable() or " " in key:
            # A form that was saved with its mask, or a file with more than the key in it; as a
            # header it would also break the request in a way that shows the key.
            msg = "The Maton API key holds characters that no key has"
            raise SettingsError(msg, hint="Paste the key itself, on one line.")
        return key

    def _check(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in {"http", "https"} or not url.hostname:
            msg = "base_url is not an http(s) URL"
            raise SettingsError(msg, hint=f"The gateway is {DEFAULT_BASE_URL}.")
        if url.username or url.password or url.query or url.fragment:
            msg = "base_url must be scheme, host and path only"
            raise SettingsError(msg)
        if url.scheme == "http" and not self.is_loopback and not self.allow_http:
            msg = f"base_url http://{url.hostname} would send the key in clear"
            raise SettingsError(msg, hint="Use https, or set allow_http: true.")
        self._check_numbers()
        connection = self.connection_id or ""
        if not connection.isascii() or not connection.isprintable() or " " in connection:
            msg = "connection_id holds characters that no connection id has"
            raise SettingsError(msg, hint="List the connections with: bigin connections list")

    def _check_numbers(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is None and name in {"max_credits", "min_credits_left"}:
                continue
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                msg = f"{name} must be a number that is not negative"
                raise SettingsError(msg)
        if self.requests_per_second == 0 and not self.is_loopback:
            msg = "requests_per_second must be above 0 (0, no pacing, is for loopback only)"
            raise SettingsError(msg)
        if self.max_concurrency < 1 or self.max_concurrency != int(self.max_concurrency):
            msg = "max_concurrency must be a whole number, at least 1"
            raise SettingsError(msg)
        if self.request_timeout == 0:
            msg = "request_timeout must be above 0"
            raise SettingsError(msg)


def _from_env(name: str) -> float:
    value = os.environ.get(ENVIRONMENT[name], "").strip()
    if not value:
        return _DEFAULTS[name]
    try:
        return float(value)
    except ValueError:
        msg = f"{ENVIRONMENT[name]} is not a number"
        raise SettingsError(msg) from None


def _whole(value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        msg = f"{ENVIRONMENT['max_concurrency']} is not a whole number"
        raise SettingsError(msg)
    return int(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
