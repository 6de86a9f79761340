"""Checks of the webhooks that do not arrive, from what the ledger has stored. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from receiver.cli.doctor.checks import Check, ok, warn
from receiver.webhooks.model.endpoint_health import BreakerState
from receiver.webhooks.model.request import DISABLED_MANUALLY
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.model.views import subscription_breaker

NAMED = 3  # in one line


def check_webhooks(seen: Sequence[SubscriptionStatus], dead: int, now_ms: int) -> Iterator[Check]:
    """`dead` counts the dead letters of all subscriptions. A subscription that was disabled manually is no problem."""
    problems = [*_disabled(seen), *_failing(seen, now_ms), *_dead(dead)]
    yield from problems
    if seen and not problems:
        yield ok("webhooks", f"{len(seen)} subscribed, all working")


def _disabled(seen: Sequence[SubscriptionStatus]) -> Iterator[Check]:
    found = [each.subscription for each in seen if _is_disabled_by_failures(each.subscription)]
    if found:
        hint = "when its endpoint works again: whenfinal subscriptions enable ID; its pending deliveries have waited"
        yield warn("webhooks", f"disabled because of their answers: {_named(found)}", hint=hint)


def _is_disabled_by_failures(own: Subscription) -> bool:
    return own.state is SubscriptionState.DISABLED and own.disabled_reason != DISABLED_MANUALLY


def _failing(seen: Sequence[SubscriptionStatus], now_ms: int) -> Iterator[Check]:
    found = [
        each.subscription
        for each in seen
        if each.subscription.state is SubscriptionState.ACTIVE
        and subscription_breaker(each.endpoint, now_ms) is not BreakerState.CLOSED
    ]
    if found:
        hint = "see the last answer: whenfinal subscriptions show ID; try it: whenfinal subscriptions test ID"
        yield warn("webhooks", f"endpoints that keep failing: {_named(found)}", hint=hint)


def _dead(dead: int) -> Iterator[Check]:
    if dead:
        hint = "list them: whenfinal deliveries list --state dead; then: whenfinal replay ID --only dead"
        yield warn("webhooks", f"dead letters: {dead}", hint=hint)


def _named(found: Iterable[Subscription]) -> str:
    names = [each.id for each in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
