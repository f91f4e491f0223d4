"""Files through Airflow's ``ObjectStoragePath``, which knows Airflow's connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from bigin_client.errors import SettingsError

if TYPE_CHECKING:
    from upath import UPath


def at(path: str, conn_id: str | None = None) -> UPath:
    """Return the path; nothing is opened yet.

    Args:
        path: Local path or URL of a store that Airflow has a provider for (``s3://…``).
        conn_id: Airflow connection of the store.

    Raises:
        SettingsError: Airflow knows no such store.
    """
    try:
        found = ObjectStoragePath(os.path.expanduser(path), conn_id=conn_id)  # noqa: PTH111 - may be a URL
        _ = found.fs
    except ValueError as error:
        raise SettingsError(
            f"{path.partition('?')[0]}: {error}",
            hint="Install the Airflow provider of that store, for example "
            "apache-airflow-providers-amazon[s3fs] for s3://.",
        ) from None
    return cast("UPath", found)
