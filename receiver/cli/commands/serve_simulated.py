"""`whenfinal serve --simulate`: the service and the simulated platforms in one process, which ends both."""

import asyncio
import socket
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.cli.commands.serve import bound, say, say_serving, show_first_key, told_as_logged
from receiver.cli.commands.simulate import call_accounts_back, provider_settings
from receiver.cli.console import note
from receiver.cli.ledger import ledger_named
from receiver.config.settings import Settings
from receiver.config.types import is_loopback
from receiver.runtime.environment import load_settings
from receiver.runtime.log import start_logging
from receiver.runtime.services import Services
from receiver.web import server
from receiver.web.app import create_app
from submitter.simulator import PLATFORMS, Simulator, SimulatorConfig, running

SPEED = 60.0  # a task takes two seconds

_TEMPORARY = "the ledger is temporary; set WHENFINAL_DATABASE_URL to keep one"

_KEPT = "what is unfinished in the ledger that is set is polled there"


def serve_simulated(host: str, port: int) -> None:
    with told_as_logged(), bound(host, port) as listener, TemporaryDirectory(prefix="whenfinal-") as folder:
        asyncio.run(_serve(listener, folder))


async def _serve(listener: socket.socket, folder: str) -> None:
    config = SimulatorConfig(speed=SPEED)
    async with running(config) as simulator:
        url = _from_here(listener)
        settings = _settings(simulator, config, url, folder)
        start_logging(settings)
        ledger = _TEMPORARY if folder in settings.database.url else _KEPT
        text = f"simulating {len(PLATFORMS)} platforms on {simulator.origin}; {ledger}; stop with Ctrl-C"
        say(settings, "simulating", text, url=simulator.origin, ledger=ledger)
        app = create_app(
            settings,
            with_worker=True,
            show_key=partial(_show_key, settings, url),
            on_open=partial(_call_accounts_back, simulator),
        )
        with ledger_named(settings):
            ready = partial(say_serving, settings, server.address_of(listener))
            await server.serve(app, listener, config=server.server_config(app), on_listening=ready)


def _settings(simulator: Simulator, config: SimulatorConfig, url: str, folder: str) -> Settings:
    """Those that are set, except that the providers are the simulated ones and call back to this process."""
    defaults = {
        "WHENFINAL_DATABASE_URL": f"sqlite:///{Path(folder) / 'ledger.db'}",
        "WHENFINAL_ALLOW_PRIVATE": "127.0.0.0/8",  # so that webhooks reach this machine
    }
    # Elsewhere than on this machine a public URL must be https; without one every task is polled.
    public = {"WHENFINAL_PUBLIC_URL": url if is_loopback(url) else ""}
    instead = {"WHENFINAL_PROVIDERS": ",".join(PLATFORMS), **public, **provider_settings(simulator, config)}
    return load_settings(defaults=defaults, instead=instead)


def _call_accounts_back(simulator: Simulator, services: Services) -> None:
    if services.settings.public_url is not None:
        accounts = {name: configured.account.adapter for name, configured in services.providers.items()}
        call_accounts_back(simulator, services.settings.public_url, services.secret_keys, accounts)


def _from_here(listener: socket.socket) -> str:
    """The URL of a listener as this machine reaches it."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if not address.is_unspecified:
        return server.address_of(listener)
    return f"http://127.0.0.1:{port}" if address.version == 4 else f"http://[::1]:{port}"


def _show_key(settings: Settings, url: str, key: str) -> None:
    show_first_key(settings, url, key)
    if settings.log.format != "json":
        note(f"use it in another terminal: export WHENFINAL_URL={url} WHENFINAL_API_KEY={key}")
