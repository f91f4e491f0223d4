"""`bigin modules` and `bigin fields`."""

from __future__ import annotations

import click

from bigin_client.cli.context import Context, json_option, module_of, pass_context


@click.command()
@json_option
@pass_context
def modules(context: Context) -> None:
    """List the account's modules (1 credit).

    Whether the connection may read a module shows only when it is read: see bigin doctor.
    """
    with context.client() as client:
        rows = [
            {
                "module": m.api_name,
                "label": m.label,
                "type": m.generated_type,
                "api": m.api_supported,
                "create": m.creatable,
                "edit": m.editable,
                "delete": m.deletable,
            }
            for m in client.modules()
        ]
    context.show(rows, ["module", "label", "type", "api", "create", "edit", "delete"])


@click.command()
@click.argument("module")
@json_option
@pass_context
def fields(context: Context, module: str) -> None:
    """List the fields of MODULE (2 credits).

    MODULE is an API name or a usual one such as companies. With --json the values of
    picklists are listed too.
    """
    with context.client() as client:
        rows = [
            {
                "field": f.api_name,
                "label": f.label,
                "type": f.data_type,
                "length": f.length,
                "mandatory": f.mandatory,
                "unique": f.unique,
                "writable": f.writable,
                "lookup": f.lookup_module,
                "values": [v.actual for v in f.picklist],
            }
            for f in client.fields(module_of(client, module).api_name)
        ]
    context.show(
        rows, ["field", "label", "type", "length", "mandatory", "unique", "writable", "lookup"]
    )
