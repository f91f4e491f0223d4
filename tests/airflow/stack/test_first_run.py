"""The first run of `docs/airflow.md`, as a newcomer types it: in an empty folder, in a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.airflow.conftest import json_lines
from tests.airflow.stack.servers import LEASH, end_group, free_port, until
from tests.airflow.stack.stack import AIRFLOW
from tests.airflow.stack.stories import MAPPED, shot

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


def blocks(root: Path) -> list[str]:
    """Return the page's shell blocks, in order; all are of this section."""
    text = (root / "docs/airflow.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the newcomer's empty folder."""
    empty = tmp_path / "newcomer"
    empty.mkdir()
    return empty


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """Return a checkout whose example writes below the test's folder."""
    example = Path("example_dags", f"{MAPPED}.py")
    copy = tmp_path / "checkout" / example
    copy.parent.mkdir(parents=True)
    text = (root / example).read_text()
    assert '"/tmp/bigin"' in text, "the page says where the files are"
    copy.write_text(text.replace("/tmp/bigin", str(tmp_path / "out")))
    return tmp_path / "checkout"


@pytest.fixture
def account() -> Iterator[str]:
    """Run `bigin simulate`; returns the lines to paste."""
    command = str(Path(AIRFLOW).with_name("bigin"))
    called = [*LEASH, command, "simulate", "--port", "0"]
    with subprocess.Popen(called, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        pasted = [line for line in lines if line.startswith("  export ")]
        assert len(pasted) == 2, "the page says that two lines are printed"
        yield "".join(pasted)
        process.terminate()


def test_install(root: Path) -> None:
    """The first block: a real installation is what `make test-release` tries, from a wheel."""
    install, _walk = blocks(root)
    assert install.splitlines()[1:] == [
        "python3 -m venv .venv && . .venv/bin/activate",
        'pip install "$CHECKOUT[airflow]"',
    ]


def test_a_newcomer_sees_the_mapped_extract_green(
    root: Path, checkout: Path, folder: Path, account: str, page: Any
) -> None:
    """The second block in one shell, then the button; the port is the test's."""
    port = free_port()
    url = f"http://localhost:{port}"
    environment = {
        "PATH": f"{Path(AIRFLOW).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "CHECKOUT": str(checkout),
        # The page leaves these at their defaults; another Airflow may have the port.
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
    }
    script = "set -e\n" + account + blocks(root)[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*LEASH, "bash", "-c", script],
            env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: is_there(process, folder, f"{url}/api/v2/monitor/health"), 240, "Airflow")
        session = requests.Session()
        token = session.get(f"{url}/auth/token", timeout=10).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        dag = f"{url}/api/v2/dags/{MAPPED}"
        until(lambda: session.get(dag, timeout=30).ok, 120, "the DAG")
        page.goto(f"{url}/dags/{MAPPED}")
        page.get_by_role("button", name="Trigger").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("Unpause", exact=False).first.wait_for()
        dialog.get_by_role("button", name="Trigger").last.click()

        def ended() -> dict[str, Any] | None:
            runs = session.get(f"{dag}/dagRuns", timeout=30).json()["dag_runs"]
            return next((r for r in runs if r["state"] in {"success", "failed"}), None)

        run = until(ended, 240, "the run's end")
        assert run["state"] == "success"
        page.goto(f"{url}/dags/{MAPPED}/runs/{run['dag_run_id']}")
        page.get_by_text("Success").first.wait_for()
        page.wait_for_timeout(1_500)  # the chart glides into its place
        shot(page, folder, "first-run")
    finally:
        end_group(process)
    manifests = list(checkout.with_name("out").glob("module=*/run=*/_manifest.json"))
    assert {"module=Contacts", "module=Accounts"} <= {m.parts[-3] for m in manifests}
    for manifest in manifests:
        for file in json.loads(manifest.read_text())["files"]:
            assert len(json_lines(file["path"])) == file["rows"]


def is_there(process: subprocess.Popen[bytes], folder: Path, url: str) -> bool:
    """Whether a page is there; without a process there is nothing to wait for."""
    assert process.poll() is None, (folder / "log").read_text()[-3000:]
    try:
        parts = requests.get(url, timeout=5).json()
    except requests.RequestException:
        return False
    return parts["scheduler"]["status"] == parts["dag_processor"]["status"] == "healthy"
