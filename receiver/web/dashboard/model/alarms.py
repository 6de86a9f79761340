"""All that is wrong now, each with its cure, the most severe first. Pure.

The limits are those of the alert rules in `receiver/metrics/files/alerts.yml`, so that a page tells all that an alert
is sent for; `RULES` names the rule of each kind. A page waits for nothing: it tells at once what a rule tells once it
has lasted. That commits are slow is told by Prometheus alone, because each process measures its own.
"""

from collections.abc import Iterator, Mapping

from receiver.tasks.model import callback_counts
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.alarm import Alarm, Facts, Link, Severity, lasted, provider_page
from receiver.web.dashboard.model.ledger_sheet import is_gone
from receiver.web.dashboard.model.provider_alarms import of_provider
from receiver.web.dashboard.model.webhook_alarms import of_webhooks
from submitter.providers.schedule import MAX_CLOCK_SKEW_MS

OLD_SNAPSHOT_MS = 120_000

STOPPED_MS = 300_000  # since the last success of a periodic job

STOPPED_REPAIR_MS = 2_400_000  # of the repair of times, which runs every 10 minutes

RESTART_MS = 120_000  # after the start of a process; until then a worker may be starting too

#: Kind → the alert rule that tells the same; empty without one. The order is that of alarms of one severity.
RULES: Mapping[str, str] = {
    "snapshot_old": "WhenfinalSnapshotOld",
    "stepped_back": "",
    "denied": "WhenfinalProviderDenies",
    "uncertain": "WhenfinalSubmitUncertain",
    "no_callbacks": "WhenfinalNoCallbacks",
    "no_worker": "",
    "deliveries_late": "WhenfinalDeliveriesLate",
    "job_stopped": "WhenfinalJobStopped",
    "not_answering": "",
    "submits_refused": "",
    "polls_late": "WhenfinalPollsLate",
    "queue_stands": "",
    "not_configured": "",
    "endpoint_failing": "",
    "subscription_disabled": "WhenfinalSubscriptionDisabled",
    "dead_letters": "WhenfinalDeadLetters",
    "callbacks_missed": "WhenfinalCallbacksMissed",
    "contradictions": "WhenfinalContradictions",
    "unknown_words": "WhenfinalUnknownState",
    "overdue": "",
    "paused": "WhenfinalProviderPaused",
    "clock": "",
}

_ORDER = {kind: number for number, kind in enumerate(RULES)}


def alarms_of(facts: Facts) -> list[Alarm]:
    found = [*_of_ledger(facts), *_stepped_back(facts), *_of_workers(facts), *_of_jobs(facts), *_of_clock(facts)]
    found += [*_of_callbacks(facts), *of_webhooks(facts)]
    for provider in () if facts.snapshot is None else facts.snapshot.providers:
        found += of_provider(provider, facts)
    return sorted(found, key=_rank)


def _rank(alarm: Alarm) -> tuple[bool, int, int]:
    return alarm.severity is not Severity.CRITICAL, _ORDER[alarm.kind], alarm.since_ms or 0


def _of_ledger(facts: Facts) -> Iterator[Alarm]:
    at_ms = None if facts.snapshot is None else facts.snapshot.at_ms
    is_old = at_ms is not None and facts.now_ms - at_ms > OLD_SNAPSHOT_MS
    if not facts.is_unreadable and not is_old:
        return
    age = "Nothing is known of it yet." if at_ms is None else f"What stands here is {lasted(at_ms, facts.now_ms)} old."
    yield Alarm(
        kind="snapshot_old",
        severity=Severity.CRITICAL,
        sentence=f"The ledger cannot be read. {age}",
        since_ms=at_ms,
        cure="It is locked, gone or out of reach: see the log of this process, and run whenfinal doctor.",
    )


def _stepped_back(facts: Facts) -> Iterator[Alarm]:
    """For a week, because nothing cures it: what was stored last is gone."""
    last = facts.stepped_back
    if last is None or not last.is_recent(facts.now_ms):
        return
    yield Alarm(
        kind="stepped_back",
        severity=Severity.CRITICAL,
        sentence=f"The ledger stepped back: what was stored after event {last.after_seq:,} is gone.",
        since_ms=last.at_ms,
        cure="Its -wal was deleted, or an older copy was put in its place. Run whenfinal doctor, and look at the "
        "providers for tasks that the ledger no longer has. It is shown for a week.",
        links=(Link(words="Ledger", address=f"{ROOT}/ledger"),),
    )


def _of_workers(facts: Facts) -> Iterator[Alarm]:
    """Processes say once a minute that they run, so one that was just started may be a restart of all."""
    running = [each for each in facts.processes if not is_gone(each, facts.now_ms)]
    if not running or any(each.role != "web" for each in running):
        return
    if facts.now_ms - max(each.started_ms for each in running) <= RESTART_MS:
        return
    yield Alarm(
        kind="no_worker",
        severity=Severity.CRITICAL,
        sentence="No worker runs at this ledger: nothing is polled or delivered, and queued tasks are not submitted.",
        since_ms=max((each.seen_ms for each in facts.processes if each.role != "web"), default=None),
        cure="Start whenfinal worker, or whenfinal serve, which is both. If it ended by itself, its log says why.",
        links=(Link(words="Processes", address=f"{ROOT}/ledger"),),
    )


def _of_jobs(facts: Facts) -> Iterator[Alarm]:
    for name, at_ms in facts.ticks_ms.items():
        limit_ms = STOPPED_REPAIR_MS if name == "clock_repair" else STOPPED_MS
        if name == "snapshot" or facts.now_ms - at_ms <= limit_ms:
            continue  # the age of the snapshot is told by itself
        yield Alarm(
            kind="job_stopped",
            severity=Severity.CRITICAL,
            sentence=f"The periodic job {name} last succeeded {lasted(at_ms, facts.now_ms)} ago.",
            since_ms=at_ms,
            cure="The log of this process says why, as job_failed. A restart of it begins the job anew.",
        )


def _of_clock(facts: Facts) -> Iterator[Alarm]:
    """A time in the ledger that is ahead of ours, or ours that is far ahead of the ledger's."""
    cure = "Set the clock of this machine right, and compare it with those of other machines at this ledger."
    known = [each.at_ms for each in (*facts.ends, *facts.callbacks, *facts.submits, *facts.polls)]
    newest_ms = max([*known, 0 if facts.snapshot is None else facts.snapshot.at_ms])
    if newest_ms > facts.now_ms + MAX_CLOCK_SKEW_MS:
        yield Alarm(
            kind="clock",
            severity=Severity.WARNING,
            sentence=f"Times in the ledger lie {lasted(facts.now_ms, newest_ms)} ahead of the clock of this machine.",
            cure=f"{cure} Due times that lie too far ahead are pulled back by themselves.",
        )
    if facts.troubles.clock_doubted_since_ms is not None:
        yield Alarm(
            kind="clock",
            severity=Severity.WARNING,
            sentence="The clock went more than a day ahead, or nothing ran at this ledger for that long.",
            since_ms=facts.troubles.clock_doubted_since_ms,
            cure=f"{cure} Until it is right, or for a day, nothing is deleted and no task ends by the clock alone.",
        )


def _of_callbacks(facts: Facts) -> Iterator[Alarm]:
    silent = callback_counts.none_taken(facts.ends, facts.callbacks, facts.now_ms)
    for provider, found in silent.items():
        yield Alarm(
            kind="no_callbacks",
            severity=Severity.CRITICAL,
            sentence=f"No callback of {provider} has come for 30 minutes, and {found.missed:,} tasks that expect one "
            "ended by polls.",
            cure="The callback URL is wrong or cannot be reached, or the signing key is wrong. Run whenfinal doctor; "
            "check WHENFINAL_PUBLIC_URL and the WEBHOOK_SECRET of the account.",
            links=(provider_page(provider),),
        )
    for provider, found in callback_counts.too_many_missed(facts.ends).items():
        if provider in silent:
            continue
        yield Alarm(
            kind="callbacks_missed",
            severity=Severity.WARNING,
            sentence=f"{found.share or 0:.0%} of the callbacks of {provider} did not come within the last hour: those "
            f"of {found.missed:,} of {found.expected:,} tasks.",
            cure="Polls found these ends, so they are late and not lost. Run whenfinal doctor: it tests the URL.",
            links=(provider_page(provider),),
        )
