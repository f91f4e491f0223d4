"""What an active fault changes inside the service's work on one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Effects:
    """Changes that faults ask for; empty for an undisturbed call.

    Attributes:
        trim: Store text without blanks at its ends.
        defaults: Values that the service puts where a row has none.
        overrides: Values that the service puts whatever the row says.
        row_errors: Position of a row → code of its refusal.
        refuse_batch: Says of a row whether it spoils the whole request.
        drop_next_token: ``more_records`` true, ``next_page_token`` null.
        repeat_token: ``next_page_token`` is the token just used.
        repeat_page: The page before comes again.
        hide_rows: Positions of rows that are missing from a list page.
        extra_fields: Field objects that ``settings/fields`` shows in addition.
        missing_fields: Names that ``settings/fields`` leaves out.
    """

    trim: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    row_errors: dict[int, str] = field(default_factory=dict)
    refuse_batch: Callable[[Any], bool] | None = None
    drop_next_token: bool = False
    repeat_token: bool = False
    repeat_page: bool = False
    hide_rows: tuple[int, ...] = ()
    extra_fields: list[dict[str, Any]] = field(default_factory=list)
    missing_fields: tuple[str, ...] = ()
