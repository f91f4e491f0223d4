"""Write the tables of README.md that come from code: ``python tests/docs/readme_tables.py``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

from bigin_client.console import ExitCode
from bigin_client.settings import DEFAULT_BASE_URL, ENVIRONMENT, Settings

README = Path(__file__).resolve().parents[2] / "README.md"
#: Defaults that the dataclass does not show, because they depend on the environment.
_DEFAULTS = {"api_key": "required", "base_url": DEFAULT_BASE_URL, "rate_limit_store": "a file"}


def settings_table() -> str:
    """Return the table of the settings that all programs share."""
    meanings = _meanings()
    lines = ["| Setting | Environment | Default | Meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(Settings):
        if field.init:
            variable = ENVIRONMENT.get(field.name, "")
            lines.append(
                f"| {field.name} | {variable} | {_default(field)} | {meanings[field.name]} |"
            )
    return "\n".join(lines)


def exit_codes() -> str:
    """Return the exit codes in one line."""
    found = [f"**{code.value}** {code.meaning}" for code in ExitCode]
    return " · ".join([*found, "**128 + n** ended by signal n"]) + "."


def with_tables(text: str) -> str:
    """Return the README's text with the table and the exit codes as they must be."""
    for name, table in (("settings", settings_table()), ("exit codes", exit_codes())):
        begin, end = f"<!-- {name}: made by tests/docs/readme_tables.py -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return text


def _meanings() -> dict[str, str]:
    """Return setting → its first sentence in the docstring of `Settings`."""
    text = inspect.getdoc(Settings).split("Args:\n")[1].split("\n\nRaises:")[0]
    entries = re.split(r"^    (?=\w+: )", text, flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        name, meaning = entry.split(": ", 1)
        words = " ".join(meaning.split()).replace("``", "`")
        found[name] = re.split(r"(?<=[.;])\s(?=[A-Z])", words)[0].rstrip(".")
    return found


def _default(field: dataclasses.Field) -> str:
    if field.name in _DEFAULTS:
        return _DEFAULTS[field.name]
    factory = field.default_factory
    value = field.default if factory is dataclasses.MISSING else factory()
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
