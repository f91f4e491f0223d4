"""What the documents say about the service, asked of a real account: `bigin doctor --contract`.

Over HTTP only, and apart from the simulator: the statements are written from the documents.
"""

# The order of these imports is the order of the checks. What looks at all replies comes last.
from bigin_client.contract import (  # isort: skip
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

_ = (
    account_checks,
    deleted_feed,
    deletes,
    gateway,
    limits,
    lists,
    modified_since,
    over_time,
    records_read,
    searching,
    tokens,
    upserts,
    waits,
    writes,
)
