"""The page about a run: of an extract and of a load, whatever came of them."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from airflow_provider_bigin.operators.records import BiginUpsertRecordsOperator
from bigin_client.errors import BiginError, RejectedRecordsError, ServiceError, SettingsError

pytestmark = pytest.mark.usefixtures("bigin_default")


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "worker"))


@pytest.fixture
def page(tmp_path):
    """Return where the page is; its text comes without what stands between the words."""

    class Page:
        path = str(tmp_path / "pages" / "run.html")

        @property
        def text(self):
            body = Path(self.path).read_text(encoding="utf-8").partition("</style>")[2]
            return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    return Page()


def extract(tmp_path, page, **arguments):
    given = {"task_id": "extract", "module": "Contacts", "mode": "full"}
    given |= {"output_path": str(tmp_path / "out.jsonl"), "report_html": page.path}
    return BiginExtractToFileOperator(**{**given, **arguments})


@pytest.fixture
def load(tmp_path, page):
    def make(rows, **arguments):
        source = tmp_path / "in.jsonl"
        source.write_text("\n".join(map(json.dumps, rows)))
        given = {"task_id": "load", "module": "Contacts", "match_on": "Email"}
        given |= {"input_path": str(source), "rejects_path": str(tmp_path / "rejects.jsonl")}
        return BiginLoadFromFileOperator(**{**given, "report_html": page.path, **arguments})

    return make


GOOD = [{"Last_Name": f"Planted {i}", "Email": f"planted{i}@example.org"} for i in range(7)]
BAD = {"Email": "planted@example.org"}


def test_an_extract_shows_what_it_read(bigin_default, tasks, tmp_path, page):
    summary = extract(tmp_path, page).execute(tasks.context())
    assert summary["report_html"] == page.path
    assert "Export from Bigin ok" in page.text
    assert f"Contacts ok {bigin_default.store.count('Contacts')} 0" in page.text
    assert bigin_default.api_key not in Path(page.path).read_text()


def test_an_extract_that_fails_says_why(bigin_default, tasks, tmp_path, page):
    bigin_default.faults.add("status", status=400, match={"operation": "list"}, times=50)
    with pytest.raises(BiginError) as failure:
        extract(tmp_path, page).execute(tasks.context())
    assert "Export from Bigin failed" in page.text
    assert failure.value.message in page.text


def test_a_load_shows_its_outcomes_and_reasons(bigin_default, tasks, page, load):
    with pytest.raises(RejectedRecordsError):
        load([*GOOD, BAD]).execute(tasks.context())
    assert tasks.pushed["return_value"]["report_html"] == page.path
    assert "Load into Bigin rejects" in page.text
    assert "Contacts upsert 8 7 1" in page.text
    assert "MANDATORY_NOT_FOUND 1" in page.text
    whole = Path(page.path).read_text()
    assert "lanted" not in whole
    assert bigin_default.api_key not in whole


def test_the_page_of_a_second_try_counts_all_tries(tasks, page, load, monkeypatch):
    from airflow_provider_bigin import loading

    monkeypatch.setattr(loading, "STRETCH", 4)
    real, calls = loading.Load._load_stretch, []

    def fail_in_the_second(self, run, loader, source, stretch, progress):
        calls.append(1)
        if len(calls) == 2:
            raise ServiceError("the service gave out")
        real(self, run, loader, source, stretch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(loading.Load, "_load_stretch", fail_in_the_second)
        operator = load(GOOD)
        with pytest.raises(ServiceError):
            operator.execute(tasks.context())
    assert "Contacts upsert 4 4" in page.text
    assert "the service gave out" in page.text
    operator.execute(tasks.context())
    assert "Contacts upsert 7 7" in page.text
    assert "all tries" in page.text


def test_a_load_that_stops_says_why(bigin_default, tasks, page, load):
    bigin_default.faults.add("status", status=403, match={"operation": "upsert"}, times=50)
    bigin_default.faults.add("status", status=403, match={"operation": "insert"}, times=50)
    with pytest.raises(BiginError) as failure:
        load(GOOD).execute(tasks.context())
    assert "Load into Bigin failed" in page.text
    assert failure.value.message in page.text


def test_a_place_that_cannot_be_is_refused_before_anything_is_done(
    bigin_default, tasks, tmp_path, page, load
):
    (tmp_path / "file").write_text("no folder")
    for place, complaint in (
        ("nowhere://lake/page.html", "Install the Airflow provider"),
        (str(tmp_path / "file" / "page.html"), "cannot be made"),
    ):
        for operator in (
            load(GOOD, report_html=place),
            extract(tmp_path, page, report_html=place),
        ):
            with pytest.raises(SettingsError, match=complaint):
                operator.execute(tasks.context())
    assert bigin_default.requests == []


@pytest.fixture
def full_disk():
    """Let no page be written; returns what ends that."""
    from bigin_client import report_html

    def write(*_args):
        raise OSError("No space left on device")

    patch = pytest.MonkeyPatch()
    patch.setattr(report_html, "write", write)
    yield patch.undo
    patch.undo()


@pytest.mark.usefixtures("full_disk")
def test_a_page_that_cannot_be_written_does_not_hide_why_the_load_failed(tasks, load):
    with pytest.raises(RejectedRecordsError):
        load([BAD]).execute(tasks.context())


def test_a_page_that_cannot_be_written_after_a_good_load_fails_the_task_but_doubles_nothing(
    bigin_default, tasks, page, load, full_disk
):
    operator = load(GOOD)
    with pytest.raises(OSError, match="No space"):
        operator.execute(tasks.context())
    full_disk()
    before = len(bigin_default.requests)
    assert operator.execute(tasks.context())["outcomes"]["created"] == 7
    assert [e for e in bigin_default.requests[before:] if e.method != "GET"] == []
    assert "Contacts upsert 7 7" in page.text


def test_single_records_have_one_too(tasks, page):
    BiginUpsertRecordsOperator(
        task_id="t", module="Contacts", match_on="Email", records=GOOD, report_html=page.path
    ).execute(tasks.context())
    assert "Contacts upsert 7 7" in page.text
