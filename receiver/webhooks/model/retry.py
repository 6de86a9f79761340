"""When a delivery is tried again, and when it becomes a dead letter. Pure: the time and the dice come in."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from receiver.webhooks.model.delivery import Attempt, DeliveryState

#: Added to a delay, never taken off: an endpoint that failed for many at once is not tried by all of them at once.
JITTER = 0.2

RETRY_AFTER_CAP_S = 12 * 3600.0  # the longest step of the default schedule

GONE = 410

#: Statuses whose `Retry-After` counts.
ASKS_TO_WAIT = frozenset({429, 503})

_SECONDS = re.compile(r"[0-9]+", re.ASCII)


def after_attempt(
    attempts_before: int,
    attempt: Attempt,
    *,
    retry_after_s: float | None,
    backoff_s: Sequence[float],
    random: Callable[[], float],
) -> tuple[DeliveryState, int | None]:
    """The delivery's state and its next due time in unix ms, None unless it is pending.

    The first attempt has 0 before it; there are as many further ones as `backoff_s` has steps. `dice` gives numbers in
    [0, 1). `Retry-After` can make a step longer and never shorter, so that attempts are not spent within moments.
    """
    if attempt.status is not None and 200 <= attempt.status < 300:
        return DeliveryState.DELIVERED, None
    if attempt.status == GONE or attempts_before >= len(backoff_s):
        return DeliveryState.DEAD, None
    delay_s = backoff_s[attempts_before]
    if attempt.status in ASKS_TO_WAIT and retry_after_s is not None:
        delay_s = max(delay_s, min(retry_after_s, RETRY_AFTER_CAP_S))
    ended_ms = attempt.at_ms + attempt.latency_ms
    return DeliveryState.PENDING, ended_ms + round(delay_s * 1000 * (1 + JITTER * random()))


def read_retry_after(text: str | None, *, now_ms: int) -> float | None:
    """Seconds from now, from either form of `Retry-After` (RFC 9110, 10.2.3); None for anything else."""
    given = (text or "").strip()
    if _SECONDS.fullmatch(given):
        return float(given[:15])  # beyond any cap long before digits are cut
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now_ms / 1000)
