"""Console script `target-bigin`; also `python -m target_bigin`."""

from __future__ import annotations

import sys

from bigin_client import console

PROGRAM = "target-bigin"


def main() -> int:
    """Run the target and return its exit code (design.md section 13)."""
    try:
        from target_bigin.command import run  # noqa: PLC0415 - the extra may be missing
    except ImportError as error:
        if (error.name or "").split(".")[0] in {"bigin_client", "target_bigin"}:
            raise
        return console.missing_extra(PROGRAM, "singer", error)
    return console.run(PROGRAM, run)


if __name__ == "__main__":
    sys.exit(main())
