"""Zoho Bigin through the Maton gateway: the core that the connectors share."""

from bigin_client.__about__ import __version__
from bigin_client.batches import RowResult
from bigin_client.client import BiginClient
from bigin_client.settings import Settings

__all__ = ["BiginClient", "RowResult", "Settings", "__version__"]
