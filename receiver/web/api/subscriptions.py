"""Subscriptions: create, show, change, delete, test and replay them."""

from typing import Any

from receiver.web.api.owners import sees_subscription
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import kept_changes, kept_subscription
from receiver.web.problems import Kind, Problem, invalid, not_found
from receiver.web.schemas.subscriptions import (
    ChangeSubscriptionRequest,
    CreateSubscriptionRequest,
    ReplayRequest,
    RotateSecretRequest,
    SubscriptionsQuery,
)
from receiver.web.schemas.tasks import NoBody, NoQuery
from receiver.webhooks.model.replay import SubscriptionNotActive, SubscriptionNotFound, validate_replay
from receiver.webhooks.model.subscription import Subscription, SubscriptionStatus
from receiver.webhooks.model.views import probe_result, replay_result, resumed_subscription_view, subscription_view
from submitter import api_webhooks


async def create_subscription(context: RequestContext[NoQuery, CreateSubscriptionRequest]) -> JsonAnswer:
    services = context.services
    wanted = kept_subscription(context.body.subscription_request(), context.caller.limits)
    created = await services.subscriptions.create(wanted, actor=context.actor, key_id=context.caller.key_id)
    view = subscription_view(created, None, now_ms=services.clock())
    return JsonAnswer(body=_with_secret(view, created), status=201, headers={"Location": _path(created.id)})


async def list_subscriptions(context: RequestContext[SubscriptionsQuery, NoBody]) -> JsonAnswer:
    query, services = context.query, context.services
    key_id = context.caller.key_id if context.caller.limits.are_set else None
    page = await services.store.subscriptions.page(
        limit=query.limit, cursor=query.cursor, state=query.state, key_id=key_id
    )
    now_ms = services.clock()
    found = tuple(
        subscription_view(each.subscription, each.endpoint, now_ms=now_ms)
        for each in page.items
        if sees_subscription(context.caller, each.subscription)
    )
    return JsonAnswer(body=api_webhooks.SubscriptionsPage(subscriptions=found, next_cursor=page.next_cursor))


async def show_subscription(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    view = await _stored(context)
    backlog = await context.services.store.deliveries.backlog(view.id)
    deliveries = api_webhooks.Backlog.model_validate(backlog)
    return JsonAnswer(body=api_webhooks.SubscriptionWithBacklog(**dict(view), deliveries=deliveries))


async def change_subscription(context: RequestContext[NoQuery, ChangeSubscriptionRequest]) -> JsonAnswer:
    found = await _stored(context)
    changes = kept_changes(context.body.changes(), context.caller.limits)
    if not changes:
        return JsonAnswer(body=found)
    changed = await context.services.subscriptions.change(context.path_param("id"), changes, actor=context.actor)
    if changed is None:
        raise not_found("subscription")
    return JsonAnswer(body=await _changed(context, changed))


async def delete_subscription(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    await _stored(context)
    if not await context.services.subscriptions.delete(context.path_param("id"), actor=context.actor):
        raise not_found("subscription")
    return JsonAnswer(status=204)


async def rotate_secret(context: RequestContext[NoQuery, RotateSecretRequest]) -> JsonAnswer:
    """Nothing is read once the secret is stored, because a read that fails would lose it."""
    before = await _found(context)
    rotated = await context.services.subscriptions.rotate(
        context.path_param("id"), secret=context.body.secret, overlap_s=context.body.overlap_s, actor=context.actor
    )
    if rotated is None:
        raise not_found("subscription")
    view = subscription_view(rotated, before.endpoint, now_ms=context.services.clock())
    return JsonAnswer(body=_with_secret(view, rotated))


async def probe_subscription(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Answer 200 whatever the endpoint answered, because the test was carried out."""
    await _stored(context)
    tested = await context.services.subscriptions.test(context.path_param("id"), actor=context.actor)
    if tested is None:
        raise not_found("subscription")
    return JsonAnswer(body=probe_result(tested.attempt, tested.resumed))


async def resume_subscription(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    await _stored(context)
    resumed = await context.services.subscriptions.resume(context.path_param("id"), actor=context.actor)
    if resumed is None:
        raise not_found("subscription")
    return JsonAnswer(body=resumed_subscription_view(await _stored(context), resumed))


async def replay(context: RequestContext[NoQuery, ReplayRequest]) -> JsonAnswer:
    services, subscription_id, dry_run = context.services, context.path_param("id"), context.body.dry_run
    wanted = context.body.replay_range()
    violations = tuple(validate_replay(wanted, tuple(services.providers)))
    if violations:
        raise invalid(Kind.INVALID, *violations)
    await _stored(context)
    try:
        count = await services.replay.replay(subscription_id, wanted, dry_run=dry_run, actor=context.actor)
    except SubscriptionNotFound:
        raise not_found("subscription") from None
    except SubscriptionNotActive as error:
        reason = f" ({error.reason})" if error.reason else ""
        detail = f"The subscription is disabled{reason} and is sent nothing; enable it first."
        raise Problem(Kind.CONFLICT, detail, instance=_path(subscription_id)) from None
    return JsonAnswer(body=replay_result(subscription_id, count, dry_run=dry_run), status=202)


async def _stored(context: RequestContext[Any, Any]) -> api_webhooks.Subscription:
    """Raise as `_found`."""
    found = await _found(context)
    return subscription_view(found.subscription, found.endpoint, now_ms=context.services.clock())


async def _found(context: RequestContext[Any, Any]) -> SubscriptionStatus:
    """Raise a 404 problem for none, and for one that the caller does not see."""
    status = await context.services.store.subscriptions.find(context.path_param("id"))
    if status is None or not sees_subscription(context.caller, status.subscription):
        raise not_found("subscription")
    return status


async def _changed(context: RequestContext[Any, Any], subscription: Subscription) -> api_webhooks.Subscription:
    """Return it as the change left it, with the health of its endpoint."""
    status = await context.services.store.subscriptions.find(subscription.id)
    return subscription_view(subscription, status.endpoint if status else None, now_ms=context.services.clock())


def _with_secret(view: api_webhooks.Subscription, subscription: Subscription) -> api_webhooks.SubscriptionWithSecret:
    return api_webhooks.SubscriptionWithSecret(**dict(view), secret=subscription.secret)


def _path(subscription_id: str) -> str:
    return f"/v1/subscriptions/{subscription_id}"
