"""Secrets out of a provider's own words, before those are kept or shown.

Pure. Providers like to quote what they refuse or fail over: our key, or the callback address with its token. The log
has its own net (`receiver.journal`); this one is for what the ledger keeps, and so for answers, events and webhooks.
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


def mask(text: str, hidden: Sequence[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, HIDDEN) if secret else text
    return text


def masked_submit(outcome: SubmitOutcome, hidden: Sequence[str]) -> SubmitOutcome:
    if isinstance(outcome, Refused):
        return replace(outcome, error=_error(outcome.error, hidden))
    return replace(outcome, reason=mask(outcome.reason, hidden)) if isinstance(outcome, Uncertain) else outcome


def masked_status(outcome: StatusOutcome, hidden: Sequence[str]) -> StatusOutcome:
    if isinstance(outcome, Observation):
        return masked_observation(outcome, hidden)
    if isinstance(outcome, Denied):
        return replace(outcome, message=mask(outcome.message, hidden))
    return replace(outcome, reason=mask(outcome.reason, hidden)) if isinstance(outcome, Unavailable) else outcome


def masked_observation(seen: Observation, hidden: Sequence[str]) -> Observation:
    """`raw` stays as it came: it never leaves the ledger."""
    return seen if seen.error is None else replace(seen, error=_error(seen.error, hidden))


def _error(error: TaskError, hidden: Sequence[str]) -> TaskError:
    return TaskError(code=mask(error.code, hidden), message=mask(error.message, hidden))
