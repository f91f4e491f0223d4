"""What the documents say about the service, asked of a real account: `bigin doctor --contract`.

Over HTTP only, and apart from the simulator: the statements are written from the documents.
"""

# Each enters its statements into the table; the order of the imports is that of the checks. What
# waits, and what looks at all replies, comes last.
from bigin_client.contract import (  # noqa: F401, I001 - for their effect, in this order
    account_checks,
    gateway,
    lists,
    modified_since,
    tokens,
    records_read,
    searching,
    over_time,
    writes,
    upserts,
    deletes,
    deleted_feed,
    waits,
    limits,
)
from bigin_client.contract.runner import NEEDS_WRITES, Report, run
from bigin_client.contract.statements import STATEMENTS, Finding, Statement, Verdict

__all__ = ["NEEDS_WRITES", "STATEMENTS", "Finding", "Report", "Statement", "Verdict", "run"]
