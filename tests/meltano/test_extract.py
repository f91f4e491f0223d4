"""tap-bigin under Meltano: state between runs, changed schemas, several connections."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.meltano, pytest.mark.timeout(300)]

PAIR = ("tap-bigin", "target-duckdb")
STATE = "dev:tap-bigin-to-target-duckdb"


def ids(project, module):
    return {row[0] for row in project.query(f"select id from {module.lower()}")}


def test_a_second_run_brings_what_changed_and_nothing_else(project, simulator):
    """The first run reads all; the second, with Meltano's saved state, only what moved since."""
    said = project.meltano("run", *PAIR)
    # The summary stays a table, a line for each of its rows.
    assert re.search(r"(?m)stream +strategy +rows +deletes +requests", said)
    assert re.search(r"(?m)^.*\bContacts +seek +30 +0 +\d+ .*$", said)
    for module in ("Contacts", "Accounts", "Products", "Tasks"):
        assert ids(project, module) == {r["id"] for r in simulator.store.records(module)}
    assert project.bookmark(STATE, "Contacts")

    edited, deleted = (r["id"] for r in simulator.store.records("Contacts")[:2])
    simulator.store.update("Contacts", edited, {"Title": "Second run"})
    simulator.store.delete("Contacts", deleted)
    added = simulator.store.insert("Tasks", {"Subject": "Second run"})
    tables = ("contacts", "accounts", "products", "tasks")
    first = {
        table: project.query(f"select max(_sdc_extracted_at) from {table}")[0][0]
        for table in tables
    }
    project.meltano("run", *PAIR)

    def brought(table):
        sql = f"select id from {table} where _sdc_extracted_at > '{first[table]}'"
        return {row[0] for row in project.query(sql)}

    assert brought("contacts") == {edited}
    assert brought("tasks") == {added}
    assert brought("accounts") == brought("products") == set()
    assert project.query(f"select title from contacts where id = '{edited}'") == [("Second run",)]
    assert project.query("select module, id from deleted_records") == [("Contacts", deleted)]


@pytest.fixture(params=["target-duckdb", "target-postgres"])
def warehouse(request, project):
    """A loader, and a way to ask what it has loaded."""
    if request.param == "target-duckdb":
        return request.param, project.query
    server = request.getfixturevalue("postgres")
    project.configure(
        "target-postgres",
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        password="none",
        database=server.database,
        default_target_schema="warehouse",
    )

    def query(sql):
        text = server.query(f"set search_path to warehouse; {sql}")
        return [tuple(line.split("|")) for line in text]

    return request.param, query


def test_fields_that_come_and_go_between_runs(project, simulator, warehouse):
    """A field added in Bigin arrives with the next run, one that is gone stops nothing."""
    loader, query = warehouse
    project.configure("tap-bigin", modules=["Contacts"])
    project.meltano("run", "tap-bigin", loader)
    simulator.store.add_field("Contacts", {"api_name": "Loyalty", "data_type": "text"})
    simulator.store.remove_field("Contacts", "Home_Phone")
    changed = simulator.store.records("Contacts")[3]["id"]
    simulator.store.update("Contacts", changed, {"Loyalty": "gold", "Title": "After"})
    project.meltano("run", "tap-bigin", loader)
    sql = f"""select "Loyalty", "Title" from "Contacts" where "id" = '{changed}'"""
    assert query(sql) == [("gold", "After")]
    counted = query('select count(*) from "Contacts"')
    assert [tuple(map(int, row)) for row in counted] == [(simulator.store.count("Contacts"),)]
    assert project.bookmark(f"dev:tap-bigin-to-{loader}", "Contacts")


def test_two_connections_through_inheritance(project, simulator):
    """One plugin per connection: each has its own settings, its own state, and only its rows."""
    other = simulator.add_connection(sizes={"Contacts": 7})
    project.configure("tap-bigin", connection_id=simulator.connection_id, modules=["Contacts"])
    project.add(
        "extractors",
        name="tap-bigin--eu",
        inherit_from="tap-bigin",
        config={"connection_id": other, "modules": ["Contacts"]},
    )
    project.add(
        "loaders",
        name="target-duckdb--eu",
        inherit_from="target-duckdb",
        config={"path": "eu.duckdb"},
    )
    # The key is given to the plugins, so that a connection in the shell would not count.
    project.meltano("run", "tap-bigin", "target-duckdb", "tap-bigin--eu", "target-duckdb--eu")
    here = {r["id"] for r in simulator.store.records("Contacts")}
    there = {r["id"] for r in simulator.account(other).store.records("Contacts")}
    assert ids(project, "Contacts") == here
    assert {i for (i,) in project.query("select id from contacts", "eu.duckdb")} == there
    assert len(there) == 7
    assert project.bookmark(STATE, "Contacts")
    assert project.bookmark("dev:tap-bigin--eu-to-target-duckdb--eu", "Contacts")


@pytest.mark.parametrize("cached", [False, True])
def test_a_new_field_is_missed_only_by_a_cached_catalog(project, simulator, cached):
    """Meltano keeps the catalog of a tap that is not editable while its settings are the same.

    Editable means to Meltano that ``pip_url`` begins with ``-e``: the checkout's does not, so its
    own entry stands for every installed tap. Kept, the field is missed until the catalog is made
    anew; ``use_cached_catalog: false`` prevents that.
    """
    plugin = project.plugin("tap-bigin")
    assert not plugin["pip_url"].startswith("-e")
    assert plugin["use_cached_catalog"] is False
    if cached:
        del plugin["use_cached_catalog"]
    project.configure("tap-bigin", modules=["Contacts"])
    project.meltano("run", *PAIR)
    simulator.store.add_field("Contacts", {"api_name": "Loyalty", "data_type": "text"})
    changed = simulator.store.records("Contacts")[3]["id"]
    simulator.store.update("Contacts", changed, {"Loyalty": "gold", "Title": "After"})
    project.meltano("run", *PAIR)
    assert project.query(f"select title from contacts where id = '{changed}'") == [("After",)]
    names = project.query("select column_name from information_schema.columns")
    columns = {name for (name,) in names}
    assert ("loyalty" in columns) is not cached
    if cached:
        project.meltano("run", "--refresh-catalog", "--full-refresh", *PAIR)
    sql = f"select loyalty from contacts where id = '{changed}'"
    assert project.query(sql) == [("gold",)]


def test_new_columns_are_not_lost_to_a_cached_catalog(project):
    """The same of the published tap that the checkout's meltano.yml holds."""
    rows = project.folder / "rows"
    rows.mkdir()
    project.configure("tap-jsonl", stream_name="people", primary_keys=["email"])
    (rows / "people.jsonl").write_text('{"email": "a@example.com"}\n', encoding="utf-8")
    project.meltano("run", "tap-jsonl", "target-duckdb")
    (rows / "people.jsonl").write_text(
        '{"email": "a@example.com", "city": "Lyon"}\n', encoding="utf-8"
    )
    project.meltano("run", "--full-refresh", "tap-jsonl", "target-duckdb")
    assert project.query("select email, city from people") == [("a@example.com", "Lyon")]
