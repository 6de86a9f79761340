"""The waits between polls, how long to pause a provider, and how a rate budget refills.

How long a task that runs as it should is waited for is learned: `receiver.reconcile.model.poll_rule`.

Pure. Times are unix milliseconds. `random` is a number in [0, 1). `speed` is how many provider seconds pass in one of
ours: 1, except for the simulator. Every wait that the provider's clock decides is divided by it.
The retry times of webhooks are in `receiver.webhooks.model.retry`, because a subscriber's clock runs like ours.
"""

from dataclasses import replace

from submitter.providers.contract import Budget, PollAdvice

PRIOR_MEDIAN_S = 130.0  # half of the tasks of an unknown model are taken to end within this time

PRIOR_SIGMA = 0.8  # the spread of the logarithm of that time; it is taken to be log-normal

POLL_PRICE_S = 5.0  # a poll is worth so many seconds of lateness; a higher price means fewer polls

JITTER = 0.1  # each wait varies by this share, so that tasks submitted together are not polled together

MAX_SPREAD_S = 5.0  # a long wait varies by no more than that, because a poll at the wrong time costs a second one

CALLBACK_FACTOR = 2  # polls are further apart where a callback is expected, because they are only the safety net

OVERDUE_FACTOR = 4  # polls are further apart once the deadline has passed

MAX_WAIT_S = 600.0  # the wait between two polls never grows beyond this, save for jitter and Retry-After

MAX_PAUSE_S = 900.0  # the longest pause that one Retry-After header can cause

THROTTLED_PAUSE_S = 60.0  # the longest window of the documented rate limits (HiAPI and Modellix count by the minute)

LONGEST_PAUSE_MS = round(MAX_PAUSE_S * 1000)  # no pause of a provider is longer

DENIED_PAUSE_S = 300.0  # an operator must act; a poll every five minutes finds out whether they have

MAX_CLOCK_SKEW_MS = 10_000  # what the clocks of two nodes may differ by; a larger step back means that a clock was set

MAX_DOUBLINGS = 15  # more of them change nothing, because MAX_WAIT_S is reached, and would overflow in the end


def overdue_poll_ms(now_ms: int, advice: PollAdvice, *, callback_expected: bool, speed: float, random: float) -> int:
    """When to poll again after a poll that found a task unfinished whose deadline has passed."""
    factor = OVERDUE_FACTOR * (CALLBACK_FACTOR if callback_expected else 1)
    return _after(now_ms, advice, min(advice.every_s * factor, MAX_WAIT_S), speed=speed, random=random)


def learned_poll_ms(now_ms: int, advice: PollAdvice, wait_s: float, *, speed: float, spread: float) -> int:
    """When to poll after a wait that follows from what was learned. `spread`, in [0, 1), is the task's own.

    It varies the wait, so that tasks submitted together are not polled together.
    """
    return now_ms + max(1, round(max(spread_wait_s(wait_s, spread), advice.floor_s) / speed * 1000))


def spread_wait_s(wait_s: float, spread: float) -> float:
    """A wait that follows from what was learned, by a tenth longer or shorter at most, and by `MAX_SPREAD_S`."""
    return wait_s + min(wait_s * JITTER, MAX_SPREAD_S) * (2 * spread - 1)


def after_not_found(
    now_ms: int, advice: PollAdvice, *, missing_since_ms: int | None, speed: float, random: float
) -> int:
    """When to poll again after "not found".

    As usual while it may mean "not visible yet". After that the wait is as long as the task has been missing.
    """
    missing_s = 0.0 if missing_since_ms is None else (now_ms - missing_since_ms) / 1000 * speed
    wait_s = advice.every_s if missing_s <= advice.visible_after_s else max(advice.every_s, missing_s)
    return _after(now_ms, advice, min(wait_s, MAX_WAIT_S), speed=speed, random=random)


def after_unavailable(
    now_ms: int, advice: PollAdvice, *, misses: int, retry_after_s: float | None, speed: float, random: float
) -> int:
    """When to poll again after a poll without a usable answer.

    `misses` counts such polls in a row, this one included; each doubles the wait. A longer Retry-After is respected.
    """
    doublings = min(max(misses - 1, 0), MAX_DOUBLINGS)
    wait_s = min(advice.every_s * 2**doublings, MAX_WAIT_S)
    requested_s = 0.0 if retry_after_s is None else min(retry_after_s, MAX_PAUSE_S) * speed
    return _after(now_ms, advice, max(wait_s, requested_s), speed=speed, random=random)


def after_pause(paused_until_ms: int, advice: PollAdvice, *, speed: float, random: float) -> int:
    """When to poll a task whose provider is paused: soon after the pause, spread over one usual wait."""
    return paused_until_ms + round(advice.every_s * random / speed * 1000)


def longest_wait_ms(advice: PollAdvice, *, speed: float) -> int:
    """No poll is ever due later than this after the moment at which its time was set."""
    usual_s = max(MAX_WAIT_S, advice.every_s, advice.floor_s) / speed
    after_pause_s = MAX_PAUSE_S + advice.every_s / speed
    return round(max(usual_s, after_pause_s) * (1 + JITTER) * 1000)


def latest_ms(now_ms: int, longest_ms: int) -> int:
    """The latest time that a wait of at most `longest_ms` can lead to, also by the clock of another node."""
    return now_ms + longest_ms + MAX_CLOCK_SKEW_MS


def may_expire(
    now_ms: int, *, submitted_ms: int | None, missing_since_ms: int | None, retention_s: float, speed: float
) -> bool:
    """Whether "not found" means that the provider has deleted the task.

    True once the provider's retention has passed since the receipt, and only at the second "not found" in a row
    (`missing_since_ms` is set), because one odd answer must not end a task.
    """
    if submitted_ms is None or missing_since_ms is None:
        return False
    return now_ms - submitted_ms > retention_s / speed * 1000


def throttled_until_ms(now_ms: int, *, retry_after_s: float | None, speed: float) -> int:
    """When the pause after a 429 ends. A Retry-After counts in our seconds, because the server addresses us."""
    wait_s = THROTTLED_PAUSE_S / speed if retry_after_s is None else min(max(retry_after_s, 0.0), MAX_PAUSE_S)
    return now_ms + round(wait_s * 1000)


def denied_until_ms(now_ms: int) -> int:
    """When the pause after a 401 or 403 ends."""
    return now_ms + round(DENIED_PAUSE_S * 1000)


def scaled(budget: Budget, speed: float) -> Budget:
    """The rate budget of a provider whose clock runs `speed` times as fast: the same burst, refilled faster."""
    return replace(budget, per_s=budget.per_s * speed)


def halved(budget: Budget) -> Budget:
    """Half of a rate budget, and one request at once at the least."""
    return replace(budget, per_s=budget.per_s / 2, burst=max(1, budget.burst // 2))


def refill(tokens: float, refilled_ms: int, now_ms: int, budget: Budget) -> float:
    """The tokens of a rate budget now, at most its burst.

    `tokens` may be negative, because submits do not wait for the budget. A clock that was set back adds nothing.
    """
    earned = max(0, now_ms - refilled_ms) / 1000 * budget.per_s
    return min(float(budget.burst), tokens + earned)


def refilled_until(refilled_ms: int, now_ms: int) -> int:
    """The time to store with the tokens that `refill` returned.

    A node whose clock is a little behind must not set it back, because the next node would add the same tokens again.
    """
    return refilled_ms if now_ms < refilled_ms <= now_ms + MAX_CLOCK_SKEW_MS else now_ms


def _after(now_ms: int, advice: PollAdvice, wait_s: float, *, speed: float, random: float) -> int:
    varied_s = wait_s * (1 - JITTER + 2 * JITTER * random)
    return now_ms + max(1, round(max(varied_s, advice.floor_s) / speed * 1000))
