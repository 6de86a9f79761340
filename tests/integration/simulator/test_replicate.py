"""Replicate at a real socket: create routes, cursors, data that is removed, cancellations, and signed callbacks."""

import json
from typing import Any

import pytest

from submitter.simulator.config import WEBHOOK_SECRETS
from submitter.simulator.platforms.replicate import signature
from tests.integration.simulator.calls import ApiClient, Sink, calling, sink

KLING = "/models/kwaivgi/kling-v3-video/predictions"


async def submit_to(caller: ApiClient, place: Sink, **more: Any) -> str:
    wanted = {"webhook": place.url, "webhook_events_filter": ["completed"]} | more
    return await caller.submit("replicate", **wanted)


def test_the_signature_is_that_of_the_worked_example() -> None:
    raw = (
        b'{"id":"abc123example0000000000000","status":"succeeded","output":"https://replicate.delivery/example/v.mp4"}'
    )
    secret = "whsec_d2hlbmZpbmFsLXJlcGxpY2F0ZS1jaGVjay1rZXktMDE="
    expected = "v1,8y1jcrY7VOPwTmJV9OaGdL2SJzzRQjZ9PgLwiAZ4Ncw="
    assert signature(secret, "msg_whenfinal00000000000001", "1790000000", raw) == expected


@pytest.mark.parametrize(
    ("path", "more"),
    [(KLING, {}), ("/deployments/me/mine/predictions", {}), ("/predictions", {"version": "me/mine:0123"})],
)
async def test_each_create_route_makes_a_prediction(path: str, more: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.post("replicate", path, {"input": {"prompt": "x"}} | more)
    assert (answer.status_code, answer.json()["status"], answer.json()["version"]) == (201, "starting", "hidden")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predictions", {"input": {}}),
        (KLING, {"input": {"prompt": "x", "duration": 16}}),
        (KLING, {"input": {"prompt": "x", "mode": "4k"}}),
        (KLING, {"input": {"prompt": "x"}, "webhook_events_filter": ["ended"]}),
        (KLING, {"input": {"prompt": "x"}, "webhook": "nowhere"}),
        (KLING, {"prompt": "x"}),
    ],
)
async def test_a_wrong_input_is_a_problem_with_its_field(path: str, body: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.post("replicate", path, body)
        assert caller.sim.records().tasks == ()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert set(answer.json()) == {"title", "detail", "status"}


async def test_the_list_goes_on_by_cursors_and_within_a_span() -> None:
    async with calling() as caller:
        ids = [await caller.submit("replicate") for _ in range(101)]
        first = (await caller.get("replicate", "/predictions")).json()
        rest = (await caller.http.get(first["next"], headers=caller.headers("replicate"))).json()
        oldest = first["results"][-1]["created_at"]
        span = (await caller.get("replicate", f"/predictions?created_before={oldest}")).json()
        none = (await caller.get("replicate", "/predictions?created_after=2999-01-01T00:00:00Z")).json()
        wrong = await caller.get("replicate", "/predictions?created_after=yesterday")
    assert [row["id"] for row in first["results"] + rest["results"]] == ids[::-1]
    assert (first["previous"], rest["next"], none) == (None, None, {"previous": None, "next": None, "results": []})
    assert span["results"][-1]["id"] == ids[0]
    assert wrong.status_code == 422


async def test_after_an_hour_a_success_has_no_data() -> None:
    async with calling() as caller:
        task_id = await caller.submit("replicate")
        caller.sim.finish(task_id)
        before = (await caller.query("replicate", task_id)).json()
        caller.skip(3_601)
        after = (await caller.query("replicate", task_id)).json()
    assert (before["data_removed"], before["output"].startswith("http")) == (False, True)
    assert (after["status"], after["data_removed"], after["output"], after["input"]) == ("succeeded", True, None, {})


async def test_a_cancellation_is_answered_with_the_prediction() -> None:
    async with calling() as caller:
        task_id = await caller.submit("replicate")
        answers = [(await caller.post("replicate", f"/predictions/{task_id}/cancel")) for _ in range(2)]
        unknown = await caller.post("replicate", "/predictions/none/cancel")
    assert [(each.status_code, each.json()["status"]) for each in answers] == [(200, "canceled")] * 2
    assert unknown.status_code == 404


@pytest.mark.parametrize(("outcome", "word"), [("finish", "succeeded"), ("fail", "failed"), ("cancel", "canceled")])
async def test_an_end_is_posted_signed_and_as_the_query_shows_it(outcome: str, word: str) -> None:
    async with calling() as caller, sink() as place:
        task_id = await submit_to(caller, place)
        getattr(caller.sim, outcome)(task_id)
        [post] = await place.wait_for(1)
        shown = (await caller.query("replicate", task_id)).json()
    assert (json.loads(post.raw)["status"], json.loads(post.raw)["output"]) == (word, shown["output"])
    message_id, stamp = post.headers["webhook-id"], post.headers["webhook-timestamp"]
    assert post.headers["webhook-signature"] == signature(WEBHOOK_SECRETS["replicate"], message_id, stamp, post.raw)


async def test_a_repeat_keeps_its_id_and_a_filter_without_the_end_brings_nothing() -> None:
    async with calling(speed=1_000) as caller, sink(500, 500, 200) as place:
        await submit_to(caller, place, webhook_events_filter=["start"])
        await submit_to(caller, place)
        posts = await place.wait_for(3)
    assert len({post.headers["webhook-id"] for post in posts}) == 1


async def test_the_secret_can_be_fetched() -> None:
    async with calling() as caller:
        assert (await caller.get("replicate", "/webhooks/default/secret")).json() == {
            "key": WEBHOOK_SECRETS["replicate"]
        }
