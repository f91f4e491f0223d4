"""Files that the load engine writes, for stores that only an Airflow connection opens.

The engine knows paths, not Airflow's connections. It writes such a file on the worker, and each
stretch of it becomes one closed part in the folder that the user named.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from typing_extensions import Self

from airflow_provider_bigin.files.storage import at
from bigin_client import timestamps
from bigin_client.files.storage import write_whole
from bigin_client.rejects import is_local


class Uploads:
    """Carries the engine's files to an object store, part by part.

    Args:
        conn_id: Airflow connection of the store; None: the engine reaches it by itself.
    """

    def __init__(self, conn_id: str | None) -> None:
        self._conn_id = conn_id
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        #: The user's path → the file here, and how much of it was sent.
        self._sent: dict[str, tuple[Path, int]] = {}
        self._run = f"{timestamps.now():%Y%m%dT%H%M%S%f}"
        self._part = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            self.send()
        finally:
            if self._folder is not None:
                self._folder.cleanup()

    def local(self, path: str | None) -> str | None:
        """Return where the engine is to write what belongs to a path."""
        if path is None or self._conn_id is None or is_local(path):
            return path
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="bigin-load-")
        if path not in self._sent:
            file = Path(self._folder.name, f"{len(self._sent)}.jsonl")
            self._sent[path] = (file, 0)
        return str(self._sent[path][0])

    def send(self) -> None:
        """Make a part of what the engine has written, and synced, since the last one."""
        for path, (file, sent) in self._sent.items():
            data = file.read_bytes()[sent:] if file.exists() else b""
            if data:
                self._part += 1
                part = at(path.rstrip("/"), self._conn_id)
                write_whole(part / f"{self._run}-{self._part:05d}.jsonl", data)
                self._sent[path] = (file, sent + len(data))
