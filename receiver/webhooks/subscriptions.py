"""Subscriptions made, changed, given new secrets and tried out.

Flow: the rules and what comes of an order are in `receiver.subscription_orders`, the handshake's words in
`receiver.handshake`. An endpoint is asked before anything is stored; what it granted counts only for what it was asked.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from receiver.store.audit import AuditEntry
from receiver.store.ids import IdMaker
from receiver.webhooks.model.cloudevents import (
    Denied,
    build_handshake,
    cloudevents_headers,
    needed_answer,
    origin_headers,
    read_handshake,
)
from receiver.webhooks.model.delivery import Attempt
from receiver.webhooks.model.endpoint import new_webhook_secret
from receiver.webhooks.model.request import (
    SubscriptionRequest,
    SubscriptionRules,
    change_violations,
    changed,
    find_violations,
    needs_handshake,
    ordered,
    rotated,
    rotation_violations,
)
from receiver.webhooks.model.subscription import Subscription, SubscriptionStatus
from receiver.webhooks.sender import Sends, Webhook, post
from receiver.webhooks.subscription_repository import MOST_SUBSCRIPTIONS
from submitter.errors import AddressForbidden, InvalidRequest, TransportError, Violation
from submitter.http.messages import Headers
from submitter.standard_webhooks import new_signing_key
from submitter.timestamps import rfc3339

__all__ = ["Subscribing", "SubscribingEdges", "SubscriptionRequest", "SubscriptionRules"]

KEY_BYTES = 32  # of a secret and of an ed25519 seed made here

POSTS_AT_ONCE = 8  # tests and handshakes in a process, beside what deliveries take

CHANGE_TRIES = 3  # when others change the same subscription while its endpoint is being asked

TEST_TYPE = "webhook.test"


class SubscriptionsRoom(Protocol):
    async def add(self, subscription: Subscription, *, actor: str, now_ms: int) -> bool: ...

    async def change(
        self,
        name: str,
        change: Callable[[Subscription], Subscription],
        deed: AuditEntry,
        *,
        now_ms: int,
        forgive: bool = False,
    ) -> Subscription | None: ...

    async def delete(self, name: str, *, actor: str, now_ms: int) -> bool: ...

    async def note(self, name: str, deed: AuditEntry, *, now_ms: int) -> None: ...

    async def find(self, name: str) -> SubscriptionStatus | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribingEdges:
    """Where time, dice and names come from; `random_bytes(n)` gives n bytes fit for a secret."""

    clock: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    new_id: IdMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What an endpoint granted, and for what."""

    url: str
    rate_per_s: float | None
    granted_per_s: float | None


class _Overtaken(Exception):
    """Somebody else's change makes this one need another handshake."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subscribing:
    """`source` names this service in CloudEvents. Every verb may raise StoreUnavailable; then nothing was changed.

    Endpoints that hang hold up only others that are asked or tried out by hand: never a delivery.
    """

    room: SubscriptionsRoom
    transport: Sends
    rules: SubscriptionRules
    source: str
    edges: SubscribingEdges
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POSTS_AT_ONCE), init=False, repr=False)

    async def create(self, order: SubscriptionRequest, *, actor: str) -> Subscription:
        """Raise InvalidRequest with every violation; nothing is sent or stored then."""
        _refuse(find_violations(order, self.rules))
        now_ms = self.edges.clock()
        draft = ordered(
            order,
            name=self.edges.new_id("sub", now_ms),
            secret=order.secret or self._new_secret(),
            signing_key=self._new_signing_key(),
            now_ms=now_ms,
        )
        if needs_handshake(None, draft):
            draft = replace(draft, granted_per_s=(await self._ask(draft)).granted_per_s)
        if not await self.room.add(draft, actor=actor, now_ms=now_ms):
            rule = f"would be one more than the {MOST_SUBSCRIPTIONS} that there may be"
            accepted = "delete one that nobody needs, or widen one that is there"
            raise InvalidRequest([Violation(field="subscription", rule=rule, accepted=accepted)])
        return draft

    async def change(self, name: str, changes: Mapping[str, Any], *, actor: str) -> Subscription | None:
        """`changes` are fields of an order without `secret`, and `enabled`; None puts a field back to its default.

        Switching it on forgets the endpoint's failures, pause and slow-down, whether it was off or not. Raise
        InvalidRequest with every violation; None when there is no such subscription.
        """
        deed = AuditEntry(actor=actor, action=_action(changes), detail={"fields": sorted(changes)})
        is_enabling = changes.get("enabled") is True
        for _ in range(CHANGE_TRIES):
            seen = await self.room.find(name)
            if seen is None:
                return None
            _refuse(change_violations(seen.subscription, changes, self.rules))
            change = _Change(values=changes, signing_key=self._new_signing_key(), now_ms=self.edges.clock())
            draft = change.on(seen.subscription)
            if needs_handshake(seen.subscription, draft):
                asked = await self._ask(draft)
                change = replace(change, asked=asked, now_ms=self.edges.clock())  # as late as what it overtakes
            with suppress(_Overtaken):
                return await self.room.change(name, change.granted, deed, now_ms=change.now_ms, forgive=is_enabling)
        rule, accepted = "was changed by others meanwhile", "look at the subscription, then try again"
        raise InvalidRequest([Violation(field="handshake", rule=rule, accepted=accepted)])

    async def delete(self, name: str, *, actor: str) -> bool:
        """False when there is no such subscription."""
        return await self.room.delete(name, actor=actor, now_ms=self.edges.clock())

    async def rotate(self, name: str, *, secret: str | None, overlap_s: float, actor: str) -> Subscription | None:
        """A new secret, and a new signing key where there is one; without a secret one is made.

        The old ones sign along for `overlap_s` (0 to 30 days; 0 ends them at once). A second rotation within an overlap
        ends those of the first: only the last pair is kept. Raise InvalidRequest also for the secret that is in use, so
        that a repeated request does not push out the one before it.
        """
        _refuse(rotation_violations(secret, overlap_s, self.rules.notify))
        now_ms = self.edges.clock()
        fresh, signing_key = secret or self._new_secret(), self._new_signing_key()

        def change(stored: Subscription) -> Subscription:
            if fresh == stored.secret:
                rule, accepted = "is in use already", "another one, or none, and one is made"
                raise InvalidRequest([Violation(field="secret", rule=rule, accepted=accepted)])
            return rotated(stored, secret=fresh, signing_key=signing_key, overlap_s=overlap_s, now_ms=now_ms)

        deed = AuditEntry(actor=actor, action="subscription secret rotated", detail={"overlap_s": overlap_s})
        return await self.room.change(name, change, deed, now_ms=now_ms)

    async def test(self, name: str, *, actor: str) -> Attempt | None:
        """Post a signed `webhook.test` right away, once, also to a disabled one; None when there is none.

        Nothing but the audit remembers it: neither the endpoint's failures nor its limits count it.
        """
        seen = await self.room.find(name)
        if seen is None:
            return None
        deed = AuditEntry(actor=actor, action="subscription tested")
        await self.room.note(name, deed, now_ms=self.edges.clock())
        async with self._places:
            webhook = self._test_webhook(seen.subscription, self.edges.clock())
            posted = await post(webhook, self.transport, clock=self.edges.clock)
        return posted.attempt

    def _test_webhook(self, subscription: Subscription, now_ms: int) -> Webhook:
        body = {"type": TEST_TYPE, "timestamp": rfc3339(now_ms), "data": {"subscription": subscription.id}}
        message_id = self.edges.new_id("msg", now_ms)
        headers: Headers = ()
        if subscription.cloudevents:
            headers = cloudevents_headers(message_id=message_id, event_type=TEST_TYPE, source=self.source, at_ms=now_ms)
        if subscription.handshake and self.rules.origin is not None:
            headers += origin_headers(self.rules.origin)
        return Webhook(
            url=subscription.url,
            message_id=message_id,
            body=json.dumps(body, separators=(",", ":")),
            secrets=subscription.secrets_at(now_ms),
            signing_keys=subscription.signing_keys_at(now_ms),
            headers=headers,
        )

    async def _ask(self, draft: Subscription) -> _Asked:
        """Raise InvalidRequest unless the endpoint wants our webhooks."""
        origin = self.rules.origin or ""
        call = build_handshake(draft.url, origin=origin, rate_per_s=draft.rate_per_s)
        try:
            async with self._places:
                reply = await self.transport.send(call)
        except AddressForbidden as error:
            raise _not_granted(f"webhooks may not go there: {error}", origin) from error
        except TransportError as error:
            raise _not_granted(f"{type(error).__name__}: {error}", origin) from error
        said = read_handshake(reply, origin=origin, has_asked_rate=draft.rate_per_s is not None)
        if isinstance(said, Denied):
            raise _not_granted(f"the endpoint {said.reason}", origin)
        return _Asked(url=draft.url, rate_per_s=draft.rate_per_s, granted_per_s=said.per_s)

    def _new_secret(self) -> str:
        return new_webhook_secret(self.edges.random_bytes(KEY_BYTES))

    def _new_signing_key(self) -> str:
        return new_signing_key(self.edges.random_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One change, as it is made to whatever is stored by then."""

    values: Mapping[str, Any]
    signing_key: str = field(repr=False)
    now_ms: int
    asked: _Asked | None = None

    def on(self, stored: Subscription) -> Subscription:
        return changed(stored, self.values, signing_key=self.signing_key, now_ms=self.now_ms)

    def granted(self, stored: Subscription) -> Subscription:
        """Raise _Overtaken when the endpoint was not asked for what would be stored."""
        after = self.on(stored)
        if not needs_handshake(stored, after):
            return after
        asked = self.asked
        if asked is None or (asked.url, asked.rate_per_s) != (after.url, after.rate_per_s):
            raise _Overtaken
        return replace(after, granted_per_s=asked.granted_per_s)


def _action(changes: Mapping[str, Any]) -> str:
    words = {True: "subscription enabled", False: "subscription disabled"}
    return words.get(changes.get("enabled", ""), "subscription changed")


def _refuse(violations: Iterable[Violation]) -> None:
    if found := list(violations):
        raise InvalidRequest(found)


def _not_granted(reason: str, origin: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="handshake", rule=reason, accepted=needed_answer(origin))])
