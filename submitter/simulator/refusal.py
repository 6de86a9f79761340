"""Why a platform says no, in our own words; each platform has its own status, code and envelope for every reason."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Reasons for an answer other than the one asked for."""

    INVALID = "invalid"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    NO_MODEL = "no_model"
    NOT_ASYNC = "not_async"
    BAD_KEY = "bad_key"
    NO_BALANCE = "no_balance"
    NO_TASK = "no_task"
    NO_ROUTE = "no_route"
    NOT_PENDING = "not_pending"
    RATE = "rate"
    CONCURRENCY = "concurrency"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    KEY_IN_USE = "key_in_use"
    KEY_OF_OTHER_BODY = "key_of_other_body"


THROTTLINGS = frozenset({Reason.RATE, Reason.CONCURRENCY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`field` names the offending field where there is one, in the platform's own spelling."""

    reason: Reason
    message: str
    field: str | None = None
