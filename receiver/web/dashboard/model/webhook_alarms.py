"""What is wrong with webhooks: late deliveries, dead letters, endpoints that fail, disabled subscriptions. Pure."""

from collections.abc import Iterator

from receiver.store.troubles import DisabledSubscription, FailingEndpoint
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.alarm import Alarm, Button, Facts, Link, Severity, lasted
from receiver.web.dashboard.model.provider_alarms import number_of

LATE_DELIVERIES_MS = 300_000

EACH_MOST = 5  # endpoints and subscriptions that are told one by one

SUBSCRIPTIONS = Link(words="Subscriptions", address=f"{ROOT}/subscriptions")

HOSTS = Link(words="Notify addresses", address=f"{ROOT}/subscriptions/notify")

DEAD_LETTERS = Link(words="Dead letters", address=f"{ROOT}/deliveries?state=dead")


def of_webhooks(facts: Facts) -> Iterator[Alarm]:
    yield from _of_outbox(facts)
    failing, disabled = facts.troubles.endpoints, facts.troubles.disabled
    yield from (_failing(each, facts.now_ms) for each in failing[:EACH_MOST])
    if len(failing) > EACH_MOST:
        yield _further("endpoint_failing", f"{len(failing) - EACH_MOST} further endpoints fail.")
    yield from (_disabled(each, facts.now_ms) for each in disabled[:EACH_MOST])
    total = 0 if facts.snapshot is None else facts.snapshot.subscriptions.get("disabled", 0)
    if total > EACH_MOST or (total and not disabled and facts.is_unreadable):
        further = total - len(disabled[:EACH_MOST])
        yield _further(
            "subscription_disabled", f"{further:,} {'further ' if disabled else ''}subscriptions are disabled."
        )


def _of_outbox(facts: Facts) -> Iterator[Alarm]:
    if facts.snapshot is None:
        return
    outbox, dead, now_ms = facts.snapshot.outbox, facts.snapshot.dead, facts.now_ms
    if outbox.age_s(now_ms) * 1000 > LATE_DELIVERIES_MS:
        yield Alarm(
            kind="deliveries_late",
            severity=Severity.CRITICAL,
            sentence=f"A webhook that may be posted has waited for {lasted(outbox.since_ms, now_ms)}; "
            f"{number_of(outbox)} {'delivery is' if outbox.number == 1 else 'deliveries are'} pending.",
            since_ms=outbox.since_ms,
            cure="No worker runs, or a subscriber is slow. See that a worker runs, and which endpoint has a backlog.",
            links=(Link(words="Pending deliveries", address=f"{ROOT}/deliveries?state=pending"), SUBSCRIPTIONS, HOSTS),
        )
    if dead.number:
        yield Alarm(
            kind="dead_letters",
            severity=Severity.WARNING,
            sentence=f"{number_of(dead)} {'dead letter' if dead.number == 1 else 'dead letters'}, the first for "
            f"{lasted(dead.since_ms, now_ms)}.",
            since_ms=dead.since_ms,
            cure="Their attempts are spent. Once the subscriber is repaired, redeliver them.",
            links=(DEAD_LETTERS,),
            buttons=(Button(words="Redeliver them", kind="redeliver-deliveries", fields=(("state", "dead"),)),),
        )


def _failing(endpoint: FailingEndpoint, now_ms: int) -> Alarm:
    is_host = endpoint.url is None
    what = "A notify address" if is_host else f"The endpoint of {endpoint.id}"
    age = "" if endpoint.since_ms is None else f" for {lasted(endpoint.since_ms, now_ms)}"
    return Alarm(
        kind="endpoint_failing",
        severity=Severity.WARNING,
        sentence=f"{what} has failed{age}: {endpoint.failures:,} attempts in a row. Its breaker is open.",
        since_ms=endpoint.since_ms,
        said=endpoint.url or endpoint.id,
        cure="It is tried again by itself, seldom. Once the receiver is repaired, resume it.",
        links=(HOSTS if is_host else _subscription(endpoint.id),),
        buttons=(_resume_host(endpoint.id) if is_host else _resume(endpoint.id, "Resume it"),),
    )


def _disabled(subscription: DisabledSubscription, now_ms: int) -> Alarm:
    age = "" if subscription.since_ms is None else f", for {lasted(subscription.since_ms, now_ms)}"
    why = f" ({subscription.reason})" if subscription.reason else ""
    return Alarm(
        kind="subscription_disabled",
        severity=Severity.WARNING,
        sentence=f"The subscription {subscription.id} is disabled{age}. Its deliveries wait.",
        since_ms=subscription.since_ms,
        said=f"{subscription.url}{why}",
        cure="It answered 410, has only failed for days, or a person disabled it. Resume it, or delete it.",
        links=(_subscription(subscription.id),),
        buttons=(_resume(subscription.id, "Enable it"),),
    )


def _subscription(subscription_id: str) -> Link:
    return Link(words=f"Subscription {subscription_id}", address=f"{ROOT}/subscriptions/{subscription_id}")


def _resume(subscription_id: str, words: str) -> Button:
    return Button(words=words, kind="resume-subscription", fields=(("subscription", subscription_id),))


def _resume_host(host: str) -> Button:
    return Button(words="Resume it", kind="resume-host", fields=(("host", host),))


def _further(kind: str, sentence: str) -> Alarm:
    return Alarm(
        kind=kind,
        severity=Severity.WARNING,
        sentence=sentence,
        cure="The lists show them all.",
        links=(SUBSCRIPTIONS, HOSTS) if kind == "endpoint_failing" else (SUBSCRIPTIONS,),
    )
