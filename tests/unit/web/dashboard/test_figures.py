"""Numbers of the first page, from a snapshot and from counts by minute."""

import pytest

from receiver.metrics.snapshot import Open, ProviderSnapshot, Snapshot
from receiver.store.accounts import AccountStatus
from receiver.store.minutes import MINUTE_MS, SpanCount
from receiver.tasks.model.callback_counts import Misses, misses, none_taken, too_many_missed
from receiver.web.dashboard.model.figures import (
    POINTS,
    SPAN_MS,
    DayCounts,
    first_span_ms,
    line_of,
    open_rows,
    rate_rows,
    tiles_of,
    time_to_end_ms,
)
from receiver.web.dashboard.model.provider_sheet import badges_of, poll_outcomes, troubles_of, words_of

NOW = 1_790_000_000_000 // SPAN_MS * SPAN_MS + 5 * MINUTE_MS


def _span(label: str, count: int, ago_ms: int = 0, provider: str = "hiapi") -> SpanCount:
    return SpanCount(at_ms=NOW - ago_ms, provider=provider, label=label, count=count)


def test_tiles_add_up_all_providers_and_know_the_oldest() -> None:
    providers = (
        ProviderSnapshot(name="a", queued=Open(number=2, since_ms=5), uncertain=Open(number=99_999, since_ms=7)),
        ProviderSnapshot(name="b", queued=Open(number=3, since_ms=4), uncertain=Open(number=5)),
    )
    queued, uncertain, overdue, _, dead = tiles_of(Snapshot(at_ms=NOW, providers=providers, dead=Open(number=1)))
    assert (queued.number, queued.since_ms, queued.kind) == ("5", 4, "")
    assert (uncertain.number, uncertain.since_ms, uncertain.kind) == ("100,004+", 7, "bad")
    assert (overdue.number, overdue.is_zero, overdue.kind) == ("0", True, "")
    assert (dead.number, dead.address) == ("1", "/ops/deliveries?state=dead")


def test_what_is_not_configured_has_no_list_of_its_own() -> None:
    named, other = open_rows(
        Snapshot(
            at_ms=NOW,
            providers=(
                ProviderSnapshot(name="a b", tasks={"running": 2, "submitted": 1, "queued": 4}),
                ProviderSnapshot(name="other", tasks={"running": 1}),
            ),
        )
    )
    running = ("Running", "3", "/ops/tasks?state=submitting&state=submitted&state=running&provider=a+b")
    assert (named.address, named.cells[0]) == ("/ops/providers/a%20b", running)
    assert other.address == "/ops/providers"
    assert {address for _, _, address in other.cells} == {None}


def test_a_line_has_a_number_for_each_quarter_of_an_hour_of_a_day() -> None:
    counts = [
        _span("x", 1),
        _span("x", 2, 6 * MINUTE_MS),
        SpanCount(at_ms=first_span_ms(NOW), provider="hiapi", label="x", count=3),
        SpanCount(at_ms=first_span_ms(NOW) - 1, provider="hiapi", label="x", count=9),
        _span("x", 9, -SPAN_MS),
    ]
    line = line_of(counts, NOW)
    assert (len(line), line[-1], line[-2], line[0], sum(line)) == (POINTS, 1, 2, 3, 6)


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (1, "0.1"), (30, "1.5"), (2000, "100"), (40_000, "2,000")])
def test_a_rate_is_of_the_span_of_now_and_the_one_before(count: int, shown: str) -> None:
    counts = DayCounts(ends=[_span("succeeded/poll/false", count, SPAN_MS)])
    assert rate_rows(["hiapi"], counts, NOW)[0].ends_per_minute == shown


def test_rows_of_a_day_are_those_of_configured_providers_and_of_other_where_it_counts() -> None:
    counts = DayCounts(
        ends=[_span("failed/poll/true", 2), _span("succeeded/callback/true", 8), _span("failed/poll/false", 5)],
        submits=[_span("accepted", 3, provider="other"), _span("uncertain", 1)],
    )
    hiapi, empty, other = rate_rows(["hiapi", "empty"], counts, NOW)
    assert (hiapi.by_callback, hiapi.by_poll, hiapi.ends_total, sum(hiapi.missed)) == (8, 2, 15, 2)
    assert (hiapi.uncertain, other.name, other.accepted) == (1, "other", 3)
    assert (empty.ends_per_minute, empty.p50_ms, sum(empty.submits)) == ("0", None, 0)


def test_times_to_end_are_of_tasks_that_succeeded() -> None:
    durations = [_span("succeeded/128", 10), _span("succeeded/5", 0), _span("failed/5", 90), _span("succeeded/+Inf", 0)]
    assert time_to_end_ms(durations, 0.5) == 66_000
    assert time_to_end_ms([], 0.5) is None


def test_misses_count_tasks_that_expected_a_callback() -> None:
    ends = [_span("failed/poll/true", 1), _span("succeeded/callback/true", 3), _span("failed/poll/false", 5)]
    assert misses(ends) == {"hiapi": Misses(missed=1, expected=4)}
    assert Misses(0, 0).share is None
    assert too_many_missed(ends) == {}
    assert none_taken(ends, [], NOW) == {}


def test_an_alarm_says_more_than_its_pause_and_a_pause_that_is_over_says_nothing() -> None:
    account = AccountStatus(
        provider="hiapi",
        tokens=1.0,
        refilled_ms=NOW,
        paused_until_ms=NOW - 1,
        paused_reason="throttled",
        submits_paused_until_ms=NOW + 5,
        submits_paused_reason="denied",
        submits_alarm="402: pay",
    )
    (found,) = troubles_of(account, NOW)
    assert (found.requests, found.said, found.is_alarm, found.until_ms) == ("submits", "402: pay", True, NOW + 5)
    assert badges_of([found], is_configured=True, unknown_words=0) == (("key denied", "bad"),)
    assert badges_of([], is_configured=True, unknown_words=0) == (("ok", "good"),)
    assert badges_of([], is_configured=False, unknown_words=2) == (
        ("not configured", "warn"),
        ("unknown words", "warn"),
    )


def test_answers_of_polls_are_added_up_over_their_kinds() -> None:
    polls = [_span("single/final", 2), _span("list/final", 3), _span("single/error", 1), _span("list/open", 1, 0, "x")]
    assert poll_outcomes("hiapi", polls) == [("ended", 5), ("no usable answer", 1)]


def test_the_word_of_most_tasks_comes_first() -> None:
    found = words_of({"rare": {"tsk_1": 5}, "often": {f"tsk_{number}": 1 for number in range(30)}})
    assert [(each.word, each.number, len(each.tasks)) for each in found] == [("often", 30, 20), ("rare", 1, 1)]
