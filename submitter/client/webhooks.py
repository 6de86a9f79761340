"""Verify the webhooks of a receiver and read them, in any framework."""

from collections.abc import Iterable, Sequence
from time import time
from typing import Protocol

from submitter import standard_webhooks
from submitter.api import Message
from submitter.client.replies import read_message
from submitter.errors import ReceiverUnreachable, WebhookNotVerified


class HeaderItems(Protocol):
    """Headers as web frameworks give them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def open_webhook(secrets: Sequence[str], headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
    """Verify a webhook and return its message: an Event, a SubscriptionDisabled, or an OtherMessage.

    `secrets` are `whsec_…` and `whpk_…`; `headers` a mapping or pairs, of any case; `body` the unchanged bytes. Raise
    WebhookNotVerified when no signature is right, when it was signed more than 5 minutes ago by this machine's clock,
    or when it is not a receiver's message; answer such a request with 400 and do nothing else. The same webhook may
    come more than once: ignore an `event_id` that you have handled.
    """
    pairs = headers.items() if hasattr(headers, "items") else headers
    standard_webhooks.verify_webhook(secrets, tuple(pairs), body, now_s=int(time()))
    try:
        return read_message(body)
    except ReceiverUnreachable as error:
        raise WebhookNotVerified("signed correctly, but not the message of a receiver") from error


class Webhooks:
    """The part of both clients that opens webhooks. Raise ValueError for a secret that is none."""

    def __init__(self, secrets: Sequence[str]) -> None:
        standard_webhooks.check_secrets(secrets)
        self._webhook_secrets = tuple(secrets)

    def verify_webhook(self, headers: HeaderItems | Iterable[tuple[str, str]], body: bytes) -> Message:
        """Do as `open_webhook` with the client's own secrets. Raise ValueError for a client without any."""
        if not self._webhook_secrets:
            raise ValueError("the client was made without webhook_secrets")
        return open_webhook(self._webhook_secrets, headers, body)
