"""Take secrets out of a provider's own words before these are stored or shown. Pure.

Providers like to quote our key, or the callback URL with its token, in the error that they answer. Log lines have a
filter of their own (`receiver.runtime.log`); this module is for what the ledger stores, and so for answers of the API,
events and webhooks.
"""

from collections.abc import Sequence
from dataclasses import replace

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


def redact(text: str, secrets: Sequence[str]) -> str:
    """Replace each secret in the text by `HIDDEN`. Empty secrets are ignored."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN) if secret else text
    return text


def redact_submit(outcome: SubmitOutcome, secrets: Sequence[str]) -> SubmitOutcome:
    match outcome:
        case Refused():
            return replace(outcome, error=_redact_error(outcome.error, secrets))
        case Uncertain():
            return replace(outcome, reason=redact(outcome.reason, secrets))
        case _:
            return outcome


def redact_status(outcome: StatusOutcome, secrets: Sequence[str]) -> StatusOutcome:
    match outcome:
        case Observation():
            return redact_observation(outcome, secrets)
        case Denied():
            return replace(outcome, message=redact(outcome.message, secrets))
        case Unavailable():
            return replace(outcome, reason=redact(outcome.reason, secrets))
        case _:
            return outcome


def redact_observation(observation: Observation, secrets: Sequence[str]) -> Observation:
    """`raw` stays as it came, because it never leaves the ledger."""
    if observation.error is None:
        return observation
    return replace(observation, error=_redact_error(observation.error, secrets))


def _redact_error(error: TaskError, secrets: Sequence[str]) -> TaskError:
    return TaskError(code=redact(error.code, secrets), message=redact(error.message, secrets))
