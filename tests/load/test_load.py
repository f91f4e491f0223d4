"""Loads through `BiginClient.load`: matching, planning, outcomes, files."""

from __future__ import annotations

import json
import stat
import unicodedata
from decimal import Decimal
from typing import Any

import pytest

from bigin_client.errors import SettingsError
from bigin_client.load import LoadOptions, LoadRun, RunOptions


def contacts(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"last_name": f"Name {i}", "email": f"n{i}@example.com", "phone": f"+49 {i}"}
        for i in range(start, start + count)
    ]


def outcomes(report: Any, stream: str = "Contacts") -> dict[str, int]:
    entry = report.to_dict()["streams"][stream]
    assert sum(entry["outcomes"].values()) == entry["rows"]  # P2: the books balance
    return {k: v for k, v in entry["outcomes"].items() if v}


def modified(sim: Any, module: str) -> dict[str, str]:
    return {r["id"]: r["Modified_Time"] for r in sim.store.records(module)}


@pytest.mark.parametrize(
    ("module", "match_on", "rows"),
    [
        ("Contacts", ["Email"], contacts(250)),
        ("Contacts", ["Last_Name"], contacts(250)),
        ("Contacts", ["last_name", "phone"], contacts(250)),
        (
            "Products",
            ["Product_Name"],
            [
                {
                    "product_name": f"P {i}",
                    "Unit_Price": Decimal(i) / 8,
                    "Product_Active": "true",
                    "Description": " line one\r\nline two ",
                }
                for i in range(250)
            ],
        ),
    ],
)
def test_the_same_input_again_changes_nothing(sim, client, module, match_on, rows):
    before = sim.store.count(module)
    first = client.load(module, rows, match_on=match_on)
    assert outcomes(first, module) == {"created": 250}
    assert sim.store.count(module) == before + 250
    times = modified(sim, module)
    sim.clock.advance(3600)
    sim.clear_log()
    second = client.load(module, rows, match_on=match_on)
    assert outcomes(second, module) == {"unchanged": 250}
    assert modified(sim, module) == times
    assert not [r for r in sim.requests if r.method != "GET"]


def test_only_changed_fields_are_written(sim, client):
    client.load("Contacts", contacts(5), match_on=["Email"])
    rows = contacts(5)
    rows[2]["phone"] = "+49 other"
    sim.clear_log()
    bodies = []
    sim.before_request(lambda request, _sim: bodies.append(request.body))
    report = client.load("Contacts", rows, match_on=["Email"])
    assert outcomes(report) == {"unchanged": 4, "updated": 1}
    (put,) = [json.loads(b) for b in {b for b in bodies if b}]  # first with a wrong date
    (row,) = put["data"]
    assert row.keys() == {"id", "Phone"}
    assert put["trigger"] == []


def test_unique_field_is_the_default_match(client):
    assert outcomes(client.load("Contacts", contacts(3))) == {"created": 3}
    rows = [{"EMAIL": r["email"].upper(), "phone": "1"} for r in contacts(3)]
    assert "created" not in outcomes(client.load("Contacts", rows))


def test_id_is_the_first_default(sim, client):
    """A row whose id cannot be one is a reject, wherever it stands; the others are written."""
    record = sim.store.records("Contacts")[0]
    rows = [
        {"id": record["id"], "phone": "1"},
        {"id": "999", "phone": "1"},
        {"id": "5725767000000999999", "phone": "1"},
        {"id": "", "phone": "1"},
    ]
    for options in ({}, {"match_on": ["id"]}):
        report = client.load("Contacts", rows, **options)
        assert outcomes(report)["rejected"] == 3
        assert report.streams["Contacts"].rejects_by_code == {
            "INVALID_DATA": 2,
            "MATCH_KEY_MISSING": 1,
        }
        assert sim.store.get("Contacts", record["id"])["Phone"] == "1"


def test_an_id_column_without_any_bigin_id_is_refused(sim, client):
    rows = [{"id": "999", "phone": "1"}, {"id": "abc", "phone": "1"}]
    with pytest.raises(SettingsError, match=r"holds no Bigin ids.*match_on"):
        client.load("Contacts", rows)
    assert not [r for r in sim.requests if r.method != "GET"]


@pytest.mark.parametrize(
    ("module", "row", "message"),
    [
        ("Accounts", {"Account_Name": "A", "Phone": "1"}, "no id and no unique field"),
        ("Contacts", {"last_name": "A"}, "no id and no unique field"),
    ],
)
def test_no_safe_match_is_refused_before_the_first_write(sim, client, module, row, message):
    with pytest.raises(SettingsError, match=message) as caught:
        client.load(module, [row])
    assert 'match_on: ["' in str(caught.value)
    assert not [r for r in sim.requests if r.method != "GET"]


def test_match_on_a_field_that_no_column_gives(client):
    with pytest.raises(SettingsError, match="no column of the input gives Email"):
        client.load("Contacts", [{"last_name": "A"}], match_on=["Email"])


def test_case_unicode_and_blanks_of_a_key(sim, client):
    name = "Ångström Résumé"
    made = sim.store.insert("Products", {"Product_Name": name})
    for spelling in (unicodedata.normalize("NFD", name), name.upper(), f"  {name} "):
        rows = [{"product_name": spelling, "unit_price": 5}]
        found = client.load("Products", rows, match_on=["Product_Name"])
        assert "created" not in outcomes(found, "Products")
    assert sim.store.get("Products", made)["Unit_Price"] == 5


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_key_is_a_reject(sim, client, blank):
    """The service would insert such a row (bigin-api.md 3.3)."""
    before = sim.store.count("Contacts")
    report = client.load("Contacts", [{"last_name": "A", "email": blank}], match_on=["Email"])
    assert report.streams["Contacts"].rejects_by_code == {"MATCH_KEY_MISSING": 1}
    assert sim.store.count("Contacts") == before


def test_several_records_with_the_key_are_never_a_guess(sim, client):
    for _ in range(2):
        sim.store.insert("Products", {"Product_Name": "Twin"})
    report = client.load("Products", [{"product_name": "twin"}], match_on=["Product_Name"])
    assert report.streams["Products"].rejects_by_code == {"SEVERAL_RECORDS_MATCH": 1}


def test_a_key_twice_in_the_input(sim, client):
    rows = [
        {"ref": 1, "product_name": "One", "unit_price": 1},
        {"ref": 1, "product_name": "one", "Product_Code": "x", "unit_price": 2},
        {"ref": 2, "product_name": "ONE", "unit_price": 3},
        {"product_name": "Two", "unit_price": 4},
        {"product_name": "Two", "unit_price": 5},
    ]
    report = client.load("Products", rows, match_on=["Product_Name"], row_key=["ref"])
    assert outcomes(report, "Products") == {"created": 2, "superseded": 1, "rejected": 2}
    assert report.streams["Products"].rejects_by_code == {"DUPLICATE_KEY_IN_INPUT": 2}
    made = {r["Product_Name"]: r["Unit_Price"] for r in sim.store.records("Products")}
    assert (made["one"], made["Two"]) == (2, 4)


def test_what_only_the_older_version_says_is_kept(sim, client):
    rows = [
        {"k": 1, "product_name": "One", "unit_price": 1, "Product_Code": "a"},
        {"k": 1, "product_name": "One", "unit_price": 2},
    ]
    client.load("Products", rows, match_on=["Product_Name"], row_key="k")
    (made,) = [r for r in sim.store.records("Products") if r["Product_Name"] == "One"]
    assert (made["Unit_Price"], made["Product_Code"]) == (2, "a")


def test_a_later_version_updates_what_an_earlier_chunk_wrote(sim, client):
    rows = [{"k": i, "product_name": f"N{i}", "unit_price": 1} for i in range(1_500)]
    rows += [{"k": 3, "product_name": "N3", "unit_price": 9}]
    report = client.load("Products", rows, match_on=["Product_Name"], row_key=["k"])
    assert outcomes(report, "Products") == {"created": 1_500, "updated": 1}
    (made,) = [r for r in sim.store.records("Products") if r["Product_Name"] == "N3"]
    assert made["Unit_Price"] == 9


def test_modes(sim, client):
    name = "Here"
    sim.store.insert("Products", {"Product_Name": name, "Unit_Price": 1})
    rows = [{"product_name": name, "unit_price": 2}, {"product_name": "Not here"}]
    report = client.load("Products", rows, mode="update", match_on=["Product_Name"])
    assert outcomes(report, "Products") == {"updated": 1, "rejected": 1}
    assert report.streams["Products"].rejects_by_code == {"RECORD_NOT_FOUND": 1}
    report = client.load("Products", rows, mode="delete", match_on=["Product_Name"])
    assert outcomes(report, "Products") == {"deleted": 1, "skipped": 1}
    assert name not in {r["Product_Name"] for r in sim.store.records("Products")}


def test_rows_marked_as_deleted(sim, client):
    made = sim.store.insert("Products", {"Product_Name": "Gone"})
    row = {"product_name": "Gone", "unit_price": "bad", "_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    assert outcomes(client.load("Products", [row], match_on=["Product_Name"]), "Products") == {
        "skipped": 1
    }
    assert sim.store.get("Products", made)
    report = client.load("Products", [row], match_on=["Product_Name"], on_delete="delete")
    assert outcomes(report, "Products") == {"deleted": 1}
    assert sim.store.get("Products", made) is None


def test_deleting_companies_needs_a_word(sim, client):
    rows = [{"account_name": r["Account_Name"]} for r in sim.store.records("Accounts")[:2]]
    options = {"match_on": ["Account_Name"]}
    with pytest.raises(SettingsError, match="allow_cascade"):
        client.load("Accounts", rows, mode="delete", **options)
    marked = [{**r, "_sdc_deleted_at": "2026-01-01T00:00:00Z"} for r in rows]
    report = client.load("Accounts", marked, on_delete="delete", **options)
    assert report.streams["Accounts"].rejects_by_code == {"CASCADE_NOT_ALLOWED": 2}
    assert sim.store.count("Accounts") == 10
    client.load("Accounts", rows, mode="delete", allow_cascade=True, **options)
    assert sim.store.count("Accounts") == 8


def test_nulls_and_protect(sim, client):
    made = sim.store.insert("Products", {"Product_Name": "P", "Unit_Price": 1, "Product_Code": "c"})
    row = {"product_name": "P", "unit_price": None, "product_code": "new", "description": "d"}
    protect = {"Product_Code": "when_set", "Description": "when_set"}
    report = client.load("Products", [row], match_on=["Product_Name"], protect=protect)
    assert report.streams["Products"].nulls_ignored == 1
    now = sim.store.get("Products", made)
    assert (now["Unit_Price"], now["Product_Code"], now["Description"]) == (1, "c", "d")
    options = {"match_on": ["Product_Name"], "nulls": "clear", "protect": {"Description": "always"}}
    client.load("Products", [{**row, "description": "other"}], **options)
    now = sim.store.get("Products", made)
    assert (now["Unit_Price"], now["Product_Code"], now["Description"]) == (None, "new", "d")
    times = modified(sim, "Products")
    sim.clock.advance(60)
    assert outcomes(client.load("Products", [row], **options), "Products") == {"unchanged": 1}
    assert modified(sim, "Products") == times


def test_clearing_a_mandatory_field_is_a_reject(client):
    rows = [{"email": "a@example.com", "last_name": None}]
    report = client.load("Contacts", rows, nulls="clear", match_on=["Email"])
    assert report.streams["Contacts"].rejects_by_code == {"MANDATORY_NOT_FOUND": 1}


def test_columns(client, caplog):
    row = {"mail": "x@example.com", "surname": "X", "Full_Name": "?", "nonsense": 1, "_sdc_x": 1}
    mapping = {"mail": "Email", "surname": "last_name"}
    report = client.load("Contacts", [row], fields=mapping)
    assert outcomes(report) == {"created": 1}
    assert report.streams["Contacts"].columns_dropped == {
        "Full_Name": "read-only",
        "nonsense": "no such field",
    }
    assert caplog.text.count("nonsense") == 1
    with pytest.raises(SettingsError, match=r"strict is set.*nonsense"):
        client.load("Contacts", [row], fields=mapping, strict=True)
    with pytest.raises(SettingsError, match="no field Nope"):
        client.load("Contacts", [row], fields={"mail": "Nope"})
    with pytest.raises(SettingsError, match="cannot be written"):
        client.load("Contacts", [row], fields={"mail": "Full_Name"})
    with pytest.raises(SettingsError, match=r"both belong to Contacts\.Email"):
        client.load("Contacts", [{"Email": "a@example.com", "EMAIL": "b@example.com"}])


def test_a_column_that_comes_late(client):
    rows: list[dict[str, Any]] = [{"product_name": f"L{i}"} for i in range(1_000)]
    rows += [{"product_name": "L1000", "unit_price": 5}, {"product_name": "L7", "unit_price": 5}]
    report = client.load("Products", rows, match_on=["Product_Name"])
    assert outcomes(report, "Products") == {"created": 1_001, "rejected": 1}


def test_stage_and_picklist(sim, client):
    fields = client.metadata.fields("Pipelines")
    sub = fields["Sub_Pipeline"].picklist[0]
    stages = sub.maps["Stage"]
    outside = next(v.actual for v in fields["Stage"].picklist if v.actual not in stages)
    rows = [
        {"deal_name": "A", "sub_pipeline": sub.display, "stage": stages[0]},
        {"deal_name": "B", "sub_pipeline": sub.actual, "stage": outside},
        {"deal_name": "C", "sub_pipeline": "nowhere", "stage": stages[0]},
        {"deal_name": "D", "stage": stages[0]},
    ]
    report = client.load("deals", rows, match_on=["Deal_Name"])
    assert outcomes(report, "Pipelines") == {"created": 1, "rejected": 3}
    assert report.streams["Pipelines"].rejects_by_code == {
        "INVALID_DATA": 2,
        "MANDATORY_NOT_FOUND": 1,
    }
    (made,) = [r for r in sim.store.records("Pipelines") if r["Deal_Name"] == "A"]
    assert made["Sub_Pipeline"] == sub.actual


def test_rejects_file(client, tmp_path, lines):
    path = tmp_path / "kept" / "rejects.jsonl"
    rows = contacts(3)
    rows[1]["last_name"] = "x" * 81
    for attempt in (1, 2):  # added to, never overwritten
        report = client.load(
            "Contacts", rows, stream="crm", match_on=["Email"], rejects_path=str(path)
        )
        assert report.status == "rejects"
        assert report.too_many_rejects
        assert len(lines(path)) == attempt
    found = lines(path)[0]
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "stream": "crm",
        "module": "Contacts",
        "mode": "upsert",
        "row": rows[1],
        "key": {"Email": "n1@example.com"},
        "code": "INVALID_DATA",
        "field": "Last_Name",
        "reason": "81 characters are too many: the field takes 80",
        "outcome": "rejected",
        "id": None,
        "attempt": 0,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("allowed", "too_many"), [(0, True), (1, True), (2, False), ("10%", True), ("20%", False)]
)
def test_max_rejects(client, tmp_path, allowed, too_many):
    rows = contacts(10)
    rows[1]["last_name"] = rows[2]["last_name"] = None
    path = str(tmp_path / "rejects.jsonl")
    report = client.load("Contacts", rows, max_rejects=allowed, rejects_path=path)
    assert outcomes(report) == {"created": 8, "rejected": 2}
    assert report.too_many_rejects is too_many
    assert report.exit_codes == ([5] if too_many else [])


@pytest.mark.parametrize("allowed", [5, "1%"])
def test_max_rejects_needs_a_place_for_them(client, allowed):
    with pytest.raises(SettingsError, match="rejects_path"):
        client.load("Contacts", contacts(1), max_rejects=allowed)


@pytest.mark.parametrize("allowed", ["x", -1, "200%", True, "-1%"])
def test_max_rejects_that_is_no_number(client, allowed):
    with pytest.raises(SettingsError, match="max_rejects must be"):
        client.load("Contacts", contacts(1), max_rejects=allowed, rejects_path="unused.jsonl")


def test_unknown_option(client):
    with pytest.raises(SettingsError, match="no option matchon"):
        client.load("Contacts", contacts(1), matchon=["Email"])


def test_dry_run_says_what_the_load_then_does(sim, client, tmp_path, lines):
    client.load("Contacts", contacts(150), match_on=["Email"])
    rows = contacts(250, start=50)
    rows[3]["phone"] = "other"
    rows[150]["last_name"] = None
    rows[5]["_sdc_deleted_at"] = "2026-01-01T00:00:00Z"
    plan, done = tmp_path / "plan.jsonl", tmp_path / "outcomes.jsonl"
    before = sim.store.count("Contacts")
    sim.clear_log()
    dry = client.load("Contacts", rows, match_on=["Email"], dry_run=True, plan_path=str(plan))
    assert not [r for r in sim.requests if r.method != "GET"]
    assert sim.store.count("Contacts") == before
    assert dry.to_dict()["dry_run"] is True
    real = client.load("Contacts", rows, match_on=["Email"], outcomes_path=str(done))
    assert dry.streams["Contacts"].outcomes == real.streams["Contacts"].outcomes
    verbs = {"create": "created", "update": "updated", "skip": "skipped", "reject": "rejected"}
    planned = {p["row_number"]: verbs.get(p["action"], p["action"]) for p in lines(plan)}
    assert planned == {o["row_number"]: o["outcome"] for o in lines(done)}
    assert [p["changes"] for p in lines(plan) if p["action"] == "update"] == [{"Phone": "other"}]
    assert abs(dry.credits_predicted - real.credits_used) <= 0.1 * real.credits_used
    assert stat.S_IMODE(plan.stat().st_mode) == stat.S_IMODE(done.stat().st_mode) == 0o600


def test_limit_rows(sim, client):
    before = sim.store.count("Contacts")
    report = client.load("Contacts", iter(contacts(10)), limit_rows=4)
    assert outcomes(report) == {"created": 4}
    assert sim.store.count("Contacts") == before + 4


def test_two_streams_into_one_module(sim, client):
    """What one stream writes, the other finds."""
    with LoadRun(client, RunOptions()) as run:
        first = run.stream("a", "Products", LoadOptions(match_on=("Product_Name",)))
        second = run.stream("b", "Products", LoadOptions(match_on=("Product_Code",)))
        done = []
        for i in range(3):
            done += first.add({"product_name": f"X{i}", "product_code": f"c{i}"}, tag=("a", i))
            done += second.add({"product_code": f"c{i}", "unit_price": i + 1}, tag=("b", i))
            done += first.settle() + second.settle()
        report = run.close()
    assert outcomes(report, "a") == {"created": 3}
    assert outcomes(report, "b") == {"updated": 3}
    assert sorted(o.tag for o in done) == [(s, i) for s in "ab" for i in range(3)]
    made = {r["Product_Code"]: r["Unit_Price"] for r in sim.store.records("Products")}
    assert [made[f"c{i}"] for i in range(3)] == [1, 2, 3]


def test_a_write_whose_reply_was_lost_is_known_to_other_streams(sim, client):
    """It was found by looking; a second stream that read before must know it too."""
    options = LoadOptions(match_on=("Product_Code",), settle_seconds=0.1, verify=True)
    with LoadRun(client, RunOptions()) as run:
        first, second = (run.stream(name, "Products", options) for name in "ab")
        second.add({"product_name": "X", "product_code": "c0"})
        second.settle()
        sim.faults.add("cut_after", match={"operation": "insert"}, times=1)
        first.add({"product_name": "Y", "product_code": "c1"})
        first.settle()
        second.add({"product_name": "Z", "product_code": "c1"})
        second.settle()
        report = run.close()
    assert outcomes(report, "a") == {"created": 1}
    assert outcomes(report, "b") == {"created": 1, "updated": 1}
    made = [r["Product_Name"] for r in sim.store.records("Products") if r["Product_Code"] == "c1"]
    assert made == ["Z"]
    verified = [e["verified"] for e in report.to_dict()["streams"].values()]
    assert verified == [{"records": 1, "differences": {}}, {"records": 2, "differences": {}}]


def test_what_was_made_by_a_lost_insert_is_verified(sim, client):
    sim.faults.add("cut_after", match={"operation": "insert"}, times=1)
    report = client.load(
        "Products",
        [{"product_name": "X", "product_code": "c0"}],
        match_on=["Product_Code"],
        settle_seconds=0.1,
        verify=True,
    )
    entry = report.to_dict()["streams"]["Products"]
    assert entry["verified"] == {"records": 1, "differences": {}}


def test_no_row_reaches_the_log(client, caplog, tmp_path):
    """P6: keys and contents stay out of logs and reprs."""
    caplog.set_level("DEBUG")
    rows = [
        {"last_name": "Sekrit", "email": "sekrit@example.com"},
        {"email": "sekrit2@example.com"},
    ]
    report = client.load("Contacts", rows, rejects_path=str(tmp_path / "r.jsonl"))
    assert report.refused == 1
    assert "ekrit" not in caplog.text + repr(report)


#: Values that no request can carry, though a row may hold them.
BEYOND = [
    ("Contacts", "Last_Name", "cut \ud83d"),
    ("Contacts", "Email", "\ud83d@example.com"),
    ("Contacts", "Account_Name", {"id": "1", "name": "\ud83d"}),
    ("Contacts", "Tag", ["\ud83d"]),
    ("Products", "Unit_Price", Decimal("1E+400")),
    ("Products", "Unit_Price", 10**400),
    ("Products", "Unit_Price", "1e400"),
]


@pytest.mark.parametrize(("module", "column", "value"), BEYOND)
@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_a_value_that_no_request_can_carry_is_a_reject(
    sim, client, tmp_path, lines, mode, module, column, value
):
    """A cut emoji or a number beyond any double refuses its row, not the rows beside it."""
    before = sim.store.count(module)
    name = {"Contacts": "Last_Name", "Products": "Product_Name"}[module]
    rows: list[dict[str, Any]] = [
        {name: f"New {i}", "Email": f"n{i}@example.com", "Description": f"row {i}"}
        for i in range(3)
    ]
    rows[1][column] = value
    key = "Email" if module == "Contacts" else name
    report = client.load(
        module,
        rows,
        mode=mode,
        rejects_path=str(tmp_path / "rejects.jsonl"),
        outcomes_path=str(tmp_path / "outcomes.jsonl"),
        journal_path=str(tmp_path / "journal.sqlite"),
        max_rejects=1,
        **({"row_key": ["Description"]} if mode == "insert" else {"match_on": [key]}),
    )
    assert outcomes(report, module) == {"created": 2, "rejected": 1}
    assert sim.store.count(module) == before + 2
    (line,) = lines(tmp_path / "rejects.jsonl")
    assert line["code"] == "INVALID_DATA"
    assert line["row"]["Description"] == "row 1"
    assert line["row"][column] == (value if not isinstance(value, Decimal) else float("inf"))
