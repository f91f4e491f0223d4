"""What a run holds so that no other load doubles its records: journals and leases."""

from __future__ import annotations

import logging
from pathlib import Path

from bigin_client.journal import Journal, JournalError, default_path
from bigin_client.lease import Lease
from bigin_client.load.options import RunOptions
from bigin_client.transport import Transport

log = logging.getLogger(__name__)


class Claims:
    """The journals and leases of one run, by module, taken when they are first needed.

    Args:
        transport: Knows the connection; the lease is kept in its rate store.
        options: Where the journals are; whether it is a dry run.
        max_wait: Seconds to wait for another load.
        journal: Used for all modules instead of the files that `options` name; not closed here.
    """

    def __init__(
        self,
        transport: Transport,
        options: RunOptions,
        max_wait: float,
        journal: Journal | None = None,
    ) -> None:
        self._transport = transport
        self._options = options
        self._max_wait = max_wait
        self._given_journal = journal
        self._journals: dict[Path, Journal] = {}
        self._leases: dict[str, Lease] = {}
        self._said_no_journal = False

    def close(self) -> None:
        """Let other loads have them."""
        for journal in self._journals.values():
            journal.close()
        for lease in self._leases.values():
            lease.release()

    def journal(self, module: str, *, required: bool) -> Journal | None:
        """Return the journal for a module; None when it cannot be kept and need not be.

        Raises:
            JournalError: It cannot be kept, and insert mode cannot do without.
            ServiceError: Another load holds it.
        """
        if self._given_journal is not None:
            return self._given_journal
        connection = self._transport.connection_id or ""
        path = (
            Path(self._options.journal_path).expanduser()
            if self._options.journal_path
            else default_path(connection, module)
        )
        if path not in self._journals:
            try:
                self._journals[path] = Journal(path, connection, max_wait=self._max_wait)
            except JournalError as error:
                if required:
                    raise
                if not self._said_no_journal:
                    self._said_no_journal = True
                    log.warning(
                        "%s Loading without it: a run that is killed and started again at once "
                        "may double its last rows.",
                        error,
                    )
                return None
        return self._journals[path]

    def lease(self, module: str) -> Lease | None:
        """Return the right to write into a module, which other loads have to wait for.

        None in a dry run, which writes nothing.

        Raises:
            ServiceError: Another load has it.
        """
        if self._options.dry_run:
            return None
        if module not in self._leases:
            lease = Lease(self._transport, module)
            lease.acquire()
            self._leases[module] = lease
        return self._leases[module]
