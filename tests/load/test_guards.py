"""What keeps a load from doing harm: mirror's guards, before-images, verification, old reads."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from bigin_client.errors import BiginError, SettingsError
from bigin_client.journal import Journal
from bigin_client.load import LoadOptions, LoadRun, holdings
from bigin_client.load.mirror import MirrorRefusedError
from bigin_client.load.verify import Verifier


@pytest.fixture
def catalogue(sim):
    """Twenty products of one category, ten of another."""
    for record in sim.store.records("Products"):
        sim.store.delete("Products", record["id"])
    for i in range(30):
        sim.store.insert(
            "Products",
            {
                "Product_Name": f"P{i}",
                "Product_Code": "ours" if i < 20 else "theirs",
                "Unit_Price": 1,
            },
        )
    sim.clock.advance(3600)
    return [{"product_name": f"P{i}", "unit_price": 2} for i in range(19)]


def names(sim: Any) -> set[str]:
    return {r["Product_Name"] for r in sim.store.records("Products")}


def mirror(client: Any, rows: Any, **options: Any) -> Any:
    values = {
        "mode": "mirror",
        "match_on": ["Product_Name"],
        "mirror_scope": {"Product_Code": "ours"},
        "expected_rows": len(rows),
        **options,
    }
    return client.load("Products", rows, **values)


def test_mirror_deletes_what_the_input_does_not_have(sim, client, catalogue):
    report = mirror(client, catalogue)
    entry = report.to_dict()["streams"]["Products"]
    assert (entry["outcomes"]["updated"], entry["mirror_deleted"]) == (19, 1)
    assert names(sim) == {f"P{i}" for i in range(30) if i != 19}
    assert mirror(client, catalogue).to_dict()["streams"]["Products"]["mirror_deleted"] == 0


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"expected_rows": None}, None, "not known to be whole"),
        ({"expected_rows": 20}, None, "not known to be whole"),
        ({}, {"product_name": " "}, "which record they mean"),
        ({}, {"product_name": ["P18"]}, "which record they mean"),
        ({"limit_rows": 5}, None, "not known to be whole"),
        ({"max_delete_share": 0.04}, None, "max_delete_share"),
        ({"mirror_scope": "all"}, None, "max_delete_share"),
    ],
)
def test_any_doubt_means_that_nothing_is_deleted(sim, client, catalogue, options, change, message):
    rows = [*catalogue[:-1], {**catalogue[-1], **change}] if change else catalogue
    with pytest.raises(MirrorRefusedError, match=message) as caught:
        mirror(client, rows, **options)
    assert 6 in caught.value.report.exit_codes
    assert len(names(sim)) == 30


def test_a_refused_row_keeps_its_record(sim, client, catalogue):
    rows = [*catalogue[:-1], {**catalogue[-1], "unit_price": "cheap"}]
    report = mirror(client, rows)
    assert report.streams["Products"].outcomes["rejected"] == 1
    assert names(sim) == {f"P{i}" for i in range(30) if i != 19}


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("Products", {"mirror_scope": None}, "needs mirror_scope"),
        ("Products", {"mirror_scope": {"Nope": 1}}, "no field Nope"),
        ("Accounts", {"mirror_scope": "all", "match_on": ["Account_Name"]}, "allow_cascade"),
    ],
)
def test_mirror_is_refused_at_once(client, module, options, message):
    with pytest.raises(SettingsError, match=message):
        client.load(module, [], mode="mirror", **options)


def test_mirror_leaves_what_is_younger_than_the_run(sim, client, catalogue):
    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "PUT" and "Young" not in names(sim):
            sim.store.insert("Products", {"Product_Name": "Young", "Product_Code": "ours"})

    sim.before_request(meddle)
    sim.clock.advance(5)
    mirror(client, catalogue)
    assert "Young" in names(sim)
    assert "P19" not in names(sim)


def test_mirror_reads_each_record_again(sim, client, catalogue):
    """A record that leaves the scope between the walk and the deletion stays."""
    victim = next(r for r in sim.store.records("Products") if r["Product_Name"] == "P19")
    seen = []

    def meddle(request: Any, _sim: Any) -> None:
        if request.method == "GET" and f"Products/{victim['id']}" in request.route and not seen:
            seen.append(1)
            sim.store.update("Products", victim["id"], {"Product_Code": "moved"})

    sim.before_request(meddle)
    mirror(client, catalogue)
    assert seen
    assert "P19" in names(sim)


def test_before_images(sim, client, catalogue, tmp_path, lines):
    path = tmp_path / "before.jsonl"
    client.load("Products", catalogue, match_on=["Product_Name"], before_path=str(path))
    kept = lines(path)
    assert len(kept) == 19
    assert {k["before"]["Unit_Price"] for k in kept} == {1}
    assert {k["id"] for k in kept} <= {r["id"] for r in sim.store.records("Products")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_read_long_ago_is_read_again(sim, client, catalogue, monkeypatch):
    """A value that someone set meanwhile is not written again, nor a protected one over."""
    monkeypatch.setattr(holdings, "FRESH_SECONDS", -1.0)
    changed = next(r for r in sim.store.records("Products") if r["Product_Name"] == "P3")
    done = []

    def meddle(request: Any, _sim: Any) -> None:
        if request.query.get("ids") and not done:
            done.append(1)
            sim.store.update("Products", changed["id"], {"Unit_Price": 2})

    sim.before_request(meddle)
    report = client.load("Products", catalogue, match_on=["Product_Name"])
    assert done
    outcomes = report.streams["Products"].outcomes
    assert (outcomes["updated"], outcomes["unchanged"]) == (18, 1)


@pytest.mark.usefixtures("catalogue")
def test_a_protected_field_that_is_filled_meanwhile(sim, client):
    target = next(r for r in sim.store.records("Products") if r["Product_Name"] == "P3")

    def meddle(request: Any, _sim: Any) -> None:
        if request.query.get("ids") or target["id"] in request.route:
            sim.store.update("Products", target["id"], {"Description": "by hand"})

    sim.before_request(meddle)
    rows = [{"product_name": "P3", "description": "by load", "unit_price": 5}]
    protect = {"Description": "when_set"}
    client.load("Products", rows, match_on=["Product_Name"], protect=protect)
    now = sim.store.get("Products", target["id"])
    assert (now["Description"], now["Unit_Price"]) == ("by hand", 5)


def test_verify_reports_what_the_account_holds_differently(sim, client, catalogue):
    sim.faults.add("override", match={"method": "PUT"}, values={"Unit_Price": 7}, times=None)
    report = client.load("Products", catalogue, match_on=["Product_Name"], verify=True)
    verified = report.to_dict()["streams"]["Products"]["verified"]
    assert verified == {"records": 19, "differences": {"Unit_Price": 19}}


@pytest.mark.parametrize(
    ("sim", "most"),
    [({}, 6), ({"sort": "ignored, echoed"}, 11), ({"sort": "ignored"}, 11)],
    indirect=["sim"],
)
def test_verify_costs_a_credit_for_200_rows(sim, client, monkeypatch, most):
    """Also where others write meanwhile. Where lists are not sorted it is read by ids."""
    rows = [{"product_name": f"V{i}", "unit_price": i} for i in range(1_000)]
    check, costs = Verifier.check, []

    def meddle(self: Any) -> None:
        for i in range(30):
            sim.store.insert("Products", {"Product_Name": f"theirs {i}"})
        before = client.transport.credits.used
        check(self)
        costs.append(client.transport.credits.used - before)

    monkeypatch.setattr(Verifier, "check", meddle)
    report = client.load("Products", rows, match_on=["Product_Name"], verify=True)
    entry = report.to_dict()["streams"]["Products"]
    assert entry["verified"] == {"records": 1_000, "differences": {}}
    assert sum(costs) <= most


def test_verify_expects_nothing_that_this_run_wrote_over_or_deleted(client):
    options = LoadOptions(match_on=("Product_Name",), verify=True)
    with LoadRun(client) as run:
        first = run.stream("first", "Products", options)
        for i in range(3):
            first.add({"product_name": f"V{i}", "unit_price": 1})
        run.stream("second", "Products", options).add({"product_name": "V0", "unit_price": 2})
        gone = LoadOptions(match_on=("Product_Name",), mode="delete")
        run.stream("third", "Products", gone).add({"product_name": "V1"})
        report = run.close().to_dict()["streams"]
    assert report["first"]["verified"] == {"records": 2, "differences": {}}
    assert report["second"]["verified"] == {"records": 1, "differences": {}}


def test_two_loads_into_one_module_wait_for_each_other(connect, tmp_path):
    """With a key that is not unique: both would insert."""
    path = tmp_path / "journal.sqlite"
    first = connect(max_wait=0.5)
    first.modules()
    with (
        Journal(path, first.transport.connection_id, max_wait=0),
        pytest.raises(BiginError, match="Another load") as caught,
    ):
        first.load(
            "Products", [{"product_name": "X"}], match_on=["Product_Name"], journal_path=str(path)
        )
    assert caught.value.exit_code == 4
