"""The console script `tap-bigin`; also ``python -m tap_bigin``."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from typing import Final

from bigin_client import console

PROGRAM: Final = "tap-bigin"
#: Containers made between two looks of the garbage collector, where Python's own default is 700.
#: A page makes thousands, none of them in a cycle: looking through them took a tenth of the time.
COLLECT_AFTER: Final = 10_000
#: Parameter of glibc's mallopt, and its own default. Unless it is set, it grows with the first
#: pages that are freed; the later ones then leave holes in the heap, a fifth of the memory.
M_MMAP_THRESHOLD: Final = -3
MMAP_THRESHOLD: Final = 131_072


def main() -> None:
    """Run the tap and leave with a documented exit code."""
    try:
        from tap_bigin.run import run  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        if (error.name or "").split(".")[0] in {"tap_bigin", "bigin_client"}:
            raise
        sys.exit(console.missing_extra(PROGRAM, "singer", error))
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
    sys.exit(console.run(PROGRAM, lambda: run(sys.argv[1:])))


if __name__ == "__main__":
    main()
