"""`bigin simulate`: the service on this machine, with made-up data, for trying things out."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import click
import msgspec

from bigin_client.cli import signals
from bigin_client.cli.context import Context, json_option, pass_context
from bigin_client.errors import SettingsError
from bigin_client.testing import BiginSimulator, Switches


def _pairs(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator:
            raise click.BadParameter(f"{value}: expected NAME=VALUE")
        pairs[name] = text
    return pairs


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8099,
    show_default=True,
    help="Port on 127.0.0.1; 0: any free one.",
)
@click.option("--seed", default=1, show_default=True, help="Changes the data, the ids and the key.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="MODULE=N",
    callback=_pairs,
    help="Records in a module; may be repeated, modules not named are empty then.",
)
@click.option(
    "--time-zone", default="America/Los_Angeles", show_default=True, help="The organisation's."
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Requests per second that it lets through; 0: no limit.",
)
@click.option(
    "--edition",
    type=click.Choice(["free", "premier"]),
    default="premier",
    show_default=True,
    help="Decides credits and concurrency.",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="Let an open question of the service fall the other way; may be repeated.",
)
@click.option("--list-switches", is_flag=True, help="List the switches and their values; end.")
@json_option
@pass_context
def simulate(
    context: Context,
    *,
    port: int,
    seed: int,
    sizes: dict[str, str],
    time_zone: str,
    rate_limit: int,
    edition: str,
    switches: dict[str, str],
    list_switches: bool,
) -> int:
    """Run the simulator until interrupted.

    It is as strict as the documents say that the service is. Nothing leaves this machine. It
    prints the lines to paste into another terminal; with --json one line that holds base_url,
    port, api_key and connection_id.
    """
    if list_switches:
        _list_switches(context)
        return 0
    simulator = _simulator(
        seed=seed,
        sizes=_numbers(sizes),
        time_zone=time_zone,
        rate_limit=rate_limit or None,
        edition=edition,
        port=port,
        switches={name: _value(name, text) for name, text in switches.items()},
    )
    try:
        simulator.start()
    except OSError as error:
        raise SettingsError(
            f"Port {port} cannot be used: {error.strerror}", hint="Give another --port, or 0."
        ) from None
    try:
        _announce(context, simulator)
        return 128 + signals.wait_for_stop()
    finally:
        simulator.stop()


def _simulator(*, switches: dict[str, Any], **options: Any) -> BiginSimulator:
    try:
        return BiginSimulator(**options, **switches)
    except ZoneInfoNotFoundError:
        raise click.BadParameter(f"--time-zone {options['time_zone']}: no such zone") from None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _announce(context: Context, simulator: BiginSimulator) -> None:
    if context.as_json:
        facts = {
            "base_url": simulator.base_url,
            "port": int(simulator.base_url.rpartition(":")[2]),
            "api_key": simulator.api_key,
            "connection_id": simulator.connection_id,
        }
        click.echo(msgspec.json.encode(facts).decode())
        return
    click.echo("The simulator is running; stop it with Ctrl-C. In another terminal:")
    click.echo(f"  export MATON_API_BASE_URL={simulator.base_url}")
    click.echo(f"  export MATON_API_KEY={simulator.api_key}")


def _list_switches(context: Context) -> None:
    rows = [{"switch": name, **notes} for name, notes in Switches.describe().items()]
    context.show(rows, ["switch", "default", "others", "reference", "meaning"])


def _numbers(sizes: dict[str, str]) -> dict[str, int] | None:
    wrong = [f"{name}={text}" for name, text in sizes.items() if not text.isdecimal()]
    if wrong:
        raise click.BadParameter(f"--size {wrong[0]}: expected MODULE=NUMBER")
    return {name: int(text) for name, text in sizes.items()} or None


def _value(name: str, text: str) -> Any:
    """Return a switch's value in the type that the switch has."""
    notes = Switches.describe().get(name)
    if notes is None:
        raise click.BadParameter(f"--switch {name}: no such switch, see --list-switches")
    for value in (notes["default"], *notes["others"]):
        if text == str(value) or text.lower() == str(value).lower():
            return value
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
