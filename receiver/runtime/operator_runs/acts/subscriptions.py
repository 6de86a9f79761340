"""Acts on one subscription, or on one host of `notify`: test, resume, disable."""

from collections.abc import Sequence

from receiver.runtime.operator_runs.acts.act import Condition
from receiver.runtime.operator_runs.model import ItemResult, RunItems
from receiver.runtime.services import Services
from receiver.webhooks.model.endpoint_status import ResumedEndpoint
from submitter.errors import InvalidRequest

GONE = "there is no such subscription any more"


async def the_subscription(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=(condition["subscription"],))


async def the_host(_services: Services, condition: Condition, _cursor: str | None) -> RunItems:
    return RunItems(items=(condition["host"],))


async def test(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Post one signed `webhook.test`. Any answer but 2xx counts as not done."""
    return [await _test(services, item, actor) for item in items]


async def _test(services: Services, item: str, actor: str) -> ItemResult:
    tested = await services.subscriptions.test(item, actor=actor)
    if tested is None:
        return ItemResult(item=item, is_done=False, words=GONE)
    attempt = tested.attempt
    said = f"{attempt.error or f'answered {attempt.status}'} in {attempt.latency_ms} ms"
    body = f": {attempt.response}" if attempt.response else ""
    if attempt.is_success:
        said = "; ".join([f"delivered, {said}", *_resumed_words(tested.resumed)])
    return ItemResult(item=item, is_done=attempt.is_success, words=said + body)


async def resume(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    """Enable a subscription that is disabled, close its breaker, and make what waits due."""
    return [await _resume(services, item, actor) for item in items]


async def _resume(services: Services, item: str, actor: str) -> ItemResult:
    try:
        resumed = await services.subscriptions.resume(item, actor=actor)
    except InvalidRequest as error:
        return ItemResult(item=item, is_done=False, words=_rules(error))
    if resumed is None:
        return ItemResult(item=item, is_done=False, words=GONE)
    said = ["it is enabled"] if resumed.was_disabled else []
    said += _resumed_words(resumed.endpoint)
    return ItemResult(item=item, words="; ".join(said) or "it had no trouble; nothing was changed")


async def disable(services: Services, items: Sequence[str], _condition: Condition, actor: str) -> Sequence[ItemResult]:
    return [await _disable(services, item, actor) for item in items]


async def _disable(services: Services, item: str, actor: str) -> ItemResult:
    changed = await services.subscriptions.change(item, {"enabled": False}, actor=actor)
    if changed is None:
        return ItemResult(item=item, is_done=False, words=GONE)
    return ItemResult(item=item, words="it is disabled; its pending deliveries wait")


async def resume_host(
    services: Services, items: Sequence[str], condition: Condition, actor: str
) -> Sequence[ItemResult]:
    """Close the breaker of a host of `notify`; with `dead_letters` those are due again."""
    return [await _resume_host(services, item, actor, dead_letters=condition["dead_letters"]) for item in items]


async def _resume_host(services: Services, item: str, actor: str, *, dead_letters: bool) -> ItemResult:
    resumed = await services.endpoints.resume_host(item, actor=actor, dead_letters=dead_letters)
    if resumed is None:
        return ItemResult(item=item, is_done=False, words="nothing is stored of this host any more")
    return ItemResult(item=item, words="; ".join(_resumed_words(resumed)) or "it had no trouble; nothing was changed")


async def is_left(services: Services, items: Sequence[str], _condition: Condition, _actor: str) -> Sequence[ItemResult]:
    """Of a rotation whose process has ended before it could show the secret; others only say so."""
    words = (
        "the process that did it has ended, and nobody has seen a new secret. Whether it was rotated, the page of the "
        "subscription says; rotate it again"
    )
    return [ItemResult(item=item, is_done=False, words=words) for item in items]


def _resumed_words(resumed: ResumedEndpoint) -> list[str]:
    words = ["its breaker is closed and its pauses are over"] if resumed.was_failing else []
    if resumed.made_due:
        words.append(f"pending deliveries that are due now: {resumed.made_due}")
    if resumed.redelivered:
        words.append(f"dead letters that are due again: {resumed.redelivered}")
    return [*words, "there is more; do it again"] if resumed.has_more else words


def _rules(error: InvalidRequest) -> str:
    return "; ".join(f"{each.field} {each.rule}" for each in error.violations)
