"""``python -m bigin_client.contract FILE``: bring the table in a document up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from bigin_client.contract.table import replaced


def main(arguments: list[str]) -> int:
    """Rewrite the documents that are named; returns the exit code."""
    for name in arguments:
        path = Path(name)
        path.write_text(replaced(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0 if arguments else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
