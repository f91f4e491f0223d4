"""The extract operator: nothing lost between runs, windows without gaps, files in place."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from bigin_client.errors import BiginError, NotFoundError, SettingsError, WindowError
from bigin_client.files.formats import FileForm
from bigin_client.files.output import Output
from bigin_client.testing import BiginSimulator
from tests.airflow.conftest import IS_3_3, connection_json, json_lines, needs_3_3

pytestmark = pytest.mark.usefixtures("bigin_default")

CONTACTS = ["Last_Name", "Email", "Modified_Time"]


def extract(tmp_path, **arguments) -> BiginExtractToFileOperator:
    given = {"task_id": "extract", "module": "Contacts", "output_path": str(tmp_path / "out")}
    if not IS_3_3:
        given["state_path"] = str(tmp_path / "state")
    return BiginExtractToFileOperator(**{**given, **arguments})


def rows(summary) -> list[dict]:
    return [row for path in summary["path"] for row in json_lines(path)]


def ids(summary) -> set[str]:
    return {row["id"] for row in rows(summary)}


def newest(sim, module="Contacts") -> datetime:
    return datetime.fromisoformat(max(r["Modified_Time"] for r in sim.store.records(module)))


# --- watermark --------------------------------------------------------------------------------


def test_the_first_run_reads_everything_and_the_next_what_changed(bigin_default, tasks, tmp_path):
    sim = bigin_default
    first = extract(tmp_path, include_deleted=True).execute(tasks.context("run-1"))
    everything = {r["id"] for r in sim.store.records("Contacts")}
    assert ids(first) == everything
    assert first["rows"] == len(everything)
    changed, deleted = sorted(everything)[:2]
    sim.clock.advance(600)
    sim.store.update("Contacts", changed, {"Title": "Chief"})
    sim.store.delete("Contacts", deleted)
    second = extract(tmp_path, include_deleted=True).execute(tasks.context("run-2"))
    assert ids(second) == {changed}
    (tombstone,) = json_lines(second["deleted_path"][0])
    assert (tombstone["module"], tombstone["id"]) == ("Contacts", deleted)
    assert second["window"] == {"start": first["watermark"], "end": second["watermark"]}
    assert second["watermark"] == tasks.pushed["watermark"] >= first["watermark"]


def test_a_dag_that_was_paused_loses_nothing(bigin_default, tasks, tmp_path):
    sim = bigin_default
    extract(tmp_path).execute(tasks.context("run-1"))
    some = [r["id"] for r in sim.store.records("Contacts")][:5]
    for record_id in some:
        sim.clock.advance(3 * 86_400)
        sim.store.update("Contacts", record_id, {"Title": "Changed while paused"})
    sim.clock.advance(86_400)
    assert ids(extract(tmp_path).execute(tasks.context("run-2"))) == set(some)


def test_two_dags_on_one_module_do_not_take_each_others_changes(bigin_default, tasks, tmp_path):
    from airflow.providers.common.compat.sdk import DAG

    sim = bigin_default
    operators = []
    for name in ("one", "two"):
        with DAG(dag_id=name, schedule=None):
            operators.append(extract(tmp_path / name))
    for operator in operators:
        operator.execute(tasks.context("run-1"))
    sim.clock.advance(600)
    changed = sim.store.records("Contacts")[0]["id"]
    sim.store.update("Contacts", changed, {"Title": "Chief"})
    for operator in operators:
        assert ids(operator.execute(tasks.context("run-2"))) == {changed}


def test_a_task_that_dies_before_its_files_are_in_place_reads_them_again(
    bigin_default, tasks, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:

        def die(*_args):
            raise RuntimeError("the worker is gone")

        patch.setattr(Output, "place", die)
        with pytest.raises(RuntimeError):
            extract(tmp_path).execute(tasks.context("run-1"))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    again = extract(tmp_path).execute(tasks.context("run-1"))
    assert again["rows"] == bigin_default.store.count("Contacts")


def test_a_restoration_that_moves_no_time_comes_again(tasks, tmp_path, monkeypatch):
    """Deleted in one run, restored before the next: only the feed that lost it tells."""
    with BiginSimulator(
        seed=7, sizes={"Tasks": 30}, rate_limit=None, restore_moves_modified_time=False
    ) as sim:
        monkeypatch.setenv("AIRFLOW_CONN_BIGIN_DEFAULT", connection_json(sim))
        op = extract(tmp_path, module="Tasks", include_deleted=True)
        op.execute(tasks.context("run-1"))
        sim.clock.advance(3600)
        gone = sim.store.records("Tasks")[0]["id"]
        sim.store.delete("Tasks", gone)
        sim.clock.advance(3600)
        assert op.execute(tasks.context("run-2"))["deleted_rows"] == 1
        sim.clock.advance(3600)
        sim.store.restore("Tasks", gone)
        sim.clock.advance(3600)
        assert ids(op.execute(tasks.context("run-3"))) == {gone}


def test_clearing_a_run_keeps_what_its_files_held_and_does_not_rewind(
    bigin_default, tasks, tmp_path
):
    sim = bigin_default
    extract(tmp_path).execute(tasks.context("run-1"))
    sim.clock.advance(600)
    early, late = [r["id"] for r in sim.store.records("Contacts")][:2]
    sim.store.update("Contacts", early, {"Title": "x"})
    second = extract(tmp_path).execute(tasks.context("run-2"))
    sim.clock.advance(600)
    sim.store.update("Contacts", late, {"Title": "y"})
    third = extract(tmp_path).execute(tasks.context("run-3"))
    assert late in ids(third)
    cleared = extract(tmp_path).execute(tasks.context("run-2"))
    assert cleared["path"] == second["path"]
    assert early in ids(cleared)
    assert cleared["watermark"] >= third["watermark"]
    assert third["path"][0] in {str(p) for p in tmp_path.rglob("*.jsonl")}


def test_a_state_file_serves_where_airflow_has_no_state_store(bigin_default, tasks, tmp_path):
    sim = bigin_default
    context = {k: v for k, v in tasks.context().items() if k != "asset_state_store"}
    for state in ("state.json", "state"):
        where = str(tmp_path / state)
        op = extract(tmp_path / f"files of {state}", state_path=where)
        assert op.execute({**context, "run_id": "a"})["rows"] == sim.store.count("Contacts")
        sim.clock.advance(600)
        assert op.execute({**context, "run_id": "b"})["rows"] == 0
    assert "cursor" in (tmp_path / "state.json").read_text()


@needs_3_3
def test_without_a_place_for_the_watermark_both_ways_out_are_named(tasks, tmp_path):
    context = tasks.context()
    del context["asset_state_store"]
    with pytest.raises(SettingsError, match=r"state_path.*asset"):
        extract(tmp_path).execute(context)


def test_a_broken_state_file_is_not_taken_for_an_empty_one(tasks, tmp_path):
    state = tmp_path / "state.json"
    state.write_text("{")
    with pytest.raises(SettingsError, match="holds no JSON object"):
        extract(tmp_path, state_path=str(state)).execute(tasks.context())


# --- windows ----------------------------------------------------------------------------------


def windows(tmp_path, **arguments):
    return extract(tmp_path, mode="window", fields=CONTACTS, **arguments)


def test_windows_side_by_side_hold_every_record(bigin_default, tasks, tmp_path):
    sim = bigin_default
    times = sorted(r["Modified_Time"] for r in sim.store.records("Contacts"))
    moments = [datetime.fromisoformat(t) for t in times]
    middle = moments[len(moments) // 2]
    bounds = [moments[0], middle, newest(sim) + timedelta(seconds=1)]
    found: set[str] = set()
    for start, end in pairwise(bounds):
        summary = windows(tmp_path, lookback_seconds=0, lag_seconds=0).execute(
            tasks.context(data_interval_start=start, data_interval_end=end)
        )
        for row in rows(summary):
            assert start <= datetime.fromisoformat(row["Modified_Time"]) < end
        found |= ids(summary)
    assert found == {r["id"] for r in sim.store.records("Contacts")}


def test_a_window_again_overwrites_itself_alone(bigin_default, tasks, tmp_path):
    end = newest(bigin_default) + timedelta(seconds=1)
    day = timedelta(days=1)
    op = windows(tmp_path, lag_seconds=0, max_rows_per_file=1)

    def run(start, stop):
        return op.execute(tasks.context(data_interval_start=start, data_interval_end=stop))

    first = run(end - 400 * day, end - 30 * day)
    second = run(end - 30 * day, end)
    before = {p: Path(p).read_bytes() for p in first["path"]}
    again = run(end - 30 * day, end)
    assert again["path"] == second["path"]
    assert {p: Path(p).read_bytes() for p in first["path"]} == before


@pytest.mark.parametrize("interval", [{}, {"width": 0}])
def test_a_window_without_width_says_what_to_do(tasks, tmp_path, interval):
    """Trap: cron schedules of Airflow 3 give such intervals; '0 rows' would be a lie."""
    moment = datetime(2026, 11, 24, tzinfo=timezone.utc)
    given = {"data_interval_start": moment, "data_interval_end": moment} if interval else {}
    with pytest.raises(WindowError, match="CronDataIntervalTimetable"):
        windows(tmp_path).execute(tasks.context(**given))


def one_day(tmp_path, tasks, day, **arguments):
    start = datetime(2026, 10, day, tzinfo=timezone.utc)
    context = tasks.context(data_interval_start=start, data_interval_end=start + timedelta(days=1))
    return windows(tmp_path, **arguments).execute(context)


@pytest.fixture
def pauses(monkeypatch):
    from bigin_client.transport import Transport

    waited = []
    monkeypatch.setattr(Transport, "pause", lambda _self, seconds: waited.append(seconds))
    return waited


def test_a_skipped_window_is_an_error_that_names_the_backfill(tasks, tmp_path, pauses):
    one_day(tmp_path, tasks, 1)
    with pytest.raises(WindowError, match=r"2026-10-02T00:00:00.*2026-10-04.*backfill create"):
        one_day(tmp_path, tasks, 4)
    assert pauses, "it looked twice"
    for day in (2, 3, 4):
        one_day(tmp_path, tasks, day)
    one_day(tmp_path, tasks, 9, check_gaps=False)


def test_windows_side_by_side_see_no_false_gap(tasks, tmp_path, monkeypatch, pauses):
    """A backfill runs several at a time: the third begins while the second is being read."""
    one_day(tmp_path, tasks, 1)
    place, meanwhile = Output.place, []

    def third(self, about):
        if not meanwhile:
            meanwhile.append(1)
            one_day(tmp_path, tasks, 3)
            one_day(tmp_path, tasks, 4)
        return place(self, about)

    monkeypatch.setattr(Output, "place", third)
    one_day(tmp_path, tasks, 2)
    assert meanwhile
    assert not pauses
    # What each of them remembered may have been written over by the others: no gap either.
    for kept in tasks.asset_state.values():
        for key in [k for k in kept if k.endswith("/windows")]:
            kept[key]["windows"] = kept[key]["windows"][:1]
    one_day(tmp_path, tasks, 5)


@pytest.mark.usefixtures("pauses")
def test_a_window_that_failed_for_good_is_a_gap(bigin_default, tasks, tmp_path):
    one_day(tmp_path, tasks, 1)
    bigin_default.faults.add("status", match={"operation": "list"}, status=400, times=50)
    with pytest.raises(BiginError):
        one_day(tmp_path, tasks, 2)
    bigin_default.faults.clear()
    with pytest.raises(WindowError, match="2026-10-02"):
        one_day(tmp_path, tasks, 3)


def test_a_window_that_reaches_into_the_future_is_refused(tasks, tmp_path):
    start = datetime.now(timezone.utc)
    with pytest.raises(WindowError, match="future"):
        windows(tmp_path).execute(
            tasks.context(data_interval_start=start, data_interval_end=start + timedelta(days=1))
        )


def test_a_window_that_has_just_ended_is_waited_for(tasks, tmp_path, monkeypatch):
    from bigin_client.transport import Transport

    waited = []
    monkeypatch.setattr(Transport, "pause", lambda _self, seconds: waited.append(seconds))
    end = datetime.now(timezone.utc)
    windows(tmp_path, lag_seconds=20).execute(
        tasks.context(data_interval_start=end - timedelta(hours=1), data_interval_end=end)
    )
    assert waited
    assert 15 < waited[0] <= 20


def test_a_window_needs_modified_times_but_does_not_show_unasked_ones(
    bigin_default, tasks, tmp_path
):
    end = newest(bigin_default) + timedelta(seconds=1)
    summary = extract(tmp_path, mode="window", fields=["Last_Name"], lag_seconds=0).execute(
        tasks.context(data_interval_start=end - timedelta(days=9000), data_interval_end=end)
    )
    assert {frozenset(r) for r in rows(summary)} == {frozenset({"id", "Last_Name"})}
    assert ids(summary) == {r["id"] for r in bigin_default.store.records("Contacts")}


# --- full, files ------------------------------------------------------------------------------


def test_full_replaces_the_files_of_the_run_before(bigin_default, tasks, tmp_path):
    op = extract(tmp_path, mode="full", max_rows_per_file=50)
    first = op.execute(tasks.context("run-1"))
    assert len(first["path"]) == 5
    for record in bigin_default.store.records("Contacts")[:150]:
        bigin_default.store.delete("Contacts", record["id"])
    second = op.execute(tasks.context("run-2"))
    assert ids(second) == {r["id"] for r in bigin_default.store.records("Contacts")}
    parts = sorted(str(p) for p in (tmp_path / "out").rglob("part-*"))
    assert parts == second["path"]


def test_the_manifest_describes_the_files(tasks, tmp_path):
    summary = extract(tmp_path, fields=CONTACTS, max_rows_per_file=100).execute(tasks.context())
    manifest = json.loads(Path(summary["manifest"]).read_text())
    assert [f["path"] for f in manifest["files"]] == summary["path"]
    assert [f["rows"] for f in manifest["files"]] == [100, 100, 30]
    assert [f["bytes"] for f in manifest["files"]] == [
        Path(p).stat().st_size for p in summary["path"]
    ]
    assert [f["name"] for f in manifest["fields"]] == CONTACTS
    assert manifest["fields"][2]["type"] == "datetime"
    assert manifest["window"]["end"] == summary["watermark"]
    assert manifest["run"]["run_id"] == "run-1"


def test_a_name_with_an_ending_is_the_file_itself(tasks, tmp_path):
    for name in ("a.jsonl", "b.ndjson", "c.csv", "d.jsonl.gz"):
        path = str(tmp_path / name)
        summary = extract(tmp_path, mode="full", output_path=path).execute(tasks.context())
        assert summary["path"] == [path]
        assert (tmp_path / f"{name}.manifest.json").exists()
    assert all((tmp_path / name).exists() for name in ("a.jsonl", "b.ndjson", "c.csv"))
    plain = (tmp_path / "a.jsonl").read_bytes()
    assert gzip.decompress((tmp_path / "d.jsonl.gz").read_bytes()) == plain


def test_csv_and_parquet_hold_the_same_as_jsonl(tasks, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    paths = {form: str(tmp_path / f"x.{form}") for form in ("jsonl", "csv", "parquet")}
    for path in paths.values():
        extract(tmp_path, module="Pipelines", mode="full", output_path=path).execute(
            tasks.context()
        )
    wanted = json_lines(paths["jsonl"])
    with Path(paths["csv"]).open(newline="") as file:
        for row, record in zip(csv.DictReader(file), wanted, strict=True):
            assert set(row) == set(record)
            assert row["Account_Name"] == (
                json.dumps(record["Account_Name"], separators=(",", ":"), ensure_ascii=False)
                if record["Account_Name"]
                else ""
            )
    table = pq.read_table(paths["parquet"])
    assert str(table.schema.field("Amount").type) == "decimal128(38, 12)"
    assert str(table.schema.field("Closing_Date").type) == "date32[day]"
    assert str(table.schema.field("Modified_Time").type) == "timestamp[ms, tz=UTC]"
    for row, record in zip(table.to_pylist(), wanted, strict=True):
        assert row["id"] == record["id"]
        amount = record["Amount"]
        assert row["Amount"] == (None if amount is None else Decimal(str(amount)))
        assert row["Modified_Time"] == datetime.fromisoformat(record["Modified_Time"])


@pytest.mark.parametrize(
    ("path", "form", "compression", "complaint"),
    [
        ("x.csv", "jsonl", None, "file name says csv"),
        ("x.jsonl", None, "gzip", r"\.gz"),
        ("x", "xml", None, "format must be one of"),
        ("x", "parquet", "gzip", "compressed by itself"),
        ("x", None, "lzma", "compression"),
    ],
)
def test_contradictions_of_format_and_name(path, form, compression, complaint):
    with pytest.raises(SettingsError, match=complaint):
        FileForm.choose(path, form, compression)


def test_a_reader_never_sees_half_of_the_files(tasks, tmp_path, monkeypatch):
    """Everything is written under draft names before the first file is put in place."""
    from bigin_client.files import storage

    seen = []
    move = storage.move

    def watched(source, target):
        drafts = list((tmp_path / "out").rglob("*.tmp"))
        seen.append((len(drafts), Path(source.path).stat().st_size))
        move(source, target)

    monkeypatch.setattr(storage, "move", watched)
    extract(tmp_path, max_rows_per_file=100).execute(tasks.context())
    assert [count for count, _ in seen] == [3, 2, 1]
    assert all(size for _, size in seen)


def test_unknown_names_are_refused_before_anything_is_written(tasks, tmp_path):
    with pytest.raises(NotFoundError, match="no module Cars"):
        extract(tmp_path, module="Cars").execute(tasks.context())
    with pytest.raises(SettingsError, match="no field Colour"):
        extract(tmp_path, fields=["Last_Name", "Colour"]).execute(tasks.context())
    with pytest.raises(SettingsError, match="mode must be one of"):
        extract(tmp_path, mode="sometimes").execute(tasks.context())
    assert list(tmp_path.iterdir()) == []


@needs_3_3
def test_consumers_of_an_asset_learn_what_was_written(tasks, tmp_path):
    from airflow.providers.common.compat.sdk import Asset

    from tests.airflow.conftest import FakeStore

    contacts = Asset("bigin://acme/Contacts")
    tasks.asset_state[contacts] = FakeStore()

    class Event:
        extra: dict = {}  # noqa: RUF012 - set by the operator

    events = {contacts: Event()}
    summary = extract(tmp_path, asset=contacts).execute(tasks.context(outlet_events=events))
    told = events[contacts].extra
    assert told["rows"] == summary["rows"]
    assert told["watermark"] == summary["watermark"]
    assert json.dumps(told)
    assert tasks.asset_state[contacts], "the watermark is kept with the asset that was named"
