"""Files on local disks and object storage.

A path is a `upath.UPath`; Airflow's ``ObjectStoragePath`` stands in for one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeAlias

from upath import UPath

from bigin_client.errors import SettingsError

#: Path or URL → a path of its store.
Opener: TypeAlias = Callable[[str], UPath]


def at(path: str) -> UPath:
    """Return the path; nothing is opened yet.

    Args:
        path: Local path or fsspec URL (``s3://…``); the store's credentials come from its own
            environment variables.

    Raises:
        SettingsError: There is no such store, or its library is not installed.
    """
    try:
        found = UPath(os.path.expanduser(path))  # noqa: PTH111 - may be a URL
        _ = found.fs
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"{path.partition('?')[0]}: {error}",
            hint="Install the fsspec library of that store, for example s3fs for s3://.",
        ) from None
    return found


def is_local(path: UPath) -> bool:
    """Whether a path lies on this machine's file system."""
    return path.protocol in {"", "file", "local"}


def make_parent(path: UPath) -> None:
    """Create the folder of a file; object storage has none.

    Raises:
        SettingsError: There can be no folder in that place.
    """
    if not is_local(path):
        return
    folder = os.path.dirname(path.path) or "."  # noqa: PTH120 - a URL path
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a URL path
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise SettingsError(
            f"The folder {folder} cannot be made: {error.strerror}", hint="Name another place."
        ) from None


def move(source: UPath, target: UPath) -> None:
    """Put a finished file in its place: at once on a local disk, by copying on object storage."""
    if is_local(target):
        os.replace(source.path, target.path)  # noqa: PTH105 - a URL path
    else:
        target.fs.mv(source.path, target.path)


def remove(path: UPath) -> None:
    """Delete a file if it is there."""
    if path.exists():
        path.unlink()


def create(path: UPath) -> IO[bytes]:
    """Open a new file for writing.

    Not by the path's own ``open``: Airflow's would report each draft to its lineage, and look
    whether anybody listens at each write.
    """
    if is_local(path):
        return Path(path.path).open("wb")
    opened: IO[bytes] = path.fs.open(path.path, "wb")
    return opened


def write_whole(path: UPath, data: bytes, *, mode: int | None = None) -> None:
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


def fingerprint(path: UPath) -> dict[str, Any]:
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
