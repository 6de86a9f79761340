"""Subscriptions: make one, look at them, change, try and replay them."""

from typing import Any

from receiver.web.endpoint import Answer, RequestContext
from receiver.web.problems import Kind, Problem, ProblemError, invalid
from receiver.web.schemas.subscriptions import (
    ReplayBody,
    RotateBody,
    SubscriptionChangeBody,
    SubscriptionOrderBody,
    SubscriptionsQuery,
    changes_of,
    range_of,
    subscription_order_of,
)
from receiver.web.schemas.tasks import NoBody, NoQuery
from receiver.webhooks.model.replay import SubscriptionNotActive, SubscriptionNotFound, validate_replay
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.model.views import backlog_view, probe_view, replay_view, secret_view, subscription_view


async def create_subscription(call: RequestContext[NoQuery, SubscriptionOrderBody]) -> Answer:
    made = await call.services.subscriptions.create(subscription_order_of(call.body), actor=_actor(call))
    body = subscription_view(made, None, now_ms=call.services.clock()) | secret_view(made)
    return Answer(body=body, status=201, headers={"Location": _place(made.id)})


async def list_subscriptions(call: RequestContext[SubscriptionsQuery, NoBody]) -> Answer:
    wanted = call.query
    page = await call.services.store.subscriptions.page(limit=wanted.limit, cursor=wanted.cursor, state=wanted.state)
    now_ms = call.services.clock()
    found = [subscription_view(each.subscription, each.endpoint, now_ms=now_ms) for each in page.items]
    return Answer(body={"subscriptions": found, "next_cursor": page.next_cursor})


async def show_subscription(call: RequestContext[NoQuery, NoBody]) -> Answer:
    name = call.part("id")
    backlog = await call.services.store.deliveries.backlog(name)
    return Answer(body=await _shown(call) | {"deliveries": backlog_view(backlog)})


async def change_subscription(call: RequestContext[NoQuery, SubscriptionChangeBody]) -> Answer:
    changes = changes_of(call.body)
    if not changes:
        return Answer(body=await _shown(call))
    changed = await call.services.subscriptions.change(call.part("id"), changes, actor=_actor(call))
    return Answer(body=await _view(call, changed))


async def delete_subscription(call: RequestContext[NoQuery, NoBody]) -> Answer:
    if not await call.services.subscriptions.delete(call.part("id"), actor=_actor(call)):
        raise _missing()
    return Answer(status=204)


async def rotate_secret(call: RequestContext[NoQuery, RotateBody]) -> Answer:
    rotated = await call.services.subscriptions.rotate(
        call.part("id"), secret=call.body.secret, overlap_s=call.body.overlap_s, actor=_actor(call)
    )
    if rotated is None:
        raise _missing()
    return Answer(body=await _view(call, rotated) | secret_view(rotated))


async def probe_subscription(call: RequestContext[NoQuery, NoBody]) -> Answer:
    """200 whatever the endpoint answered: the test was carried out."""
    attempt = await call.services.subscriptions.test(call.part("id"), actor=_actor(call))
    if attempt is None:
        raise _missing()
    return Answer(body=probe_view(attempt))


async def replay(call: RequestContext[NoQuery, ReplayBody]) -> Answer:
    wanted, services, name = range_of(call.body), call.services, call.part("id")
    violations = tuple(validate_replay(wanted, tuple(services.providers)))
    if violations:
        raise invalid(Kind.INVALID, *violations)
    try:
        count = await services.replay.replay(name, wanted, dry_run=call.body.dry_run, actor=_actor(call))
    except SubscriptionNotFound:
        raise _missing() from None
    except SubscriptionNotActive as error:
        reason = f" ({error.reason})" if error.reason else ""
        detail = f"The subscription is disabled{reason} and is sent nothing; enable it first."
        raise ProblemError(Problem(Kind.CONFLICT, detail, instance=_place(name))) from None
    return Answer(body=replay_view(name, count, dry_run=call.body.dry_run), status=202)


async def _shown(call: RequestContext[Any, Any]) -> dict[str, Any]:
    seen = await call.services.store.subscriptions.find(call.part("id"))
    if seen is None:
        raise _missing()
    return subscription_view(seen.subscription, seen.endpoint, now_ms=call.services.clock())


async def _view(call: RequestContext[Any, Any], subscription: Subscription | None) -> dict[str, Any]:
    """As it is after a change, with how its endpoint behaves."""
    if subscription is None:
        raise _missing()
    seen = await call.services.store.subscriptions.find(subscription.id)
    return subscription_view(subscription, seen.endpoint if seen else None, now_ms=call.services.clock())


def _missing() -> ProblemError:
    return ProblemError(Problem(Kind.NOT_FOUND, "There is no subscription of that id."))


def _place(name: str) -> str:
    return f"/v1/subscriptions/{name}"


def _actor(call: RequestContext[Any, Any]) -> str:
    return f"key {call.actor}"
