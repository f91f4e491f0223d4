"""How every console script ends: one clear line and a documented exit code.

Exit codes (design.md section 13): 0 done · 1 unexpected · 2 wrong settings or input, nothing
sent · 3 key or connection · 4 service or credits gave out · 5 more rejects than allowed · 6 a
stream failed · 128+n ended by signal n.
"""

from __future__ import annotations

import enum
import os
import sys
import traceback
from collections.abc import Callable, Iterable

from bigin_client.errors import BiginError


class ExitCode(enum.IntEnum):
    """The exit codes of all commands."""

    DONE = 0
    UNEXPECTED = 1
    SETTINGS = 2
    CONNECTION = 3
    SERVICE = 4
    REJECTS = 5
    STREAM_FAILED = 6

    @property
    def meaning(self) -> str:
        """In plain words."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.UNEXPECTED: "unexpected failure",
    ExitCode.SETTINGS: "wrong settings or input, nothing sent",
    ExitCode.CONNECTION: "key or connection",
    ExitCode.SERVICE: "service or credits gave out",
    ExitCode.REJECTS: "more rejects than allowed",
    ExitCode.STREAM_FAILED: "a stream failed",
}
#: When several apply, the first of these wins.
_PRECEDENCE = (
    ExitCode.UNEXPECTED,
    ExitCode.SETTINGS,
    ExitCode.CONNECTION,
    ExitCode.SERVICE,
    ExitCode.STREAM_FAILED,
    ExitCode.REJECTS,
)


def worst(codes: Iterable[int]) -> ExitCode:
    """Return the exit code of a run in which several applied."""
    present = set(codes)
    return next((c for c in _PRECEDENCE if c in present), ExitCode.DONE)


def run(
    program: str,
    body: Callable[[], int | None],
    *,
    settings_errors: tuple[type[Exception], ...] = (),
) -> int:
    """Run a console script and return its exit code.

    The last line on standard error names the code, because Meltano shows only 1. A traceback
    is printed only when ``BIGIN_TRACEBACK`` is set.

    Args:
        program: Name for the messages.
        body: Does the work; returns an exit code or None for 0.
        settings_errors: A framework's own errors for a wrong configuration.
    """
    try:
        code = body() or ExitCode.DONE
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        # The reader has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.UNEXPECTED
    except KeyboardInterrupt:
        code = 128 + 2
    except settings_errors as error:
        code = _report(program, str(error), ExitCode.SETTINGS)
    except BiginError as error:
        code = _report(program, str(error), ExitCode(error.exit_code))
    except Exception as error:  # noqa: BLE001 - the last door
        # Its text may hold a record's contents, so it is shown only when asked for.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119 - text only
        code = _report(
            program,
            f"unexpected {type(error).__name__} at {where}. Set BIGIN_TRACEBACK=1 to see all "
            "of it, and please report it",
            ExitCode.UNEXPECTED,
        )
    if code:
        name = ExitCode(code).meaning if code in set(ExitCode) else f"signal {code - 128}"
        print(f"{program}: exit code {code}: {name}", file=sys.stderr)  # noqa: T201
    return code


def _report(program: str, message: str, code: ExitCode) -> ExitCode:
    if os.environ.get("BIGIN_TRACEBACK") and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(f"{program}: {message}", file=sys.stderr)  # noqa: T201
    return code


def missing_extra(program: str, extra: str, error: ImportError) -> int:
    """Say which extra to install; returns the exit code."""
    print(  # noqa: T201
        f"{program}: {error.name or 'a package'} is not installed. "
        f"Run: pip install 'bigin-connectors[{extra}]'",
        file=sys.stderr,
    )
    print(f"{program}: exit code 2: {ExitCode.SETTINGS.meaning}", file=sys.stderr)  # noqa: T201
    return ExitCode.SETTINGS
