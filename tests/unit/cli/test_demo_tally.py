"""The demo's count finds what it is there to find, in made-up books."""

from dataclasses import replace

import pytest

from receiver.cli.demo.tally import Books, Intent, Paid, Story, Tally, Told, Way, silent, tally

INTENT = Intent(order="hiapi-01", provider="hiapi", task="tsk_1")
PAID = Paid(provider="hiapi", provider_task_id="tk-1", state="succeeded", is_ended=True)
TOLD = Told(
    way=Way.EVERYTHING,
    seq=1,
    event_id="evt_1",
    task="tsk_1",
    provider="hiapi",
    provider_task_id="tk-1",
    state="succeeded",
)
STREAMED = replace(TOLD, way=Way.STREAM)
HEARD = (TOLD, STREAMED)
STORY = Story(task="tsk_1", provider="hiapi", provider_task_id="tk-1", ended_by="callback")
CLEAN = Books(intents=[INTENT], paid=[PAID], told=HEARD, stories=[STORY], streamed=[1], events={"hiapi": 1})
FAILED = [replace(PAID, state="failed")]


def _names(found: Tally) -> dict[str, list[str]]:
    kinds = ("lost", "doubled", "paid_twice", "unwanted", "disagreeing", "unrecorded")
    return {kind: [finding.task for finding in getattr(found, kind)] for kind in kinds if getattr(found, kind)}


def _as(state: str, *ways: Way) -> list[Told]:
    """The one event, told by the ways that are always taken and by these."""
    return [replace(TOLD, way=way, state=state) for way in (Way.EVERYTHING, Way.STREAM, *ways)]


def test_books_that_agree_have_nothing_wrong() -> None:
    found = tally(CLEAN)
    assert found.wrong == ()
    assert found.verdict == "lost 0, doubled 0, paid twice 0"


def test_a_webhook_told_twice_with_the_same_event_is_not_doubled() -> None:
    found = tally(replace(CLEAN, told=[*HEARD, TOLD]))
    assert found.wrong == ()
    assert found.rows[0].webhooks == 1


def test_a_paid_task_that_nobody_was_told_of_is_lost_and_named_once() -> None:
    found = tally(replace(CLEAN, told=[]))
    assert _names(found) == {"lost": ["tk-1"]}
    assert found.lost[0].why == "succeeded at the provider, and no webhook, no stream"


@pytest.mark.parametrize("way", [Way.EVERYTHING, Way.STREAM])
def test_an_end_that_is_missing_by_one_way_is_lost_and_the_way_named(way: Way) -> None:
    found = tally(replace(CLEAN, told=[each for each in HEARD if each.way is not way]))
    assert _names(found) == {"lost": ["tk-1"]}
    assert found.lost[0].why.endswith(f"and no {way}")


def test_a_failure_must_reach_who_asked_for_failures() -> None:
    unheard = tally(replace(CLEAN, paid=FAILED, told=_as("failed")))
    assert unheard.lost[0].why == "failed at the provider, and no failures"
    assert tally(replace(CLEAN, paid=FAILED, told=_as("failed", Way.FAILURES))).wrong == ()


def test_the_end_of_a_task_with_its_own_address_must_reach_it() -> None:
    books = replace(CLEAN, intents=[replace(INTENT, is_notified=True)])
    assert tally(books).lost[0].why == "succeeded at the provider, and no notify"
    assert tally(replace(books, told=_as("succeeded", Way.NOTIFY))).wrong == ()


@pytest.mark.parametrize("way", [Way.FAILURES, Way.NOTIFY])
def test_an_end_told_to_who_had_not_asked_for_it_is_wrong(way: Way) -> None:
    assert _names(tally(replace(CLEAN, told=_as("succeeded", way)))) == {"unwanted": ["tsk_1"]}


def test_what_is_still_missing_is_known_before_the_count() -> None:
    missing = silent([PAID], [TOLD], notified={("hiapi", "tk-1")})
    assert missing == [(PAID, [Way.STREAM, Way.NOTIFY])]


@pytest.mark.parametrize(("streamed", "name"), [([1, 2, 2], "seq 2"), ([1, 3, 2], "seq 2"), ([1, 2, 1], "seq 1")])
def test_a_number_that_the_stream_tells_again_or_late_is_doubled(streamed: list[int], name: str) -> None:
    found = tally(replace(CLEAN, streamed=streamed))
    assert _names(found) == {"doubled": [name]}
    assert found.doubled[0].provider == "stream"


def test_a_number_that_the_stream_left_out_is_lost() -> None:
    assert _names(tally(replace(CLEAN, streamed=[1, 2, 4]))) == {"lost": ["seq 3"]}


def test_an_end_that_the_stream_left_out_is_lost_once() -> None:
    found = tally(replace(CLEAN, told=[TOLD], streamed=[2]))
    assert _names(found) == {"lost": ["tk-1"]}


def test_two_ways_that_tell_two_events_of_one_task_are_doubled() -> None:
    found = tally(replace(CLEAN, told=[TOLD, replace(STREAMED, seq=2, event_id="evt_2")], streamed=[1, 2]))
    assert _names(found) == {"doubled": ["tsk_1"]}


def test_a_paid_task_that_never_ended_is_lost() -> None:
    running = replace(PAID, state="running", is_ended=False)
    found = tally(replace(CLEAN, paid=[running], told=[]))
    assert "never ended" in found.lost[0].why


def test_an_order_that_was_never_accepted_is_lost() -> None:
    extra = Intent(order="hiapi-02", provider="hiapi", task=None)
    assert _names(tally(replace(CLEAN, intents=[INTENT, extra]))) == {"lost": ["hiapi-02"]}


def test_an_accepted_order_without_an_outcome_is_lost() -> None:
    extra = Intent(order="hiapi-02", provider="hiapi", task="tsk_2")
    assert _names(tally(replace(CLEAN, intents=[INTENT, extra]))) == {"lost": ["tsk_2"]}


def test_a_paid_task_that_our_ledger_does_not_know_is_lost_and_paid_twice() -> None:
    stray = replace(PAID, provider_task_id="tk-0")
    found = tally(replace(CLEAN, paid=[stray, PAID]))
    assert _names(found) == {"lost": ["tk-0"], "paid_twice": ["tk-0"]}


def test_a_second_event_of_one_task_is_doubled() -> None:
    found = tally(replace(CLEAN, told=[*HEARD, replace(TOLD, event_id="evt_2")]))
    assert _names(found) == {"doubled": ["tsk_1"]}
    assert "evt_2" in found.doubled[0].why


def test_two_tasks_of_ours_for_one_of_theirs_are_doubled() -> None:
    found = tally(replace(CLEAN, told=[*HEARD, replace(TOLD, event_id="evt_2", task="tsk_2")]))
    assert len(found.doubled) == 1


def test_more_tasks_made_than_ordered_are_paid_twice_even_when_all_are_told() -> None:
    again, heard = (
        replace(PAID, provider_task_id="tk-2"),
        replace(TOLD, event_id="evt_2", task="tsk_2", provider_task_id="tk-2"),
    )
    stories = [STORY, replace(STORY, task="tsk_2", provider_task_id="tk-2")]
    found = tally(
        replace(CLEAN, paid=[PAID, again], told=[*HEARD, heard, replace(heard, way=Way.STREAM)], stories=stories)
    )
    assert _names(found) == {"paid_twice": ["tk-2"]}
    assert "2 tasks made for 1 orders" in found.paid_twice[0].why


def test_one_provider_with_too_few_does_not_make_up_for_one_with_too_many() -> None:
    elsewhere = Intent(order="modellix-01", provider="modellix", task=None)
    found = tally(replace(CLEAN, intents=[INTENT, elsewhere], paid=[PAID, replace(PAID, provider_task_id="tk-2")]))
    assert found.verdict == "lost 2, doubled 0, paid twice 1"


def test_an_end_told_otherwise_than_the_books_say_is_named() -> None:
    assert _names(tally(replace(CLEAN, told=_as("failed")))) == {"disagreeing": ["tsk_1"]}


def test_a_webhook_for_a_task_that_was_never_made_is_named() -> None:
    invented = replace(TOLD, event_id="evt_9", task="tsk_9", provider_task_id="tk-9")
    assert _names(tally(replace(CLEAN, told=[*HEARD, invented]))) == {"disagreeing": ["tsk_9"]}


def test_a_contradiction_that_is_not_on_record_is_wrong_and_one_that_is_is_listed() -> None:
    told_otherwise = [replace(PAID, contradicted=True)]
    assert _names(tally(replace(CLEAN, paid=told_otherwise))) == {"unrecorded": ["tk-1"]}
    found = tally(replace(CLEAN, paid=told_otherwise, stories=[replace(STORY, contradictions=1)]))
    assert found.wrong == ()
    assert [finding.task for finding in found.contradictions] == ["tsk_1"]


def test_a_row_counts_what_its_provider_did() -> None:
    failed = replace(TOLD, seq=2, event_id="evt_2", task="tsk_2", provider_task_id="tk-2", state="failed")
    ways = (Way.STREAM, Way.FAILURES, Way.NOTIFY)
    told = [*HEARD, failed, *(replace(failed, way=way) for way in ways)]
    stories = [STORY, Story(task="tsk_2", provider="hiapi", provider_task_id="tk-2", ended_by="poll")]
    intents = [INTENT, Intent(order="hiapi-02", provider="hiapi", task="tsk_2", is_notified=True)]
    (row,) = tally(replace(CLEAN, intents=intents, told=told, stories=stories, events={"hiapi": 2})).rows
    assert (row.submitted, row.succeeded, row.failed) == (2, 1, 1)
    assert (row.by_callback, row.by_polling, row.events) == (1, 1, 2)
    assert (row.webhooks, row.failures, row.streamed, row.notified) == (2, 1, 2, 1)
