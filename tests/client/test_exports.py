"""What others import: names, types and documents."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import bigin_client
from bigin_client import (
    account,
    batches,
    bulk,
    client,
    connections,
    coql,
    criteria,
    errors,
    metadata,
    queries,
    records,
    related,
    settings,
    tags,
    transport,
)
from bigin_client.client import reading, writing

MODULES = [
    account, batches, bulk, client, connections, coql, criteria, errors, metadata, queries,
    reading, records, related, settings, tags, transport, writing,
]  # fmt: skip


def test_public_names():
    for name in bigin_client.__all__:
        assert getattr(bigin_client, name) is not None
    assert {"BiginClient", "Settings", "RowResult"} <= set(bigin_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = bigin_client.Nothing


def test_types_are_shipped():
    assert (Path(bigin_client.__file__).parent / "py.typed").exists()


def test_names_that_others_script_against():
    """Design, section 13."""
    for name in (
        "modules", "fields", "users", "org", "list_records", "get_record", "search_records",
        "query", "count_records", "deleted_records", "insert_records", "update_records",
        "upsert_records", "delete_records", "extract", "load",
    ):  # fmt: skip
        assert callable(getattr(bigin_client.BiginClient, name))
    for name in ("list", "create", "get", "delete", "wait_until_active"):
        assert callable(getattr(connections.Connections, name))
    given = inspect.signature(bigin_client.BiginClient.list_records).parameters
    assert list(given) == [
        "self", "module", "fields", "sort_by", "sort_order", "cvid", "pipeline_id",
        "modified_since", "page_size", "approved", "ids",
    ]  # fmt: skip


def public(module):
    for name, kind in vars(module).items():
        if name.startswith("_") or getattr(kind, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(kind):
            yield f"{module.__name__}.{name}", kind
        elif inspect.isclass(kind):
            yield f"{module.__name__}.{name}", kind
            for method, body in vars(kind).items():
                if not method.startswith("_") and inspect.isfunction(body):
                    yield f"{module.__name__}.{name}.{method}", body


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_everything_public_is_documented(module):
    for name, kind in public(module):
        assert kind.__doc__, name


@pytest.mark.parametrize(
    "kind",
    [related.Related, tags.Tags, account.Account, bulk.Bulk, queries.Queries, client.BiginClient],
)
def test_facts_of_the_service_name_their_source(kind):
    """A docstring of an operation says where the fact stands, itself or where it points to."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_"):
            continue
        text = inspect.getdoc(method) or ""
        pointers = ("bigin-api.md", "ee `", "`bigin_client.", "Close all", "As in `")
        local = inspect.getdoc(inspect.getmodule(method)) or ""
        assert any(p in text for p in pointers) or "Source: bigin-api.md" in local, name


def test_every_error_names_its_exit_code_and_hint():
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.BiginError):
            assert kind.exit_code in range(2, 7), name


SAMPLE = """
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import assert_type

from bigin_client import BiginClient, RowResult, Settings
from bigin_client.bulk import BulkJob
from bigin_client.coql import Query, column, select
from bigin_client.criteria import Criteria, field
from bigin_client.errors import BiginError, NotFoundError, ServiceError
from bigin_client.metadata import Field, Module
from bigin_client.types import ConnectionInfo, Tombstone

settings = Settings(api_key="k", max_credits=5)
with BiginClient(settings) as client:
    assert_type(client.modules(), list[Module])
    assert_type(client.fields("Contacts"), list[Field])
    records = client.list_records("Contacts", ["Email"], sort_order="asc")
    assert_type(records, Iterator[dict[str, Any]])
    assert_type(client.get_record("Contacts", "1"), dict[str, Any] | None)
    assert_type(client.insert_records("Contacts", [{"Last_Name": "Ng"}]), Iterator[RowResult])
    assert_type(client.delete_records("Contacts", ["1"]), Iterator[RowResult])
    assert_type(client.deleted_records("Contacts"), Iterator[Tombstone])
    assert_type(client.count_records("Contacts"), int)
    assert_type(client.connections.list(), list[ConnectionInfo])
    assert_type(field("Email").equals("a") & field("City").starts_with("b"), Criteria)
    assert_type(select("id").source("Contacts").where(column("id").is_not_null()), Query)
    assert_type(client.bulk.submit("Contacts"), BulkJob)
try:
    pass
except ServiceError as error:
    assert_type(error.processed, bool)
except NotFoundError as error:
    lookup: LookupError = error
except BiginError as error:
    assert_type(error.hint, str | None)
"""
WRONG = """
client.list_records("Contacts", sort_order="up")
client.insert_records("Contacts", {"Last_Name": "Ng"})
Settings(api_key=5)
error.nothing
"""


@pytest.mark.slow
def test_types_as_a_user_sees_them(tmp_path):
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(SAMPLE)
    wrong.write_text(SAMPLE + WRONG)
    done = [
        subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        for path in (right, wrong)
    ]
    assert (done[0].returncode, done[0].stdout) == (0, "")
    assert done[1].stdout.count("error:") == WRONG.count("\n") - 1, done[1].stdout
