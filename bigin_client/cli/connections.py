"""`bigin connections`: the gateway's links to Bigin accounts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from bigin_client.cli.context import Context, json_option, pass_context, print_json
from bigin_client.errors import ConnectionUnavailableError, NotFoundError
from bigin_client.types import ConnectionInfo

_COLUMNS = ["connection_id", "status", "app", "method", "creation_time"]


def _shown(info: ConnectionInfo) -> dict[str, Any]:
    """Return a connection without its url: whoever has that can authorise in its name."""
    return {k: v for k, v in info.items() if k != "url"}


@contextlib.contextmanager
def _must_exist() -> Iterator[None]:
    """Turn an id that the gateway does not know into the error, and exit code, of a connection."""
    try:
        yield
    except NotFoundError as error:
        raise ConnectionUnavailableError(
            error.message,
            status=error.status,
            request_id=error.request_id,
            origin=error.origin,
            hint=error.hint,
        ) from None


@click.group(invoke_without_command=True, short_help="List, create, show and delete connections.")
@click.pass_context
def connections(ctx: click.Context) -> None:
    """List, create, show and delete connections of the Maton account."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@connections.command("list")
@click.option("--status", type=click.Choice(["ACTIVE", "PENDING", "FAILED"]), help="Only these.")
@json_option
@pass_context
def list_connections(context: Context, status: str | None) -> None:
    """List the connections to Bigin."""
    with context.client() as client:
        found = client.connections.list(status=status)
    context.show([_shown(c) for c in found], _COLUMNS)


@connections.command("show")
@click.argument("connection_id")
@json_option
@pass_context
def show_connection(context: Context, connection_id: str) -> None:
    """Show one connection."""
    with context.client() as client, _must_exist():
        found = client.connections.get(connection_id)
    if context.as_json:
        print_json(_shown(found))
    else:
        context.show([_shown(found)], _COLUMNS)


@connections.command("create", short_help="Create one, print its link, wait until it is opened.")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait until somebody has authorised it.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=600,
    show_default=True,
    help="How long to wait.",
)
@json_option
@pass_context
def create_connection(context: Context, *, wait: bool, timeout: float) -> None:
    """Create a connection, print the link that authorises it, and wait for that.

    The link is for the owner of the Bigin account alone: whoever opens it decides which
    account the connection reaches.
    """
    with context.client() as client:
        created = client.connections.create()
        connection_id = created["connection_id"]
        click.echo(f"Open this link to authorise connection {connection_id}:", err=True)
        click.echo(created.get("url", "(the gateway gave no link)"), err=True)
        if wait:
            created = client.connections.wait_until_active(connection_id, timeout=timeout)
    if context.as_json:
        print_json(_shown(created))
    else:
        click.echo(f"{created.get('status')}: export BIGIN_CONNECTION_ID={connection_id}")


@connections.command("delete")
@click.argument("connection_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_context
def delete_connection(context: Context, *, connection_id: str, yes: bool) -> None:
    """Delete a connection, after asking."""
    with context.client() as client, _must_exist():
        found = client.connections.get(connection_id)
        if not yes:
            click.confirm(
                f"Everything that uses connection {connection_id} ({found.get('status')}) will "
                "stop. Delete it?",
                abort=True,
                err=True,
            )
        client.connections.delete(connection_id)
    if context.as_json:
        print_json({"connection_id": connection_id, "deleted": True})
    else:
        click.echo(f"{connection_id} deleted")
