"""The connection test: key, connection, account, in this order; names the layer that fails."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any

from bigin_client import BiginClient
from bigin_client.connections import ACTIVE, APP
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    ScopeError,
)


def check_connection(client: BiginClient) -> str:
    """Return the account and its edition.

    Raises:
        BiginError: What is wrong; the message begins with the layer.
    """
    try:
        known = client.connections.list()
    except BiginError as error:
        layer = "Maton key" if isinstance(error, AuthenticationError) else "Gateway"
        raise _of_layer(layer, error) from None
    pinned = client.settings.connection_id
    try:
        if pinned is None:
            pinned = client.connections.resolve()
        else:
            _check_pinned(client, pinned, {c["connection_id"]: c for c in known})
    except BiginError as error:
        raise _of_layer("Maton connection", error) from None
    try:
        return f"{_account(client)} through connection {pinned}"
    except BiginError as error:
        raise _of_layer("Bigin account", error) from None


def _check_pinned(client: BiginClient, pinned: str, known: Mapping[str, Any]) -> None:
    info = known.get(pinned) or client.connections.get(pinned)
    if info.get("app", APP) != APP:
        raise ConnectionUnavailableError(f"{pinned} is a connection of {info.get('app')}")
    if info.get("status") != ACTIVE:
        raise ConnectionUnavailableError(
            f"{pinned} is {info.get('status')}",
            hint="Open its link to authorise it, or create a new one (bigin connections create).",
        )


def _account(client: BiginClient) -> str:
    """Return who and where; a missing scope is an answer too: key and grant are good."""
    user = org = None
    with contextlib.suppress(ScopeError):
        user = next(iter(client.users("CurrentUser")), None)
    with contextlib.suppress(ScopeError):
        org = client.org()
    name = (user or {}).get("full_name") or (user or {}).get("email")
    who = f"Connected as {name}" if name else "Connected"
    if org is None:
        return f"{who} (the organisation is out of the connection's scope)"
    return f"{who} to {org.get('company_name') or org.get('id')}, {edition(org)}"


def edition(org: Mapping[str, Any]) -> str:
    """Return the account's edition in words, from ``license_details`` (bigin-api.md 2, [rec])."""
    details = org.get("license_details")
    details = details if isinstance(details, dict) else {}
    paid, trial = details.get("paid_type"), details.get("trial_type")
    if details.get("paid") and paid:
        return f"edition {paid}"
    if trial:
        return f"trial of {trial}"
    return f"edition {paid}" if paid else "edition not known"


def _of_layer(layer: str, error: BiginError) -> BiginError:
    """Return the error with the layer before its message; its class stays."""
    named = copy.copy(error)
    named.message = f"{layer}: {error.message}"
    return named
