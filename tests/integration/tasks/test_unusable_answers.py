"""Answers that could not be used are on the timeline: the reason, the first KiB of the reply, and how often."""

from typing import Any

from receiver.reconcile.model.report import PollOutcome, ReconcileFilter
from receiver.runtime.store import Store
from receiver.store.retention import DAY_MS
from receiver.tasks.model.unusable import MOST_LINES, Unusable
from submitter.model import ProviderTaskId, Refusal, Refused, TaskError, TaskId, TaskState, Uncertain
from tests.support.builders import T0, a_task
from tests.support.reconcile_setup import a_poll

_ANY = ReconcileFilter()
ONE = TaskId("tsk_1")
HTML = b"<html>\r\n\x1b[31m502 Bad Gateway\x00\xff</html>"
SHOWN = "<html>\r\n\x1b[31m502 Bad Gateway\\x00\\xff</html>"


async def _replies(store: Store) -> list[dict[str, Any]]:
    """The lines of the timeline about answers that could not be used."""
    return [
        dict(entry.detail) | {"summary": entry.summary}
        for entry in await store.tasks.timeline(ONE)
        if "reason" in entry.detail or "error" in entry.detail
    ]


async def _polled(store: Store, *answers: Unusable, start_ms: int = T0) -> None:
    """One poll after the other, a second apart, none of them usable."""
    for number, answer in enumerate(answers):
        now_ms = start_ms + number * 1000
        leased = await store.polls.lease_by_filter(_ANY, owner="w", now_ms=now_ms, lease_ms=10, limit=1)
        poll = a_poll(leased[0].id, next_poll_ms=now_ms)
        outcome = PollOutcome(task=poll.task, stored=leased[0], decision=poll.decision, unusable=answer)
        await store.polls.release([outcome], owner="w", now_ms=now_ms)


async def test_an_uncertain_submit_keeps_reply_reason_and_the_id_that_was_read(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.SUBMITTING), T0)
    lost = Uncertain(reason="the id is in no documented place", provider_task_id=ProviderTaskId("p 1"), raw=HTML)
    await store.submissions.store_uncertain(ONE, lost, next_poll_ms=None, now_ms=T0)
    (line,) = await _replies(store)
    assert (line["reply"], line["reason"], line["task_id"]) == (SHOWN, lost.reason, "p 1")
    assert line["summary"] == "submit: uncertain, the id is in no documented place"


async def test_a_refused_submit_keeps_its_reply(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.SUBMITTING), T0)
    refused = Refused(refusal=Refusal.INVALID, error=TaskError(code="E", message="m"), status=400, raw=b'{"code":"E"}')
    await store.submissions.store_refused(ONE, refused, T0)
    (line,) = await _replies(store)
    assert (line["reply"], line["status"], line["error"]) == ('{"code":"E"}', 400, {"code": "E", "message": "m"})


async def test_the_same_reply_to_a_repeated_submit_is_counted_and_another_is_a_line(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.SUBMITTING), T0)
    for number, raw in enumerate([HTML] * 40 + [b"{"] * 2):
        lost = Uncertain(reason="502", raw=raw)
        await store.submissions.store_uncertain(ONE, lost, next_poll_ms=T0, now_ms=T0 + number * 1000)
    first, second = await _replies(store)
    assert (first["times"], first["reply"], first["last_at"]) == (40, SHOWN, "2026-09-21T14:13:59.000Z")
    assert (second["times"], second["reply"]) == (2, "{")
    assert first["summary"] == "submit: uncertain, 502 (40 times, last 2026-09-21T14:13:59.000Z)"


async def test_days_of_unusable_polls_are_a_few_lines_and_all_are_counted(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.RUNNING, provider_task_id=ProviderTaskId("p1")), T0)
    await _polled(store, *[Unusable(reason="answered 502", raw=HTML)] * 30)
    (line,) = await _replies(store)
    assert (line["times"], line["reply"], line["source"], line["verdict"]) == (30, SHOWN, "poll", "unusable")
    assert line["summary"].startswith("poll: no usable answer, answered 502 (30 times, last ")
    odd = [Unusable(reason="is no JSON", raw=f"request {number}".encode()) for number in range(50)]
    await _polled(store, *odd, start_ms=T0 + DAY_MS)
    lines = await _replies(store)
    assert len(lines) == MOST_LINES
    assert lines[0]["times"] == 30
    assert (lines[-1]["reply"], lines[-1]["left_out"]) == ("request 49", 50 - MOST_LINES + 1)
    assert f"after {50 - MOST_LINES + 1} others that are not shown" in lines[-1]["summary"]
    (task,) = await store.polls.find_by_filter(_ANY, now_ms=T0 + 2 * DAY_MS, limit=5)
    assert (task.polls, task.state) == (80, TaskState.RUNNING)


async def test_a_poll_without_a_reply_has_its_reason_alone(store: Store) -> None:
    await store.submissions.open_task(a_task(state=TaskState.RUNNING, provider_task_id=ProviderTaskId("p1")), T0)
    await _polled(store, Unusable(reason="TimedOut: no answer within 30 s"))
    (line,) = await _replies(store)
    assert "reply" not in line
    assert line["summary"] == "poll: no usable answer, TimedOut: no answer within 30 s"
