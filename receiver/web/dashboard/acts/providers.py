"""The plan to resume a provider."""

from collections.abc import Iterator

from receiver.reconcile.model.provider import ProviderStatus
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched
from receiver.web.dashboard.model.alarm import provider_page
from receiver.web.problems import not_found
from submitter.timestamps import rfc3339


async def plan_resume(asked: Asked) -> ActPlan:
    """Raise a 404 problem for a provider that is not configured."""
    services, name = asked.services, asked.value("provider")
    configured = services.providers.get(name)
    if configured is None:
        raise not_found("configured provider")
    (status,) = await services.store.providers.statuses(
        {name: configured}, speed=services.settings.providers.speed, now_ms=asked.at_ms
    )
    held = list(_held(status))
    page = provider_page(name).address
    return ActPlan(
        title="Resume a provider",
        button=f"Resume {name}",
        sentences=(
            "Its pause of polls, its hold of submits and its alarms end now.",
            "Polls that were put off until after the pause are due at once, within the rate budget.",
            "Queued tasks are submitted.",
            "If the reason is not gone, the provider refuses again and the next pause begins.",
        ),
        condition={"provider": name},
        expected=1,
        touched=(Touched(text=name, address=page, note=f"{status.unfinished:,} unfinished, {status.queued:,} queued"),),
        facts=held,
        # A form that was pressed is done: the run says where nothing was left to end.
        refusal="" if held or not asked.is_preview else "It has no pause, no hold of submits and no alarm.",
        back=page,
    )


def _held(status: ProviderStatus) -> Iterator[tuple[str, str]]:
    if status.paused_until_ms is not None:
        yield "polls are paused until", f"{rfc3339(status.paused_until_ms)}: {status.paused_reason}"
    if status.alarm is not None:
        yield "alarm of polls", status.alarm
    if status.submits_paused_until_ms is not None:
        yield "submits are held until", f"{rfc3339(status.submits_paused_until_ms)}: {status.submits_paused_reason}"
    if status.submits_alarm is not None:
        yield "alarm of submits", status.submits_alarm
