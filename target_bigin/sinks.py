"""The SDK's sink, reduced to what a target with its own engine needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_bigin.target import TargetBigin


class BiginSink(Sink):
    """Hands rows to the load engine, which batches, checks and writes them.

    The SDK's own checks are left out: its JSON Schema validation ends the run at the first bad
    row (singer.md 0.3) and takes most of a target's time (0.5); the engine checks each row
    against Bigin's metadata, and a bad one becomes a reject.
    """

    target: TargetBigin

    def __init__(
        self,
        target: TargetBigin,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self.target = target
        super().__init__(target, stream_name, schema, key_properties)

    @override
    def setup(self) -> None:
        """Announce the stream's columns and key."""
        properties = self.original_schema.get("properties") or {}
        self.target.announce(self.stream_name, list(properties), list(self.key_properties or ()))

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self.target.load_row(self.stream_name, record)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Load the rows of a BATCH message's file; other rows went to the engine one by one."""
        for record in context.get("records", ()):
            self.target.load_row(self.stream_name, record)

    @override
    def get_validator(self) -> None:
        return None

    @override
    def activate_version(self, new_version: int) -> None:
        self.target.note_version(self.stream_name, new_version)
