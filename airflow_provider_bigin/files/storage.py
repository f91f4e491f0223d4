"""Files on local disks and object storage, through Airflow's ``ObjectStoragePath``."""

from __future__ import annotations

import os
import uuid
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from bigin_client.errors import SettingsError


def at(path: str, conn_id: str | None = None) -> ObjectStoragePath:
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
    return found


def is_local(path: ObjectStoragePath) -> bool:
    """Whether a path lies on this machine's file system."""
    return path.protocol in {"", "file", "local"}


def make_parent(path: ObjectStoragePath) -> None:
    """Create the folder of a file; object storage has none."""
    if is_local(path):
        os.makedirs(os.path.dirname(path.path) or ".", exist_ok=True)  # noqa: PTH103, PTH120 - a URL path


def move(source: ObjectStoragePath, target: ObjectStoragePath) -> None:
    """Put a finished file in its place: at once on a local disk, by copying on object storage."""
    if is_local(target):
        os.replace(source.path, target.path)  # noqa: PTH105 - a URL path
    else:
        target.fs.mv(source.path, target.path)


def remove(path: ObjectStoragePath) -> None:
    """Delete a file if it is there."""
    if path.exists():
        path.unlink()


def write_whole(path: ObjectStoragePath, data: bytes, *, mode: int | None = None) -> None:
    """Write a small file so that a reader sees the old or the new one, never a part."""
    if not is_local(path):
        path.write_bytes(data)  # an object appears when it is complete
        return
    make_parent(path)
    draft = f"{path.path}.{uuid.uuid4().hex[:8]}.tmp"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode or 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path.path)  # noqa: PTH105 - a URL path


def fingerprint(path: ObjectStoragePath) -> dict[str, Any]:
    """Return what tells a file from another of the same name: size, and etag or time."""
    info = path.fs.info(path.path)
    mark = next(
        (info[n] for n in ("ETag", "etag", "md5Hash", "content_md5", "mtime") if info.get(n)), None
    )
    return {
        "path": str(path),
        "size": info.get("size"),
        "mark": None if mark is None else str(mark),
    }
