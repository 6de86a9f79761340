"""What a caller orders of a subscription: our rules for it, and the subscription that comes of an order or a change.

Pure. A condition's words are known here and nowhere else; labels, addresses and secrets have the rules of
`receiver.orders`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.endpoint import (
    NotifyRules,
    address_violations,
    is_printable,
    label_violations,
    secret_violations,
)
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from submitter.errors import Violation

WORDS_CAP = 50  # in one condition

WORD_CAP = 200  # characters

DESCRIPTION_CAP = 500  # characters

SLOWEST_PER_S, FASTEST_PER_S = 0.001, 10_000.0

LONGEST_OVERLAP_S = 2_592_000.0  # 30 days

BY_HAND = "by hand"

_SHOWN = 60  # characters of a caller's own word in an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRequest:
    """`secret` None: one is made. `asymmetric` asks for ed25519 signatures as well.

    Empty conditions, `rate_per_s` and `max_in_flight` as in `receiver.subscription`.
    """

    url: str
    description: str = ""
    types: Sequence[str] = ()
    providers: Sequence[str] = ()
    models: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    asymmetric: bool = False
    cloudevents: bool = False
    handshake: bool = False
    rate_per_s: float | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRules:
    """`providers` are the configured ones. `origin` is who we are in a handshake; None: there is no public address."""

    notify: NotifyRules
    providers: tuple[str, ...]
    most_in_flight: int
    origin: str | None


_DEFAULTS = SubscriptionRequest(url="")

CHANGEABLE = frozenset(each.name for each in fields(SubscriptionRequest)) - {"secret"} | {"enabled"}


def find_violations(order: SubscriptionRequest, rules: SubscriptionRules) -> Iterator[Violation]:
    """Every broken rule, in the order of the fields."""
    yield from address_violations(order.url, rules.notify, field="url")
    if not is_printable(order.description, DESCRIPTION_CAP):
        rule, accepted = "is too long or not printable", f"up to {DESCRIPTION_CAP} printable characters"
        yield Violation(field="description", rule=rule, accepted=accepted)
    yield from known_violations("types", order.types, [kind.value for kind in EventType])
    yield from known_violations("providers", order.providers, rules.providers)
    yield from model_violations(order.models)
    yield from label_violations(order.labels)
    if order.secret is not None:
        yield from secret_violations(order.secret, rules.notify, field="secret")
    if order.handshake and rules.origin is None:
        rule, accepted = "needs a public address of this service, and none is set", "WHENFINAL_PUBLIC_URL set, or false"
        yield Violation(field="handshake", rule=rule, accepted=accepted)
    yield from _limits(order, rules.most_in_flight)


def change_violations(
    stored: Subscription, changes: Mapping[str, Any], rules: SubscriptionRules
) -> Iterator[Violation]:
    """Broken rules of what would change; of everything when that includes switching it on.

    So one whose provider has left the settings since can still be described anew or disabled.
    """
    order = merged(order_of(stored), changes)
    looks_at_all = changes.get("enabled") is True
    for violation in find_violations(order, rules):
        if looks_at_all or violation.field.partition(".")[0] in changes:
            yield violation


def rotation_violations(secret: str | None, overlap_s: float, notify: NotifyRules) -> Iterator[Violation]:
    """Every broken rule of a rotation."""
    if secret is not None:
        yield from secret_violations(secret, notify, field="secret")
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        accepted = f"0 to {LONGEST_OVERLAP_S:.0f} seconds"
        yield Violation(field="overlap_s", rule="is out of range", accepted=accepted)


def known_violations(name: str, words: Sequence[str], known: Sequence[str]) -> Iterator[Violation]:
    """Of a condition whose words are all known here; one violation for each that is not."""
    if len(words) > WORDS_CAP:
        yield _too_many(name, words)
        return
    for word in words:
        if word not in known:
            accepted = ", ".join(known) or "none: no provider is configured, see whenfinal doctor"
            yield Violation(field=name, rule=f"{word[:_SHOWN]!r} is not known", accepted=accepted)


def model_violations(words: Sequence[str]) -> Iterator[Violation]:
    if len(words) > WORDS_CAP:
        yield _too_many("models", words)
    elif not all(word and is_printable(word, WORD_CAP) for word in words):
        rule, accepted = "has one that is empty, too long or not printable", f"1 to {WORD_CAP} printable characters"
        yield Violation(field="models", rule=rule, accepted=accepted)


def _too_many(name: str, words: Sequence[str]) -> Violation:
    return Violation(field=name, rule=f"has {len(words)} words", accepted=f"up to {WORDS_CAP}, or none to take all")


def _limits(order: SubscriptionRequest, most_in_flight: int) -> Iterator[Violation]:
    if order.rate_per_s is not None and not SLOWEST_PER_S <= order.rate_per_s <= FASTEST_PER_S:
        accepted = f"{SLOWEST_PER_S:g} to {FASTEST_PER_S:.0f} a second"
        yield Violation(field="rate_per_s", rule="is out of range", accepted=accepted)
    if order.max_in_flight is not None and not 1 <= order.max_in_flight <= most_in_flight:
        yield Violation(field="max_in_flight", rule="is out of range", accepted=f"1 to {most_in_flight}")


def order_of(subscription: Subscription) -> SubscriptionRequest:
    """The order that would make it, without its secret."""
    wanted = subscription.filter
    return SubscriptionRequest(
        url=subscription.url,
        description=subscription.description,
        types=sorted(wanted.types),
        providers=sorted(wanted.providers),
        models=sorted(wanted.models),
        labels=wanted.labels,
        asymmetric=subscription.signing_key is not None,
        cloudevents=subscription.cloudevents,
        handshake=subscription.handshake,
        rate_per_s=subscription.rate_per_s,
        max_in_flight=subscription.max_in_flight,
    )


def merged(order: SubscriptionRequest, changes: Mapping[str, Any]) -> SubscriptionRequest:
    """None puts a field back to what it is when nobody asks for anything. Raise ValueError for names that are none."""
    if unknown := changes.keys() - CHANGEABLE:
        message = f"no field of a subscription: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    given = {name: value for name, value in changes.items() if name != "enabled"}
    empty = {name: getattr(_DEFAULTS, name) for name, value in given.items() if value is None}
    return replace(order, **(given | empty))


def ordered(order: SubscriptionRequest, *, name: str, secret: str, signing_key: str, now_ms: int) -> Subscription:
    """A new one. `order` broke no rule; the signing key is taken if it is asked for."""
    return Subscription(
        id=name,
        secret=secret,
        signing_key=signing_key if order.asymmetric else None,
        created_ms=now_ms,
        changed_ms=now_ms,
        **_plain(order),
    )


def changed(stored: Subscription, changes: Mapping[str, Any], *, signing_key: str, now_ms: int) -> Subscription:
    """`signing_key` is taken when ed25519 signatures are asked for and there is none yet."""
    order = merged(order_of(stored), changes)
    after = replace(stored, changed_ms=now_ms, **_plain(order))
    if not order.asymmetric:
        after = replace(after, signing_key=None, previous_signing_key=None)
    elif stored.signing_key is None:
        after = replace(after, signing_key=signing_key)
    if not order.handshake:
        after = replace(after, granted_per_s=None)
    return _switched(after, changes.get("enabled"), now_ms)


def _plain(order: SubscriptionRequest) -> dict[str, Any]:
    names = ("url", "description", "cloudevents", "handshake", "rate_per_s", "max_in_flight")
    wanted = EventFilter(
        types=frozenset(EventType(word) for word in order.types),
        providers=frozenset(order.providers),
        models=frozenset(order.models),
        labels=dict(order.labels),
    )
    return {**{name: getattr(order, name) for name in names}, "filter": wanted}


def _switched(subscription: Subscription, enabled: bool | None, now_ms: int) -> Subscription:  # noqa: FBT001 - a field
    if enabled is True:
        return replace(subscription, state=SubscriptionState.ACTIVE, disabled_ms=None, disabled_reason=None)
    if enabled is False and subscription.state is SubscriptionState.ACTIVE:
        return replace(subscription, state=SubscriptionState.DISABLED, disabled_ms=now_ms, disabled_reason=BY_HAND)
    return subscription


def rotated(stored: Subscription, *, secret: str, signing_key: str, overlap_s: float, now_ms: int) -> Subscription:
    """New keys. The old ones sign along for `overlap_s`; those that were already on their way out end now."""
    after = replace(
        stored,
        secret=secret,
        signing_key=signing_key if stored.signing_key is not None else None,
        previous_secret=None,
        previous_signing_key=None,
        previous_until_ms=None,
        changed_ms=now_ms,
    )
    if overlap_s == 0:
        return after
    return replace(
        after,
        previous_secret=stored.secret,
        previous_signing_key=stored.signing_key,
        previous_until_ms=now_ms + round(overlap_s * 1000),
    )


def needs_handshake(before: Subscription | None, after: Subscription) -> bool:
    """Whether the endpoint must be asked (again). Of a disabled one it is asked when it is enabled."""
    if not after.handshake or after.state is SubscriptionState.DISABLED:
        return False
    if before is None or not before.handshake or before.state is SubscriptionState.DISABLED:
        return True
    return (before.url, before.rate_per_s) != (after.url, after.rate_per_s)
