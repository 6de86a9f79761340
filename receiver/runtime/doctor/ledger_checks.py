"""The checks of what the ledger holds: queues, tasks in trouble, webhooks, pauses, backup, keys. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from receiver.config.accounts import prefix_of
from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.events.model.event import EventType
from receiver.metrics.snapshot import MOST, Open, Snapshot
from receiver.runtime.doctor.checks import Check, fail, ok, warn
from receiver.runtime.durations import format_duration
from receiver.store.accounts import AccountStatus
from receiver.store.backups import BackupNote
from receiver.store.url import LedgerFile, LedgerServer
from receiver.tasks.model.queue import QueueDepth
from receiver.webhooks.model.delivery import FanOutLag
from receiver.webhooks.model.endpoint_health import EndpointState, is_troubled
from receiver.webhooks.model.endpoint_status import EndpointStatus
from receiver.webhooks.model.request import DISABLED_MANUALLY
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from submitter.timestamps import rfc3339

NAMED = 3  # subscriptions in one line

LONG_WAIT_MS = 900_000  # in the queue; longer than the tasks of a full account need to end

LONG_LAG_MS = 60_000  # of an event without deliveries; they take well under a second while a worker runs

OLD_BACKUP_MS = 7 * 86_400_000

#: Tasks that need an operator: what is said of some and of none, and how it is cured.
_TROUBLES: Mapping[str, tuple[str, str, str]] = {
    "uncertain": (
        "uncertain: their reply was lost, and they may be paid for",
        "no submit is uncertain",
        "list them: whenfinal tasks list --state uncertain; then, for each: whenfinal tasks explain ID",
    ),
    "overdue": (
        "overdue: their deadline has passed, and they have not ended",
        "no task is overdue",
        "list them: whenfinal tasks list --overdue; then, for each: whenfinal tasks explain ID",
    ),
    "contradicted": (
        "contradicted: their provider told of two different ends in the last 24 hours",
        "no task was contradicted in the last 24 hours",
        "list them: whenfinal tasks list --contradicted; the first end counts, and the provider knows which was right",
    ),
    "unknown states": (
        "in a state that no document of their provider names",
        "no task is in a state that is not known",
        "see its word: whenfinal tasks explain ID; end it: whenfinal tasks settle ID, or teach the word by STATE_WORDS",
    ),
}


def check_tasks(snapshot: Snapshot) -> Iterator[Check]:
    """What needs an operator, with how many there are and since when, a row each; and the queue as a whole."""
    found = {
        "uncertain": [each.uncertain for each in snapshot.providers],
        "overdue": [each.overdue for each in snapshot.providers],
        "contradicted": [each.contradicted for each in snapshot.providers],
        "unknown states": [each.unknown_words for each in snapshot.providers],
    }
    for name, (some, none, cure) in _TROUBLES.items():
        every = _together(found[name])
        if every.number:
            yield warn(
                name,
                f"{_number(every)} {some}",
                hint=cure,
                count=every.number,
                since_ms=every.since_ms,
            )
        else:
            yield ok(name, none, count=0)
    queued = _together([each.queued for each in snapshot.providers])
    words = f"{_number(queued)} queued" if queued.number else "no task is queued"
    yield ok("queue", words, count=queued.number, since_ms=queued.since_ms)


def check_pauses(accounts: Iterable[AccountStatus], now_ms: int) -> Iterator[Check]:
    """Polls and submits that are held back now, beside those with an alarm, which say why by themselves."""
    paused = 0
    for account in accounts:
        hint = f"it ends by itself; at once: whenfinal providers resume {account.provider}"
        for what, until_ms, reason in (
            ("polls are paused", account.paused_until_ms, account.paused_reason),
            ("submits are held back", account.submits_paused_until_ms, account.submits_paused_reason),
        ):
            if until_ms is not None and until_ms > now_ms:
                paused += 1
                words = f"{account.provider}: {what} until {rfc3339(until_ms)}: {reason or 'no reason is stored'}"
                yield warn("pauses", words, hint=hint, count=1)
    if not paused:
        yield ok("pauses", "no provider is paused", count=0)


def check_backup(last: BackupNote | None, place: LedgerFile | LedgerServer, now_ms: int) -> Check:
    how = "whenfinal backup FILE" if isinstance(place, LedgerFile) else "pg_dump, then whenfinal backup --made PLACE"
    if last is None:
        return warn("backup", "no backup of this ledger was noted", hint=f"make one: {how}")
    what = f"the last one was noted {format_duration(max(0, now_ms - last.at_ms))} ago, at {last.place}"
    return warn("backup", what, hint=f"make one: {how}") if now_ms - last.at_ms > OLD_BACKUP_MS else ok("backup", what)


def check_keys(keys: Sequence[ApiKeyDigest]) -> Check:
    """Those that work now, of the settings and of the ledger."""
    if not keys:
        return ok("API keys", "none yet: the first `serve` or `web` creates one and shows it", count=0)
    operators = [key for key in keys if Scope.OPERATE in key.scopes and not key.limits.are_set]
    what = f"{len(keys)} work, {len(operators)} of them may operate without limits"
    if not operators:
        hint = "run beside the ledger: whenfinal keys create NAME --scope operate"
        return warn("API keys", what, hint=hint, count=len(keys))
    return ok("API keys", what, count=len(keys))


def _together(parts: Sequence[Open]) -> Open:
    since_ms = [part.since_ms for part in parts if part.since_ms is not None]
    return Open(number=sum(part.number for part in parts), since_ms=min(since_ms, default=None))


def _number(found: Open) -> str:
    return f"{found.number:,}{' or more' if found.number >= MOST else ''}"


def check_queues(depths: Sequence[QueueDepth], accounts: Iterable[AccountStatus], now_ms: int) -> Iterator[Check]:
    """How many tasks wait for room at each account, and since when."""
    known = {account.provider: account for account in accounts}
    for queue in depths:
        account = known.get(queue.provider)
        what = f"{queue.depth} queued"
        hint = f"list them: whenfinal tasks list --state queued --provider {queue.provider}"
        if account is not None and account.are_submits_held(now_ms):
            held = f"{what}; submits are held back: {account.submits_paused_reason}"
            yield warn(queue.provider, held, hint=hint, count=queue.depth, since_ms=queue.oldest_ms)
        elif now_ms - queue.oldest_ms > LONG_WAIT_MS:
            more = (
                f"{hint}; is a worker running, and is {prefix_of(queue.provider)}MAX_IN_FLIGHT as the account allows?"
            )
            yield warn(queue.provider, what, hint=more, count=queue.depth, since_ms=queue.oldest_ms)
        else:
            yield ok(queue.provider, what, count=queue.depth, since_ms=queue.oldest_ms)


def check_webhooks(
    statuses: Sequence[SubscriptionStatus], hosts: Sequence[EndpointStatus], dead: Open, now_ms: int
) -> Iterator[Check]:
    """None without subscriptions and trouble. A subscription that was disabled manually is no problem.

    `hosts` are those of `notify` with trouble, `dead` counts all dead letters.
    """
    own_dead = Open(number=dead.number - sum(each.dead for each in hosts), since_ms=dead.since_ms)
    problems = [*_disabled(statuses), *_failing(statuses, now_ms), *_dead(own_dead), *_notify(hosts, now_ms)]
    yield from problems
    if statuses and not problems:
        yield ok("webhooks", f"{len(statuses)} subscribed, all working")


def check_fan_out(lag: FanOutLag | None, now_ms: int) -> Iterator[Check]:
    """Events that should have their deliveries by now, or cannot get them from this version."""
    if lag is None:
        return
    waiting = f"events without deliveries: {lag.events}, since {format_duration(max(0, now_ms - lag.at_ms))}"
    if lag.type not in frozenset(EventType):
        what = f"{waiting}; the first is of type {lag.type}, which this version does not know"
        yield fail("webhooks", what, hint="a newer version stored it: run that one everywhere")
    elif now_ms - lag.at_ms > LONG_LAG_MS:
        yield warn("webhooks", waiting, hint="start `whenfinal serve` or `whenfinal worker`; if one runs, see its log")


def _disabled(statuses: Sequence[SubscriptionStatus]) -> Iterator[Check]:
    found = [each.subscription for each in statuses if _is_disabled_by_failures(each.subscription)]
    if found:
        hint = "when its endpoint works again: whenfinal subscriptions resume ID; its pending deliveries have waited"
        since_ms = min((each.disabled_ms for each in found if each.disabled_ms is not None), default=None)
        what = f"{len(found)} disabled because of their answers: {_named(found)}"
        yield warn("webhooks", what, hint=hint, count=len(found), since_ms=since_ms)


def _is_disabled_by_failures(own: Subscription) -> bool:
    return own.state is SubscriptionState.DISABLED and own.disabled_reason != DISABLED_MANUALLY


def _failing(statuses: Sequence[SubscriptionStatus], now_ms: int) -> Iterator[Check]:
    found = [
        each.endpoint
        for each in statuses
        if each.subscription.state is SubscriptionState.ACTIVE
        and each.endpoint is not None
        and is_troubled(each.endpoint, now_ms)
    ]
    if found:
        hint = "see the last answer: whenfinal subscriptions show ID; end its pause: whenfinal subscriptions test ID"
        what = f"{len(found)} subscribed that fail or are paused: {_named(found)}"
        yield warn("webhooks", what, hint=hint, count=len(found), since_ms=_failing_since_ms(found))


def _dead(dead: Open) -> Iterator[Check]:
    if dead.number > 0:
        hint = (
            "list them: whenfinal deliveries list --state dead; send them again: whenfinal deliveries redeliver --all, "
            "or those of one subscription: whenfinal replay ID --only dead"
        )
        what = f"dead letters: {_number(dead)}"
        yield warn("dead letters", what, hint=hint, count=dead.number, since_ms=dead.since_ms)


def _notify(hosts: Sequence[EndpointStatus], now_ms: int) -> Iterator[Check]:
    """Hosts that tasks name in `notify`."""
    if failing := [each.endpoint for each in hosts if is_troubled(each.endpoint, now_ms)]:
        hint = "list them: whenfinal endpoints list --failing; when one works again: whenfinal endpoints resume HOST"
        what = f"{len(failing)} named in notify that fail or are paused: {_named(failing)}"
        yield warn("notify", what, hint=hint, count=len(failing), since_ms=_failing_since_ms(failing))
    if with_dead := [each.endpoint for each in hosts if each.dead]:
        what = f"dead letters at hosts of notify: {sum(each.dead for each in hosts)}, at {_named(with_dead)}"
        hint = (
            "see why: whenfinal deliveries list --endpoint HOST; then: whenfinal endpoints resume HOST --dead-letters"
        )
        yield warn("notify", what, hint=hint, count=sum(each.dead for each in hosts))


def _failing_since_ms(found: Sequence[EndpointState]) -> int | None:
    return min((each.failing_since_ms for each in found if each.failing_since_ms is not None), default=None)


def _named(found: Sequence[Subscription] | Sequence[EndpointState]) -> str:
    names = [each.id for each in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
