"""Settings out of environment variables, by the JSON Schema that they must fit.

For the Singer front ends' ``--config=ENV``. The Singer SDK's own reading leaves numbers as text,
takes any word but true for false, and ends with a traceback on a wrong one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from bigin_client.errors import SettingsError

_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_NEEDED: Final = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a JSON array",
    "object": "a JSON object",
}
#: Takes what no other kind fits.
_TEXT: Final = "string"


def settings_from(
    environ: Mapping[str, str], prefix: str, schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that variables give.

    Args:
        environ: The environment.
        prefix: Of their names: ``TAP_BIGIN_``.
        schema: JSON Schema of an object; of each property its ``type`` counts.

    Returns:
        Setting → value. A blank variable says nothing.

    Raises:
        SettingsError: A variable cannot be read as its type. Its value is not shown.
    """
    found = {}
    for name, about in schema.get("properties", {}).items():
        variable = f"{prefix}{name.upper()}"
        text = environ.get(variable, "").strip()
        if text:
            found[name] = _value(variable, text, _kinds(about))
    return found


def _kinds(about: Mapping[str, Any]) -> list[str]:
    kinds = about.get("type", [])
    return [k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null"]


def _value(variable: str, text: str, kinds: list[str]) -> Any:
    for kind in kinds:
        value = _read(kind, text)
        if value is not None:
            return value
    if not kinds or _TEXT in kinds:
        return text
    if "array" in kinds and not text.startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    needed = " or ".join(_NEEDED[k] for k in kinds if k in _NEEDED)
    raise SettingsError(f"{variable} must be {needed}")


def _read(kind: str, text: str) -> Any:
    """Return what a text says as one kind, None when it says nothing of it."""
    if kind == "boolean":
        return _WORDS.get(text.lower())
    if kind == "integer":
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None
    if kind == "number":
        return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else None
    if kind not in {"array", "object"}:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list if kind == "array" else dict) else None
