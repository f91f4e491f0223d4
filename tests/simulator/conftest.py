"""Tests of the simulator go through real HTTP on loopback, as any client would."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import requests

from bigin_client.testing import BiginSimulator

#: A little of everything; a simulator of this size starts in a few hundredths of a second.
SMALL = {
    "Contacts": 12, "Accounts": 4, "Pipelines": 6, "Products": 3, "Tasks": 4, "Events": 3,
    "Calls": 3, "Notes": 5, "Associated_Products": 4, "Attachments": 2,
}  # fmt: skip


class Api:
    """Requests to a simulator, paths as Bigin's documentation writes them."""

    def __init__(self, sim: BiginSimulator, connection: str | None = None) -> None:
        self.sim = sim
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {sim.api_key}"
        self.session.headers["Maton-Connection"] = connection or sim.connection_id

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        prefix = "/zoho-bigin/bigin/" + ("" if path.startswith("bulk/") else "v2/")
        url = self.sim.base_url + (path if path.startswith("/") else prefix + path)
        return self.session.request(method, url, timeout=10, **arguments)

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any):
        return self.send("GET", path, params=params, headers=headers)

    def post(self, path: str, body: Any = None, **params: Any):
        return self.send("POST", path, json=body, params=params)

    def put(self, path: str, body: Any, headers: dict[str, str] | None = None):
        return self.send("PUT", path, json=body, headers=headers)

    def delete(self, path: str, **params: Any):
        return self.send("DELETE", path, params=params)

    def insert(self, module: str, *rows: dict[str, Any], **more: Any):
        return self.post(module, {"data": list(rows), **more})

    def upsert(self, module: str, *rows: dict[str, Any], **more: Any):
        return self.post(f"{module}/upsert", {"data": list(rows), **more})

    def update(self, module: str, *rows: dict[str, Any]):
        return self.put(module, {"data": list(rows)})

    def one(self, module: str, row: dict[str, Any]) -> dict[str, Any]:
        """The result of inserting a single row."""
        return self.insert(module, row).json()["data"][0]

    def made(self, module: str, row: dict[str, Any]) -> str:
        """The id of a record that is inserted."""
        result = self.one(module, row)
        assert result["status"] == "success", result
        return result["details"]["id"]

    def read(self, module: str, id: str) -> dict[str, Any]:
        return self.get(f"{module}/{id}").json()["data"][0]

    def page(self, module: str, **params: Any) -> dict[str, Any]:
        reply = self.get(module, **{"fields": "Modified_Time", **params})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def chain(self, module: str, headers: dict[str, str] | None = None, **params: Any):
        """Pages of a token chain."""
        token = None
        while True:
            more = {} if token is None else {"page_token": token}
            reply = self.get(module, headers, **{"fields": "Modified_Time", **params, **more})
            if reply.status_code == 204:
                return
            body = reply.json()
            yield body
            if not body["info"]["more_records"]:
                return
            token = body["info"]["next_page_token"]


def refusal(reply: requests.Response) -> tuple[int, str]:
    """Status and code of a refused request, whose shape is checked on the way."""
    body = reply.json()
    assert set(body) == {"code", "details", "message", "status"}
    assert body["status"] == "error"
    return reply.status_code, body["code"]


def row_codes(reply: requests.Response) -> list[str]:
    return [result["code"] for result in reply.json()["data"]]


@pytest.fixture
def api_class():
    return Api


@pytest.fixture
def start():
    """Starts simulators (small, without a rate limit) and stops them after the test."""
    with contextlib.ExitStack() as stack:

        def starter(**arguments: Any) -> Api:
            arguments = {"sizes": SMALL, "rate_limit": None, **arguments}
            return Api(stack.enter_context(BiginSimulator(**arguments)))

        yield starter


@pytest.fixture
def api(start) -> Api:
    return start()
