"""When next: looks at a task, pauses of an account, and the purse of requests.

Pure. Times are unix milliseconds; `dice` is a number in [0, 1); `speed` is how many provider seconds pass in one of
ours (1 but for the simulator), so every wait that the provider's clock decides is divided by it.
Never here: the back-off of webhooks (`receiver.backoff`).
"""

from dataclasses import replace

from submitter.providers.contract import Budget, PollAdvice

SPREAD = 0.1  # each wait varies by this share, so that tasks submitted together are not asked about together

CALLBACK_STRETCH = 2  # where a callback is expected, asking is only the safety net

OVERDUE_STRETCH = 4  # past its deadline nobody waits for a task by the second any more

LONGEST_WAIT_S = 600.0  # a task that still lives is looked at at least this often

LONGEST_PAUSE_S = 900.0  # a provider cannot silence us for longer by one header

THROTTLED_PAUSE_S = 60.0  # the longest window of the documented rate limits (HiAPI and Modellix count by the minute)

DENIED_PAUSE_S = 300.0  # an operator must act; until then a try now and again shows whether they have

CLOCKS_APART_MS = 10_000  # what nodes' clocks may differ by; further back, a clock was set

LAST_MISS = 16  # doubling further changes nothing and would overflow in the end


def first_poll_ms(now_ms: int, advice: PollAdvice, *, callback_expected: bool, speed: float, random: float) -> int:
    """First look after the receipt; where a callback is expected, only once it is late."""
    wait_s = advice.late_s if callback_expected else advice.first_s
    return _after(now_ms, advice, wait_s, speed=speed, random=random)


def next_poll_ms(
    now_ms: int, advice: PollAdvice, *, callback_expected: bool, overdue: bool, speed: float, random: float
) -> int:
    """Next look after one that found the task alive."""
    stretch = (CALLBACK_STRETCH if callback_expected else 1) * (OVERDUE_STRETCH if overdue else 1)
    return _after(now_ms, advice, _capped(advice.every_s * stretch), speed=speed, random=random)


def after_not_found(
    now_ms: int, advice: PollAdvice, *, missing_since_ms: int | None, speed: float, random: float
) -> int:
    """While "not found" may mean "not visible yet" as usual; then as long again as it has been missing."""
    missing_s = 0.0 if missing_since_ms is None else (now_ms - missing_since_ms) / 1000 * speed
    wait_s = advice.every_s if missing_s <= advice.visible_after_s else max(advice.every_s, missing_s)
    return _after(now_ms, advice, _capped(wait_s), speed=speed, random=random)


def after_unavailable(
    now_ms: int, advice: PollAdvice, *, misses: int, retry_after_s: float | None, speed: float, random: float
) -> int:
    """`misses` counts the looks in a row that gave no statement, this one included; each doubles the wait."""
    wait_s = _capped(advice.every_s * 2 ** (min(max(misses, 1), LAST_MISS) - 1))
    asked_s = 0.0 if retry_after_s is None else min(retry_after_s, LONGEST_PAUSE_S) * speed
    return _after(now_ms, advice, max(wait_s, asked_s), speed=speed, random=random)


def after_pause(paused_until_ms: int, advice: PollAdvice, *, speed: float, random: float) -> int:
    """A look put off by a pause: soon after its end, and not all in the same moment."""
    return paused_until_ms + round(advice.every_s * random / speed * 1000)


def may_expire(
    now_ms: int, *, submitted_ms: int | None, missing_since_ms: int | None, retention_s: float, speed: float
) -> bool:
    """Whether "not found" now means that the provider has forgotten the task.

    Retention must have passed since the receipt, and `missing_since_ms` says that this is not the first "not found" in
    a row: one odd answer ends nothing.
    """
    if submitted_ms is None or missing_since_ms is None:
        return False
    return now_ms - submitted_ms > retention_s / speed * 1000


def throttled_until_ms(now_ms: int, *, retry_after_s: float | None, speed: float) -> int:
    """End of the pause after a 429. A stated Retry-After is in our seconds: it is the server's wish to us."""
    wait_s = THROTTLED_PAUSE_S / speed if retry_after_s is None else min(max(retry_after_s, 0.0), LONGEST_PAUSE_S)
    return now_ms + round(wait_s * 1000)


def denied_until_ms(now_ms: int) -> int:
    """End of the pause after a 401 or 403."""
    return now_ms + round(DENIED_PAUSE_S * 1000)


def scaled(budget: Budget, speed: float) -> Budget:
    """The same budget where the provider's clock runs `speed` times as fast."""
    return replace(budget, per_s=budget.per_s * speed)


def refill(tokens: float, refilled_ms: int, now_ms: int, budget: Budget) -> float:
    """What is in a purse now. `tokens` may be below zero, because submits never wait; a clock set back adds nothing."""
    earned = max(0, now_ms - refilled_ms) / 1000 * budget.per_s
    return min(float(budget.burst), tokens + earned)


def refilled_until(refilled_ms: int, now_ms: int) -> int:
    """The time up to which a bucket is filled once it has been looked at.

    A node whose clock is behind must not set it back: the next one would fill the same time twice.
    """
    return refilled_ms if now_ms < refilled_ms <= now_ms + CLOCKS_APART_MS else now_ms


def _capped(wait_s: float) -> float:
    return min(wait_s, LONGEST_WAIT_S)


def _after(now_ms: int, advice: PollAdvice, wait_s: float, *, speed: float, random: float) -> int:
    spread_s = wait_s * (1 - SPREAD + 2 * SPREAD * random)
    return now_ms + max(1, round(max(spread_s, advice.floor_s) / speed * 1000))
