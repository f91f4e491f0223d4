"""A Meltano project and an Airflow home for one run of the demo, apart from everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

#: Its presence says that a folder was made by the demo and may be replaced.
MARK = ".made-by-demo"


class Workplace:
    """The folder of one run.

    Args:
        root: The checkout.
        folder: Where the run keeps its files; an earlier run's are removed.

    Raises:
        FileExistsError: The folder holds something that the demo did not make.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.project = folder / "meltano"
        self.warehouse = self.project / "warehouse.duckdb"
        self.rows = self.project / "rows" / "crm_customers.jsonl"
        self.reports = self.project / "reports"
        self.airflow = folder / "airflow"
        self.logs = folder / "logs"
        self._clear()
        self._make_project()

    def _clear(self) -> None:
        if self.folder.exists():
            if any(self.folder.iterdir()) and not (self.folder / MARK).exists():
                raise FileExistsError(f"{self.folder} is not empty and was not made by the demo")
            shutil.rmtree(self.folder)
        for folder in (self.project, self.rows.parent, self.reports, self.airflow, self.logs):
            folder.mkdir(parents=True)
        (self.folder / MARK).touch()

    def _make_project(self) -> None:
        """Copy the checkout's meltano.yml; the plugins' environments are shared with it."""
        text = (self.root / "meltano.yml").read_text(encoding="utf-8")
        # Meltano adds a project_id, without a line end, when it is first run in the checkout.
        (self.project / "meltano.yml").write_text(
            f"{text.rstrip()}\ninclude_paths: [demo.yml]\n", encoding="utf-8"
        )
        shutil.copy(self.root / "demo" / "meltano.yml", self.project / "demo.yml")
        for kind in ("extractors", "loaders"):
            link = self.project / ".meltano" / kind
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(self.root / ".meltano" / kind, target_is_directory=True)
