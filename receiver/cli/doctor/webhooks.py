"""What the ledger says of webhooks that do not arrive. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from receiver.cli.doctor.checks import Check, warn, well
from receiver.webhooks.model.endpoint_health import BreakerState
from receiver.webhooks.model.request import DISABLED_MANUALLY
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.model.views import subscription_breaker

NAMED = 3  # in one line


def check_webhooks(seen: Sequence[SubscriptionStatus], dead: int, now_ms: int) -> Iterator[Check]:
    """`dead` letters of whomever. One that somebody disabled by hand is no trouble."""
    troubles = [*_disabled(seen), *_failing(seen, now_ms), *_dead(dead)]
    yield from troubles
    if seen and not troubles:
        yield well("webhooks", f"{len(seen)} subscribed, none in trouble")


def _disabled(seen: Sequence[SubscriptionStatus]) -> Iterator[Check]:
    found = [each.subscription for each in seen if _is_given_up(each.subscription)]
    if found:
        hint = "once its endpoint is well: whenfinal subscriptions enable ID; what it was owed has waited"
        yield warn("webhooks", f"disabled for how they answered: {_named(found)}", hint=hint)


def _is_given_up(own: Subscription) -> bool:
    return own.state is SubscriptionState.DISABLED and own.disabled_reason != DISABLED_MANUALLY


def _failing(seen: Sequence[SubscriptionStatus], now_ms: int) -> Iterator[Check]:
    found = [
        each.subscription
        for each in seen
        if each.subscription.state is SubscriptionState.ACTIVE
        and subscription_breaker(each.endpoint, now_ms) is not BreakerState.CLOSED
    ]
    if found:
        hint = "see the last answer with: whenfinal subscriptions show ID; try it with: whenfinal subscriptions test ID"
        yield warn("webhooks", f"endpoints that keep failing: {_named(found)}", hint=hint)


def _dead(dead: int) -> Iterator[Check]:
    if dead:
        hint = "see them with: whenfinal deliveries list --state dead; then: whenfinal replay ID --only dead"
        yield warn("webhooks", f"dead letters: {dead}", hint=hint)


def _named(found: Iterable[Subscription]) -> str:
    names = [each.id for each in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
