"""Let the service refuse an update of a record that changed since it was read.

If-Unmodified-Since on updates is known of the family only (bigin-api.md 3.1, [crm-doc]). So the
first real update goes out with a date that must be refused: one second before the records were
changed last. Refused with 412: the header works, and the update is sent properly. Accepted: the
header is ignored, the rows are done, and it is not used again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bigin_client import timestamps
from bigin_client.errors import BiginError, RequestError
from bigin_client.load.writer import Guard, Item

log = logging.getLogger(__name__)

_SECOND = timedelta(seconds=1)


@dataclass
class LostUpdates:
    """What is known of the header in this account; shared by the streams of a run.

    Attributes:
        works: The service heeds it; None: not known yet.
    """

    works: bool | None = None
    _is_probing: bool = False

    def guard(self, items: Sequence[Item]) -> Guard | None:
        """Return the date to send a batch of updates with, None where there is none."""
        if self.works is False or self._is_probing or items[0].kind != "update":
            return None
        times = [_moment(i.modified) for i in items]
        known = [t for t in times if t is not None]
        if len(known) < len(times):
            return None
        if self.works:
            # Whatever changed one of them since it was read did so later than this.
            return Guard(max(known))
        self._is_probing = True
        return Guard(min(known) - _SECOND, is_probe=True)

    def learn(self, refusal: BiginError | None) -> None:
        """Take the answer to the first update; None: it was accepted, or refused otherwise."""
        self._is_probing = False
        self.works = isinstance(refusal, RequestError)
        log.info(
            "If-Unmodified-Since %s this account",
            "protects updates in" if self.works else "is not heeded by",
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else timestamps.parse(text)
