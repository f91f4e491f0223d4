"""Write the Hub definitions in meltano/ and our settings in meltano.yml, from ``--about``.

Run it when a setting changes: ``python tests/meltano/definitions.py``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
#: Plugin → its kind in Meltano's words.
PLUGINS = {"tap-bigin": "extractors", "target-bigin": "loaders"}

#: JSON type → Meltano's kind; the first that the setting may have.
_KINDS = {
    "array": "array",
    "object": "object",
    "boolean": "boolean",
    "number": "decimal",
    "integer": "integer",
    "string": "string",
}
#: What a JSON Schema does not tell.
_SPECIAL_KINDS = {
    "api_key_file": "file",
    "ca_bundle": "file",
    "journal_path": "file",
    "max_rejects": "string",
}
_OPTION_LABELS = {
    ("deletes", "stream"): "Stream deleted_records",
    ("deletes", "rows"): "Rows with _sdc_deleted_at",
    ("on_delete", "ignore"): "Skip them",
    ("on_delete", "delete"): "Delete the record",
}
#: `meltano add` does not take `use_cached_catalog` over from a definition.
_TAP_USAGE = (
    "Put `use_cached_catalog: false` into the plugin's entry of meltano.yml. Meltano otherwise "
    "goes on with the catalog of the first run, and fields that Bigin gets later are missed "
    "without a word."
)
_PLACEHOLDERS = {"base_url": "https://api.maton.ai"}


def about(plugin: str) -> dict[str, Any]:
    """Return what ``--about`` says."""
    script = Path(sys.executable).with_name(plugin)
    done = subprocess.run(
        [script, "--about", "--format=json"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settings(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the settings in Meltano's form."""
    return [_setting(n, p) for n, p in said["settings"]["properties"].items()]


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    types = [t for t in schema["type"] if t != "null"]
    kind = _SPECIAL_KINDS.get(name) or next(_KINDS[t] for t in _KINDS if t in types)
    if schema.get("format") == "date-time":
        kind = "date_iso8601"
    options = [v for v in schema.get("enum") or () if v is not None]
    if options:
        kind = "options"
    found: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "label": schema["title"],
        "description": schema["description"],
    }
    if schema.get("writeOnly"):
        found["sensitive"] = True
    if options:
        found["options"] = [
            {"label": _OPTION_LABELS.get((name, v), v.capitalize()), "value": v} for v in options
        ]
    if name in _PLACEHOLDERS:
        found["placeholder"] = _PLACEHOLDERS[name]
    return found


def hub_definition(plugin: str) -> dict[str, Any]:
    """Return what the Meltano Hub wants to know of a plugin."""
    said = about(plugin)
    usage = {"usage": _TAP_USAGE} if plugin.startswith("tap") else {}
    return {
        "name": plugin,
        "variant": "bigin-connectors",
        "namespace": plugin.replace("-", "_"),
        "label": "Zoho Bigin through Maton",
        "description": said["description"],
        "domain_url": "https://www.bigin.com/",
        "pip_url": "bigin-connectors[singer]",
        "executable": plugin,
        "capabilities": sorted(said["capabilities"]),
        "keywords": ["api", "crm", "zoho"],
        "maintenance_status": "beta",
        "settings_group_validation": [["api_key"], ["api_key_file"]],
        **usage,
        "settings": settings(said),
    }


def as_yaml(definition: dict[str, Any]) -> str:
    """Return the text of a Hub file."""
    name = definition["name"]
    kind = PLUGINS[name].removesuffix("s")
    return (
        "# Made by tests/meltano/definitions.py from --about. Without network, in a project:\n"
        f"# meltano add --plugin-type {kind} {name} --from-ref path/to/this/file\n"
        + yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=100)
    )


def with_settings(text: str, plugin: str, found: list[dict[str, Any]]) -> str:
    """Return meltano.yml's text with a plugin's settings as they must be."""
    begin = f"    settings: # of {plugin}, made by tests/meltano/definitions.py\n"
    before, rest = text.split(begin)
    # The next line that stands as far left as the plugin's own keys, or further, ends them.
    after = re.search(r"^(?!    - |      )", rest, re.MULTILINE)
    lines = [
        "    - " + yaml.safe_dump(s, sort_keys=False, default_flow_style=True, width=9999).strip()
        for s in found
    ]
    return before + begin + "\n".join(lines) + "\n" + rest[after.start() if after else len(rest) :]


def main() -> None:
    """Write the files."""
    meltano = ROOT / "meltano.yml"
    for plugin in PLUGINS:
        definition = hub_definition(plugin)
        (ROOT / "meltano" / f"{plugin}.yml").write_text(as_yaml(definition), encoding="utf-8")
        text = meltano.read_text(encoding="utf-8")
        text = with_settings(text, plugin, definition["settings"])
        meltano.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
