"""HiAPI's callbacks at a real socket: signature, attempts, and everything that can go wrong with them."""

import asyncio
import json
from typing import Any

import pytest

from submitter.simulator.platforms.hiapi import signature
from tests.integration.simulator.calls import ApiClient, Sink, calling, sink

SECRET = "sim-hiapi-webhook-secret"


async def submit_to(caller: ApiClient, place: Sink, faults: str = "") -> str:
    prompt = f"a horse #simulate:{faults}" if faults else "a horse"
    return await caller.submit("hiapi", prompt, callback={"url": place.url, "when": "final"})


def test_the_signature_is_that_of_the_worked_example() -> None:
    raw = b'{"taskId":"tk-hiapi-00000000000000000000000000","status":"success"}'
    expected = "e6b1522fec8b270f64ba0c8107c6df3ea72d380f383e4d7bed034105e06c1e5b"
    assert signature("example-signing-secret-0001", "1790000000", raw) == expected


@pytest.mark.parametrize("outcome", ["success", "fail"])
async def test_a_terminal_state_is_posted_signed_and_without_the_envelope(outcome: str) -> None:
    async with calling() as caller, sink() as place:
        task_id = await submit_to(caller, place)
        (caller.sim.finish if outcome == "success" else caller.sim.fail)(task_id)
        [post] = await place.wait_for(1)
    body = json.loads(post.raw)
    assert (body["taskId"], body["status"], "code" in body) == (task_id, outcome, False)
    stamp = post.headers["x-hiapi-timestamp"]
    assert post.headers["x-hiapi-signature"] == signature(SECRET, stamp, post.raw)
    assert post.headers["content-type"] == "application/json"


async def test_no_callback_is_posted_before_the_end_or_without_a_url() -> None:
    async with calling() as caller, sink() as place:
        await submit_to(caller, place)
        caller.sim.finish(await caller.submit("hiapi"))
        caller.sim.finish(await submit_to(caller, place))
        assert len(await place.wait_for(1)) == 1


async def test_without_a_secret_callbacks_are_unsigned() -> None:
    async with calling(webhook_secrets={"hiapi": None}) as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place))
        [post] = await place.wait_for(1)
    assert not [name for name in post.headers if name.startswith("x-hiapi")]


@pytest.mark.parametrize("refusal", [500, 404, 302])
async def test_an_attempt_not_answered_2xx_is_repeated_until_one_is(refusal: int) -> None:
    async with calling(speed=10_000) as caller, sink(refusal, refusal, 200) as place:
        task_id = await submit_to(caller, place)
        await place.wait_for(3)
        await until_delivered(caller, task_id)
        attempts = caller.sim.records().task(task_id).callbacks
    assert [(attempt.number, attempt.status) for attempt in attempts] == [(1, refusal), (2, refusal), (3, 200)]


async def until_delivered(caller: ApiClient, task_id: str) -> None:
    while not any(attempt.is_delivered for attempt in caller.sim.records().task(task_id).callbacks):
        await asyncio.sleep(0.01)


async def until_attempted(caller: ApiClient, task_id: str, count: int) -> list[Any]:
    while len(caller.sim.records().task(task_id).callbacks) < count:
        await asyncio.sleep(0.01)
    return list(caller.sim.records().task(task_id).callbacks)


async def test_there_are_four_attempts_and_no_more() -> None:
    async with calling(speed=10_000) as caller, sink(500) as place:
        task_id = await submit_to(caller, place)
        attempts = await until_attempted(caller, task_id, 4)
        await asyncio.sleep(0.3)
        assert len(place.received) == 4
    offsets = [attempt.time_ms - attempts[0].time_ms for attempt in attempts]
    assert all(offset >= at for offset, at in zip(offsets, (0, 5, 29, 119), strict=True))


async def test_an_unreachable_url_counts_as_an_attempt_without_a_status() -> None:
    async with calling(speed=10_000) as caller:
        task_id = await caller.submit("hiapi", callback={"url": "http://127.0.0.1:1/"})
        attempts = await until_attempted(caller, task_id, 4)
    assert {(attempt.status, attempt.error) for attempt in attempts} == {(None, "ConnectError")}


async def test_a_silent_receiver_is_given_up_after_the_timeout() -> None:
    async with calling(speed=10_000, callback_timeout_s=0.01) as caller, sink() as place:
        task_id = await submit_to(caller, place)
        attempts = await until_attempted(caller, task_id, 1)
    assert attempts[0].status is None


async def test_callback_lost_posts_nothing() -> None:
    async with calling() as caller, sink() as place:
        lost = await submit_to(caller, place, "callback_lost")
        caller.sim.finish(lost)
        caller.sim.finish(await submit_to(caller, place))
        await place.wait_for(1)
        assert caller.sim.records().task(lost).callbacks == ()
    assert len(place.received) == 1


async def test_callback_late_comes_after_those_of_later_tasks() -> None:
    async with calling(late_s=1.0) as caller, sink() as place:
        late, prompt_one = await submit_to(caller, place, "callback_late"), await submit_to(caller, place)
        caller.sim.finish(late)
        caller.sim.finish(prompt_one)
        posts = await place.wait_for(2)
    assert [json.loads(post.raw)["taskId"] for post in posts] == [prompt_one, late]


async def test_callback_early_is_there_before_the_receipt() -> None:
    async with calling() as caller, sink() as place:
        task_id = await submit_to(caller, place, "callback_early")
        assert len(place.received) == 1
        assert json.loads(place.received[0].raw)["taskId"] == task_id


async def test_callback_duplicated_comes_twice_one_after_the_other() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place, "callback_duplicated"))
        first, second = await place.wait_for(2)
    assert first.raw == second.raw
    assert place.most_in_flight == 1


async def test_callback_overlapping_comes_twice_at_once() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place, "callback_overlapping"))
        first, second = await place.wait_for(2)
    assert first.raw == second.raw
    assert place.most_in_flight == 2


@pytest.mark.parametrize(("more", "reported"), [("", ["success", "fail"]), (",fail", ["fail", "success"])])
async def test_callback_contradicting_reports_the_other_end_too(more: str, reported: list[str]) -> None:
    async with calling(speed=10_000) as caller, sink() as place:
        task_id = await submit_to(caller, place, "callback_contradicting" + more)
        posts = await place.wait_for(2)
        truth = caller.sim.records().task(task_id).state
    assert [post.status for post in posts] == reported
    assert truth[:4] == reported[0][:4]
    assert all(post.headers["x-hiapi-signature"] for post in posts)


async def test_callback_unsigned_has_no_signature_headers() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place, "callback_unsigned"))
        [post] = await place.wait_for(1)
    assert not [name for name in post.headers if name.startswith("x-hiapi")]


async def test_callback_wrongly_signed_has_another_secrets_signature() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place, "callback_wrongly_signed"))
        [post] = await place.wait_for(1)
    right = signature(SECRET, post.headers["x-hiapi-timestamp"], post.raw)
    assert len(post.headers["x-hiapi-signature"]) == len(right)
    assert post.headers["x-hiapi-signature"] != right


async def test_callback_malformed_is_rightly_signed_broken_json() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await submit_to(caller, place, "callback_malformed"))
        [post] = await place.wait_for(1)
    assert post.headers["x-hiapi-signature"] == signature(SECRET, post.headers["x-hiapi-timestamp"], post.raw)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(post.raw)


@pytest.mark.parametrize("callback", [{}, {"url": "ftp://x"}, {"url": "http://x", "when": "always"}, "http://x"])
async def test_a_wrong_callback_object_is_refused(callback: object) -> None:
    async with calling() as caller:
        answer = await caller.send("hiapi", callback=callback)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_REQUEST")


async def test_stopping_with_pending_callbacks_leaves_nothing_behind() -> None:
    async with calling(speed=100) as caller, sink(500) as place:
        for faults in ("", "callback_late", "stuck", "callback_overlapping"):
            await submit_to(caller, place, faults)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()] == []
