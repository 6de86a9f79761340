"""Create, change, rotate, delete and test subscriptions.

The rules for a request, and the subscription that it makes, are in `receiver.webhooks.model.request`. With `handshake`,
an endpoint is asked for its consent before anything is stored; its consent counts only for what it was asked.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from receiver.config.sections import DeliverySettings
from receiver.store.audit import AuditEntry, AuditLog
from receiver.store.ids import IdMaker
from receiver.webhooks.endpoints import EndpointService
from receiver.webhooks.model import request as rules
from receiver.webhooks.model.cloudevents import (
    Denied,
    build_handshake,
    needed_answer,
    origin_of,
    read_handshake,
    requested_headers,
)
from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.endpoint import new_webhook_secret
from receiver.webhooks.model.endpoint_health import is_troubled
from receiver.webhooks.model.endpoint_status import ResumedEndpoint, ResumedSubscription
from receiver.webhooks.model.request import ConcurrentChange, Consent, SubscriptionRequest
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from receiver.webhooks.sender import Webhook, send_webhook
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS, SubscriptionRepository
from submitter.errors import AddressForbidden, InvalidRequest, TransportError, Violation
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import Transport
from submitter.standard_webhooks import new_signing_key
from submitter.timestamps import rfc3339

KEY_BYTES = 32  # of a secret and of an ed25519 seed that is made here

POSTS_AT_ONCE = 8  # tests and handshakes in a process, beside deliveries

CHANGE_TRIES = 3  # when others change the same subscription while its endpoint is asked

TEST_TYPE = "webhook.test"

ROTATED = "subscription secret rotated"  # in the audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test webhook, and what followed from an answer 2xx."""

    attempt: Attempt
    resumed: ResumedEndpoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubscriptionService:
    """Every method may raise StoreUnavailable; then nothing was changed.

    Endpoints that hang delay only other tests and handshakes, never a delivery.
    """

    subscriptions: SubscriptionRepository
    endpoints: EndpointService
    audit: AuditLog
    transport: Transport
    settings: DeliverySettings
    #: Names of the configured providers.
    providers: tuple[str, ...]
    #: None: endpoints cannot be asked for their consent.
    public_url: str | None
    clock: Callable[[], int]
    #: Returns n bytes that are fit for a secret.
    random_bytes: Callable[[int], bytes]
    new_id: IdMaker
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POSTS_AT_ONCE), init=False, repr=False)

    async def create(self, request: SubscriptionRequest, *, actor: str, key_id: str | None = None) -> Subscription:
        """Store a new subscription and return it. `key_id`: that of its creator's key in the ledger.

        Raise InvalidRequest with every violation, when the endpoint does not consent, and when there are too many
        subscriptions; then nothing is stored.
        """
        _refuse(self._violations(request))
        now_ms = self.clock()
        made = rules.create(
            request,
            subscription_id=self.new_id("sub", now_ms),
            secret=request.secret or self._new_secret(),
            signing_key=self._new_signing_key(),
            key_id=key_id,
            now_ms=now_ms,
        )
        if rules.needs_handshake(None, made):
            made = replace(made, granted_per_s=(await self._ask_for_consent(made)).granted_per_s)
        if not await self.subscriptions.add(made, actor=actor, now_ms=now_ms):
            rule = f"would be one more than the {MOST_SUBSCRIPTIONS} that there may be"
            accepted = "delete one that nobody needs, or widen one that is there"
            raise InvalidRequest([Violation(field="subscription", rule=rule, accepted=accepted)])
        return made

    async def change(self, subscription_id: str, changes: Mapping[str, Any], *, actor: str) -> Subscription | None:
        """Change some fields and return the subscription; None when there is no such subscription.

        `changes` holds fields of a request without `secret`, and `enabled`; None sets a field to its default. Enabling
        also clears the endpoint's failures, pause and throttling, and makes its pending deliveries due. Raise
        InvalidRequest with every violation, and when the endpoint does not consent.
        """
        changed = await self._change(subscription_id, changes, actor=actor)
        if changed is not None and changes.get("enabled") is True:
            await self.endpoints.resume(subscription_id, _resumed(subscription_id, actor))
        return changed

    async def resume(self, subscription_id: str, *, actor: str) -> ResumedSubscription | None:
        """Enable a subscription that is disabled, close its breaker and make its pending deliveries due.

        Return what was done, None when there is no such subscription. Raise as `change`.
        """
        found = await self.subscriptions.find(subscription_id)
        if found is None:
            return None
        is_disabled = found.subscription.state is SubscriptionState.DISABLED
        was_failing = found.endpoint is not None and is_troubled(found.endpoint, self.clock())
        if is_disabled and await self._change(subscription_id, {"enabled": True}, actor=actor) is None:
            return None
        resumed = await self.endpoints.resume(subscription_id, _resumed(subscription_id, actor))
        return ResumedSubscription(was_disabled=is_disabled, endpoint=replace(resumed, was_failing=was_failing))

    async def _change(self, subscription_id: str, changes: Mapping[str, Any], *, actor: str) -> Subscription | None:
        entry = AuditEntry(actor=actor, action=_action(changes), detail={"fields": sorted(changes)})
        for _ in range(CHANGE_TRIES):
            found = await self.subscriptions.find(subscription_id)
            if found is None:
                return None
            try:
                return await self._change_once(found.subscription, changes, entry)
            except ConcurrentChange:
                continue
        rule, accepted = "was changed by others meanwhile", "look at the subscription, then try again"
        raise InvalidRequest([Violation(field="handshake", rule=rule, accepted=accepted)])

    async def _change_once(
        self, before: Subscription, changes: Mapping[str, Any], entry: AuditEntry
    ) -> Subscription | None:
        """Raise ConcurrentChange when another change was stored meanwhile that needs the endpoint to be asked again."""
        _refuse(rules.violations_of_change(self._violations(rules.merged(rules.request_of(before), changes)), changes))
        signing_key = self._new_signing_key()
        after = rules.apply_changes(before, changes, signing_key=signing_key, now_ms=self.clock())
        consent = await self._ask_for_consent(after) if rules.needs_handshake(before, after) else None
        now_ms = self.clock()  # read after the handshake, so that it is not earlier than a change stored meanwhile

        def apply(stored: Subscription) -> Subscription:
            changed = rules.apply_changes(stored, changes, signing_key=signing_key, now_ms=now_ms)
            return rules.with_consent(stored, changed, consent)

        is_enabling = changes.get("enabled") is True
        return await self.subscriptions.change(before.id, apply, entry, now_ms=now_ms, reset_health=is_enabling)

    async def delete(self, subscription_id: str, *, actor: str) -> bool:
        """Delete a subscription; False when there is no such subscription."""
        return await self.subscriptions.delete(subscription_id, actor=actor, now_ms=self.clock())

    async def rotate(
        self,
        subscription_id: str,
        *,
        secret: str | None,
        overlap_s: float,
        actor: str,
        seen_changed_ms: int | None = None,
    ) -> Subscription | None:
        """Give a subscription a new secret, and a new signing key where it has one; None when there is no such one.

        Without `secret` one is made. The old pair signs as well for `overlap_s` (0 to 30 days; 0 ends it at once). A
        second rotation within an overlap ends the pair of the first. Raise InvalidRequest with every violation, also
        for the secret that is in use, so that a repeated request does not end the secret before it. Raise
        ConcurrentChange when the subscription was changed after `seen_changed_ms`, its `changed_ms` as somebody saw it.
        """
        _refuse(rules.rotation_violations(secret, overlap_s))
        now_ms = self.clock()
        new_secret, signing_key = secret or self._new_secret(), self._new_signing_key()

        def apply(stored: Subscription) -> Subscription:
            if seen_changed_ms not in {None, stored.changed_ms}:
                raise ConcurrentChange
            if new_secret == stored.secret:
                rule, accepted = "is in use already", "another one; without one, a new one is made"
                raise InvalidRequest([Violation(field="secret", rule=rule, accepted=accepted)])
            return rules.rotate_keys(
                stored, secret=new_secret, signing_key=signing_key, overlap_s=overlap_s, now_ms=now_ms
            )

        entry = AuditEntry(actor=actor, action=ROTATED, detail={"overlap_s": overlap_s})
        return await self.subscriptions.change(subscription_id, apply, entry, now_ms=now_ms)

    async def test(self, subscription_id: str, *, actor: str) -> Tested | None:
        """Post a signed `webhook.test` once, now, also to a disabled subscription; None when there is no such one.

        An answer 2xx proves that the endpoint works: its breaker closes and its pending deliveries are due. Any other
        answer counts neither as a failure of the endpoint nor towards its limits.
        """
        found = await self.subscriptions.find(subscription_id)
        if found is None:
            return None
        entry = AuditEntry(actor=actor, action="subscription tested", detail={"subscription": subscription_id})
        await self.audit.record(entry, now_ms=self.clock())
        async with self._slots:
            webhook = self._test_webhook(found.subscription, self.clock())
            attempt = await send_webhook(webhook, self.transport, clock=self.clock)
        # Only if it still points to where the test went.
        now = await self.subscriptions.find(subscription_id) if attempt.is_success else None
        if now is None or now.subscription.url != found.subscription.url:
            return Tested(attempt=attempt, resumed=ResumedEndpoint())
        resumed = await self.endpoints.resume(subscription_id, _resumed(subscription_id, actor))
        return Tested(attempt=attempt, resumed=resumed)

    def _test_webhook(self, subscription: Subscription, now_ms: int) -> Webhook:
        body = {"type": TEST_TYPE, "timestamp": rfc3339(now_ms), "data": {"subscription": subscription.id}}
        message_id = self.new_id("msg", now_ms)
        return Webhook(
            url=subscription.url,
            message_id=message_id,
            body=json.dumps(body, separators=(",", ":")),
            secrets=subscription.secrets_at(now_ms),
            signing_keys=subscription.signing_keys_at(now_ms),
            headers=requested_headers(
                subscription, self.public_url, message_id=message_id, event_type=TEST_TYPE, at_ms=now_ms
            ),
        )

    async def _ask_for_consent(self, draft: Subscription) -> Consent:
        """Send the CloudEvents handshake. Raise InvalidRequest unless the endpoint consents."""
        origin = origin_of(self.public_url or "")
        call = build_handshake(draft.url, origin=origin, rate_per_s=draft.rate_per_s)
        try:
            async with self._slots:
                reply = await self.transport.send(call)
        except AddressForbidden as error:
            raise _not_granted(f"webhooks may not go there: {error}", origin) from error
        except TransportError as error:
            raise _not_granted(f"{type(error).__name__}: {error}", origin) from error
        answer = read_handshake(reply, origin=origin, is_rate_asked=draft.rate_per_s is not None)
        if isinstance(answer, Denied):
            raise _not_granted(f"the endpoint {answer.reason}", origin)
        return Consent(url=draft.url, rate_per_s=draft.rate_per_s, granted_per_s=answer.per_s)

    def _violations(self, request: SubscriptionRequest) -> Iterable[Violation]:
        return rules.validate_subscription(
            request,
            guard=AddressGuard(allow=self.settings.allow_private),
            providers=self.providers,
            most_in_flight=self.settings.concurrency,
            has_public_url=self.public_url is not None,
        )

    def _new_secret(self) -> str:
        return new_webhook_secret(self.random_bytes(KEY_BYTES))

    def _new_signing_key(self) -> str:
        return new_signing_key(self.random_bytes(KEY_BYTES))


def _resumed(subscription_id: str, actor: str) -> AuditEntry:
    return AuditEntry(actor=actor, action="subscription resumed", detail={"subscription": subscription_id})


def _action(changes: Mapping[str, Any]) -> str:
    match changes.get("enabled"):
        case True:
            return "subscription enabled"
        case False:
            return "subscription disabled"
    return "subscription changed"


def _refuse(violations: Iterable[Violation]) -> None:
    """Raise InvalidRequest if there are any."""
    if found := list(violations):
        raise InvalidRequest(found)


def _not_granted(reason: str, origin: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="handshake", rule=reason, accepted=needed_answer(origin))])
