"""The transports of a process: which hosts each reaches, and its limits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from receiver.config.settings import Settings
from receiver.tasks import media
from receiver.tasks.queue import SENDS_AT_ONCE
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from receiver.webhooks.subscriptions import POSTS_AT_ONCE
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import Transport, TransportLimits, open_transport

CONNECT_S = 5.0  # to a provider; a submit that never connected is surely not paid

WEBHOOK_BODY_S = 2.0  # a webhook is delivered by its status; the body is only shown

SUBMITS_AT_ONCE = 100  # connections to providers that are never taken by the reconciler

#: For a document of public keys: a callback waits for it, and its provider gives up after 10 s or more.
KEYS_LIMITS = TransportLimits(connect_s=3.0, whole_s=5.0, max_reply_bytes=65_536, connections=4)


class Transports(NamedTuple):
    """Those of a process."""

    #: To providers.
    providers: Transport
    #: To subscribers, and to hosts of files; through the address guard.
    webhooks: Transport
    #: For public keys at a provider's own host.
    own_keys: Transport
    #: For public keys at any other host; through the address guard.
    guarded_keys: Transport


@asynccontextmanager
async def open_transports(settings: Settings, guard: AddressGuard) -> AsyncIterator[Transports]:
    """On leaving, all are closed."""
    async with AsyncExitStack() as stack:
        yield Transports(
            providers=await stack.enter_async_context(open_transport(_provider_limits(settings))),
            webhooks=await stack.enter_async_context(open_transport(_webhook_limits(settings), guard)),
            own_keys=await stack.enter_async_context(open_transport(KEYS_LIMITS)),
            guarded_keys=await stack.enter_async_context(open_transport(KEYS_LIMITS, guard)),
        )


def _provider_limits(settings: Settings) -> TransportLimits:
    """Submits have connections of their own, which the reconciler never takes."""
    whole_s = settings.providers.timeout_s
    queued = SENDS_AT_ONCE * len(settings.providers.accounts)
    connections = SUBMITS_AT_ONCE + queued + settings.reconcile.concurrency
    return TransportLimits(connect_s=min(CONNECT_S, whole_s), whole_s=whole_s, connections=connections)


def _webhook_limits(settings: Settings) -> TransportLimits:
    return TransportLimits(
        connect_s=settings.delivery.connect_s,
        whole_s=settings.delivery.timeout_s,
        body_s=min(WEBHOOK_BODY_S, settings.delivery.timeout_s),
        max_reply_bytes=RESPONSE_CAP_BYTES,
        connections=settings.delivery.concurrency + POSTS_AT_ONCE + media.CONNECTIONS,
    )
