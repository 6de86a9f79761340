"""What a client does after each answer, without a socket: tries again, pauses, reads on, or raises."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from submitter.client.calls import deliveries, events, keys, runs, subscriptions, tasks
from submitter.client.conversation import (
    RETRY_AFTER_CAP_S,
    RETRY_PAUSES_S,
    Call,
    Give,
    NewKey,
    NoReply,
    Now,
    Pause,
    Reply,
    Send,
    Series,
    answered,
    every,
)
from submitter.client.requests import as_object, as_params, checked_key, checked_url, get
from submitter.errors import NotEnded, ReceiverRefused, ReceiverUnreachable
from submitter.request import Video
from tests.support.stream_bytes import TASK

LOST, NOT_SENT = NoReply(reason="ReadError"), NoReply(reason="ConnectError", was_sent=False)


def _said(status: int, body: object, **headers: str) -> Reply:
    return Reply(status=status, headers={"content-type": "application/json"} | headers, body=json.dumps(body).encode())


def _problem(status: int, kind: str, **headers: str) -> Reply:
    body = {"type": f"urn:whenfinal:problem:{kind}", "title": kind, "status": status}
    return _said(status, body, **{"content-type": "application/problem+json"} | headers)


ENDED = _said(200, TASK)
RUNNING = _said(200, TASK | {"state": "running"})
PROXY = Reply(status=502, headers={"content-type": "text/html"}, body=b"<html>")


@dataclass
class Played:
    """What came of a conversation with these answers, and what it said on the way."""

    sent: list[Call[Any]]
    pauses: list[float]
    given: list[Any]
    result: Any = None


def _play(conversation: Any, replies: Sequence[Reply | NoReply], *, clock: Sequence[float] = ()) -> Played:
    left, times, played = list(replies), list(clock), Played([], [], [])
    answer: Any = None
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as done:
            assert left == [], "answers that nobody wanted"
            return replace(played, result=done.value)
        answer = None
        match step:
            case Send(call):
                played.sent.append(call)
                answer = left.pop(0)
            case Pause(seconds):
                played.pauses.append(seconds)
            case Give(item):
                played.given.append(item)
            case Now():
                answer = times.pop(0) if times else 0.0
            case NewKey():
                answer = "a-new-key"
            case _:
                raise AssertionError(step)


@pytest.mark.parametrize("lost", [LOST, NOT_SENT, PROXY, _problem(503, "unavailable"), _problem(503, "stopping")])
def test_a_read_is_tried_again_after_each_pause(lost: Reply | NoReply) -> None:
    played = _play(answered(tasks.get_task("tsk_1")), [lost, lost, lost, ENDED])
    assert (played.result.id, tuple(played.pauses)) == ("tsk_1", RETRY_PAUSES_S)
    assert len(set(map(id, played.sent))) == 1


@pytest.mark.parametrize("lost", [LOST, PROXY, _problem(503, "stopping"), _problem(503, "unavailable")])
def test_what_must_not_be_repeated_is_sent_once_when_it_may_have_been_carried_out(lost: Reply | NoReply) -> None:
    with pytest.raises((ReceiverUnreachable, ReceiverRefused)):
        _play(answered(subscriptions.create("https://hooks.example")), [lost])
    with pytest.raises((ReceiverUnreachable, ReceiverRefused)):
        _play(answered(subscriptions.rotate_secret("sub_1")), [lost])


@pytest.mark.parametrize("nothing", [NOT_SENT, _problem(503, "streams-full"), _problem(503, "bodies-full")])
def test_what_must_not_be_repeated_is_sent_again_when_surely_nothing_was_carried_out(nothing: Reply | NoReply) -> None:
    played = _play(answered(subscriptions.delete("sub_1")), [nothing, nothing, Reply(status=204, headers={})])
    assert (played.result, len(played.sent)) == (None, 3)


def test_a_retry_after_makes_a_pause_longer_up_to_a_cap() -> None:
    replies = [_problem(503, "unavailable", **{"retry-after": after}) for after in ("5", "999", "0")]
    played = _play(answered(tasks.get_task("tsk_1")), [*replies, ENDED])
    assert played.pauses == [5.0, RETRY_AFTER_CAP_S, RETRY_PAUSES_S[2]]


def test_tries_end_and_the_last_answer_counts() -> None:
    with pytest.raises(ReceiverUnreachable, match="ReadError"):
        _play(answered(tasks.get_task("tsk_1")), [PROXY, PROXY, PROXY, LOST])
    with pytest.raises(ReceiverUnreachable, match="status 502 of something that is not whenfinal"):
        _play(answered(tasks.get_task("tsk_1")), [LOST, LOST, LOST, PROXY])


@pytest.mark.parametrize("lost", [LOST, _problem(503, "unavailable")])
def test_a_submit_is_repeated_under_one_key_with_one_body(lost: Reply | NoReply) -> None:
    request = tasks.submit(provider="hiapi", video=Video(model="m", prompt="p"), labels={"film": "1"}, priority=None)
    played = _play(request, [lost, ENDED])
    first, second = played.sent
    assert first == second
    assert first.headers == (("Idempotency-Key", "a-new-key"),)
    assert first.json == {"provider": "hiapi", "video": {"model": "m", "prompt": "p"}, "labels": {"film": "1"}}
    given = _play(tasks.submit(provider="hiapi", raw={"body": {}}, idempotency_key="mine"), [ENDED])
    assert given.sent[0].headers == (("Idempotency-Key", "mine"),)


def test_a_submit_that_waits_waits_on_in_slices_and_keeps_the_secret() -> None:
    first = _said(202, TASK | {"state": "submitted", "notify": {"secret": "whsec_x"}})
    played = _play(tasks.submit(provider="hiapi", wait_s=60), [first, RUNNING, ENDED], clock=[0, 26, 26, 52])
    assert [dict(call.headers).get("Prefer") for call in played.sent] == ["wait=25", "wait=25", "wait=8"]
    assert [call.extra_wait_s for call in played.sent] == [25, 25, 8]
    assert (played.result.is_ended, played.result.notify_secret) == (True, "whsec_x")


def test_a_submit_whose_wait_is_over_gives_the_task_and_does_not_raise() -> None:
    first = _said(202, TASK | {"state": "submitted"})
    played = _play(tasks.submit(provider="hiapi", wait_s=10), [first, RUNNING], clock=[0, 9, 9, 11])
    assert (played.result.state, played.result.is_ended) == ("submitted", False)


def test_a_wait_is_over_by_the_clock() -> None:
    with pytest.raises(NotEnded):
        _play(tasks.wait("tsk_1", timeout_s=30), [RUNNING, RUNNING], clock=[0, 25, 30.1])


def test_pages_are_read_to_the_last_and_a_cursor_must_move() -> None:
    page = [
        _said(200, {"tasks": [TASK | {"id": name}], "next_cursor": after}) for name, after in (("a", "c"), ("b", None))
    ]
    played = _play(tasks.all_tasks(state=["running", "failed"], labels={"film": "x=1"}, overdue=True), page)
    assert [task.id for task in played.given] == ["a", "b"]
    wanted = (("state", "running"), ("state", "failed"), ("label", "film=x=1"), ("overdue", "true"))
    assert [call.params for call in played.sent] == [
        (*wanted, ("limit", "200")),
        (*wanted, ("limit", "200"), ("cursor", "c")),
    ]
    stuck = _said(200, {"tasks": [], "next_cursor": "c"})
    with pytest.raises(ReceiverUnreachable, match="does not move"):
        _play(tasks.all_tasks(), [stuck, stuck])


def test_an_iterator_that_is_left_reads_no_further_page() -> None:
    def one(cursor: str | None) -> Call[Any]:
        return tasks.list_tasks(cursor=cursor)

    series: Series[Any] = every(one, lambda page: page.tasks)
    assert isinstance(series.send(None), Send)
    assert isinstance(series.send(_said(200, {"tasks": [TASK], "next_cursor": "c"})), Give)
    series.close()


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://h", "http://", "http://a b", "http://h\n", "http://h:x", "http://h:0", "//h",
     "http://u:p@h", "http://h?x=1", "http://h#x", "http://[::1"],
)  # fmt: skip
def test_what_is_no_url_of_a_receiver_is_refused_when_the_client_is_made(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL of a receiver"):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://h", "http://h/"),
        ("https://bücher.example", "https://bücher.example/"),
        ("https://h:8443/a/", "https://h:8443/a/"),
        ("http://[::1]:80", "http://[::1]:80/"),
    ],
)
def test_a_url_may_have_a_port_and_a_path(url: str, base: str) -> None:
    assert checked_url(url) == base


@pytest.mark.parametrize("key", ["", " ", "a\nb", "a\r\nX-Y: z", "a\0", "ключ", "a key"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="not an API key") as raised:
        checked_key(key)
    assert key.strip() == "" or key not in str(raised.value)


def test_values_become_the_text_of_a_query() -> None:
    at = datetime(2026, 9, 21, 16, 0, tzinfo=timezone(timedelta(hours=2)))
    given = {"none": None, "since": at, "n": 3, "is": False, "many": ("a", "b"), "label": {"x": "1"}}
    assert as_params(given) == (
        ("since", "2026-09-21T14:00:00.000Z"),
        ("n", "3"),
        ("is", "false"),
        ("many", "a"),
        ("many", "b"),
        ("label", "x=1"),
    )
    assert as_object({"since": at, "none": None, "zero": 0}) == {"since": "2026-09-21T14:00:00.000Z", "zero": 0}


def test_a_change_says_null_where_none_is_given() -> None:
    assert subscriptions.change("sub_1", types=None, enabled=False).json == {"types": None, "enabled": False}


def test_a_part_of_a_path_cannot_leave_its_place() -> None:
    assert tasks.get_task("../events?x=1#y").path == "v1/tasks/..%2Fevents%3Fx%3D1%23y"


@pytest.mark.parametrize("wrong", ["", ".", ".."])
@pytest.mark.parametrize(
    "make", [tasks.get_task, tasks.reconcile_task, keys.revoke, subscriptions.delete, runs.stop, deliveries.redeliver]
)
def test_what_would_make_the_path_of_something_else_is_refused_in_words(make: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"not an id or a name: '{re.escape(wrong)}'"):
        make(wrong)


def test_a_call_shows_no_header() -> None:
    call = replace(get("v1/x", Video), headers=(("Idempotency-Key", "secret-ish"),))
    assert "secret-ish" not in repr(call)


def test_a_series_of_stored_events_asks_for_task_events_alone() -> None:
    page = _said(200, {"events": [], "next_after": 7, "has_more": False, "newest": 7})
    played = _play(events.stored(after=5), [page])
    assert [value for name, value in played.sent[0].params if name == "after"] == ["5"]
    assert all(value.startswith("task.") for name, value in played.sent[0].params if name == "type")


def test_a_batch_gives_each_task_a_key_and_may_be_sent_again() -> None:
    outcomes = {"outcomes": [{"index": 0, "status": 202, "replayed": False, "task": TASK, "problem": None}]}
    batch = tasks.submit_many(
        [{"provider": "hiapi", "video": Video(model="m")}, {"provider": "hiapi", "raw": {}, "idempotency_key": "mine"}]
    )
    played = _play(batch, [LOST, _said(200, outcomes)])
    assert played.result.outcomes[0].task.id == "tsk_1"
    assert played.sent[0] == played.sent[1]
    assert played.sent[0].json == {
        "tasks": [
            {"provider": "hiapi", "video": {"model": "m"}, "idempotency_key": "a-new-key"},
            {"provider": "hiapi", "raw": {}, "idempotency_key": "mine"},
        ]
    }


RUN = {
    "id": "run_1",
    "kind": "cancel",
    "actor": "key ops",
    "state": "running",
    "expected": 2,
    "done": 0,
    "failed": 0,
    "notes": [],
    "created_at": "2026-09-21T14:13:20.000Z",
    "ended_at": None,
    "last_error": None,
}


@pytest.mark.parametrize(
    ("start", "path", "body"),
    [
        (
            runs.cancel_tasks(state="queued", labels={"film": "1"}, ended_by=None, overdue=True),
            "v1/tasks/cancel",
            {"state": ["queued"], "label": ["film=1"], "overdue": True},
        ),
        (runs.refuse_tasks(ids=("tsk_1",)), "v1/tasks/settle", {"ids": ("tsk_1",), "refused": True}),
        (runs.accept_candidates("run_9", all=True), "v1/tasks/settle", {"all": True, "look": "run_9"}),
        (runs.reconcile_tasks(older_than_s=60), "v1/tasks/reconcile", {"older_than_s": 60}),
        (runs.look_at_tasks(provider="hiapi"), "v1/tasks/look", {"provider": "hiapi"}),
        (runs.redeliver(error="5xx", task="tsk_1"), "v1/deliveries/redeliver", {"error": ["5xx"], "task": "tsk_1"}),
    ],
)
def test_a_run_is_started_once_however_often_it_is_sent(start: Any, path: str, body: object) -> None:
    played = _play(start, [LOST, _said(202, RUN)])
    first, second = played.sent
    assert (first, first.path, first.json) == (second, path, body)
    assert (first.headers, played.result.is_ended) == ((("Idempotency-Key", "a-new-key"),), False)


def test_a_preview_changes_nothing() -> None:
    assert runs.preview("settle", state="uncertain").json == {"state": ["uncertain"], "refused": True, "dry_run": True}
    assert runs.preview("cancel").json == {"dry_run": True}
    assert runs.preview_redeliver(state=["dead"]).json == {"state": ["dead"], "dry_run": True}


def test_a_run_is_waited_for_in_slices() -> None:
    running, ended = _said(200, RUN), _said(200, RUN | {"state": "finished"})
    played = _play(runs.wait("run_1", timeout_s=30), [running, LOST, LOST, LOST, LOST, ended], clock=[0, 25, 29])
    assert [call.params for call in played.sent] == [(("wait", "25"),), *[(("wait", "5"),)] * 4, (("wait", "1"),)]
    assert played.result.state == "finished"


def test_a_submit_that_may_not_be_read_gives_the_task_all_the_same() -> None:
    first = _said(202, TASK | {"state": "submitted"})
    played = _play(tasks.submit(provider="hiapi", wait_s=10), [first, _problem(403, "scope-missing")], clock=[0, 1, 1])
    assert played.result.id == "tsk_1"
