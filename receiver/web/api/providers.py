"""Providers: list them with their pauses, alarms and queues, show what was learned of one, resume one.

And the address for the callbacks of an account.
"""

from collections.abc import Mapping
from typing import Any

from receiver.callbacks.model import make_account_callback_url
from receiver.config.api_keys import Limits
from receiver.reconcile.model import provider
from receiver.reconcile.model.duration_report import LearnedProvider, WaitingPolls
from receiver.reconcile.waiting import waiting_polls
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import check_account, visible_providers
from receiver.web.problems import Kind, Problem, not_found
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_operations import (
    CallbackAddress,
    LearnedDuration,
    ProviderStatus,
    ProviderStatuses,
    ProviderWithDurations,
    ResumedProvider,
)
from submitter.providers.contract import ConfiguredProvider


async def list_providers(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services = context.services
    found = await services.store.providers.statuses(
        visible_providers(services.providers, context.caller.limits),
        speed=services.settings.providers.speed,
        now_ms=services.clock(),
    )
    limits = context.caller.limits
    shown = tuple(_kept(ProviderStatus.model_validate(each), limits) for each in found)
    return JsonAnswer(body=ProviderStatuses(providers=shown))


#: What is counted over all tasks of an account.
_COUNTED: Mapping[str, None] = dict.fromkeys(("unfinished", "queued", "in_flight"))

_COUNTED_POLLS: Mapping[str, None] = dict.fromkeys((*_COUNTED, "polls_waiting", "polls_waiting_since"))


def _kept(status: ProviderStatus, limits: Limits) -> ProviderStatus:
    """Without what a key that is limited to a label would learn of the tasks of others."""
    return status if limits.label is None else status.model_copy(update=_COUNTED)


def _visible(context: RequestContext[Any, Any], name: str) -> ConfiguredProvider:
    """Raise a 404 problem for one that is not configured, and for one outside of the limits of the key."""
    configured = visible_providers(context.services.providers, context.caller.limits).get(name)
    if configured is None:
        raise not_found("provider")
    return configured


async def show_provider(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services, name = context.services, context.path_param("name")
    configured, speed = _visible(context, name), services.settings.providers.speed
    (status,) = await services.store.providers.statuses({name: configured}, speed=speed, now_ms=services.clock())
    await services.durations.refresh()
    waiting = await waiting_polls(services.store.polls, services.durations, status, services.clock())
    shown = with_durations(status, services.durations.report(name), waiting)
    is_of_all = context.caller.limits.label is None
    return JsonAnswer(body=shown if is_of_all else shown.model_copy(update=_COUNTED_POLLS))


def with_durations(
    status: provider.ProviderStatus, learned: LearnedProvider, waiting: WaitingPolls
) -> ProviderWithDurations:
    return ProviderWithDurations.model_validate(
        {
            **dict(ProviderStatus.model_validate(status)),
            "callback_miss_rate": learned.callback_miss_rate,
            "polls_waiting": waiting.count,
            "polls_waiting_since": waiting.since_ms,
            "poll_price_s": waiting.price_s,
            "durations": tuple(map(LearnedDuration.model_validate, learned.durations)),
        }
    )


async def resume_provider(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services, name = context.services, context.path_param("name")
    configured, speed = _visible(context, name), services.settings.providers.speed
    check_account(context.caller.limits)
    store = services.store.providers
    resumed = await store.resume(configured, speed=speed, actor=context.actor, now_ms=services.clock())
    services.commit_notifier.notify_queue()
    (status,) = await store.statuses({name: configured}, speed=speed, now_ms=services.clock())
    view = ProviderStatus.model_validate(status)
    return JsonAnswer(body=ResumedProvider(**dict(view), ended=resumed.ended, made_due=resumed.made_due))


async def show_callback_address(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services, name = context.services, context.path_param("name")
    can = _visible(context, name).adapter.CAPABILITIES
    check_account(context.caller.limits)
    if not can.account_callback:
        says = "each submit names one" if can.callback else "it does not call back"
        raise Problem(Kind.CONFLICT, f"An account at {can.title} has no callback address of its own: {says}.")
    public_url = services.settings.public_url
    if public_url is None:
        detail = "WHENFINAL_PUBLIC_URL is not set, so no provider can reach this service; every task is polled."
        raise Problem(Kind.CONFLICT, detail)
    address = make_account_callback_url(public_url, services.secret_keys, name)
    return JsonAnswer(body=CallbackAddress(provider=name, address=address, steps=can.account_callback_steps))
