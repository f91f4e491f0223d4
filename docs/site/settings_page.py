"""The page of all settings, from the code that reads them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import runpy
from pathlib import Path
from typing import Any

from tables import table

from airflow_provider_bigin.get_provider_info import get_provider_info
from bigin_client.load import LoadOptions
from tap_bigin.settings import OWN
from target_bigin.config import ONLY_PER_STREAM, PER_STREAM, WHOLE_RUN

_README_TABLES = Path(__file__).resolve().parents[2] / "tests/docs/readme_tables.py"

PAGE = """\
# Settings

Made from the code. Every program has the shared settings; `tap-bigin --about` and
`target-bigin --about` print theirs.

## Shared by all programs

{shared}
An unset setting comes from the environment variable in every program. In Meltano the variable of a
plugin's setting is `TAP_BIGIN_…` or `TARGET_BIGIN_…`.

## tap-bigin

{tap}
What the [Singer SDK](https://sdk.meltano.com) adds (stream maps, flattening) is described there.

## target-bigin

For a whole run:

{run}
For all streams, or in an entry of `streams` for one:

{stream}
Only in an entry of `streams`:

{entry}
## Options of a load

`client.load`, `bigin load` and Airflow's load operators take the same options by the same names:

{options}
## Airflow connection

Of type `bigin`: the password is the Maton API key, the host the gateway. Extra fields:

{connection}
In `airflow.cfg`, section `[bigin]`, for all connections:

{config}"""


def page() -> str:
    """Return the page."""
    info = get_provider_info()
    options = _attributes(LoadOptions)
    defaults = {f.name: _default(f) for f in dataclasses.fields(LoadOptions)}
    fields = info["connection-types"][0]["conn-fields"]
    config = info["config"]["bigin"]["options"]
    return PAGE.format(
        shared=runpy.run_path(str(_README_TABLES))["settings_table"]() + "\n",
        tap=_schema({p.name: p.to_dict()[p.name] for p in OWN}),
        run=_schema(WHOLE_RUN),
        stream=_schema(PER_STREAM),
        entry=table(
            ["Setting", "Meaning"],
            [(f"`{n}`", options.get(n) or _MODULE) for n in sorted(ONLY_PER_STREAM)],
        ),
        options=table(
            ["Option", "Default", "Meaning"],
            [(f"`{n}`", defaults[n], meaning) for n, meaning in options.items()],
        ),
        connection=table(
            ["Field", "Label", "Meaning"],
            [(f"`{n}`", f["label"], f["description"]) for n, f in fields.items()],
        ),
        config=table(
            ["Option", "Example", "Meaning"],
            [(f"`{n}`", f"`{o['example']}`", o["description"]) for n, o in config.items()],
        ),
    )


#: The one entry that is no option of a load: it names what is loaded.
_MODULE = (
    "Module by name or alias (`companies`, `deals`). Unset: the last part of the stream's name."
)


def _schema(properties: dict[str, Any]) -> str:
    rows = [(f"`{n}`", _kind(p), p.get("description")) for n, p in properties.items()]
    return table(["Setting", "Type", "Meaning"], rows)


def _kind(schema: dict[str, Any]) -> str:
    allowed = [f"`{v}`" for v in schema.get("enum", ()) if v is not None]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else [k for k in kinds if k != "null"]
    return ", ".join(allowed) or " or ".join(kinds)


def _attributes(kind: type) -> dict[str, str]:
    """Return attribute → its description in the class's docstring."""
    text = (inspect.getdoc(kind) or "").split("Attributes:\n")[1].split("\n\n")[0]
    entries = re.split(r"^    (?=\w+: )", text, flags=re.MULTILINE)[1:]
    pairs = (e.split(": ", 1) for e in entries)
    return {name: " ".join(said.split()).replace("``", "`") for name, said in pairs}


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING or field.default is None:
        return ""
    return f"`{str(field.default).lower()}`"
