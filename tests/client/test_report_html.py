"""The page about a run: what it says, what it must not hold, and that it needs nothing else."""

from __future__ import annotations

import stat
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from bigin_client import BiginClient, Settings
from bigin_client.cli import app
from bigin_client.errors import NotFoundError
from bigin_client.load import LoadOptions, LoadRun, RunOptions
from bigin_client.report_html import MOST_POINTS, Curve, Point, export_page, load_page
from bigin_client.testing import BiginSimulator


class Page(HTMLParser):
    """A page's text, and what it would fetch."""

    def __init__(self, html):
        super().__init__()
        self.words, self.fetched, self.open = [], [], []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.fetched += [v for n, v in attrs if n in {"src", "href", "srcset", "data"}]
        if tag not in {"meta", "path"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"meta", "path"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1:] != ["style"]:
            self.words.append(data.strip())

    @property
    def text(self):
        return " | ".join(self.words)


@pytest.fixture(scope="module")
def account():
    with BiginSimulator(seed=3, sizes={"Contacts": 30, "Accounts": 5}) as sim:
        yield sim


def settings(account):
    return Settings(api_key=account.api_key, base_url=account.base_url, rate_limit_store="memory")


def test_a_load_shows_outcomes_rejects_and_plan(account, tmp_path):
    rows = [{"Email": f"planted{i}@example.com", "Last_Name": "Plantedname"} for i in range(7)]
    rows += [{"Email": "", "Last_Name": "Plantedname"}, {"Email": "planted9@example.com"}]
    path = tmp_path / "pages" / "load.html"
    with BiginClient(settings(account)) as client:
        report = client.load(
            "Contacts",
            rows,
            match_on=["Email"],
            rejects_path=str(tmp_path / "rejects.jsonl"),
            report_html=str(path),
        )
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert "Load into Bigin | rejects" in page.text
    assert "Contacts | Contacts | upsert | 9 | 7 | 2" in page.text
    assert "MANDATORY_NOT_FOUND | 1" in page.text
    assert "MATCH_KEY_MISSING | 1" in page.text
    used, planned = report.credits_used, report.credits_predicted
    off = f"{used - planned:+}" if used != planned else "0"
    assert f"Credits | {planned} | {used} | {off}" in page.text
    assert "lanted" not in html
    assert account.api_key not in html
    assert account.connection_id not in html
    assert page.fetched == []
    assert "http" not in html.replace("http-equiv", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_load_that_failed_says_why(account, tmp_path):
    path = tmp_path / "load.html"
    with BiginClient(settings(account)) as client:
        with LoadRun(client, RunOptions(report_html=str(path))) as run:
            run.stream("people", "Contacts", LoadOptions(match_on=("Email",)))
            run.fail(NotFoundError("<b>no such</b> module"), "people")
            run.close()
    page = Page(path.read_text(encoding="utf-8"))
    assert "| failed |" in page.text
    assert "<b>no such</b> module" in page.text


def test_an_export_shows_its_modules(account, tmp_path, monkeypatch):
    monkeypatch.setenv("MATON_API_KEY", account.api_key)
    monkeypatch.setenv("MATON_API_BASE_URL", account.base_url)
    path = tmp_path / "export.html"
    command = ["export", "Contacts", "Accounts", "--to", str(tmp_path), "--report-html", str(path)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    page = Page(path.read_text(encoding="utf-8"))
    assert "Export from Bigin | ok" in page.text
    records = account.store.count("Contacts")
    assert f"Contacts | ok | {records} |" in page.text
    assert "Accounts | ok | 5 |" in page.text
    assert page.fetched == []


def test_a_module_that_could_not_be_read_makes_the_page_say_failed():
    row = {"module": "Tasks", "status": "failed", "records": None, "deletions": None}
    row |= {"credits": None, "warnings": ["slow"], "reason": "no scope"}
    page = Page(export_page([row], Curve(int, int)))
    assert "Export from Bigin | failed" in page.text
    assert "Tasks: slow | Tasks: no scope" in page.text


def test_a_curve_is_bounded_and_ends_where_the_run_ended():
    now = [0.0]
    curve = Curve(lambda: int(now[0]), lambda: 2 * int(now[0]), lambda: now[0])
    for _ in range(10_000):
        now[0] += 1
        curve.advance(3)
    curve.end()
    assert len(curve.points) <= MOST_POINTS
    assert len(curve.points) > MOST_POINTS / 4
    assert curve.points[0] == Point(0, 0, 0, 0)
    assert curve.points[-1] == Point(10_000, 30_000, 10_000, 20_000)
    seconds = [p.seconds for p in curve.points]
    assert seconds == sorted(seconds)


def test_a_dry_run_says_that_nothing_was_written_and_compares_nothing():
    report = {"status": "ok", "dry_run": True, "seconds": 1.0, "requests": 1}
    report |= {"credits": {"predicted": 12, "used": 1}, "streams": {}}
    page = Page(load_page(report, Curve(int, int)))
    assert "nothing was written" in page.text
    assert "12 | credits, if it were loaded" in page.text
    assert "Actual" not in page.text
