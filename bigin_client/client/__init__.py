"""`BiginClient`: one account, one door."""

from __future__ import annotations

from bigin_client.client.reading import Reading
from bigin_client.client.writing import Writing

__all__ = ["BiginClient"]


class BiginClient(Reading, Writing):
    """A Bigin account, reached through the Maton gateway.

    Use it as a context manager::

        with BiginClient(Settings.from_env()) as client:
            for record in client.list_records("Contacts", ["Last_Name", "Email"]):
                ...

    Args:
        settings: Key, connection, limits. None: from the environment.
        front_end: Who is asking, for the User-Agent.

    All methods may raise `bigin_client.errors.BiginError`.
    """
