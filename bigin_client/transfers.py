"""Files on their way to the service and from it, never whole in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import IO

from requests_toolbelt import MultipartEncoder

from bigin_client.errors import ServiceError


class Upload:
    """A file to send as multipart/form-data, read as it is sent, not into memory.

    A stream that cannot be rewound is first copied to a temporary file: the length of a request
    must be known, and a refused one is sent again.

    Args:
        file: Open for reading in binary; sent from where it stands.
        name: File name that the service shows.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._copy: IO[bytes] | None = None
        if not file.seekable():
            self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
            shutil.copyfileobj(file, self._copy)
            file = self._copy
            file.seek(0)
        self._file = file
        self._name = name
        self._start = file.tell()

    def encoder(self) -> MultipartEncoder:
        """Return a request body, from the file's beginning."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(self._start)
        rest = _Rest(self._file, end - self._start)
        return MultipartEncoder({"file": (self._name, rest, "application/octet-stream")})

    def close(self) -> None:
        """Remove the copy, if there is one."""
        if self._copy is not None:
            self._copy.close()


class _Rest:
    """What of a file is still to be sent. The encoder would take a BytesIO from its start."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self.len = left

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        content = self._file.read(size)
        self.len -= len(content)
        return content


class Download:
    """Where a file's bytes go.

    Args:
        file: Open for writing in binary.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.tell() if file.seekable() else None
        self.written = 0

    def restart(self) -> None:
        """Forget what a try before has written.

        Raises:
            ServiceError: The stream cannot be rewound.
        """
        if not self.written:
            return
        if self._start is None:
            raise ServiceError(
                f"The file broke off after {self.written} bytes",
                hint="Run again; a file that can be rewound would have been continued.",
            )
        self._file.seek(self._start)
        self._file.truncate()
        self.written = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._file.write(chunk)
        self.written += len(chunk)
