"""Zoho Bigin through the Maton gateway: the core that the connectors share."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bigin_client.__about__ import __version__

if TYPE_CHECKING:
    from bigin_client.batches import RowResult
    from bigin_client.client import BiginClient
    from bigin_client.settings import Settings

__all__ = ["BiginClient", "RowResult", "Settings", "__version__"]

# Loaded when first used: Airflow imports its providers at every parse of a DAG file, and
# `bigin_client.errors` alone must not bring the HTTP stack along.
_HOMES = {
    "BiginClient": "bigin_client.client",
    "RowResult": "bigin_client.batches",
    "Settings": "bigin_client.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
