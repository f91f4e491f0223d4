"""The console script `tap-bigin`; also ``python -m tap_bigin``."""

from __future__ import annotations

import sys

from bigin_client import console

PROGRAM = "tap-bigin"


def main() -> None:
    """Run the tap and leave with a documented exit code."""
    try:
        from tap_bigin.run import run  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        if (error.name or "").split(".")[0] in {"tap_bigin", "bigin_client"}:
            raise
        sys.exit(console.missing_extra(PROGRAM, "singer", error))
    sys.exit(console.run(PROGRAM, lambda: run(sys.argv[1:])))


if __name__ == "__main__":
    main()
