"""Take secrets out of a provider's own words before these are stored or shown. Pure.

Providers like to quote our key, or the callback URL with its token, in the error that they answer. Log lines have a
filter of their own (`receiver.runtime.log`); this module is for what the ledger stores, and so for answers of the API,
events and webhooks.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from receiver.store.codec import readable
from submitter.model import (
    Denied,
    Observation,
    Refused,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    Unavailable,
    Uncertain,
)

HIDDEN = "[hidden]"


REPLY_BYTES = 1024  # of a reply that could not be used; a page of HTML or a cut JSON shows in them what it is

SHORTEST_PART = 6  # characters of a secret that may end a cut text by chance

#: A callback URL of ours as providers quote it, also with escaped slashes: the provider's name, then the token.
_CALLBACK_URL = re.compile(r"(callbacks(?:/|\\/|%2F)[\w.-]+(?:/|\\/|%2F))[\w.~=-]+", re.IGNORECASE)


def redact(text: str, secrets: Sequence[str]) -> str:
    """Replace each secret in the text by `HIDDEN`, also as JSON, a URL or HTML writes it. Empty secrets are ignored."""
    for secret in secrets:
        for form in _forms(secret):
            text = text.replace(form, HIDDEN)
    return text


def redact_callback_urls(text: str, secrets: Sequence[str]) -> str:
    """As `redact`, and the token of any callback URL of ours is hidden, too."""
    return _CALLBACK_URL.sub(rf"\1{HIDDEN}", redact(text, secrets))


def redact_reply(raw: bytes, secrets: Sequence[str]) -> bytes:
    """The first KiB of a reply as UTF-8 text without secrets and without bytes that an engine can not store.

    A secret that the end of the reply cuts is hidden too, and so is the token of any callback URL of ours.
    """
    text = redact_callback_urls(readable(raw), secrets)
    # Twice, because the adapter may have cut the reply before, and here it is cut again.
    cut = _cut(_without_cut_secret(text, secrets))
    return _cut(_without_cut_secret(cut, secrets)).encode()


def _cut(text: str) -> str:
    return text.encode()[:REPLY_BYTES].decode("utf-8", "ignore")


def _forms(secret: str) -> Sequence[str]:
    """How a reply may write a secret, the longest first."""
    forms = {secret, secret.replace("/", "\\/"), quote(secret, safe=""), html.escape(secret)} - {""}
    return sorted(forms, key=len, reverse=True)


def _without_cut_secret(text: str, secrets: Sequence[str]) -> str:
    """Hide the beginning of a secret at the end of the text."""
    for secret in secrets:
        for form in _forms(secret):
            for count in range(len(form) - 1, SHORTEST_PART - 1, -1):
                if text.endswith(form[:count]):
                    text = text[:-count] + HIDDEN
    return text


def redact_submit(outcome: SubmitOutcome, secrets: Sequence[str]) -> SubmitOutcome:
    match outcome:
        case Refused():
            raw = redact_reply(outcome.raw, secrets)
            return replace(outcome, error=_redact_error(outcome.error, secrets), raw=raw)
        case Uncertain():
            raw = redact_reply(outcome.raw, secrets)
            return replace(outcome, reason=redact(outcome.reason, secrets), raw=raw)
        case _:
            return outcome


def redact_status(outcome: StatusOutcome, secrets: Sequence[str]) -> StatusOutcome:
    match outcome:
        case Observation():
            return redact_observation(outcome, secrets)
        case Denied():
            return replace(outcome, message=redact(outcome.message, secrets))
        case Unavailable():
            raw = redact_reply(outcome.raw, secrets)
            return replace(outcome, reason=redact(outcome.reason, secrets), raw=raw)
        case _:
            return outcome


def redact_observation(observation: Observation, secrets: Sequence[str]) -> Observation:
    """`raw` stays as it came, because it never leaves the ledger."""
    if observation.error is None:
        return observation
    return replace(observation, error=_redact_error(observation.error, secrets))


def _redact_error(error: TaskError, secrets: Sequence[str]) -> TaskError:
    return TaskError(code=redact(error.code, secrets), message=redact(error.message, secrets))
