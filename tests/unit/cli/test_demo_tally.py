"""The demo's count finds each fault, in made-up evidence."""

from dataclasses import replace

import pytest

from receiver.cli.demo.tally import Channel, Evidence, LedgerTask, Paid, Received, Tally, Wanted, tally, undelivered

WANTED = Wanted(name="hiapi-01", provider="hiapi", task="tsk_1")
PAID = Paid(provider="hiapi", provider_task_id="tk-1", created_ms=1, body="", state="succeeded", is_ended=True)
RECEIVED = Received(
    channel=Channel.EVERYTHING,
    seq=1,
    event_id="evt_1",
    task="tsk_1",
    provider="hiapi",
    provider_task_id="tk-1",
    state="succeeded",
)
STREAMED = replace(RECEIVED, channel=Channel.STREAM)
BOTH = (RECEIVED, STREAMED)
IN_LEDGER = LedgerTask(task="tsk_1", provider="hiapi", provider_task_id="tk-1", ended_by="callback")
CLEAN = Evidence(wanted=[WANTED], paid=[PAID], received=BOTH, ledger=[IN_LEDGER], streamed=[1], events={"hiapi": 1})
FAILED = [replace(PAID, state="failed")]


def _names(found: Tally) -> dict[str, list[str]]:
    kinds = ("lost", "doubled", "paid_twice", "unwanted", "disagreeing", "unrecorded")
    return {kind: [finding.task for finding in found.findings[kind]] for kind in kinds if found.findings[kind]}


def _ended(state: str, *channels: Channel) -> list[Received]:
    """The one event, received by the channels that always get it and by these."""
    return [
        replace(RECEIVED, channel=channel, state=state) for channel in (Channel.EVERYTHING, Channel.STREAM, *channels)
    ]


def test_evidence_that_agrees_has_nothing_wrong() -> None:
    found = tally(CLEAN)
    assert found.wrong == ()
    assert found.verdict == "lost 0, doubled 0, paid twice 0"


def test_a_webhook_that_comes_twice_with_one_event_is_not_doubled() -> None:
    found = tally(replace(CLEAN, received=[*BOTH, RECEIVED]))
    assert found.wrong == ()
    assert found.rows[0].webhooks == 1


def test_a_paid_task_whose_end_nobody_received_is_lost_and_named_once() -> None:
    found = tally(replace(CLEAN, received=[]))
    assert _names(found) == {"lost": ["tk-1"]}
    assert found.findings["lost"][0].why == "succeeded at the provider, and no webhook, no stream"


@pytest.mark.parametrize("channel", [Channel.EVERYTHING, Channel.STREAM])
def test_an_end_that_is_missing_by_one_channel_is_lost_and_the_channel_named(channel: Channel) -> None:
    found = tally(replace(CLEAN, received=[each for each in BOTH if each.channel is not channel]))
    assert _names(found) == {"lost": ["tk-1"]}
    assert found.findings["lost"][0].why.endswith(f"and no {channel}")


def test_a_failure_must_reach_the_subscription_to_failures() -> None:
    missing = tally(replace(CLEAN, paid=FAILED, received=_ended("failed")))
    assert missing.findings["lost"][0].why == "failed at the provider, and no failures"
    assert tally(replace(CLEAN, paid=FAILED, received=_ended("failed", Channel.FAILURES))).wrong == ()


def test_the_end_of_a_task_with_its_own_address_must_reach_it() -> None:
    evidence = replace(CLEAN, wanted=[replace(WANTED, is_notified=True)])
    assert tally(evidence).findings["lost"][0].why == "succeeded at the provider, and no notify"
    assert tally(replace(evidence, received=_ended("succeeded", Channel.NOTIFY))).wrong == ()


@pytest.mark.parametrize("channel", [Channel.FAILURES, Channel.NOTIFY])
def test_an_end_sent_without_a_subscription_is_wrong(channel: Channel) -> None:
    assert _names(tally(replace(CLEAN, received=_ended("succeeded", channel)))) == {"unwanted": ["tsk_1"]}


def test_what_is_still_missing_is_known_before_the_count() -> None:
    missing = undelivered([PAID], [RECEIVED], notified={("hiapi", "tk-1")})
    assert missing == [(PAID, [Channel.STREAM, Channel.NOTIFY])]


@pytest.mark.parametrize(("streamed", "name"), [([1, 2, 2], "seq 2"), ([1, 3, 2], "seq 2"), ([1, 2, 1], "seq 1")])
def test_a_number_that_the_stream_tells_again_or_late_is_doubled(streamed: list[int], name: str) -> None:
    found = tally(replace(CLEAN, streamed=streamed))
    assert _names(found) == {"doubled": [name]}
    assert found.findings["doubled"][0].provider == "stream"


def test_a_number_that_the_stream_left_out_is_lost() -> None:
    assert _names(tally(replace(CLEAN, streamed=[1, 2, 4]))) == {"lost": ["seq 3"]}


def test_an_end_that_the_stream_left_out_is_lost_once() -> None:
    found = tally(replace(CLEAN, received=[RECEIVED], streamed=[2]))
    assert _names(found) == {"lost": ["tk-1"]}


def test_two_events_of_one_task_by_two_channels_are_doubled() -> None:
    found = tally(replace(CLEAN, received=[RECEIVED, replace(STREAMED, seq=2, event_id="evt_2")], streamed=[1, 2]))
    assert _names(found) == {"doubled": ["tsk_1"]}


def test_a_paid_task_that_never_ended_is_lost() -> None:
    running = replace(PAID, state="running", is_ended=False)
    found = tally(replace(CLEAN, paid=[running], received=[]))
    assert "never ended" in found.findings["lost"][0].why


def test_a_request_that_was_never_accepted_is_lost() -> None:
    extra = Wanted(name="hiapi-02", provider="hiapi", task=None)
    assert _names(tally(replace(CLEAN, wanted=[WANTED, extra]))) == {"lost": ["hiapi-02"]}


def test_an_accepted_request_without_an_outcome_is_lost() -> None:
    extra = Wanted(name="hiapi-02", provider="hiapi", task="tsk_2")
    assert _names(tally(replace(CLEAN, wanted=[WANTED, extra]))) == {"lost": ["tsk_2"]}


def test_a_paid_task_that_our_ledger_does_not_know_is_lost_and_paid_twice() -> None:
    stray = replace(PAID, provider_task_id="tk-0")
    found = tally(replace(CLEAN, paid=[stray, PAID]))
    assert _names(found) == {"lost": ["tk-0"], "paid_twice": ["tk-0"]}


def test_a_second_event_of_one_task_is_doubled() -> None:
    found = tally(replace(CLEAN, received=[*BOTH, replace(RECEIVED, event_id="evt_2")]))
    assert _names(found) == {"doubled": ["tsk_1"]}
    assert "evt_2" in found.findings["doubled"][0].why


def test_two_tasks_of_ours_for_one_of_theirs_are_doubled() -> None:
    found = tally(replace(CLEAN, received=[*BOTH, replace(RECEIVED, event_id="evt_2", task="tsk_2")]))
    assert len(found.findings["doubled"]) == 1


def test_more_tasks_created_than_wanted_are_paid_twice_even_when_all_ends_are_received() -> None:
    again, second = (
        replace(PAID, provider_task_id="tk-2"),
        replace(RECEIVED, event_id="evt_2", task="tsk_2", provider_task_id="tk-2"),
    )
    ledger = [IN_LEDGER, replace(IN_LEDGER, task="tsk_2", provider_task_id="tk-2")]
    found = tally(
        replace(
            CLEAN, paid=[PAID, again], received=[*BOTH, second, replace(second, channel=Channel.STREAM)], ledger=ledger
        )
    )
    assert _names(found) == {"paid_twice": ["tk-2"]}
    assert "2 tasks created for 1 requests" in found.findings["paid_twice"][0].why


def test_one_provider_with_too_few_does_not_make_up_for_one_with_too_many() -> None:
    elsewhere = Wanted(name="modellix-01", provider="modellix", task=None)
    found = tally(replace(CLEAN, wanted=[WANTED, elsewhere], paid=[PAID, replace(PAID, provider_task_id="tk-2")]))
    assert found.verdict == "lost 2, doubled 0, paid twice 1"


def test_an_end_that_differs_from_the_records_is_named() -> None:
    assert _names(tally(replace(CLEAN, received=_ended("failed")))) == {"disagreeing": ["tsk_1"]}


def test_a_webhook_for_a_task_that_was_never_made_is_named() -> None:
    invented = replace(RECEIVED, event_id="evt_9", task="tsk_9", provider_task_id="tk-9")
    assert _names(tally(replace(CLEAN, received=[*BOTH, invented]))) == {"disagreeing": ["tsk_9"]}


def test_a_contradiction_that_is_not_on_record_is_wrong_and_one_that_is_is_listed() -> None:
    contradicted = [replace(PAID, contradicted=True)]
    assert _names(tally(replace(CLEAN, paid=contradicted))) == {"unrecorded": ["tk-1"]}
    found = tally(replace(CLEAN, paid=contradicted, ledger=[replace(IN_LEDGER, contradictions=1)]))
    assert found.wrong == ()
    assert [finding.task for finding in found.findings["contradictions"]] == ["tsk_1"]


def test_a_row_counts_what_its_provider_did() -> None:
    failed = replace(RECEIVED, seq=2, event_id="evt_2", task="tsk_2", provider_task_id="tk-2", state="failed")
    channels = (Channel.STREAM, Channel.FAILURES, Channel.NOTIFY)
    received = [*BOTH, failed, *(replace(failed, channel=channel) for channel in channels)]
    ledger = [IN_LEDGER, LedgerTask(task="tsk_2", provider="hiapi", provider_task_id="tk-2", ended_by="poll")]
    wanted = [WANTED, Wanted(name="hiapi-02", provider="hiapi", task="tsk_2", is_notified=True)]
    (row,) = tally(replace(CLEAN, wanted=wanted, received=received, ledger=ledger, events={"hiapi": 2})).rows
    assert (row.submitted, row.succeeded, row.failed) == (2, 1, 1)
    assert (row.by_callback, row.by_polling, row.events) == (1, 1, 2)
    assert (row.webhooks, row.failures, row.streamed, row.notified) == (2, 1, 2, 1)
