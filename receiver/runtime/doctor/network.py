"""Checks over the network: each provider's key, by a status query that costs nothing, its clock, and the public URL."""

import asyncio
import socket
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import assert_never
from urllib.parse import urlsplit

from receiver.config.accounts import prefix_of
from receiver.config.settings import Settings
from receiver.config.types import is_loopback
from receiver.runtime.clock import now_ms
from receiver.runtime.doctor.checks import Check, fail, ok, warn
from receiver.runtime.durations import format_duration
from receiver.runtime.log import RedactSecrets
from submitter.errors import AddressForbidden, ConnectFailed, TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import Denied, NotFound, Observation, ProviderTaskId, StatusOutcome, Throttled, Unavailable
from submitter.provider_calls import send_call
from submitter.providers.contract import Account, Provider
from submitter.providers.registry import ADAPTERS

ABSENT_TASK = ProviderTaskId("whenfinal-doctor-asks-for-a-task-that-does-not-exist")

TIMEOUT_S = 15.0

CLOCK_OFF_MS = 30_000  # the Date header has whole seconds, and the answer takes time

CLOCK_BAD_MS = 240_000  # at 300 s off, signatures are refused


async def check_network(
    settings: Settings, transport: Transport, adapters: Mapping[str, Provider] = ADAPTERS
) -> tuple[Check, ...]:
    """All providers at once, each with its own timeout, then the public URL."""
    checking = [
        _check_provider(account, adapters[account.adapter], transport) for account in settings.providers.accounts
    ]
    checks = [each for group in await asyncio.gather(*checking) for each in group]
    if settings.public_url is not None:
        checks.append(await _public_url(settings.public_url, transport))
    return tuple(checks)


async def _check_provider(account: Account, adapter: Provider, transport: Transport) -> tuple[Check, ...]:
    try:
        call = adapter.build_status(ABSENT_TASK, account)
        reply = await send_call(transport, call, account, clock=now_ms, timeout_s=TIMEOUT_S)
    except TransportError as error:
        return (_no_answer(account, error),)
    answer = _answer_check(account, adapter.parse_status(ABSENT_TASK, reply, account))
    clock = _clock_check(account.name, reply)
    return (answer,) if clock is None else (answer, clock)


def _no_answer(account: Account, error: TransportError) -> Check:
    host = urlsplit(account.base_url).hostname
    if isinstance(error, ConnectFailed | AddressForbidden):
        hint = f"check that this machine reaches {host}, and that {prefix_of(account.name)}BASE_URL is right"
        return fail(account.name, f"can not be reached: {error}", hint=hint)
    return fail(
        account.name, f"gave no complete answer: {error}", hint=f"try again; check the network between here and {host}"
    )


def _answer_check(account: Account, answer: StatusOutcome) -> Check:
    """Whether the key is accepted. Our key is hidden in the provider's message, which may quote it."""
    redact = RedactSecrets(account.secrets)
    match answer:
        case NotFound() | Observation():
            return ok(account.name, f"accepts the key at {account.base_url}")
        case Denied():
            hint = f"set {prefix_of(account.name)}API_KEY to a key that is valid there"
            return fail(account.name, f"refuses the key with {answer.status}: {redact.text(answer.message)}", hint=hint)
        case Throttled():
            return warn(
                account.name, "throttled the request, so the key was not checked", hint="run the doctor again later"
            )
        case Unavailable():
            hint = f"try again; if that does not help, check {prefix_of(account.name)}BASE_URL"
            return warn(account.name, f"gave no usable answer: {redact.text(answer.reason)}", hint=hint)
        case _:
            assert_never(answer)


def _clock_check(name: str, reply: HttpReply) -> Check | None:
    """None when the clocks agree, or when the reply has no time."""
    try:
        theirs = parsedate_to_datetime(reply.header("date") or "")
    except ValueError:
        return None
    off_ms = now_ms() - round(theirs.replace(tzinfo=theirs.tzinfo or UTC).timestamp() * 1000)
    if abs(off_ms) <= CLOCK_OFF_MS:
        return None
    side = "ahead of" if off_ms > 0 else "behind"
    what = f"this machine is {format_duration(off_ms)} {side} {name}'s"
    hint = "set the clock; run a time service"
    return fail("clock", what, hint=hint) if abs(off_ms) > CLOCK_BAD_MS else warn("clock", what, hint=hint)


async def _public_url(public_url: str, transport: Transport) -> Check:
    parts = urlsplit(public_url)
    if not is_loopback(public_url) and not await _resolves(parts.hostname or ""):
        return fail(
            "public URL", f"{parts.hostname} has no address", hint="set its DNS record, or correct WHENFINAL_PUBLIC_URL"
        )
    try:
        reply = await transport.send(HttpCall(method="GET", url=f"{public_url}/healthz"), timeout_s=TIMEOUT_S)
    except TransportError as error:
        hint = "start `whenfinal serve`, check that this URL leads to it, then run the doctor again"
        return warn("public URL", f"not reached from here: {error}", hint=hint)
    if reply.status == 200:
        return ok("public URL", f"{public_url}/healthz answers")
    hint = "let the proxy in front pass every path to whenfinal unchanged"
    return warn("public URL", f"{public_url}/healthz answers {reply.status}", hint=hint)


async def _resolves(host: str) -> bool:
    try:
        return bool(await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except OSError:
        return False
