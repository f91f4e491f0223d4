"""Extract: a module's changes since a bookmark, complete while the account goes on changing.

::

    changes = client.extract("Contacts", since=bookmark, deleted_since=deleted_bookmark)
    for page in changes:
        store(page.records, page.tombstones)
        save(page.bookmark, page.deleted_bookmark)     # only now is the page's bookmark safe
    print(changes.summary)

`client.extract(module, fields=None, *, since=None, deleted_since=None, deletes=True,
lookback_seconds=300, cvid=None, pipeline_id=None)` returns an `Extraction`: an iterator of
`ChangePage` objects (``module, records, tombstones, bookmark, deleted_bookmark``), to be used once,
with a `Summary` (``strategy, rows, tombstones, requests, credits, warnings, …``) that is
complete after the last page.

- ``bookmark`` and ``deleted_bookmark`` are UTC text, never ahead of what was handed over and
  never going back; None means: not yet, keep the one you have. A page without records may come,
  to carry a bookmark.
- Every change since ``since - lookback_seconds`` comes at least once; the same record may come
  again, with the same or a later Modified_Time.
- An error ends the iterator; the pages before it are good and their bookmarks hold.
- `Extraction.read_ahead(ReadAhead(max_bytes))` lets several extractions send their requests
  while another's pages are consumed.
- `Extraction.records()` and `Extraction.deletions()` are the two halves, for callers that read
  the deletions of several modules at the end.

Which strategy reads when, and what it costs: ``docs/extract.md``.
"""

from bigin_client.extract.ahead import ReadAhead
from bigin_client.extract.changes import ChangePage, Summary
from bigin_client.extract.extraction import Extraction
from bigin_client.extract.start import start

__all__ = ["ChangePage", "Extraction", "ReadAhead", "Summary", "start"]
