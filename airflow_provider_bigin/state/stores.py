"""Where state is kept: Airflow's state stores (3.3 and later), or a JSON file.

A store maps a key to a small JSON object. Keys name the Maton connection, DAG, task and module,
so that two DAGs on one module, or one DAG on two accounts, do not share a place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from airflow.providers.common.compat.sdk import Context
from filelock import FileLock
from upath import UPath

from airflow_provider_bigin.files.storage import at
from bigin_client.errors import SettingsError
from bigin_client.files import storage
from bigin_client.files.output import safe_name

#: Seconds to wait for another task that is writing the same state file.
_LOCK_TIMEOUT: Final = 60.0


class Store(Protocol):
    """Keeps small JSON objects by key."""

    #: For people: where it is.
    where: str

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key, None if nothing is."""
        ...

    def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value under a key."""
        ...

    def delete(self, key: str) -> None:
        """Forget a key."""
        ...


class AirflowStore:
    """One of Airflow's own state stores.

    Args:
        accessor: ``context["task_state_store"]``, or an asset's accessor.
        where: For people.
    """

    def __init__(self, accessor: Any, where: str) -> None:
        self._accessor = accessor
        self.where = where

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key."""
        return _object(self._accessor.get(key), self.where)

    def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value under a key."""
        self._accessor.set(key, dict(value))

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._accessor.delete(key)


class FileStore:
    """JSON in a file, or one file a key in a folder.

    Args:
        path: A file if it ends in ``.json``, else a folder.
        conn_id: Airflow connection of the store.
        shared: Several tasks may write at the same time (a mapped task).

    Raises:
        SettingsError: Several tasks would write one file on object storage, where none can
            hold the others off.
    """

    def __init__(self, path: str, conn_id: str | None = None, *, shared: bool = False) -> None:
        self._path = at(path, conn_id)
        self._one_file = path.endswith(".json")
        self.where = path
        if self._one_file and shared and not storage.is_local(self._path):
            raise SettingsError(
                f"{path}: the instances of a mapped task would overwrite each other's state",
                hint="Name a folder, without .json: each module then has a file of its own.",
            )

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key."""
        if self._one_file:
            return _object(self._read(self._path).get(key), self.where)
        return _object(self._read(self._file(key)).get("value"), self.where)

    def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value under a key."""
        if not self._one_file:
            self._write(self._file(key), {"key": key, "value": dict(value)})
            return
        with self._alone():
            self._write(self._path, {**self._read(self._path), key: dict(value)})

    def delete(self, key: str) -> None:
        """Forget a key."""
        if not self._one_file:
            storage.remove(self._file(key))
            return
        with self._alone():
            rest = self._read(self._path)
            if rest.pop(key, None) is not None:
                self._write(self._path, rest)

    def _file(self, key: str) -> UPath:
        # The readable part may be cut and cleaned; the digest keeps keys apart.
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return self._path / f"{safe_name(key)[-80:]}-{digest}.json"

    def _read(self, path: UPath) -> dict[str, Any]:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            # Taken for empty, it would make a whole new read of everything, in silence.
            raise SettingsError(
                f"the state file {path} holds no JSON object",
                hint="Restore it, or delete it to read in full.",
            )
        return found

    def _write(self, path: UPath, value: Mapping[str, Any]) -> None:
        storage.write_whole(path, json.dumps(value, indent=2).encode() + b"\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not storage.is_local(self._path):
            yield
            return
        storage.make_parent(self._path)
        with FileLock(f"{self._path.path}.lock", timeout=_LOCK_TIMEOUT):
            yield


def _object(value: Any, where: str) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    raise SettingsError(f"{where} holds a state that is not ours", hint="Delete it to start anew.")


def asset_store(context: Context, assets: Sequence[Any]) -> Store | None:
    """Return Airflow's store of the first of some assets that belongs to the task.

    None below Airflow 3.3, or when none of them is an inlet or outlet of the task.
    """
    accessors = context.get("asset_state_store")
    if accessors is None:
        return None
    for asset in assets:
        with suppress(KeyError):
            return AirflowStore(accessors[asset], f"the state store of asset {asset.name}")
    return None


def task_store(context: Context) -> Store | None:
    """Return Airflow's store of the task instance; None below Airflow 3.3."""
    accessor = context.get("task_state_store")
    return None if accessor is None else AirflowStore(accessor, "the task state store")
