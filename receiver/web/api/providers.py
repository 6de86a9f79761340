"""Providers: list them with their pauses, alarms and queues, show what was learned of one, resume one."""

from receiver.reconcile.model import provider
from receiver.reconcile.model.duration_report import LearnedProvider, WaitingPolls
from receiver.reconcile.waiting import waiting_polls
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import not_found
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_operations import (
    LearnedDuration,
    ProviderStatus,
    ProviderStatuses,
    ProviderWithDurations,
    ResumedProvider,
)


async def list_providers(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services = context.services
    found = await services.store.providers.statuses(
        services.providers, speed=services.settings.providers.speed, now_ms=services.clock()
    )
    return JsonAnswer(body=ProviderStatuses(providers=tuple(map(ProviderStatus.model_validate, found))))


async def show_provider(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    services, name = context.services, context.path_param("name")
    configured, speed = services.providers.get(name), services.settings.providers.speed
    if configured is None:
        raise not_found("provider")
    (status,) = await services.store.providers.statuses({name: configured}, speed=speed, now_ms=services.clock())
    await services.durations.refresh()
    waiting = await waiting_polls(services.store.polls, services.durations, status, services.clock())
    return JsonAnswer(body=with_durations(status, services.durations.report(name), waiting))


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
    configured, speed = services.providers.get(name), services.settings.providers.speed
    if configured is None:
        raise not_found("provider")
    store = services.store.providers
    resumed = await store.resume(configured, speed=speed, actor=context.actor, now_ms=services.clock())
    services.commit_notifier.notify_queue()
    (status,) = await store.statuses({name: configured}, speed=speed, now_ms=services.clock())
    view = ProviderStatus.model_validate(status)
    return JsonAnswer(body=ResumedProvider(**dict(view), ended=resumed.ended, made_due=resumed.made_due))
