"""When a delivery is tried again, and when it becomes a dead letter.

The endpoint itself may be paused for longer: see `endpoint_health`. Pure: times and random numbers are passed in.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from receiver.webhooks.model.delivery import Attempt, DeliveryState

#: Share of a delay that is added at random and never subtracted, so that deliveries which failed together are not all
#: tried again at the same moment.
JITTER = 0.2

RETRY_AFTER_CAP_S = 12 * 3600.0  # the longest step of the default schedule

GONE = 410

#: Statuses that slow an endpoint down and whose `Retry-After` counts.
THROTTLED = frozenset({429, 503})

_SECONDS = re.compile(r"[0-9]+", re.ASCII)


def after_attempt(
    attempts_before: int, attempt: Attempt, *, backoff_s: Sequence[float], random: Callable[[], float]
) -> tuple[DeliveryState, int | None]:
    """Return the delivery's state after an attempt, and when it is due again: unix ms, None unless it is pending.

    `backoff_s` holds the delays between attempts, so there is one attempt more than it has steps. `random` returns
    numbers in [0, 1). `Retry-After` can lengthen a delay and never shortens it, because otherwise an endpoint could use
    up all attempts within seconds.
    """
    if attempt.is_success:
        return DeliveryState.DELIVERED, None
    if attempt.is_permanent or attempt.status == GONE or attempts_before >= len(backoff_s):
        return DeliveryState.DEAD, None
    delay_s = backoff_s[attempts_before]
    if attempt.status in THROTTLED and attempt.retry_after_s is not None:
        delay_s = max(delay_s, min(attempt.retry_after_s, RETRY_AFTER_CAP_S))
    return DeliveryState.PENDING, attempt.ended_ms + round(delay_s * 1000 * (1 + JITTER * random()))


def longest_delay_ms(attempts: int, *, is_throttled: bool, backoff_s: Sequence[float]) -> int:
    """The longest delay that `after_attempt` can set once so many attempts were made; none before the first."""
    if attempts == 0 or not backoff_s:
        return 0
    delay_s = backoff_s[min(attempts, len(backoff_s)) - 1]
    return round(max(delay_s, RETRY_AFTER_CAP_S if is_throttled else 0.0) * (1 + JITTER) * 1000)


def read_retry_after(text: str | None, *, now_ms: int) -> float | None:
    """Seconds from now, from either form of `Retry-After` (RFC 9110, 10.2.3); None for anything else."""
    if text is None:
        return None
    given = text.strip()
    if _SECONDS.fullmatch(given):
        return float(given[:15])  # 15 digits are beyond any cap
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now_ms / 1000)
