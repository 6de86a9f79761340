"""`whenfinal simulate`: the simulated platforms, and the settings for a receiver that uses them."""

import asyncio
import errno
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from receiver.callbacks.model import make_account_callback_url
from receiver.cli.console import USAGE, CommandFailed, note, show
from receiver.cli.listening import cannot_listen, stopped_by_signal
from receiver.cli.options import Pair, parse_pair, parsed_option
from receiver.cli.simulated_accounts import account_settings
from submitter.providers.registry import ADAPTERS
from submitter.simulator import MENU, PLATFORMS, Simulator, SimulatorConfig, running

PUBLIC_URL = "http://127.0.0.1:8000"  # where `whenfinal serve` listens unless it is told otherwise

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
            secret_key = secrets.token_urlsafe(32)
            call_accounts_back(simulator, PUBLIC_URL, [secret_key], {name: name for name in PLATFORMS})
            show(*environment_lines(simulator, config, secret_key))
            note(f"simulating {len(PLATFORMS)} platforms on {simulator.origin}; stop with Ctrl-C")
            await stopped.wait()


def call_accounts_back(simulator: Simulator, public_url: str, keys: Sequence[str], accounts: Mapping[str, str]) -> None:
    """Set the address at each platform that calls back to one address of the account.

    `keys` sign tokens of that service; `accounts` are the platforms by the names of their accounts there.
    """
    for name, platform in accounts.items():
        if ADAPTERS[platform].CAPABILITIES.account_callback:
            simulator.call_account_back(platform, make_account_callback_url(public_url, keys, name))


def environment_lines(simulator: Simulator, config: SimulatorConfig, secret_key: str) -> Iterator[str]:
    """The content of a `.env`. The key signs the addresses that the simulator calls back."""
    yield "# Settings for a receiver of this simulator; save them as .env, then run: whenfinal serve"
    yield f"WHENFINAL_PUBLIC_URL={PUBLIC_URL}"
    yield f"WHENFINAL_SECRET_KEYS={secret_key}"
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
