"""Resume a provider: end its pause of polls, its hold of submits and its alarms."""

from collections.abc import Sequence

from receiver.runtime.operator_runs.acts.act import Condition
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services


async def the_provider(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=(condition["provider"],))


async def resume(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    return [await _resume(services, item, actor) for item in items]


async def _resume(services: Services, name: str, actor: str) -> ItemResult:
    configured = services.providers.get(name)
    if configured is None:
        return ItemResult(item=name, is_done=False, words="it is not among the configured providers any more")
    resumed = await services.store.providers.resume(
        configured, speed=services.settings.providers.speed, actor=actor, now_ms=services.clock()
    )
    if not resumed.ended:
        return ItemResult(item=name, words="it had no pause, no hold of submits and no alarm any more")
    services.commit_notifier.notify_queue()
    due = "1 poll is" if resumed.made_due == 1 else f"{resumed.made_due:,} polls are"
    return ItemResult(item=name, words=f"polls and submits go again; {due} due now because of it")
