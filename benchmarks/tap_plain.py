"""The tap that the Singer SDK's template makes, for `tap_speed.py`.

As the template of singer-sdk 0.54.9 writes it for a REST API; changed are only the URL, the page
token, 200 records a page, and HTTP 204, on which the template's `parse_response` breaks. The
schemas are those that tap-bigin discovered.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import requests
from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import JSONPathPaginator
from singer_sdk.singerlib import Catalog


class PlainStream(RESTStream[Any]):
    """A module, one page after the other."""

    records_jsonpath = "$.data[*]"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    @property
    def url_base(self) -> str:
        """Of the gateway."""
        return f"{self.config['base_url']}/zoho-bigin/bigin/v2"

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        """The key."""
        return BearerTokenAuthenticator(token=self.config["api_key"])

    @property
    def http_headers(self) -> dict[str, str]:
        """The connection."""
        return {"Maton-Connection": self.config["connection_id"]}

    def get_new_paginator(self) -> JSONPathPaginator:
        """Page tokens."""
        return JSONPathPaginator("$.info.next_page_token")

    def get_url_params(
        self,
        context: Any,  # noqa: ARG002 - the SDK's signature
        next_page_token: Any,
    ) -> dict[str, Any]:
        """All fields of the schema."""
        names = ",".join(n for n in self.schema["properties"] if n != "id")
        token = {"page_token": next_page_token} if next_page_token else {}
        return {"fields": names, "per_page": 200, **token}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """HTTP 204 holds nothing."""
        if response.status_code != requests.codes.no_content:
            yield from super().parse_response(response)


class TapPlain(Tap):
    """The plain tap."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("connection_id", th.StringType, required=True),
        th.Property("schemas", th.StringType, required=True, description="A catalog file."),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """A stream for each one of the catalog file."""
        import json  # noqa: PLC0415 - as small as a template's tap

        text = Path(self.config["schemas"]).read_text(encoding="utf-8")
        entries = Catalog.from_dict(json.loads(text)).values()
        return [
            type("Plain", (PlainStream,), {"path": f"/{e.tap_stream_id}"})(
                tap=self, name=e.tap_stream_id, schema=e.schema.to_dict()
            )
            for e in entries
        ]


if __name__ == "__main__":
    TapPlain.cli()
