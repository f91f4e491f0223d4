"""Build the wheel and the sdist, and try each extra alone in a clean environment.

``python .ci/release.py`` takes the Python that runs it; ``--all`` takes each of 3.10 to 3.13 that
is found on the PATH or among pyenv's, and fails if one is missing. Called by `make test-release`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
#: The extras of pyproject.toml; "" is the distribution without any.
EXTRAS = ("", "parquet", "redis", "singer", "airflow", "all")
#: Environments that are made and tried at the same time.
AT_A_TIME = 2


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uv", default="uv", help="the uv to use")
    parser.add_argument("--all", action="store_true", help="each supported Python, not only this")
    options = parser.parse_args()
    # The programs below start in other folders.
    uv = str(Path(shutil.which(options.uv) or options.uv).resolve())
    pythons = {v: find(v) for v in VERSIONS} if options.all else {_own(): sys.executable}
    missing = [version for version, path in pythons.items() if path is None]
    failed = [f"Python {version}: not found on this machine" for version in missing]
    with tempfile.TemporaryDirectory(prefix="bigin-release-") as name:
        folder = Path(name)
        wheel = build(uv, folder / "dist")
        print(f"\n{'Python':8} {'extra':9} {'packages':>8} {'seconds':>8}")

        def tried(case: tuple[str, str]) -> str:
            version, extra = case
            home = folder / f"{version}-{extra or 'none'}"
            problem = attempt(uv, str(pythons[version]), wheel, extra, home)
            return f"Python {version} [{extra}]: {problem}" if problem else ""

        cases = [(version, extra) for version, path in pythons.items() if path for extra in EXTRAS]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            failed += filter(None, pool.map(tried, cases))
    for problem in failed:
        print(f"\nFAILED: {problem}", file=sys.stderr)
    return bool(failed)


def find(version: str) -> str | None:
    """Return the interpreter of a version: pyenv's, else the PATH's; None: there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
    on_path = shutil.which(f"python{version}")
    # pyenv's shims stand on the PATH for versions that it then refuses to run.
    return found[-1] if found else on_path if on_path and "shims" not in on_path else None


def build(uv: str, folder: Path) -> Path:
    """Return the wheel, built from the sdist so that the sdist is known to be whole."""
    command = [uv, "build", "--quiet", "--python", sys.executable, "--out-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, cwd=folder.parent)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if n.endswith((".py", "py.typed"))}
    with tarfile.open(sdist) as archive:
        names = {n.partition("/")[2] for n in archive.getnames()}
    packed = {n for n in names if n.endswith((".py", "py.typed"))}
    if packed != inside:
        raise SystemExit(f"wheel and sdist differ: {sorted(packed ^ inside)}")
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {len(inside)} files")
    print(f"{sdist.name}: {sdist.stat().st_size:,} bytes")
    return wheel


def attempt(uv: str, python: str, wheel: Path, extra: str, home: Path) -> str:
    """Install one extra alone and run `smoke.py` there; returns what went wrong, or nothing."""
    started = time.monotonic()
    programs = home / "bin"
    wanted = f"bigin-connectors[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    # The caller's environment must not leak in: a key, a path of modules, another virtualenv.
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith(_KEPT_PREFIXES)}
    kept |= {"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(home.parent)}
    into = ["--quiet", "--python", str(programs / "python")]
    steps = [
        [uv, "venv", "--quiet", "--python", python, str(home)],
        [uv, "pip", "install", *into, "-c", str(ROOT / "constraints.txt"), wanted],
        [uv, "pip", "check", *into],
        [str(programs / "python"), "-I", str(ROOT / ".ci/smoke.py"), extra],
    ]
    for step in steps:
        inside = step[0] != uv
        done = subprocess.run(
            step,
            cwd=home if inside else home.parent,
            env=kept if inside else None,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=600,
        )
        if done.returncode:
            said = (done.stdout + done.stderr)[-3000:]
            return f"{' '.join(step[:3])} … ended with {done.returncode}\n{said}"
    (count,) = [int(x) for x in done.stdout.split() if x.isdigit()][-1:]
    seconds = time.monotonic() - started
    version = home.name.partition("-")[0]
    print(f"{version:8} {extra or '(none)':9} {count:8} {seconds:8.1f}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    return ""


#: Of the caller's environment: what a program needs to start and to reach a certificate.
_KEPT = ("LANG", "LC_ALL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_KEPT_PREFIXES = ("XDG_RUNTIME",)


def _own() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


if __name__ == "__main__":
    sys.exit(main())
