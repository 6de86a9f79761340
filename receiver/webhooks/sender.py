"""One signed webhook to one endpoint, once: what was answered, or why nothing was.

Nothing is repeated, followed or stored here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.retry import read_retry_after
from submitter.errors import AddressForbidden, TransportError
from submitter.http.messages import Headers, HttpCall, HttpReply
from submitter.standard_webhooks import webhook_headers

RESPONSE_CAP_BYTES = 4096

LOCATION_CAP = 200  # characters of a redirect's target that are worth reading


class Sends(Protocol):
    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`secrets` and `signing_keys` sign in their order; `headers` come on top of the signature's own."""

    url: str
    message_id: str
    body: str
    secrets: tuple[str, ...] = field(repr=False)
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """`is_hopeless`: another try would end in the same way."""

    attempt: Attempt
    retry_after_s: float | None = None
    is_permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    status: int | None = None
    error: str | None = None
    response: str = ""
    retry_after_s: float | None = None
    is_permanent: bool = False


async def post(webhook: Webhook, transport: Sends, *, clock: Callable[[], int]) -> SendResult:
    """Never raises for what the endpoint, its network or a bad secret does."""
    began_ms = clock()
    tried = await _try(webhook, transport, began_ms, clock)
    ended_ms = clock()
    attempt = Attempt(
        at_ms=began_ms,
        latency_ms=max(0, ended_ms - began_ms),
        status=tried.status,
        error=tried.error,
        response=tried.response,
    )
    return SendResult(attempt=attempt, retry_after_s=tried.retry_after_s, is_permanent=tried.is_permanent)


async def _try(webhook: Webhook, transport: Sends, began_ms: int, clock: Callable[[], int]) -> _Tried:
    body = webhook.body.encode()
    try:
        signed = webhook_headers(
            webhook.secrets,
            message_id=webhook.message_id,
            timestamp_s=began_ms // 1000,
            body=body,
            signing_keys=webhook.signing_keys,
        )
    except ValueError as error:
        return _Tried(error=f"the webhook can not be signed: {error}", is_permanent=True)
    headers: Headers = (("content-type", "application/json"), *webhook.headers, *signed)
    try:
        reply = await transport.send(HttpCall(method="POST", url=webhook.url, headers=headers, body=body))
    except AddressForbidden as error:
        return _Tried(error=f"webhooks may not go there: {error}; see WHENFINAL_ALLOW_PRIVATE", is_permanent=True)
    except TransportError as error:
        return _Tried(error=f"{type(error).__name__}: {error}")
    return _Tried(
        status=reply.status,
        error=error_of(reply),
        response=_stored_text(reply.body),
        retry_after_s=read_retry_after(reply.header("retry-after"), now_ms=clock()),
    )


def error_of(reply: HttpReply) -> str | None:
    """What is wrong with an answer, in words; None when it is 2xx."""
    if 200 <= reply.status < 300:
        return None
    if 300 <= reply.status < 400:
        location = (reply.header("location") or "nowhere")[:LOCATION_CAP]
        return f"answered {reply.status}, a redirect to {location}, which is not followed"
    return f"answered {reply.status}"


def _stored_text(body: bytes) -> str:
    """Cut again after decoding, because what replaces a byte that is no text takes three."""
    text = body[:RESPONSE_CAP_BYTES].decode("utf-8", "replace")
    return text.encode()[:RESPONSE_CAP_BYTES].decode("utf-8", "ignore")
