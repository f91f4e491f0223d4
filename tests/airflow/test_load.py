"""The load operator: every row once, retries that go on, rejects that are not forgotten."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import contextmanager

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_bigin import loading
from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from bigin_client.batches import Batches
from bigin_client.errors import RejectedRecordsError, ServiceError, SettingsError
from bigin_client.journal import StreamJournal
from bigin_client.transport import Transport
from tests.airflow.conftest import json_lines

pytestmark = pytest.mark.usefixtures("bigin_default")


def people(count, start=0):
    return [
        {"Last_Name": f"Person {i}", "Email": f"p{i}@example.org"}
        for i in range(start, start + count)
    ]


BAD = {"Email": "nobody@example.org"}


@pytest.fixture
def load(tmp_path):
    def make(rows=None, **arguments):
        if rows is not None:
            lines = (r if isinstance(r, str) else json.dumps(r) for r in rows)
            (tmp_path / "in.jsonl").write_text("\n".join(lines))
        given = {
            "task_id": "load",
            "module": "Contacts",
            "input_path": str(tmp_path / "in.jsonl"),
            "match_on": "Email",
            "rejects_path": str(tmp_path / "rejects.jsonl"),
        }
        return BiginLoadFromFileOperator(**{**given, **arguments})

    return make


def emails(sim):
    return sorted(
        r["Email"] for r in sim.store.records("Contacts") if "@example.org" in str(r["Email"])
    )


# --- outcomes and thresholds ------------------------------------------------------------------


def test_every_row_has_one_outcome_and_the_same_file_again_changes_nothing(
    load, bigin_default, tasks
):
    summary = load(people(250)).execute(tasks.context())
    assert summary["outcomes"]["created"] == summary["rows"] == 250
    assert len(emails(bigin_default)) == 250
    times = {r["id"]: r["Modified_Time"] for r in bigin_default.store.records("Contacts")}
    again = load().execute(tasks.context("run-2"))
    assert again["outcomes"]["unchanged"] == 250
    assert times == {r["id"]: r["Modified_Time"] for r in bigin_default.store.records("Contacts")}


def test_what_was_read_is_part_of_the_predicted_credits(load, tasks):
    """As in the engine's own report; a comparison with the plan would tell nothing else."""
    load(people(120)).execute(tasks.context())
    credits_ = load().execute(tasks.context("run-2"))["credits"]
    assert 0 < credits_["predicted"] <= credits_["used"]


def test_too_many_rejects_fail_after_everything_else_was_written(
    load, bigin_default, tasks, tmp_path
):
    with pytest.raises(RejectedRecordsError, match="1 of 51 rows") as failure:
        load([*people(25), BAD, *people(25, 25)]).execute(tasks.context())
    assert len(emails(bigin_default)) == 50
    (reject,) = json_lines(tmp_path / "rejects.jsonl")
    assert (reject["row"], reject["field"]) == (BAD, "Last_Name")
    assert tasks.pushed["return_value"] == failure.value.summary
    assert failure.value.summary["rejects_by_code"] == {"MANDATORY_NOT_FOUND": 1}
    assert isinstance(failure.value, AirflowFailException), "a retry would find the same refusal"


@pytest.mark.parametrize(
    ("allowed", "passes"), [(2, True), ("4%", True), ("2%", False), (1, False)]
)
def test_the_threshold_is_a_number_or_a_share(load, tasks, allowed, passes):
    operator = load([*people(48), BAD, {**BAD, "Email": "no@example.org"}], max_rejects=allowed)
    if passes:
        assert operator.execute(tasks.context())["outcomes"]["rejected"] == 2
    else:
        with pytest.raises(RejectedRecordsError):
            operator.execute(tasks.context())


def test_a_threshold_needs_a_place_for_the_rejects(load, tasks):
    with pytest.raises(SettingsError, match="rejects_path"):
        load(people(1), max_rejects=1, rejects_path=None).execute(tasks.context())


def test_a_line_that_is_no_row_is_a_reject(load, tasks, tmp_path):
    summary = load(["{broken", *people(2), "[1]"], max_rejects=2).execute(tasks.context())
    assert summary["rejects_by_code"] == {"UNREADABLE_ROW": 2}
    assert summary["outcomes"]["created"] == 2
    assert [r["row"] for r in json_lines(tmp_path / "rejects.jsonl")] == [
        {"line": "{broken"},
        {"line": [1]},
    ]


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(load, bigin_default, tasks, tmp_path):
    plan = tmp_path / "plan.jsonl"
    summary = load(people(3), dry_run=True, plan_path=str(plan)).execute(tasks.context())
    assert summary["outcomes"]["created"] == 3
    assert summary["dry_run"] is True
    assert emails(bigin_default) == []
    assert [line["action"] for line in json_lines(plan)] == ["create"] * 3
    assert all(e.method == "GET" for e in bigin_default.requests)
    assert not tasks.task_state


# --- retries ----------------------------------------------------------------------------------


def small_stretches(monkeypatch, rows=100):
    monkeypatch.setattr(loading, "STRETCH", rows)


def test_a_retry_goes_on_where_the_try_before_ended(
    load, bigin_default, tasks, monkeypatch, tmp_path
):
    """It doubles no row, and a reject of the first try still fails the second."""
    small_stretches(monkeypatch)
    rows = [BAD, *people(349)]
    real, calls = loading.Load._load_stretch, []

    def fail_in_the_third(self, run, loader, source, stretch, progress):
        calls.append(progress.position)
        if len(calls) == 3:
            raise ServiceError("the service gave out")
        real(self, run, loader, source, stretch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(loading.Load, "_load_stretch", fail_in_the_third)
        with pytest.raises(ServiceError):
            load(rows, options={"settle_seconds": 0}).execute(tasks.context())
    assert calls == [0, 100, 200]
    assert tasks.pushed["return_value"]["rows"] == 200
    before = len(bigin_default.requests)
    with pytest.raises(RejectedRecordsError) as failure:
        load(options={"settle_seconds": 0}).execute(tasks.context())
    assert failure.value.summary["outcomes"]["created"] == 349
    assert failure.value.summary["outcomes"]["rejected"] == 1
    assert failure.value.summary["rows"] == 350
    assert len(emails(bigin_default)) == len(set(emails(bigin_default))) == 349
    written = [e for e in bigin_default.requests[before:] if e.method == "POST"]
    assert len(written) == 2, "only the rows that were left"
    assert len(json_lines(tmp_path / "rejects.jsonl")) == 1


def test_a_try_that_failed_on_rejects_cannot_turn_green_by_itself(load, tasks, tmp_path):
    operator = load([*people(5), BAD])
    for _ in range(3):
        with pytest.raises(RejectedRecordsError) as failure:
            operator.execute(tasks.context())
        assert failure.value.summary["outcomes"]["created"] == 5
        assert failure.value.summary["outcomes"]["rejected"] == 1
    assert len(json_lines(tmp_path / "rejects.jsonl")) == 1, "each reject stands there once"


def test_it_turns_green_when_the_cause_is_mended(load, bigin_default, tasks):
    """Here: the record that the refused row names exists by now."""
    rows = [{"id": "5725774000009999999", "Title": "Chief"}]
    with pytest.raises(RejectedRecordsError):
        load(rows, match_on="id", mode="update").execute(tasks.context())
    made = bigin_default.store.insert("Contacts", {"Last_Name": "Late"})
    rows[0]["id"] = made["id"] if isinstance(made, dict) else made
    summary = load(rows, match_on="id", mode="update").execute(tasks.context())
    assert summary["outcomes"]["updated"] == 1
    assert not tasks.task_state, "nothing is left for the next run"


class KilledError(BaseException):
    """What no code catches, as little as a kill -9."""


@contextmanager
def killed(after_write):
    """Let what is inside die right after the service has accepted its n-th write."""
    real, seen = Batches.write, []

    def write(self, *args, **arguments):
        results = real(self, *args, **arguments)
        seen.append(1)
        if len(seen) == after_write:
            raise KilledError
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "write", write)
        try:
            yield
        except KilledError:
            return
    pytest.fail("the task was not killed")


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    """The machine that the first try runs on; it knows of no other test's inserts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "worker"))


@pytest.fixture
def other_worker(monkeypatch, tmp_path):
    """Let what follows run on another machine: nothing of the local journal is there."""

    def go():
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other worker"))

    return go


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("row_key", [None, ["Email"]])
def test_an_insert_killed_on_one_worker_goes_on_on_another(
    load, bigin_default, tasks, other_worker, number, row_key
):
    """No row twice, none lost, and the counts are those of all tries."""
    options = {"settle_seconds": 0, "row_key": row_key}
    operator = load(people(280), mode="insert", match_on=None, options=options)
    with killed(after_write=number):
        operator.execute(tasks.context())
    assert len(emails(bigin_default)) >= 80 * number
    other_worker()
    summary = operator.execute(tasks.context())
    assert len(emails(bigin_default)) == len(set(emails(bigin_default))) == 280
    assert summary["outcomes"]["created"] == summary["rows"] == 280
    assert not tasks.task_state


@pytest.mark.parametrize("on_missing", ["create", "reject"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_insert_with_lookups_killed_on_one_worker_goes_on_on_another(
    load, bigin_default, tasks, other_worker, number, on_missing
):
    """Rows name their companies, and one another's as a whole but for these."""
    firms = [f"Firm {i}" for i in range(3)]
    if on_missing == "reject":
        for name in firms:
            bigin_default.store.insert("Accounts", {"Account_Name": name})
    rows = [{"Last_Name": "Same", "Account_Name": firms[i % 3]} for i in range(250)]
    operator = load(
        rows,
        mode="insert",
        match_on=None,
        lookups={"Account_Name": {"match_on": "Account_Name", "on_missing": on_missing}},
        options={"settle_seconds": 0},
    )
    with killed(after_write=number):
        operator.execute(tasks.context())
    other_worker()
    summary = operator.execute(tasks.context())
    made = [r for r in bigin_default.store.records("Contacts") if r["Last_Name"] == "Same"]
    assert summary["outcomes"]["created"] == summary["rows"] == len(made) == 250
    found = Counter(r["Account_Name"]["name"] for r in made)
    assert found == {"Firm 0": 84, "Firm 1": 83, "Firm 2": 83}
    accounts = [r["Account_Name"] for r in bigin_default.store.records("Accounts")]
    assert sum(n in firms for n in accounts) == 3


def test_records_that_lookups_insert_are_no_leftovers_of_the_load(
    load, bigin_default, tasks, monkeypatch
):
    """They are written while rows are under way, whose intents stay in the journal."""
    rows = [{"Last_Name": f"Person {i}", "Phone": f"+1 {i}"} for i in range(1_100)]
    for row in rows[1_000:]:
        row["Account_Name"] = "New Firm"
    waited, forgotten = [], []
    monkeypatch.setattr(Transport, "pause", lambda _self, seconds: waited.append(seconds))
    forget = StreamJournal.forget

    def note(self, keys):
        listed = list(keys)
        forgotten.append({e.row_key for e in self.open_intents()} & set(listed))
        forget(self, listed)

    monkeypatch.setattr(StreamJournal, "forget", note)
    lookups = {"Account_Name": {"match_on": "Account_Name", "on_missing": "create"}}
    bigin_default.faults.add("slow", match={"method": "POST"}, times=8, seconds=0.5)
    summary = load(rows, match_on="Phone", lookups=lookups).execute(tasks.context())
    assert summary["outcomes"]["created"] == 1_100
    assert sum(waited) < 1
    assert sum(len(f) for f in forgotten) == 1_100 + 1


def test_what_cannot_be_told_is_never_sent_again(
    load, bigin_default, tasks, other_worker, tmp_path
):
    """Here: the file is another one by now, so nobody knows what the lost rows held."""
    operator = load(people(50), mode="insert", options={"settle_seconds": 0, "row_key": ["Email"]})
    with killed(after_write=1):
        operator.execute(tasks.context())
    other_worker()
    load([{**p, "Last_Name": "Another"} for p in people(60)])
    with pytest.raises(RejectedRecordsError) as failure:
        operator.execute(tasks.context())
    assert failure.value.summary["outcomes"]["created"] == 10
    assert failure.value.summary["outcomes"]["unknown"] == 50
    assert len(emails(bigin_default)) == 60
    assert {r["outcome"] for r in json_lines(tmp_path / "rejects.jsonl")} == {"unknown"}


def test_the_same_file_is_not_inserted_twice_by_another_run(load, bigin_default, tasks):
    operator = load(people(30), mode="insert", match_on=None)
    operator.execute(tasks.context("run-1"))
    again = operator.execute(tasks.context("run-2"))
    assert again["outcomes"]["skipped"] == 30
    assert len(emails(bigin_default)) == 30


def test_after_a_kill_the_last_writes_are_waited_for(
    load, bigin_default, tasks, other_worker, monkeypatch
):
    """A match field that is not unique: the engine must not look before they can be seen."""
    rows = [{"Last_Name": f"Person {i}", "Phone": f"+1 {i}"} for i in range(20)]
    operator = load(rows, match_on="Phone")
    with killed(after_write=1):
        operator.execute(tasks.context())
    other_worker()
    waited = []
    monkeypatch.setattr(Transport, "pause", lambda _self, seconds: waited.append(seconds))
    summary = operator.execute(tasks.context())
    assert summary["outcomes"]["unchanged"] == 20
    assert sum(waited) > 50
    assert bigin_default.store.count("Contacts") == 230 + 20


def test_the_checkpoint_holds_no_contents(load, tasks):
    operator = load(people(50), mode="insert", options={"row_key": ["Email"]})
    with killed(after_write=1):
        operator.execute(tasks.context())
    assert "@example.org" not in json.dumps(tasks.task_state)
    assert "Person" not in json.dumps(tasks.task_state)


def test_another_file_of_the_same_name_is_loaded_from_its_start(load, tasks):
    with pytest.raises(RejectedRecordsError):
        load([*people(5), BAD]).execute(tasks.context())
    summary = load(people(8)).execute(tasks.context())
    assert summary["rows"] == 8
    assert summary["outcomes"]["rejected"] == 0


def test_a_checkpoint_file_serves_where_airflow_has_no_state_store(load, tasks, tmp_path):
    context = {k: v for k, v in tasks.context().items() if k != "task_state_store"}
    where = tmp_path / "checkpoint.json"
    with pytest.raises(RejectedRecordsError):
        load([*people(3), BAD], checkpoint_path=str(where)).execute(context)
    assert json.loads(where.read_text())
    with pytest.raises(RejectedRecordsError) as failure:
        load(checkpoint_path=str(where)).execute(context)
    assert failure.value.summary["outcomes"]["created"] == 3
    load(people(3), checkpoint_path=str(where)).execute(context)
    assert json.loads(where.read_text()) == {}


def test_a_service_that_gives_out_keeps_what_was_done(load, bigin_default, tasks, monkeypatch):
    small_stretches(monkeypatch)
    monkeypatch.setenv(
        "AIRFLOW_CONN_BIGIN_DEFAULT",
        json.dumps(
            {
                "conn_type": "bigin",
                "host": bigin_default.base_url,
                "password": bigin_default.api_key,
                "extra": {"requests_per_second": 0, "max_credits": 35},
            }
        ),
    )
    from bigin_client.errors import CreditsExhaustedError

    with pytest.raises(CreditsExhaustedError):
        load(people(500)).execute(tasks.context())
    done = tasks.pushed["return_value"]["rows"]
    assert 100 <= done < 500
    again = load(requests_per_second=0)
    monkeypatch.setenv(
        "AIRFLOW_CONN_BIGIN_DEFAULT",
        json.dumps(
            {
                "conn_type": "bigin",
                "host": bigin_default.base_url,
                "password": bigin_default.api_key,
                "extra": {"requests_per_second": 0},
            }
        ),
    )
    summary = again.execute(tasks.context())
    assert summary["rows"] == 500
    assert len(emails(bigin_default)) == len(set(emails(bigin_default))) == 500


# --- inputs -----------------------------------------------------------------------------------


def test_what_an_extract_wrote_can_be_loaded_in_every_form(tasks, tmp_path):
    """Nothing differs, so nothing is written: all values survive the way there and back."""
    for form in ("jsonl", "csv", "parquet"):
        summary = BiginExtractToFileOperator(
            task_id="extract",
            module="Contacts",
            mode="full",
            output_path=str(tmp_path / form),
            format=form,
            max_rows_per_file=100,
        ).execute(tasks.context())
        folder = summary["manifest"].rpartition("/")[0]
        for number, source in enumerate((summary["path"], folder, summary["manifest"])):
            loaded = BiginLoadFromFileOperator(
                task_id=f"load-{form}-{number}", module="Contacts", input_path=source, match_on="id"
            ).execute(tasks.context())
            assert loaded["outcomes"]["unchanged"] == summary["rows"], (form, loaded)


def test_gzip_and_a_byte_order_mark(load, tasks, tmp_path):
    packed = tmp_path / "in.csv.gz"
    packed.write_bytes(gzip.compress("\ufeffLast_Name,Email\nÅse,a@example.org\n".encode()))
    summary = load(input_path=str(packed)).execute(tasks.context())
    assert summary["outcomes"]["created"] == 1


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("in.csv", "a,a\n1,2\n", "names a column twice"),
        ("in.csv.gz", "no gzip", "breaks off"),
        ("in.txt", "x", "format is not known"),
        ("missing.jsonl", None, "there is no file"),
    ],
)
def test_an_input_that_cannot_be_read_is_refused(load, tasks, tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=complaint):
        load(input_path=str(tmp_path / name)).execute(tasks.context())


def test_a_csv_row_with_cells_too_many_is_a_reject(load, tasks, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("Last_Name,Email\nA,a@example.org,more\nB,b@example.org\n")
    summary = load(input_path=str(path), max_rejects=1).execute(tasks.context())
    assert summary["rejects_by_code"] == {"UNREADABLE_ROW": 1}
    assert summary["outcomes"]["created"] == 1


def test_an_argument_among_the_options_is_refused(bigin_default, load, tasks):
    """It lost against the argument's default: rows meant for updates were created."""
    operator = load(people(2), options={"mode": "update", "fields": {"a": "Title"}})
    with pytest.raises(SettingsError, match="fields, mode would not count"):
        operator.execute(tasks.context())
    assert emails(bigin_default) == []


def test_an_option_that_does_not_exist_is_named(load, tasks):
    with pytest.raises(SettingsError, match="no option colour"):
        load(people(1), options={"colour": "red"}).execute(tasks.context())
