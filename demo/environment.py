"""The environment variables of the demo's programs, and a file to source them from."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from project import Workplace

#: What the programs may see of the caller's shell: no keys, no settings, no proxies.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")
#: With the real account also the way to it, and the user's own pace.
_REAL = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_REAL_PREFIXES = ("MATON_", "BIGIN_")


def variables(work: Workplace, *, real: bool) -> dict[str, str]:
    """Return the variables of all programs.

    Args:
        work: The folder of the run.
        real: Read the real account: the caller's key, pace and proxies are passed on.
    """
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if real:
        names = [n for n in os.environ if n.upper() in _REAL or n.startswith(_REAL_PREFIXES)]
        # The pace is kept in the home's cache folder, shared with all that use the key.
        found.update({name: os.environ[name] for name in [*names, "HOME"]})
    else:
        found["HOME"] = str(_made(work.folder / "home"))
    return found | {
        "NO_COLOR": "1",
        "MELTANO_ENVIRONMENT": "demo",
        "MELTANO_AUTO_INSTALL": "false",
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "1",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "AIRFLOW_HOME": str(work.airflow),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        # The key comes from MATON_API_KEY, as everywhere.
        "AIRFLOW_CONN_BIGIN_DEFAULT": '{"conn_type": "bigin"}',
    }


def write_script(work: Workplace, environment: dict[str, str]) -> Path:
    """Write ``environment.sh``, to type the demo's commands oneself; returns its path."""
    places = [work.root / ".venv" / name / "bin" for name in ("meltano", "airflow", "dev")]
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    lines.append(f"export PATH={shlex.quote(':'.join(map(str, places)))}:$PATH")
    lines.append(f"cd {shlex.quote(str(work.project))}")
    script = work.folder / "environment.sh"
    script.touch(mode=0o600)  # it holds the key
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return script


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
