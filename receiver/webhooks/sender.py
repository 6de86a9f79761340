"""Sign one webhook and post it once.

Nothing is repeated, no redirect is followed, nothing is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.retry import read_retry_after
from submitter.errors import AddressForbidden, TransportError
from submitter.http.messages import Headers, HttpCall, HttpReply, is_success
from submitter.http.transport import Transport
from submitter.standard_webhooks import webhook_headers

RESPONSE_CAP_BYTES = 4096

LOCATION_CAP = 200  # characters of a redirect's target that an error shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What is posted, and with which keys it is signed."""

    url: str
    message_id: str
    body: str
    #: Each of them signs, in this order.
    secrets: tuple[str, ...] = field(repr=False)
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    #: Sent beside the headers of the signature.
    headers: Headers = ()


async def send_webhook(webhook: Webhook, transport: Transport, *, clock: Callable[[], int]) -> Attempt:
    """Post the webhook and return the attempt. Never raises for the endpoint, its network or a bad secret."""
    started_ms = clock()

    def attempt(error: str | None, *, is_permanent: bool = False, reply: HttpReply | None = None) -> Attempt:
        ended_ms = clock()
        return Attempt(
            at_ms=started_ms,
            latency_ms=max(0, ended_ms - started_ms),
            status=None if reply is None else reply.status,
            error=error,
            response="" if reply is None else _stored_text(reply.body),
            retry_after_s=None if reply is None else read_retry_after(reply.header("retry-after"), now_ms=ended_ms),
            is_permanent=is_permanent,
        )

    try:
        call = _signed_call(webhook, started_ms)
    except ValueError as error:
        return attempt(f"the webhook can not be signed: {error}", is_permanent=True)
    try:
        reply = await transport.send(call)
    except AddressForbidden as error:
        return attempt(f"webhooks may not go there: {error}; see WHENFINAL_ALLOW_PRIVATE", is_permanent=True)
    except TransportError as error:
        return attempt(f"{type(error).__name__}: {error}")
    return attempt(error_of(reply), reply=reply)


def _signed_call(webhook: Webhook, now_ms: int) -> HttpCall:
    """Raise ValueError when a secret or key cannot sign."""
    body = webhook.body.encode()
    signed = webhook_headers(
        webhook.secrets,
        message_id=webhook.message_id,
        timestamp_s=now_ms // 1000,
        body=body,
        signing_keys=webhook.signing_keys,
    )
    headers: Headers = (("content-type", "application/json"), *webhook.headers, *signed)
    return HttpCall(method="POST", url=webhook.url, headers=headers, body=body)


def error_of(reply: HttpReply) -> str | None:
    """What is wrong with an answer; None when it is 2xx."""
    if is_success(reply.status):
        return None
    if 300 <= reply.status < 400:
        location = (reply.header("location") or "nowhere")[:LOCATION_CAP]
        return f"answered {reply.status}, a redirect to {location}, which is not followed"
    return f"answered {reply.status}"


def _stored_text(body: bytes) -> str:
    """Cut again after decoding, because the replacement of one invalid byte takes three bytes."""
    text = body[:RESPONSE_CAP_BYTES].decode("utf-8", "replace")
    return text.encode()[:RESPONSE_CAP_BYTES].decode("utf-8", "ignore")
