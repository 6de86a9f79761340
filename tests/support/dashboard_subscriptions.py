"""Subscriptions and their deliveries for looks at the dashboard."""

from receiver.events.model.query import EventFilter
from receiver.webhooks.model.delivery import DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from tests.support.delivery_fixtures import finish, lease, publish_newer_event, subscribe
from tests.support.service import Served

SCRIPT_URL = "javascript:alert(1)//<script>"


async def subscribe_some(service: Served, now_ms: int, words: str) -> None:
    """Some that are well, one that fails, one that is disabled; with words of others and an address with script."""
    store, day_ms = service.services.store, 86_400_000
    labels = {"team": words}
    made = {"created_ms": now_ms - day_ms, "changed_ms": now_ms - day_ms}
    await subscribe(store, "sub_archive", url="https://archive.example/hooks/video-events", **made)
    await subscribe(
        store,
        "sub_billing",
        description="billing: paid seconds of " + words,
        url="https://billing.example/hooks/video-tasks/paid-seconds/by-team-and-project/at-the-rates-of-2026?token=x",
        filter=EventFilter(types=frozenset({"task.succeeded", "task.of_a_newer_version"}), labels=labels),
        rate_per_s=0.5,
        created_ms=now_ms - 40 * day_ms,
        changed_ms=now_ms - 3 * day_ms,
    )
    await subscribe(store, "sub_storyboards", url=SCRIPT_URL, **made)
    off = {"state": SubscriptionState.DISABLED, "disabled_ms": now_ms, "disabled_reason": "failed for 5 days"}
    await subscribe(store, "sub_boards", description="boards on the wall", created_ms=now_ms - 90 * day_ms, **off)


async def deliver_some(service: Served, now_ms: int) -> dict[str, str]:
    """What became of the events at the subscriptions. Return pages to look at."""
    store = service.services.store
    for due in await lease(store, now_ms=now_ms):
        if due.endpoint_id.startswith("sub_"):
            is_well = due.endpoint_id != "sub_storyboards"
            await finish(store, [due], DeliveryState.DELIVERED if is_well else DeliveryState.DEAD, at_ms=now_ms)
    await publish_newer_event(store)
    (event, *_) = await store.events.events(0, limit=1)
    return {
        "subscriptions": "/ops/subscriptions",
        "notify": "/ops/subscriptions/notify",
        "subscription": "/ops/subscriptions/sub_storyboards",
        "subscription that is disabled": "/ops/subscriptions/sub_boards",
        "events": "/ops/events",
        "event": f"/ops/events/{event.id}",
        "replay": f"/ops/acts/replay-events?subscription=sub_archive&first_seq={event.seq}",
        "test": "/ops/acts/test-subscription?subscription=sub_billing",
        "disable": "/ops/acts/disable-subscription?subscription=sub_billing",
        "enable": "/ops/acts/resume-subscription?subscription=sub_boards",
        "resume host": "/ops/acts/resume-host?host=https%3A%2F%2Fhooks.example&dead_letters=1",
        "rotate": "/ops/acts/rotate-secret?subscription=sub_billing",
    }
