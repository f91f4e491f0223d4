"""The pages of the API reference: which classes are public, in which order."""

from __future__ import annotations

_ABOUT_CLIENT = """\
Everything about an account. `from bigin_client import BiginClient, Settings`.

A source such as `bigin-api.md 3.1 [rec]` names a place in the notes that the client was written
from, and how sure it is: `[rec]` replies of the service that were recorded; `[bigin-doc]`,
`[maton]` what Zoho and Maton document; `[code]` what programs rely on that run against Bigin;
`[seed]` what the project was begun with; `[crm-doc]`, `[crm°]` taken over from Zoho CRM, not
confirmed for Bigin; `[?]` a guess."""
_ABOUT_PARTS = """\
What is asked less often stands in a part of its own: `client.connections`, `client.metadata`,
`client.account`, `client.related`, `client.tags`, `client.bulk`. Criteria and COQL queries are
built by `bigin_client.criteria` and `bigin_client.coql`, which escape; texts as the service reads
them are taken too.

Not offered: bulk write, whose upload lives on a host that Maton is not known to reach, and
notifications (`actions/watch`), which need an address that Zoho can call."""
_CLIENT = {
    "client": (
        "Client",
        _ABOUT_CLIENT,
        (
            "bigin_client.client.BiginClient",
            "bigin_client.settings.Settings",
            "bigin_client.batches.RowResult",
        ),
    ),
    "parts": (
        "Parts of the client",
        _ABOUT_PARTS,
        (
            "bigin_client.connections.Connections",
            "bigin_client.metadata.Metadata",
            "bigin_client.metadata.Module",
            "bigin_client.metadata.Field",
            "bigin_client.metadata.PicklistValue",
            "bigin_client.account.Account",
            "bigin_client.account.TeamPipeline",
            "bigin_client.account.SubPipeline",
            "bigin_client.related.Related",
            "bigin_client.tags.Tags",
            "bigin_client.bulk.Bulk",
            "bigin_client.bulk.BulkJob",
            "bigin_client.criteria",
            "bigin_client.coql",
        ),
    ),
    "extract": (
        "Extract",
        "What `client.extract` returns. How it reads: [Reading](../extract.md).",
        (
            "bigin_client.extract.Extraction",
            "bigin_client.extract.ChangePage",
            "bigin_client.extract.Summary",
        ),
    ),
    "load": (
        "Load",
        "What `client.load` takes and returns. How it writes: [Loading](../load.md).",
        (
            "bigin_client.load.LoadOptions",
            "bigin_client.load.Lookup",
            "bigin_client.load.RunOptions",
            "bigin_client.load.LoadRun",
            "bigin_client.load.LoadReport",
            "bigin_client.load.StreamReport",
            "bigin_client.load.Outcome",
            "bigin_client.load.RowOutcome",
            "bigin_client.load.retry_rejects",
            "bigin_client.load.read_rejects",
        ),
    ),
    "errors": (
        "Errors",
        "Sorted by what the caller can do. By code: [Troubleshooting](troubleshooting.md).",
        ("bigin_client.errors",),
    ),
    "simulator": (
        "Simulator",
        "For tests of your own: no account, no network. Pytest fixture: `bigin_simulator`.",
        (
            "bigin_client.testing.BiginSimulator",
            "bigin_client.testing.Switches",
            "bigin_client.testing.Fault",
        ),
    ),
}
_PROVIDER = (
    "hooks.bigin.BiginHook",
    "operators.extract.BiginExtractToFileOperator",
    "operators.load",
    "operators.records",
    "operators.delete",
    "operators.modules",
    "operators.connections",
    "sensors.changes",
    "sensors.record",
    "sensors.connection",
)
#: Airflow's own style of docstrings, which the provider follows; an operator also describes what
#: its base class takes, which the parser would warn of.
_SPHINX = (
    "    options:\n      docstring_style: sphinx\n      docstring_options: {warnings: false}\n"
)

#: Classes whose methods stand in their bases, one file a job.
_INHERITING = {"bigin_client.client.BiginClient": "    options:\n      inherited_members: true\n"}


def pages() -> dict[str, str]:
    """Return name → Markdown with the marks that mkdocstrings fills in."""
    found = {
        name: f"# {title}\n\n{said}\n\n"
        + "\n".join(f"::: {n}\n{_INHERITING.get(n, '')}" for n in names)
        for name, (title, said, names) in _CLIENT.items()
    }
    marks = "\n".join(f"::: airflow_provider_bigin.{n}\n{_SPHINX}" for n in _PROVIDER)
    said = "How to use it: [Airflow](../airflow.md)."
    return found | {"provider": f"# Airflow provider\n\n{said}\n\n{marks}"}
