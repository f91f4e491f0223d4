"""`bigin doctor`: does it work, from the key down to each module?"""

from __future__ import annotations

from typing import Any

import click

from bigin_client import console
from bigin_client.cli.context import Context, json_option, pass_context, plain, print_json
from bigin_client.client import BiginClient
from bigin_client.errors import (
    AuthenticationError,
    BiginError,
    ConnectionUnavailableError,
    CreditsExhaustedError,
)
from bigin_client.metadata import Module
from bigin_client.records import MODIFIED, ListQuery

#: These end the examination; anything else concerns one part of the account only.
_FATAL = (AuthenticationError, ConnectionUnavailableError, CreditsExhaustedError)


@click.command()
@click.option(
    "--contract",
    "with_contract",
    is_flag=True,
    help="Ask the account what the documents only assume; see docs/contract.md.",
)
@click.option(
    "--allow-writes",
    is_flag=True,
    help="With --contract: make records, ask about writes, remove the records again.",
)
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@json_option
@pass_context
def doctor(context: Context, *, with_contract: bool, allow_writes: bool, yes: bool) -> int:
    """Check the key, the connection, the account and every module.

    Reads only. Costs three credits, and three for each module. --contract asks instead what the
    documents leave open, with at most 120 requests and 100 credits, and names every statement
    of theirs that does not hold in this account.
    """
    if with_contract:
        from bigin_client.cli import contract  # noqa: PLC0415 - loads 20 modules, rarely needed

        return contract.examine(context, allow_writes=allow_writes, yes=yes)
    if allow_writes or yes:
        raise click.UsageError("--allow-writes and --yes go with --contract")
    with context.client() as client:
        account = _account(client)
        rows = [_module(client, m) for m in client.modules()]
        account["requests"] = client.transport.requests_sent
        account["credits"] = client.transport.credits.used
        account["credits_left"] = client.transport.credits.left
    if context.as_json:
        print_json({"account": account, "modules": rows})
    else:
        for name, value in account.items():
            click.echo(f"{name.replace('_', ' '):<14}{'-' if value is None else plain(str(value))}")
        click.echo()
        context.show(
            rows, ["module", "readable", "writable", "fields", "records", "reason", "scope"]
        )
    unreadable = [r for r in rows if r["readable"] is False and r["reason"] != "no API"]
    return console.ExitCode.STREAM_FAILED if unreadable else console.ExitCode.DONE


def _account(client: BiginClient) -> dict[str, Any]:
    account: dict[str, Any] = {"gateway": client.settings.base_url}
    try:
        user = next(iter(client.users("CurrentUser")), {})
        account["user"] = user.get("id")
    except _FATAL:
        raise
    except BiginError as error:
        account["user"] = _why_not(error)
    account["connection"] = client.transport.connection_id
    try:
        org = client.org()
    except _FATAL:
        raise
    except BiginError as error:
        account["organisation"] = _why_not(error)
        return account
    licence = org.get("license_details") or {}
    account["organisation"] = org.get("id")
    account["edition"] = licence.get("trial_type") or licence.get("paid_type")
    account["time_zone"] = org.get("time_zone")
    return account


def _module(client: BiginClient, module: Module) -> dict[str, Any]:
    row: dict[str, Any] = {
        "module": module.api_name,
        "readable": None,
        "writable": module.creatable or module.editable,
        "fields": None,
        "records": None,
        "reason": None,
        "scope": None,
    }
    if not module.api_supported:
        return {**row, "readable": False, "writable": False, "reason": "no API"}
    try:
        # Not through the list of fields: its scope may be missing where records can be read.
        client.records.fetch(ListQuery(module.api_name, (MODIFIED,), page_size=1))
    except _FATAL:
        raise
    except BiginError as error:
        scope = getattr(error, "scope", None)
        return {**row, "readable": False, "writable": False, **_reason(error), "scope": scope}
    row["readable"] = True
    reasons = []
    try:
        row["fields"] = len(client.fields(module.api_name))
    except _FATAL:
        raise
    except BiginError as error:
        reasons.append(f"fields {_why_not(error)}")
    try:
        row["records"] = client.count_records(module.api_name)
    except _FATAL:
        raise
    except BiginError as error:
        reasons.append(f"count {_why_not(error)}")
    return {**row, "reason": "; ".join(reasons) or None}


def _reason(error: BiginError) -> dict[str, str]:
    return {"reason": _why_not(error)}


def _why_not(error: BiginError) -> str:
    return f"not readable: {error.code or (f'HTTP {error.status}' if error.status else error)}"
