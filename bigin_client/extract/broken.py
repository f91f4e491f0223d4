"""An assumption about the service that turned out to be false."""

from __future__ import annotations

from bigin_client.errors import PagingError


class BrokenAssumptionError(PagingError):
    """The service does not behave as a strategy needs it; the next strategy may do.

    When there is no next one, this is what the caller sees.

    Attributes:
        about_sort: It is the sort by Modified_Time that cannot be relied on.
    """

    def __init__(self, message: str, *, about_sort: bool = False, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.about_sort = about_sort
