"""The account's own things: layouts, views, roles, and its pipelines as one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bigin_client.errors import ServiceError
from bigin_client.metadata import Metadata
from bigin_client.transport import Transport

PIPELINES: Final = "Pipelines"


@dataclass(frozen=True)
class SubPipeline:
    """A sub-pipeline: what records hold, what people see, and its stages in order.

    `actual` is what reads and writes use; `display` may differ (bigin-api.md 1.2, [code]).
    """

    actual: str
    display: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class TeamPipeline:
    """A Team Pipeline: a layout of the module Pipelines (bigin-api.md 1.2).

    Attributes:
        id: For ``pipeline_id`` and for the field Pipeline, as ``{"id": …}``.
        sub_pipelines: Those that its layout names, or all of the account's where the layout
            does not say.
    """

    id: str
    name: str
    active: bool
    sub_pipelines: tuple[SubPipeline, ...]


class Account:
    """Reads of ``settings/…`` that describe the account; one credit each.

    The objects are the service's own; 204 is an empty list.

    Args:
        transport: Where to send the requests.
        metadata: Modules and fields.
    """

    def __init__(self, transport: Transport, metadata: Metadata) -> None:
        self._transport = transport
        self._metadata = metadata

    def layouts(self, module: str) -> list[dict[str, Any]]:
        """Return a module's layouts; those of Pipelines are the Team Pipelines.

        Returns:
            ``[{"id", "name", "display_label", "status", "visible", "sections": [{"fields": […]}],
            "profiles"}]``.

        Source: bigin-api.md section 2 [bigin-doc], keys [code].
        """
        return self._list("layouts", module)

    def custom_views(self, module: str) -> list[dict[str, Any]]:
        """Return a module's custom views; ``id`` is a list's ``cvid``.

        Source: bigin-api.md section 2 [bigin-doc].
        """
        return self._list("custom_views", module)

    def related_lists(self, module: str) -> list[dict[str, Any]]:
        """Return a module's related lists; ``api_name`` is the word of their path.

        Source: bigin-api.md section 2 [bigin-doc].
        """
        return self._list("related_lists", module)

    def roles(self) -> list[dict[str, Any]]:
        """Return the organisation's roles. Source: bigin-api.md section 2 [bigin-doc]."""
        return self._list("roles")

    def profiles(self) -> list[dict[str, Any]]:
        """Return the organisation's profiles. Source: bigin-api.md section 2 [bigin-doc]."""
        return self._list("profiles")

    def pipelines(self) -> list[TeamPipeline]:
        """Return the Team Pipelines with their sub-pipelines and stages (2 credits).

        Source: layouts for the Team Pipelines, the field Sub_Pipeline's ``maps`` for the
        stages (bigin-api.md 1.2, [code]).
        """
        field = self._metadata.fields(PIPELINES).get("Sub_Pipeline")
        known = {
            v.actual: SubPipeline(v.actual, v.display, v.maps.get("Stage", ()))
            for v in (field.picklist if field else ())
        }
        return [
            TeamPipeline(
                id=str(layout["id"]),
                name=str(layout.get("display_label") or layout.get("name") or layout["id"]),
                active=layout.get("status") in (None, "active", 0),
                sub_pipelines=_of_layout(layout, known),
            )
            for layout in self.layouts(PIPELINES)
            if layout.get("id")
        ]

    def _list(self, what: str, module: str | None = None) -> list[dict[str, Any]]:
        reply = self._transport.bigin(
            "GET",
            f"settings/{what}",
            params={"module": module} if module else None,
            module=module,
        )
        if reply.is_empty:
            return []
        found = reply.object().get(what)
        if not isinstance(found, list):
            raise ServiceError(
                f"GET settings/{what}: the reply holds no {what}", request_id=reply.request_id
            )
        return [f for f in found if isinstance(f, dict)]


def _of_layout(layout: dict[str, Any], known: dict[str, SubPipeline]) -> tuple[SubPipeline, ...]:
    """Return the sub-pipelines that a layout's own Sub_Pipeline field lists."""
    for section in layout.get("sections") or []:
        for field in section.get("fields") or [] if isinstance(section, dict) else []:
            if isinstance(field, dict) and field.get("api_name") == "Sub_Pipeline":
                listed = [
                    str(v.get("actual_value", v.get("display_value")))
                    for v in field.get("pick_list_values") or []
                    if isinstance(v, dict)
                ]
                return tuple(known[a] for a in listed if a in known)
    return tuple(known.values())
