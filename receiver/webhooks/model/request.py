"""What a caller asks for a subscription: its rules, and the subscription that a request or a change makes. Pure.

Labels, URLs and secrets follow the rules of `receiver.webhooks.model.endpoint`, which tasks share.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.endpoint import address_violations, is_printable, label_violations, secret_violations
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from submitter.errors import Violation, WhenfinalError
from submitter.http.address_guard import AddressGuard

WORDS_CAP = 50  # in one condition of a filter

WORD_CAP = 200  # characters

DESCRIPTION_CAP = 500  # characters

RATE_MIN_PER_S, RATE_MAX_PER_S = 0.001, 10_000.0

USUAL_OVERLAP_S = 86_400.0

LONGEST_OVERLAP_S = 2_592_000.0  # 30 days

#: The reason of a subscription that a person disabled. It is stored and shown, so its text stays.
DISABLED_MANUALLY = "by hand"

_SHOWN = 60  # characters of a caller's word that a violation shows


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRequest:
    """What a caller may choose. Conditions and limits are those of `EventFilter` and `Subscription`."""

    url: str
    description: str = ""
    types: Sequence[str] = ()
    providers: Sequence[str] = ()
    models: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    #: None: the service makes one.
    secret: str | None = field(default=None, repr=False)
    #: Sign with ed25519 as well.
    asymmetric: bool = False
    cloudevents: bool = False
    handshake: bool = False
    rate_per_s: float | None = None
    max_in_flight: int | None = None

    @property
    def filter(self) -> EventFilter:
        """Raise ValueError for an unknown event type, which `validate_subscription` refuses."""
        return EventFilter(
            types=frozenset(self.types),
            providers=frozenset(self.providers),
            models=frozenset(self.models),
            labels=dict(self.labels),
        )


_DEFAULTS: Mapping[str, Any] = asdict(SubscriptionRequest(url=""))

CHANGEABLE = frozenset(_DEFAULTS) - {"secret"} | {"enabled"}


def validate_subscription(
    request: SubscriptionRequest,
    *,
    guard: AddressGuard,
    providers: Sequence[str],
    most_in_flight: int,
    has_public_url: bool,
) -> Iterator[Violation]:
    """Every broken rule, in the order of the fields. `providers` are the configured ones."""
    yield from address_violations(request.url, guard, field="url")
    if not is_printable(request.description, DESCRIPTION_CAP):
        rule, accepted = "is too long or not printable", f"up to {DESCRIPTION_CAP} printable characters"
        yield Violation(field="description", rule=rule, accepted=accepted)
    yield from known_violations("types", request.types, [kind.value for kind in EventType])
    yield from known_violations("providers", request.providers, providers)
    yield from model_violations(request.models)
    yield from label_violations(request.labels)
    if request.secret is not None:
        yield from secret_violations(request.secret, field="secret")
    if request.handshake and not has_public_url:
        rule, accepted = "needs a public address of this service, and none is set", "WHENFINAL_PUBLIC_URL set, or false"
        yield Violation(field="handshake", rule=rule, accepted=accepted)
    yield from _limit_violations(request, most_in_flight)


def violations_of_change(violations: Iterable[Violation], changes: Mapping[str, Any]) -> Iterator[Violation]:
    """Those of the changed fields; all of them when the change enables the subscription.

    So a subscription whose provider has left the settings can still be described or disabled.
    """
    is_enabling = changes.get("enabled") is True
    for violation in violations:
        if is_enabling or violation.field.partition(".")[0] in changes:
            yield violation


def rotation_violations(secret: str | None, overlap_s: float) -> Iterator[Violation]:
    """Every broken rule of a rotation."""
    if secret is not None:
        yield from secret_violations(secret, field="secret")
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        accepted = f"0 to {LONGEST_OVERLAP_S:.0f} seconds"
        yield Violation(field="overlap_s", rule="is out of range", accepted=accepted)


def known_violations(name: str, words: Sequence[str], known: Sequence[str]) -> Iterator[Violation]:
    """Broken rules of a condition with a closed set of words; one violation for each unknown word."""
    if len(words) > WORDS_CAP:
        yield _too_many(name, words)
        return
    for word in words:
        if word not in known:
            accepted = ", ".join(known) or "none: no provider is configured, see whenfinal doctor"
            yield Violation(field=name, rule=f"{word[:_SHOWN]!r} is not known", accepted=accepted)


def model_violations(words: Sequence[str]) -> Iterator[Violation]:
    """Broken rules of a condition on models, which may have any name."""
    if len(words) > WORDS_CAP:
        yield _too_many("models", words)
    elif not all(word and is_printable(word, WORD_CAP) for word in words):
        rule, accepted = "has one that is empty, too long or not printable", f"1 to {WORD_CAP} printable characters"
        yield Violation(field="models", rule=rule, accepted=accepted)


def _too_many(name: str, words: Sequence[str]) -> Violation:
    return Violation(field=name, rule=f"has {len(words)} words", accepted=f"up to {WORDS_CAP}, or none to take all")


def _limit_violations(request: SubscriptionRequest, most_in_flight: int) -> Iterator[Violation]:
    if request.rate_per_s is not None and not RATE_MIN_PER_S <= request.rate_per_s <= RATE_MAX_PER_S:
        accepted = f"{RATE_MIN_PER_S:g} to {RATE_MAX_PER_S:.0f} a second"
        yield Violation(field="rate_per_s", rule="is out of range", accepted=accepted)
    if request.max_in_flight is not None and not 1 <= request.max_in_flight <= most_in_flight:
        yield Violation(field="max_in_flight", rule="is out of range", accepted=f"1 to {most_in_flight}")


def request_of(subscription: Subscription) -> SubscriptionRequest:
    """The request that would make this subscription, without its secret."""
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


def merged(request: SubscriptionRequest, changes: Mapping[str, Any]) -> SubscriptionRequest:
    """The request with these fields changed; None sets a field to its default. Raise ValueError for unknown names."""
    if unknown := changes.keys() - CHANGEABLE:
        message = f"no field of a subscription: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    given = {name: value for name, value in changes.items() if name != "enabled"}
    cleared = {name: _DEFAULTS[name] for name, value in given.items() if value is None}
    return replace(request, **(given | cleared))


def create(
    request: SubscriptionRequest,
    *,
    subscription_id: str,
    secret: str,
    signing_key: str,
    key_id: str | None = None,
    now_ms: int,
) -> Subscription:
    """The new subscription of a valid request. `signing_key` is used if the request is `asymmetric`."""
    return Subscription(
        id=subscription_id,
        url=request.url,
        description=request.description,
        filter=request.filter,
        secret=secret,
        signing_key=signing_key if request.asymmetric else None,
        cloudevents=request.cloudevents,
        handshake=request.handshake,
        rate_per_s=request.rate_per_s,
        max_in_flight=request.max_in_flight,
        key_id=key_id,
        created_ms=now_ms,
        changed_ms=now_ms,
    )


def apply_changes(stored: Subscription, changes: Mapping[str, Any], *, signing_key: str, now_ms: int) -> Subscription:
    """The subscription after a valid change. `signing_key` is used when it becomes `asymmetric`."""
    request = merged(request_of(stored), changes)
    after = replace(
        stored,
        url=request.url,
        description=request.description,
        filter=request.filter,
        cloudevents=request.cloudevents,
        handshake=request.handshake,
        rate_per_s=request.rate_per_s,
        granted_per_s=stored.granted_per_s if request.handshake else None,
        max_in_flight=request.max_in_flight,
        changed_ms=now_ms,
    )
    if not request.asymmetric:
        after = replace(after, signing_key=None, previous_signing_key=None)
    elif stored.signing_key is None:
        after = replace(after, signing_key=signing_key)
    match changes.get("enabled"):
        case True:
            return replace(after, state=SubscriptionState.ACTIVE, disabled_ms=None, disabled_reason=None)
        case False if stored.state is SubscriptionState.ACTIVE:
            return replace(
                after, state=SubscriptionState.DISABLED, disabled_ms=now_ms, disabled_reason=DISABLED_MANUALLY
            )
    return after


def rotate_keys(stored: Subscription, *, secret: str, signing_key: str, overlap_s: float, now_ms: int) -> Subscription:
    """The subscription with new keys. The old ones sign as well for `overlap_s`; older ones end now."""
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
    """Whether the endpoint must consent before `after` is stored. A disabled one is asked when it is enabled."""
    if not after.handshake or after.state is SubscriptionState.DISABLED:
        return False
    if before is None or not before.handshake or before.state is SubscriptionState.DISABLED:
        return True
    return (before.url, before.rate_per_s) != (after.url, after.rate_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What an endpoint granted in a handshake, and for which URL and rate."""

    url: str
    rate_per_s: float | None
    granted_per_s: float | None


class ConcurrentChange(WhenfinalError):
    """Another change was stored meanwhile, so that this one needs another handshake, or another look."""


def with_consent(before: Subscription, after: Subscription, consent: Consent | None) -> Subscription:
    """`after` with the granted rate. Raise ConcurrentChange when the endpoint did not consent to it."""
    if not needs_handshake(before, after):
        return after
    if consent is None or (consent.url, consent.rate_per_s) != (after.url, after.rate_per_s):
        raise ConcurrentChange
    return replace(after, granted_per_s=consent.granted_per_s)
