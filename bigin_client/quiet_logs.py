"""What urllib3 must not log."""

from __future__ import annotations

import logging

from typing_extensions import override


class _QueryFilter(logging.Filter):
    """Cuts the query from urllib3's debug lines: criteria and e-mail searches hold data."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            texts = [a for a in record.args if isinstance(a, str)]
            if any(self.host in t for t in texts):
                record.args = tuple(
                    a.partition("?")[0] if isinstance(a, str) else a for a in record.args
                )
        return True


def hide_queries(host: str) -> None:
    """Keep the queries of requests to a host out of urllib3's log lines."""
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(f, _QueryFilter) and f.host == host for f in logger.filters):
            logger.addFilter(_QueryFilter(host))
