"""`whenfinal simulate`: the simulated platforms, and the settings for a receiver that uses them."""

import asyncio
import errno
from collections.abc import Iterator
from typing import Annotated

import typer

from receiver.cli.console import USAGE, CommandFailed, note, show
from receiver.cli.listening import cannot_listen, stopped_by_signal
from receiver.cli.options import Pair, parse_pair, parsed_option
from receiver.cli.simulated_accounts import account_settings
from submitter.simulator import MENU, PLATFORMS, Simulator, SimulatorConfig, running

Faults = Annotated[
    list[Pair] | None,
    parsed_option(
        "--fault",
        "NAME=CHANCE",
        parse_pair,
        "A fault and its chance from 0 to 1; may be repeated. An unknown name prints all names.",
    ),
]


def simulate(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free port.")] = 9000,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=100_000, help="Provider seconds in one second.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random durations, ends and faults.")] = 1,
    fault: Faults = None,
    failure_rate: Annotated[float, typer.Option("--failure-rate", min=0, max=1, help="Share of failing tasks.")] = 0.0,
) -> None:
    config = SimulatorConfig(
        seed=seed, speed=speed, faults={pair.name: _chance(pair) for pair in fault or ()}, failure_rate=failure_rate
    )
    try:
        asyncio.run(_serve(config, host, port))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise cannot_listen(host, port, error) from error


async def _serve(config: SimulatorConfig, host: str, port: int) -> None:
    with stopped_by_signal() as stopped:
        async with running(config, host, port) as simulator:
            show(*environment_lines(simulator, config))
            note(f"simulating {len(PLATFORMS)} platforms on {simulator.origin}; stop with Ctrl-C")
            await stopped.wait()


def environment_lines(simulator: Simulator, config: SimulatorConfig) -> Iterator[str]:
    """The content of a `.env`."""
    yield "# Settings for a receiver of this simulator; save them as .env, then run: whenfinal serve"
    yield "WHENFINAL_PUBLIC_URL=http://127.0.0.1:8000"
    for name, value in provider_settings(simulator, config).items():
        yield f"{name}={value}"
    yield "# Remove the # to let webhooks reach this machine too:"
    yield "# WHENFINAL_ALLOW_PRIVATE=127.0.0.0/8"


def provider_settings(simulator: Simulator, config: SimulatorConfig) -> dict[str, str]:
    """The settings of the simulated providers."""
    return {"WHENFINAL_PROVIDER_SPEED": f"{config.speed:g}"} | account_settings(simulator.origin, config)


def _chance(pair: Pair) -> float:
    if pair.name not in MENU:
        raise CommandFailed(f"there is no fault {pair.name}; there are: {', '.join(MENU)}", status=USAGE)
    try:
        chance = float(pair.value)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise CommandFailed(f"--fault {pair.name}: {pair.value!r} is not a chance from 0 to 1", status=USAGE)
    return chance
