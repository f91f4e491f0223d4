"""What Airflow itself is told: metrics, assets, lineage."""

from __future__ import annotations

import json
from collections import Counter
from urllib.parse import urlsplit

import pytest

from airflow_provider_bigin import assets
from airflow_provider_bigin.hooks.bigin import BiginHook
from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from bigin_client.errors import RejectedRecordsError
from tests.airflow.conftest import VERSION

only_3 = pytest.mark.skipif(VERSION < (3, 0), reason="Airflow 3 knows assets")


@pytest.fixture
def extract(tmp_path):
    return BiginExtractToFileOperator(
        task_id="extract", module="contacts", mode="full", output_path=str(tmp_path / "out")
    )


@pytest.fixture
def load(tmp_path):
    rows = [{"Last_Name": "A", "Email": "a@example.org"}, {"Email": "bad@example.org"}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return BiginLoadFromFileOperator(
        task_id="load", module="Contacts", input_path=str(tmp_path / "in.jsonl"), match_on="Email"
    )


# --- metrics ----------------------------------------------------------------------------------


@pytest.fixture
def counters(monkeypatch):
    """Return what Airflow's metrics got, by name and module."""
    from airflow.providers.common.compat.sdk import Stats

    got = Counter()

    def incr(name, number=1, *, tags):
        got[name, tags.get("module")] += number

    monkeypatch.setattr(Stats, "incr", incr)
    return got


def test_a_task_counts_its_requests_and_rows(bigin_default, tasks, counters, extract, load):
    sim = bigin_default
    sim.faults.add("status", status=429, retry_after=0, match={"operation": "list"})
    extract.execute(tasks.context())
    assert counters == {
        ("bigin.requests", "Contacts"): len(sim.requests),
        ("bigin.rate_limited", "Contacts"): 1,
        ("bigin.rows_read", "Contacts"): sim.store.count("Contacts"),
    }
    counters.clear()
    sim.clear_log()
    with pytest.raises(RejectedRecordsError):
        load.execute(tasks.context())
    assert counters == {
        ("bigin.requests", "Contacts"): len(sim.requests),
        ("bigin.rows_rejected", "Contacts"): 1,
    }


# --- assets -----------------------------------------------------------------------------------


@only_3
def test_an_asset_has_one_form():
    from airflow.sdk import Asset

    assert Asset("bigin://acme/Contacts/").uri == "bigin://acme/Contacts"
    made = assets.create_asset(org="acme", module="Contacts", extra={"a": 1})
    assert (made.uri, made.extra) == ("bigin://acme/Contacts", {"a": 1})


@only_3
@pytest.mark.parametrize("uri", ["bigin:///Contacts", "bigin://acme", "bigin://acme/Contacts/1"])
def test_an_asset_names_account_and_module(uri):
    from airflow.sdk import Asset

    with pytest.raises(ValueError, match="<account>/<Module>"):
        assets.sanitize_uri(urlsplit(uri))
    with pytest.raises(ValueError, match="<account>/<Module>"):
        Asset(uri)


@only_3
def test_openlineage_gets_its_own_kind(monkeypatch):
    """Its library does not come with Airflow: a stand-in takes what its class takes."""
    from airflow.providers.common.compat.openlineage import facet

    monkeypatch.setattr(facet, "Dataset", lambda namespace, name: (namespace, name))
    asset = assets.create_asset(org="acme", module="Contacts")
    assert assets.convert_asset_to_openlineage(asset, None) == ("bigin://acme", "Contacts")


# --- lineage ----------------------------------------------------------------------------------


@pytest.fixture
def lineage(monkeypatch):
    """Return what a reader of Airflow's lineage, such as OpenLineage, would see."""
    import airflow.providers.common.compat.lineage.hook as compat
    from airflow.sdk import lineage as own

    collector = own.HookLineageCollector()
    for module in (compat, own):
        monkeypatch.setattr(module, "get_hook_lineage_collector", lambda: collector)

    def seen():
        found = collector.collected_assets
        return (
            [(i.asset.uri, i.count) for i in found.inputs],
            [(o.asset.uri, o.count) for o in found.outputs],
        )

    return seen


@only_3
@pytest.mark.usefixtures("bigin_default")
def test_operators_tell_what_they_read_and_write(tasks, lineage, extract, load):
    (path,) = extract.execute(tasks.context())["path"]
    read, written = lineage()
    assert read == [("bigin://bigin_default/Contacts", 1)]
    assert written == [(f"file://{path}", 1)], "the file, not its draft"
    with pytest.raises(RejectedRecordsError):
        load.execute(tasks.context())
    read, written = lineage()
    assert (f"file://{load.input_path}", 1) in read
    assert written[1:] == [("bigin://bigin_default/Contacts", 1)]


@only_3
@pytest.mark.usefixtures("bigin_default")
def test_the_hook_tells_it_once_a_module(lineage):
    hook = BiginHook()
    (made,) = hook.write("Contacts", [{"Last_Name": "A"}], "insert")
    assert list(hook.delete("Contacts", [made.id]))
    for _ in range(2):
        assert hook.get_record("Contacts", made.id) is None
        assert list(hook.iter_records("contacts"))
    assert list(hook.search("Accounts", word="an")) is not None
    inputs, outputs = lineage()
    assert ("bigin://bigin_default/Contacts", 1) in inputs
    assert outputs == [("bigin://bigin_default/Contacts", 1)]


@only_3
@pytest.mark.usefixtures("bigin_default")
def test_a_dry_run_writes_nothing(tasks, lineage, load):
    load.is_dry_run = True
    with pytest.raises(RejectedRecordsError):
        load.execute(tasks.context())
    assert lineage()[1] == []
