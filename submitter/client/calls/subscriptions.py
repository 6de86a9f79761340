"""Have events sent to addresses as signed webhooks."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, TypedDict, Unpack

from submitter.api_webhooks import (
    ProbeResult,
    ReplayResult,
    ResumedSubscription,
    Subscription,
    SubscriptionsPage,
    SubscriptionWithBacklog,
    SubscriptionWithSecret,
)
from submitter.client.conversation import Call, Series, every
from submitter.client.replies import read_nothing, read_reply
from submitter.client.requests import Moment, api_path, as_json, as_object, get, post


class SubscriptionSettings(TypedDict, total=False):
    """Conditions are joined by "and", the values of one by "or"; an empty one lets everything through."""

    description: str | None
    types: Sequence[str] | None
    providers: Sequence[str] | None
    models: Sequence[str] | None
    labels: Mapping[str, str] | None
    asymmetric: bool
    cloudevents: bool
    handshake: bool
    rate_per_s: float | None
    max_in_flight: int | None


class SubscriptionChanges(SubscriptionSettings, total=False):
    """What is given changes; None empties a condition and lifts a limit."""

    url: str
    enabled: bool


class ReplayRange(TypedDict, total=False):
    """Events with `first_seq <= seq <= last_seq` and `since <= time < until` that pass the conditions."""

    first_seq: int | None
    last_seq: int | None
    since: Moment | None
    until: Moment | None
    types: Sequence[str] | None
    providers: Sequence[str] | None
    models: Sequence[str] | None
    labels: Mapping[str, str] | None
    which: Literal["all", "dead", "missing"] | None


def create(
    url: str, /, *, secret: str | None = None, **settings: Unpack[SubscriptionSettings]
) -> Call[SubscriptionWithSecret]:
    """Create a subscription. Its secret, made without `secret`, is in this answer and in no later one.

    It is sent once: if its answer is lost, list the subscriptions, because it may have been created.
    """
    return post(_path(), SubscriptionWithSecret, as_object({"url": url, "secret": secret, **settings}))


def list_subscriptions(
    *, state: Literal["active", "disabled"] | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[SubscriptionsPage]:
    """Return a page of subscriptions, the newest first. The next page begins at `next_cursor`."""
    return get(_path(), SubscriptionsPage, {"state": state, "limit": limit, "cursor": cursor})


def all_subscriptions(*, state: Literal["active", "disabled"] | None = None) -> Series[Subscription]:
    """Give every subscription, the newest first, page by page."""
    return every(
        lambda cursor: list_subscriptions(state=state, limit=200, cursor=cursor), lambda page: page.subscriptions
    )


def get_subscription(subscription_id: str, /) -> Call[SubscriptionWithBacklog]:
    """Return a subscription, and how many of its deliveries are pending or dead."""
    return get(_path(subscription_id), SubscriptionWithBacklog)


def change(subscription_id: str, /, **changes: Unpack[SubscriptionChanges]) -> Call[Subscription]:
    """Change what is given, and nothing else. None puts a member back to its default."""
    return Call(
        method="PATCH",
        path=_path(subscription_id),
        read=partial(read_reply, Subscription),
        json={name: as_json(value) for name, value in changes.items()},
        may_be_repeated=True,
    )


def enable(subscription_id: str, /) -> Call[Subscription]:
    """Switch it on. The health of its endpoint is reset, and what was held back is sent."""
    return change(subscription_id, enabled=True)


def disable(subscription_id: str, /) -> Call[Subscription]:
    """Switch it off. Its events wait until it is enabled."""
    return change(subscription_id, enabled=False)


def delete(subscription_id: str, /) -> Call[None]:
    """Delete a subscription. Its pending deliveries become dead letters, and its history stays readable."""
    return Call(method="DELETE", path=_path(subscription_id), read=read_nothing)


def rotate_secret(
    subscription_id: str, /, *, secret: str | None = None, overlap_s: float | None = None
) -> Call[SubscriptionWithSecret]:
    """Replace the secret. The old one signs as well for `overlap_s`, a day by default; 0 ends it at once."""
    body = as_object({"secret": secret, "overlap_s": overlap_s})
    return post(_path(subscription_id, "rotate-secret"), SubscriptionWithSecret, body)


def probe(subscription_id: str, /) -> Call[ProbeResult]:
    """Send one signed `webhook.test` now, without retries, and return what the endpoint answered."""
    return post(_path(subscription_id, "test"), ProbeResult)


def resume(subscription_id: str, /) -> Call[ResumedSubscription]:
    """Enable it, close the breaker of its endpoint, and send what waits."""
    return post(_path(subscription_id, "resume"), ResumedSubscription)


def replay(subscription_id: str, /, *, dry_run: bool = False, **events: Unpack[ReplayRange]) -> Call[ReplayResult]:
    """Send events again, each under its `webhook-id`; `dry_run` only counts them.

    At least one bound, or `which="dead"`; `first_seq=1` replays everything. `missing` are events without a delivery
    for this subscription.
    """
    return post(_path(subscription_id, "replay"), ReplayResult, as_object({**events, "dry_run": dry_run}))


def _path(*parts: str) -> str:
    return api_path("subscriptions", *parts)
