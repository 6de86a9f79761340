"""Plans of acts on one subscription, or on one host of `notify`."""

from urllib.parse import quote

from receiver.runtime.durations import format_duration
from receiver.web.dashboard.acts.plan import ActPlan, Asked, Touched, counted
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.subscription_sheet import breaker_of, overlap_of
from receiver.web.problems import Kind, Problem, not_found
from receiver.webhooks.model.delivery import COUNTED_MOST, Figures
from receiver.webhooks.model.endpoint_health import EndpointState, is_troubled
from receiver.webhooks.model.request import LONGEST_OVERLAP_S, USUAL_OVERLAP_S
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from submitter.errors import InvalidRequest, Violation


async def the_subscription(asked: Asked) -> SubscriptionStatus:
    """Raise a 404 problem for none."""
    found = await asked.services.store.subscriptions.find(asked.value("subscription"))
    if found is None:
        detail = "There is no subscription of that id; it may have been deleted meanwhile. Nothing was done."
        raise Problem(Kind.NOT_FOUND, detail)
    return found


def page_of(subscription_id: str) -> str:
    return f"{ROOT}/subscriptions/{quote(subscription_id)}"


def touched(own: Subscription) -> Touched:
    return Touched(text=own.id, address=page_of(own.id), note=own.description)


async def plan_test(asked: Asked) -> ActPlan:
    own = (await the_subscription(asked)).subscription
    return ActPlan(
        title="Test",
        button="Send one test webhook",
        sentences=(
            "One signed webhook.test is posted now, without retries. The run shows what was answered.",
            "An answer 2xx closes its breaker, and what waits is due. Any other answer counts for nothing.",
        ),
        condition={"subscription": own.id},
        expected=1,
        touched=(touched(own),),
        facts=(("to", own.url),),
        back=page_of(own.id),
    )


async def plan_resume(asked: Asked) -> ActPlan:
    status = await the_subscription(asked)
    own, endpoint = status.subscription, status.endpoint or EndpointState(id=status.subscription.id)
    figures = await _figures(asked, own)
    is_disabled = own.state is SubscriptionState.DISABLED
    enabled = ("The subscription is enabled: it receives the events from now on.",) if is_disabled else ()
    return ActPlan(
        title="Enable" if is_disabled else "Resume",
        button="Enable it" if is_disabled else "Resume it",
        sentences=(
            *enabled,
            "Its breaker is closed, and its pauses and slower rate are over.",
            f"{_pending(figures)} due now.",
        ),
        condition={"subscription": own.id},
        expected=1,
        touched=(touched(own),),
        facts=(
            ("to", own.url),
            *((("disabled because", own.disabled_reason),) if own.disabled_reason else ()),
            *(("trouble", each) for each in breaker_of(endpoint, asked.at_ms).reasons),
        ),
        refusal=""
        if is_disabled or is_troubled(endpoint, asked.at_ms) or figures.pending
        else "It has no trouble, and nothing waits.",
        back=page_of(own.id),
    )


async def plan_disable(asked: Asked) -> ActPlan:
    own = (await the_subscription(asked)).subscription
    figures = await _figures(asked, own)
    return ActPlan(
        title="Disable",
        button="Disable it",
        sentences=(
            "It gets no new deliveries. Events that come meanwhile have none, until they are replayed.",
            f"{_pending(figures, 'wait')} until it is enabled again.",
        ),
        condition={"subscription": own.id},
        expected=1,
        touched=(touched(own),),
        facts=(("to", own.url),),
        refusal="" if own.state is SubscriptionState.ACTIVE else "It is disabled already.",
        back=page_of(own.id),
    )


async def plan_rotate(asked: Asked) -> ActPlan:
    own = (await the_subscription(asked)).subscription
    overlap_s = read_overlap_s(asked)
    until_ms, seen_ms = overlap_of(own, asked.at_ms), own.changed_ms if asked.is_preview else _seen(asked)
    first = "The secret before this one still signs; that ends now."
    return ActPlan(
        title="Rotate the secret",
        button="Rotate, and show the new secret once",
        sentences=(
            "A new secret signs from now on. It is shown once, on the next page, and nowhere else.",
            f"The old one signs too for {format_duration(overlap_s * 1000)}; then the receiver must know the new one."
            if overlap_s
            else "The old one ends at once: webhooks fail until the receiver knows the new one.",
            *((first,) if until_ms is not None else ()),
        ),
        condition={"subscription": own.id, "overlap_s": overlap_s, "seen_changed_ms": seen_ms},
        expected=1,
        touched=(touched(own),),
        facts=(("to", own.url),),
        is_final=True,
        back=page_of(own.id),
        fields={"seen": str(seen_ms)},
    )


def _seen(asked: Asked) -> int:
    """`changed_ms` of the subscription that the preview was made of; a form without it is none of ours."""
    text = asked.value("seen")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Problem(Kind.MALFORMED, "The form is not one of ours. Nothing was done.")
    return int(text)


def read_overlap_s(asked: Asked) -> int:
    """How long the old secret signs as well. Raise InvalidRequest."""
    text = asked.value("overlap_s") or f"{USUAL_OVERLAP_S:.0f}"
    if not text.isascii() or not text.isdigit() or len(text) > len(str(int(LONGEST_OVERLAP_S))):
        rule, accepted = "is no number of seconds", f"0 to {LONGEST_OVERLAP_S:.0f}"
        raise InvalidRequest([Violation(field="overlap_s", rule=rule, accepted=accepted)])
    return min(int(text), int(LONGEST_OVERLAP_S))


async def plan_resume_host(asked: Asked) -> ActPlan:
    status = await asked.services.store.endpoints.notify_host(asked.value("host"))
    if status is None:
        raise not_found("host")
    host, with_dead = status.endpoint.id, asked.value("dead_letters") == "1"
    again = f"{counted(status.dead, 'dead letter')} {'is' if status.dead == 1 else 'are'} due again."
    is_well = not is_troubled(status.endpoint, asked.at_ms) and not status.pending
    return ActPlan(
        title="Resume a host of notify",
        button="Resume it, with its dead letters" if with_dead else "Resume it",
        sentences=(
            "Its breaker is closed, and its pauses and slower rate are over.",
            f"{counted(status.pending, 'pending delivery').replace('deliverys', 'deliveries')} due now.",
            *((again,) if with_dead else ()),
        ),
        condition={"host": host, "dead_letters": with_dead},
        expected=1,
        facts=(("host", host), *(("trouble", each) for each in breaker_of(status.endpoint, asked.at_ms).reasons)),
        refusal="It has no trouble, and nothing waits." if is_well and not (with_dead and status.dead) else "",
        back=f"{ROOT}/subscriptions/notify",
    )


async def _figures(asked: Asked, own: Subscription) -> Figures:
    (figures,) = await asked.services.store.deliveries.figures([own.id], now_ms=asked.at_ms)
    return figures


def _pending(figures: Figures, verb: str = "are") -> str:
    """`3 pending deliveries are`."""
    number, has_more = figures.pending, figures.pending >= COUNTED_MOST
    if number == 1:
        return f"1 pending delivery {'is' if verb == 'are' else f'{verb}s'}"
    return f"{number:,}{' or more' if has_more else ''} pending deliveries {verb}"
