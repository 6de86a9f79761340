"""`whenfinal serve`, `web` and `worker`: the processes that run until SIGINT or SIGTERM."""

import asyncio
import json
import socket
import traceback
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Annotated

import typer

from receiver.cli.console import WRONG, note
from receiver.cli.ledger import ledger_named
from receiver.cli.listening import cannot_listen, stopped_by_signal
from receiver.cli.outcome import lines_of, status_of
from receiver.config.settings import Settings
from receiver.runtime.background import commit_listener, present, snapshots, working
from receiver.runtime.clock import now_ms
from receiver.runtime.environment import load_settings, wants_json_log
from receiver.runtime.log import start_logging
from receiver.runtime.operator_runs.runner import operating
from receiver.runtime.wiring import open_services
from receiver.store.open import ledger_at
from receiver.web import server
from receiver.web.app import create_app
from receiver.web.metrics import serving_metrics
from submitter.base_error import WhenfinalError
from submitter.providers.registry import ADAPTERS
from submitter.timestamps import rfc3339

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every address.")]

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free port.")]


#: How another host or port is chosen for the worker's metrics.
METRICS_PLACE = ("WHENFINAL_METRICS_HOST", "WHENFINAL_METRICS_PORT")


Simulate = Annotated[
    bool,
    typer.Option(
        "--simulate",
        help="Serve the simulated platforms too, and use only them. Without WHENFINAL_DATABASE_URL the ledger is "
        "temporary.",
    ),
]


def serve(host: Host = "127.0.0.1", port: Port = 8000, *, simulate: Simulate = False) -> None:
    if simulate:
        from receiver.cli.commands.serve_simulated import serve_simulated

        serve_simulated(host, port)
    else:
        _serve(host, port, with_worker=True)


def web(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    _serve(host, port, with_worker=False)


def worker() -> None:
    with told_as_logged():
        settings = load_settings()
        start_logging(settings)
        with _metrics_listener(settings) as listener, ledger_named(settings):
            asyncio.run(_work(settings, listener))


def _serve(host: str, port: int, *, with_worker: bool) -> None:
    with told_as_logged():
        settings = load_settings()
        start_logging(settings)
        _listen(settings, host, port, with_worker=with_worker)


def _listen(settings: Settings, host: str, port: int, *, with_worker: bool) -> None:
    listener = bound(host, port)
    _allow_files(settings, settings.streams.max_streams + server.SPARE_FILES)
    with listener:
        _serve_on(listener, settings, with_worker=with_worker)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raise CommandFailed for one that cannot be used."""
    try:
        return server.bind(host, port)
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def _allow_files(settings: Settings, wanted: int) -> None:
    allowed = server.allow_files(wanted)
    if allowed < wanted:
        text = (
            f"this system lets the process open {allowed} files where up to {wanted} may be needed; raise the limit"
            " (`ulimit -Hn`), or lower WHENFINAL_STREAMS_MAX"
        )
        say(settings, "few_files", text, allowed=allowed, wanted=wanted)


def _serve_on(listener: socket.socket, settings: Settings, *, with_worker: bool) -> None:
    url = server.address_of(listener)
    app = create_app(settings, with_worker=with_worker, show_key=partial(show_first_key, settings, url))
    config = server.server_config(app)
    ready = partial(say_serving, settings, url)
    with ledger_named(settings), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(app, listener, config=config, on_listening=ready))


def say_serving(settings: Settings, url: str) -> None:
    say(settings, "serving", f"serving {url}; {summary(settings)}", url=url, about=summary(settings))


@contextmanager
def _metrics_listener(settings: Settings) -> Iterator[socket.socket | None]:
    """None where no port is set. Raise CommandFailed for one that cannot be used."""
    host, port = settings.metrics.host, settings.metrics.port
    if port is None:
        yield None
        return
    try:
        listener = server.bind(host, port)
    except OSError as error:
        raise cannot_listen(host, port, error, how=METRICS_PLACE) from error
    with listener:
        yield listener


async def _work(settings: Settings, listener: socket.socket | None) -> None:
    with stopped_by_signal() as stopped:
        async with (
            open_services(settings) as services,
            commit_listener(services),
            snapshots(services),
            present(services, "worker"),
            working(services),
            operating(services),
            AsyncExitStack() as stack,
        ):
            metrics = None
            if listener is not None:
                await stack.enter_async_context(serving_metrics(listener, services))
                metrics = f"{server.address_of(listener)}/metrics"
            text = f"working; {summary(settings)}" + (f"; metrics at {metrics}" if metrics else "")
            say(settings, "working", text, metrics=metrics, about=summary(settings))
            await stopped.wait()


def show_first_key(settings: Settings, url: str, key: str) -> None:
    """Print the first API key. It is shown only once, because the ledger stores only its digest."""
    say(settings, "api_key_made", f"API key, shown only now: {key}", key=key, shown="only now")
    if settings.log.format != "json":
        note(f'try it: curl -H "Authorization: Bearer {key}" {url}/v1/tasks')
        if settings.dashboard.is_on:
            note(f"look at it: sign in with the key at {url}/ops")


def say(settings: Settings, event: str, text: str, **fields: str | int | None) -> None:
    """Print a line about this process, whatever the level of the log; in the form of the log where that is JSON."""
    note(_json_line(event, "info", **fields) if settings.log.format == "json" else text)


@contextmanager
def told_as_logged() -> Iterator[None]:
    """Print what ends the process in the form of the log where that is JSON, also before the log is set up.

    Raise typer.Exit after that. In the other form the error stays as it is.
    """
    try:
        yield
    except WhenfinalError as error:
        if not wants_json_log():
            raise
        for line in lines_of(error):
            note(_json_line("process_failed", "critical", error=line))
        raise typer.Exit(status_of(error)) from error
    except Exception:
        if not wants_json_log():
            raise
        note(_json_line("process_failed", "critical", exception=traceback.format_exc()))
        raise typer.Exit(WRONG) from None


def _json_line(event: str, level: str, **fields: str | int | None) -> str:
    return json.dumps({"event": event, **fields, "level": level, "timestamp": rfc3339(now_ms())})


def summary(settings: Settings) -> str:
    """The ledger and the providers in one line, with which of them call back."""
    names = [f"{account.name} ({_completion_by(settings, account.adapter)})" for account in settings.providers.accounts]
    return f"ledger {ledger_at(settings.database.url)}; providers: {', '.join(names) or 'none, see whenfinal doctor'}"


def _completion_by(settings: Settings, adapter: str) -> str:
    can_call = ADAPTERS[adapter].CAPABILITIES.callback
    if can_call and settings.public_url is not None:
        return "callback"
    return "polled, no public URL" if can_call else "polled"
