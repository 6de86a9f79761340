"""`whenfinal listen`: webhooks on this machine, by a subscription that is there as long as the command runs."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import typer

from receiver.cli.console import USAGE, CommandFailed, emit, note, show
from receiver.cli.listening import cannot_listen, stopped_by_signal
from receiver.cli.options import FilterOptions, Json, SecretFile, labels_of, options_from, read_secret
from receiver.cli.remote import with_client
from receiver.cli.webhook_endpoint import Heard, WebhookEndpoint
from receiver.runtime.clock import now_ms
from receiver.web.server import address_of, bind
from submitter import Client, Event
from submitter.api_webhooks import Subscription, SubscriptionWithSecret
from submitter.client.calls.subscriptions import SubscriptionSettings
from submitter.client.conversation import RETRYABLE
from submitter.errors import ClientError, ReceiverRefused, ReceiverUnreachable
from submitter.timestamps import find_rfc3339_ms, rfc3339

#: By this description a later `listen` finds the subscription of one that was killed.
DESCRIPTION = "whenfinal listen: temporary, removed when the command ends"

#: A subscription of a running `listen` is changed so often, and one that was not changed for so long is left over.
REFRESH_S, LEFT_OVER_AFTER_S = 6 * 3600.0, 24 * 3600.0

TUNNEL = "give it a way in with --address https://your-tunnel.example"

ForwardTo = Annotated[
    str | None,
    typer.Option("--forward-to", metavar="URL", help="Send each webhook on to there, and answer what that answers."),
]

Address = Annotated[
    str | None,
    typer.Option("--address", metavar="URL", help="Where the service sends webhooks, such as a tunnel to the port."),
]

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions(FilterOptions):
    forward_to: ForwardTo = None
    address: Address = None
    port: Port = 0
    secret_file: SecretFile = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is listened to, and how it is shown."""

    given: ListenOptions
    #: Of the signatures; None: the service makes one, and only this process has it.
    secret: str | None = field(repr=False)
    as_json: bool

    def settings(self) -> SubscriptionSettings:
        return {
            "description": DESCRIPTION,
            "types": [kind.value for kind in self.given.kinds or ()],
            "providers": self.given.providers or (),
            "models": self.given.models or (),
            "labels": labels_of(self.given.labels or ()),
        }


@options_from(ListenOptions)
def listen(*, given: ListenOptions, as_json: Json = False) -> None:
    _check_url("--forward-to", given.forward_to)
    _check_url("--address", given.address)
    wanted = Wanted(given=given, secret=read_secret(given.secret_file), as_json=as_json)
    labels_of(given.labels or ())  # a label that is given twice is told before a port is opened
    try:
        listener = bind("127.0.0.1", given.port)
    except OSError as error:
        raise cannot_listen("127.0.0.1", given.port, error, how=("--port", "--port")) from error
    with listener:
        with_client(lambda client: _listen(client, listener, wanted), polling=True)


def _check_url(option: str, url: str | None) -> None:
    if url is None:
        return
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL("")
    if found.scheme not in {"http", "https"} or not found.host or not url.isprintable() or " " in url:
        raise CommandFailed(f"{option}: {url!r} is not a URL; accepted: http:// or https:// and a host", status=USAGE)


async def _listen(client: Client, listener: socket.socket, wanted: Wanted) -> None:
    endpoint = WebhookEndpoint(forward_to=wanted.given.forward_to)
    local = address_of(listener)
    address = wanted.given.address or local
    with stopped_by_signal() as stopped:
        async with endpoint.served(listener):
            await _remove_leftovers(client)
            made = await _subscribe(client, address, wanted)
            endpoint.secrets.append(made.secret)
            try:
                await _check_reached(client, made, endpoint, address)
                to = "" if wanted.given.forward_to is None else f", forwarding to {wanted.given.forward_to}"
                note(f"listening on {local} as {made.id}{to}; stop with Ctrl-C")
                telling = asyncio.create_task(_tell_all(endpoint, _tell_json if wanted.as_json else _tell))
                await _until(stopped, telling, client, made)
            finally:
                await _remove(client, made)


async def _subscribe(client: Client, address: str, wanted: Wanted) -> SubscriptionWithSecret:
    try:
        return await client.subscriptions.create(address, secret=wanted.secret, **wanted.settings())
    except ReceiverRefused as error:
        refused = next((each for each in error.problem.errors if each.field == "url"), None)
        if refused is None:
            raise
        allow = "start the service with WHENFINAL_ALLOW_PRIVATE=127.0.0.0/8"
        hint = "it accepts " + refused.accepted if wanted.given.address else f"{allow}, or {TUNNEL}"
        raise CommandFailed(f"the service sends no webhooks to {address}, which {refused.rule}; {hint}") from error


async def _check_reached(client: Client, made: Subscription, endpoint: WebhookEndpoint, address: str) -> None:
    """Raise CommandFailed unless a test webhook comes here."""
    probe = await client.subscriptions.test(made.id)
    if endpoint.reached.is_set():
        return
    why = probe.error or f"{probe.status} was answered there, but not by this command"
    raise CommandFailed(f"the service does not reach this command at {address}: {why}; {TUNNEL}")


async def _until(stopped: asyncio.Event, telling: asyncio.Task[None], client: Client, made: Subscription) -> None:
    """Wait for a signal, and keep the subscription from looking left over. Raise what the telling raises."""
    stopping = asyncio.create_task(stopped.wait())
    while True:
        done, _ = await asyncio.wait({stopping, telling}, timeout=REFRESH_S, return_when=asyncio.FIRST_COMPLETED)
        if done:
            break
        await _refresh(client, made)
    if telling in done:
        await telling
    telling.cancel()


async def _refresh(client: Client, made: Subscription) -> None:
    """A service that is away, as while it is started again, is left until the next time."""
    try:
        await client.subscriptions.change(made.id, description=DESCRIPTION)
    except ReceiverUnreachable:
        pass
    except ReceiverRefused as error:
        if error.problem.status not in RETRYABLE:
            raise


async def _tell_all(endpoint: WebhookEndpoint, tell: Callable[[Heard], None]) -> None:
    while True:
        tell(await endpoint.heard.get())


async def _remove(client: Client, made: Subscription) -> None:
    try:
        await client.subscriptions.delete(made.id)
    except ReceiverRefused as error:
        if error.problem.status != HTTPStatus.NOT_FOUND:
            raise _not_removed(made, error) from error
    except ClientError as error:
        raise _not_removed(made, error) from error


def _not_removed(made: Subscription, error: ClientError) -> CommandFailed:
    hint = f"whenfinal subscriptions delete {made.id}"
    return CommandFailed(f"the subscription {made.id} is not removed: {error}; remove it with: {hint}")


async def _remove_leftovers(client: Client) -> None:
    """Delete subscriptions of commands that were killed. A key that may not list them leaves them."""
    oldest_ms = now_ms() - LEFT_OVER_AFTER_S * 1000
    with suppress(ReceiverRefused):
        found = [each async for each in client.subscriptions.all() if each.description == DESCRIPTION]
        for each in found:
            if (find_rfc3339_ms(each.changed_at) or 0) < oldest_ms:
                await client.subscriptions.delete(each.id)
                note(f"removed {each.id}, which an earlier `listen` has left over")


def _tell(heard: Heard) -> None:
    clock = (rfc3339(now_ms()) or "")[11:19]
    if heard.message is None:
        show(f"{clock}  refused: {heard.problem}; answered {heard.answered}")
        return
    message, what = heard.message, ""
    if isinstance(message, Event):
        what = f"  {message.task.id}  {message.task.provider}  {message.task.state.value}"
    took = "" if heard.forwarded_ms is None else f" by the address in {heard.forwarded_ms} ms"
    why = "" if heard.problem is None else f"; {heard.problem}"
    show(f"{clock}  {message.type}{what}  signature right, answered {heard.answered}{took}{why}")


def _tell_json(heard: Heard) -> None:
    document: dict[str, Any] = {
        "received_at": rfc3339(now_ms()),
        "id": heard.id,
        "verified": heard.message is not None,
        "answered": heard.answered,
        "forwarded_ms": heard.forwarded_ms,
        "problem": heard.problem,
        "body": None if heard.message is None else json.loads(heard.body),
    }
    emit(document)
