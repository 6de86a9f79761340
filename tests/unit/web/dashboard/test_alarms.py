"""What is wrong is told with its number, its age and its cure, as the alert rules tell it."""

import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from receiver.metrics.snapshot import Open, Pause, ProviderSnapshot, Snapshot
from receiver.store.accounts import AccountStatus
from receiver.store.minutes import MINUTE_MS, SpanCount
from receiver.store.processes import ProcessRow
from receiver.store.stepped_back import SHOWN_MS, SteppedBack
from receiver.store.troubles import DisabledSubscription, FailingEndpoint, Troubles
from receiver.tasks.model import callback_counts
from receiver.web.dashboard.acts.plans import PLANS
from receiver.web.dashboard.model import alarms, provider_alarms, webhook_alarms
from receiver.web.dashboard.model.alarm import Alarm, Facts, Severity
from receiver.web.dashboard.model.alarms import RULES, alarms_of
from receiver.web.dashboard.routes import PAGE_ROUTES
from tests.support.builders import T0

S, HOUR = 1000, 3_600_000
ALERTS = files("receiver.metrics").joinpath("files", "alerts.yml").read_text(encoding="utf-8")
#: Told by Prometheus alone, because each process measures its own.
NOT_SHOWN = {"WhenfinalCommitsSlow"}


def _of(ago_s: int, number: int = 1) -> Open:
    return Open(number=number, since_ms=T0 - ago_s * S)


def _facts(**changes: Any) -> Facts:
    provider = ProviderSnapshot(name="hiapi", **changes.pop("provider", {}))
    snapshot = Snapshot(at_ms=T0, providers=(provider,), **changes.pop("snapshot", {}))
    values: dict[str, Any] = {"now_ms": T0, "snapshot": snapshot}
    return Facts(**(values | changes))


def _account(**changes: Any) -> Troubles:
    account = AccountStatus(provider="hiapi", tokens=1.0, refilled_ms=T0, **changes)
    return Troubles(accounts={"hiapi": account})


def _only(**changes: Any) -> Alarm:
    (found,) = alarms_of(_facts(**changes))
    return found


def _span(label: str, count: int, ago_ms: int = 5 * MINUTE_MS) -> SpanCount:
    return SpanCount(at_ms=T0 - ago_ms, provider="hiapi", label=label, count=count)


POLLED, CALLED = "succeeded/poll/true", "succeeded/callback/true"
ENDPOINT = FailingEndpoint(id="sub_1", url="https://a.example", failures=9, since_ms=T0 - HOUR, paused_until_ms=None)
DISABLED = DisabledSubscription(id="sub_2", url="https://b.example", since_ms=T0 - HOUR, reason="410")
WEB = ProcessRow(
    id="own_1", role="web", version="1", python="3", host="a", pid=1, started_ms=T0 - HOUR, seen_ms=T0 - 9 * S
)
#: Kind → facts in which that alone is wrong.
CASES: dict[str, dict[str, Any]] = {
    "snapshot_old": {"is_unreadable": True},
    "stepped_back": {"stepped_back": SteppedBack(at_ms=T0 - HOUR, after_seq=1200)},
    "denied": {"provider": {"polls_denied": True, "polls_paused": Pause(until_ms=T0 + S, reason="denied")}},
    "uncertain": {"provider": {"uncertain": _of(60)}},
    "no_callbacks": {"ends": [_span(POLLED, 3)]},
    "no_worker": {"processes": [WEB, replace(WEB, role="worker", seen_ms=T0 - HOUR)]},
    "deliveries_late": {"snapshot": {"outbox": _of(301)}},
    "job_stopped": {"ticks_ms": {"deliver": T0 - 301 * S}},
    "not_answering": {"polls": [_span("single/error", 2), _span("list/error", 1)]},
    "submits_refused": {"submits": [_span("refused", 2), _span("refused", 1, MINUTE_MS), _span("uncertain", 1)]},
    "polls_late": {"provider": {"due_polls": _of(121)}},
    "queue_stands": {"provider": {"queued": _of(601)}},
    "endpoint_failing": {"troubles": Troubles(endpoints=(ENDPOINT,))},
    "subscription_disabled": {"troubles": Troubles(disabled=(DISABLED,))},
    "dead_letters": {"snapshot": {"dead": _of(60)}},
    "callbacks_missed": {
        "ends": [_span(POLLED, 2), _span(CALLED, 18)],
        "callbacks": [_span("applied", 18)],
    },
    "contradictions": {"provider": {"contradicted": _of(60)}},
    "unknown_words": {"provider": {"unknown_words": _of(60)}},
    "overdue": {"provider": {"overdue": _of(60)}},
    "paused": {"provider": {"submits_paused": Pause(until_ms=T0 + 90 * S, reason="throttled")}},
    "clock": {"troubles": Troubles(clock_doubted_since_ms=T0)},
}


def test_where_all_is_well_nothing_is_told() -> None:
    assert alarms_of(_facts()) == []
    assert alarms_of(Facts(now_ms=T0, snapshot=None)) == []


@pytest.mark.parametrize("kind", CASES)
def test_each_fault_is_told_once_with_its_cure_and_a_way_to_it(kind: str) -> None:
    found = _only(**CASES[kind])
    assert found.kind == kind
    assert found.sentence.endswith(".")
    assert found.cure.endswith(".")
    assert found.links or found.buttons or kind in {"snapshot_old", "job_stopped", "clock"}
    assert {each.kind for each in found.buttons} <= PLANS.keys()


@pytest.mark.parametrize("kind", CASES)
def test_its_links_lead_to_pages(kind: str) -> None:
    shown = [re.compile(re.sub("{[a-z]+}", "[^/]+", each.path)) for each in PAGE_ROUTES if each.method == "GET"]
    for link in _only(**CASES[kind]).links:
        path = link.address.partition("?")[0].partition("#")[0]
        assert any(each.fullmatch(path) for each in shown), link


def test_every_kind_has_a_case_here() -> None:
    assert {*CASES, "not_configured"} == set(RULES)


def test_every_alert_rule_is_told_on_the_page_too() -> None:
    named = set(re.findall(r"- alert: (\w+)", ALERTS))
    assert set(RULES.values()) - {""} == named - NOT_SHOWN


def test_an_alarm_is_as_severe_as_its_alert_rule() -> None:
    severities = dict(re.findall(r"- alert: (\w+).*?severity: (\w+)", ALERTS, re.DOTALL))
    old = {"uncertain": {"provider": {"uncertain": _of(901)}}}
    for kind, facts in {**CASES, **old}.items():
        if RULES[kind]:
            assert _only(**facts).severity.value == severities[RULES[kind]], kind


def test_limits_are_those_of_the_alert_rules() -> None:
    rules = dict(re.findall(r"- alert: (\w+)(.*?)annotations", ALERTS, re.DOTALL))
    for kind, limit_ms in (
        ("polls_late", provider_alarms.LATE_POLLS_MS),
        ("uncertain", provider_alarms.OLD_UNCERTAIN_MS),
        ("deliveries_late", webhook_alarms.LATE_DELIVERIES_MS),
        ("snapshot_old", alarms.OLD_SNAPSHOT_MS),
        ("job_stopped", alarms.STOPPED_MS),
        ("job_stopped", alarms.STOPPED_REPAIR_MS),
    ):
        assert re.search(rf"> {limit_ms // 1000}\b", rules[RULES[kind]]), kind
    missed, silent = rules[RULES["callbacks_missed"]], rules[RULES["no_callbacks"]]
    assert f") > {callback_counts.MISSED_SHARE}\n" in missed
    assert f">= {callback_counts.ENOUGH}\n" in missed
    assert "[1h]" in missed
    assert f">= {callback_counts.FEW}\n" in silent
    assert f"[{callback_counts.NONE_MS // MINUTE_MS}m]" in silent


@pytest.mark.parametrize(
    "facts",
    [
        {"provider": {"due_polls": _of(120)}},
        {"provider": {"due_polls": _of(9_000), "polls_paused": Pause(until_ms=T0 + S, reason="throttled")}},
        {"snapshot": {"outbox": _of(300)}},
        {"ticks_ms": {"deliver": T0 - 299 * S, "clock_repair": T0 - 2_399 * S, "snapshot": T0 - HOUR}},
        {"ends": [_span(POLLED, 2)]},
        {"ends": [_span(POLLED, 3, 31 * MINUTE_MS)]},
        {"ends": [_span(POLLED, 3)], "callbacks": [_span("duplicate", 1)]},
        {"ends": [_span(POLLED, 1), _span(CALLED, 19)], "callbacks": [_span("applied", 19)]},
        {"ends": [_span("succeeded/poll/false", 900)]},
        {"provider": {"queued": _of(900)}, "submits": [_span("accepted", 1)]},
        {"provider": {"queued": _of(600)}},
        {"submits": [_span("refused", 2), _span("refused", 90, 11 * MINUTE_MS)]},
        {"submits": [_span("refused", 90), _span("accepted", 1)]},
        {
            "submits": [_span("refused", 90)],
            "provider": {"submits_paused": Pause(until_ms=T0 + S, reason="throttled")},
        },
        {"polls": [_span("single/error", 90), _span("single/open", 1)]},
        {"polls": [_span("single/error", 2), _span("single/error", 90, 11 * MINUTE_MS)]},
        {"processes": [WEB, replace(WEB, role="serve")]},
        {"processes": [WEB, replace(WEB, started_ms=T0 - 60 * S)]},
        {"processes": [replace(WEB, seen_ms=T0 - HOUR)]},
        {"stepped_back": SteppedBack(at_ms=T0 - SHOWN_MS - 1, after_seq=1)},
    ],
)
def test_within_its_limit_nothing_is_late(facts: dict[str, Any]) -> None:
    assert {each.kind for each in alarms_of(_facts(**facts))} <= {"paused"}


def test_the_most_severe_comes_first_and_of_one_kind_the_oldest() -> None:
    first = ProviderSnapshot(name="hiapi", overdue=_of(60), uncertain=_of(60), polls_denied=True)
    second = ProviderSnapshot(name="modellix", overdue=_of(600), uncertain=_of(1000))
    snapshot = Snapshot(at_ms=T0, providers=(first, second), dead=_of(60))
    found = alarms_of(Facts(now_ms=T0, snapshot=snapshot))
    kinds = ["denied", "uncertain", "uncertain", "dead_letters", "overdue", "overdue"]
    assert [each.kind for each in found] == kinds
    assert [each.severity for each in found[:3]] == [Severity.CRITICAL, Severity.CRITICAL, Severity.WARNING]
    assert "modellix" in found[1].sentence
    assert "modellix" in found[4].sentence


def test_a_sentence_has_its_number_and_age() -> None:
    assert _only(provider={"uncertain": _of(1320, 3)}).sentence.startswith(
        "3 submits at hiapi are uncertain, the first for 22 min"
    )
    assert _only(provider={"uncertain": _of(5, 100_000)}).sentence.startswith("100,000+ submits")
    queue = _only(provider={"queued": _of(1200, 7)})
    assert queue.sentence == (
        "No task of the queue of hiapi was submitted within 10 minutes: 7 tasks wait, the first for 20 min."
    )
    denied = _only(
        provider={"submits_denied": True, "queued": _of(10, 7)},
        troubles=_account(submits_alarm="402: no credit", submits_paused_since_ms=T0 - 2 * HOUR),
    )
    assert denied.sentence == "hiapi has denied our key for submits for 2 h. 7 tasks wait in the queue."
    assert denied.said == "402: no credit"


def test_the_words_of_a_pause_are_those_of_the_account() -> None:
    paused = {"polls_paused": Pause(until_ms=T0 + 90 * S, reason="throttled")}
    plain = _only(provider=paused, troubles=_account(paused_reason="throttled"))
    assert (plain.sentence, plain.said) == ("hiapi has held back our polls (throttled); they go on in 1 min.", "")
    assert _only(provider=paused, troubles=_account(paused_reason="throttled: <b>slow")).said == "throttled: <b>slow"


def test_unfinished_tasks_of_no_configured_provider_are_told_with_links_that_are_there() -> None:
    other = ProviderSnapshot(name="other", tasks={"running": 2}, overdue=_of(60, 2))
    found = alarms_of(Facts(now_ms=T0, snapshot=Snapshot(at_ms=T0, providers=(other,))))
    assert [each.kind for each in found] == ["not_configured", "overdue"]
    assert [link.address for each in found for link in each.links] == ["/ops/providers", "/ops/tasks?overdue=1"]
    assert found[1].buttons == ()


def test_the_doubtful_submits_of_an_alarm_are_those_of_its_provider() -> None:
    found = _only(provider={"uncertain": _of(60)})
    assert found.links[0].address == "/ops/doubtful?provider=hiapi"
    other = ProviderSnapshot(name="other", tasks={"uncertain": 1}, uncertain=_of(60))
    told = alarms_of(Facts(now_ms=T0, snapshot=Snapshot(at_ms=T0, providers=(other,))))
    assert [each.links[0].address for each in told if each.kind == "uncertain"] == ["/ops/doubtful"]


def test_the_list_of_a_provider_is_offered_only_where_it_gives_one() -> None:
    listed = _only(provider={"uncertain": _of(60)}, lists_tasks=frozenset({"hiapi"}))
    assert [each.kind for each in listed.buttons] == ["look-candidates"]
    unlisted = _only(provider={"uncertain": _of(60)}, lists_tasks=frozenset({"dashscope"}))
    assert unlisted.buttons == ()
    assert "console" in unlisted.cure


def test_many_endpoints_are_told_in_few_alarms() -> None:
    endpoints = tuple(replace(ENDPOINT, id=f"sub_{number}") for number in range(20))
    disabled = tuple(replace(DISABLED, id=f"sub_{number}") for number in range(20))
    troubles = Troubles(endpoints=endpoints, disabled=disabled)
    found = alarms_of(_facts(troubles=troubles, snapshot={"subscriptions": {"disabled": 300}}))
    assert len(found) == 12
    assert "15 further endpoints fail." in [each.sentence for each in found]
    assert "295 further subscriptions are disabled." in [each.sentence for each in found]


def test_a_host_of_notify_is_shown_as_what_a_caller_wrote() -> None:
    found = _only(troubles=Troubles(endpoints=(replace(ENDPOINT, id="https://<b>.example", url=None),)))
    assert found.said == "https://<b>.example"
    assert "<b>" not in found.sentence


def test_times_that_lie_ahead_are_told() -> None:
    found = _only(ends=[_span(CALLED, 1, -HOUR)], callbacks=[_span("applied", 1)])
    assert found.kind == "clock"
    assert found.sentence == "Times in the ledger lie 1 h ahead of the clock of this machine."


def test_while_nothing_was_ever_read_that_is_told() -> None:
    (found,) = alarms_of(Facts(now_ms=T0, snapshot=None, is_unreadable=True))
    assert found.sentence == "The ledger cannot be read. Nothing is known of it yet."


def test_an_old_snapshot_is_told_also_where_the_page_could_be_read() -> None:
    (found,) = alarms_of(Facts(now_ms=T0, snapshot=Snapshot(at_ms=T0 - 121 * S)))
    assert (found.kind, found.severity) == ("snapshot_old", Severity.CRITICAL)
