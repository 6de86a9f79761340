"""`whenfinal serve`, `web` and `worker`: the processes that run until told to stop."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from receiver.cli.console import note
from receiver.cli.runner import ledger_named, port_trouble, stopped_by_signal
from receiver.config.settings import Settings
from receiver.runtime.environment import load_settings, start_logging
from receiver.runtime.wiring import commit_listener, open_services, working
from receiver.store.open import ledger_at
from receiver.web import server
from receiver.web.app import WEB_AND_WORKER, create_app
from submitter.providers.registry import ADAPTERS

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every one.")]

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]


def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run everything in one process: API, callbacks, reconciling and webhooks."""
    _serve(host, port, WEB_AND_WORKER)


def web(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run the API and the callbacks; a worker beside it does the rest."""
    _serve(host, port, frozenset({"web"}))


def worker() -> None:
    """Run reconciling and webhooks, over the same ledger as `web`. It listens on no port."""
    settings = load_settings()
    start_logging(settings)
    with ledger_named(settings):
        asyncio.run(_work(settings))


def _serve(host: str, port: int, roles: frozenset[str]) -> None:
    settings = load_settings()
    start_logging(settings)
    try:
        listener = server.bind(host, port)
    except OSError as error:
        raise port_trouble(host, port, error) from error
    _allow_files(settings.streams.max_streams + server.SPARE_FILES)
    with listener:
        _serve_on(listener, settings, roles)


def _allow_files(wanted: int) -> None:
    allowed = server.allow_files(wanted)
    if allowed < wanted:
        note(
            f"this system lets the process open {allowed} files where up to {wanted} may be needed; raise the limit"
            " (`ulimit -Hn`), or lower WHENFINAL_STREAMS_MAX"
        )


def _serve_on(listener: socket.socket, settings: Settings, roles: frozenset[str]) -> None:
    url = server.address_of(listener)
    app = create_app(settings, roles=roles, show_key=partial(show_first_key, url))
    config = server.server_config(app)
    ready: Callable[[], None] = partial(note, f"serving {url}; {summary(settings)}")
    with ledger_named(settings), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(app, listener, config=config, on_listening=ready))


async def _work(settings: Settings) -> None:
    with stopped_by_signal() as told:
        async with open_services(settings) as services, commit_listener(services), working(services):
            note(f"working; {summary(settings)}")
            await told.wait()


def show_first_key(url: str, key: str) -> None:
    """Once in the life of a ledger, which keeps only its digest."""
    note(f"API key, shown only now: {key}")
    note(f'try it: curl -H "Authorization: Bearer {key}" {url}/v1/tasks')


def summary(settings: Settings) -> str:
    """Ledger and providers in one line; which of them call back."""
    names = [f"{account.name} ({_way(settings, account.adapter)})" for account in settings.providers.accounts]
    return f"ledger {ledger_at(settings.database.url)}; providers: {', '.join(names) or 'none, see whenfinal doctor'}"


def _way(settings: Settings, adapter: str) -> str:
    can_call = ADAPTERS[adapter].CAPABILITIES.callback
    if can_call and settings.public_url is not None:
        return "callback"
    return "polled, no public URL" if can_call else "polled"
