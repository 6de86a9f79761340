"""kie.ai's own documented behaviour: the code in the body, JSON in a text, a signature that omits the body."""

import json
from typing import Any

import pytest

from submitter.simulator.platforms.kie import signature
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import calling, sink

SECRET = "sim-kie-webhook-secret"
R2V = {"prompt": "a horse", "reference_image": [PICTURE]}


def test_the_signature_is_that_of_the_worked_example() -> None:
    expected = "360MAlDPub51D0tWGjF6Wt57a5rN3CBB5FzanbPhEbI="
    assert signature("kie-example-hmac-key-0001", "task_example_0001", "1790000000") == expected


@pytest.mark.parametrize("in_200", [True, False])
@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("happyhorse/reference-to-video", {"prompt": "a horse"}),
        ("happyhorse/reference-to-video", R2V | {"reference_image": [PICTURE] * 10}),
        ("happyhorse/reference-to-video", R2V | {"resolution": "720P"}),
        ("happyhorse/reference-to-video", R2V | {"aspect_ratio": "21:9"}),
        ("happyhorse/reference-to-video", R2V | {"duration": 16}),
        ("happyhorse-1-1/reference-to-video", R2V | {"seed": 1}),
        ("happyhorse-1-1/image-to-video", {"prompt": "a horse", "image_urls": [PICTURE] * 2}),
        ("happyhorse/text-to-video", {"prompt": " "}),
    ],
)
async def test_every_documented_limit_is_a_422(model: str, wanted: dict[str, Any], in_200: bool) -> None:
    async with calling(kie_errors_in_200=in_200) as caller:
        answer = await caller.post("kie", "/jobs/createTask", {"model": model, "input": wanted})
        assert (answer.status_code, answer.json()["code"]) == (200 if in_200 else 422, 422)
        assert (answer.json()["data"], caller.sim.records().tasks) == (None, ())


async def test_the_newer_models_have_no_place_for_a_callback_url() -> None:
    async with calling() as caller:
        body = {"model": "happyhorse-1-1/reference-to-video", "input": R2V | {"aspect_ratio": "21:9"}}
        assert (await caller.post("kie", "/jobs/createTask", body)).json()["code"] == 200
        refused = await caller.post("kie", "/jobs/createTask", body | {"callBackUrl": "https://us.example"})
        assert (refused.json()["code"], "callBackUrl" in refused.json()["msg"]) == (422, True)


async def test_a_result_and_the_parameters_are_json_in_a_text() -> None:
    async with calling() as caller:
        good, bad = [await caller.submit("kie") for _ in range(2)]
        before = (await caller.query("kie", good)).json()["data"]
        caller.sim.finish(good)
        caller.sim.fail(bad, message="no horse found")
        after, failed = [(await caller.query("kie", each)).json() for each in (good, bad)]
    [link] = json.loads(after["data"]["resultJson"])["resultUrls"]
    assert link.startswith(caller.sim.origin)
    assert json.loads(after["data"]["param"])["model"] == "happyhorse/text-to-video"
    assert (before["resultJson"], "completeTime" in before) == ("", False)
    assert after["data"]["completeTime"] >= after["data"]["createTime"] > 10**12
    assert (failed["code"], failed["message"]) == (200, "success")
    assert (failed["data"]["failCode"], failed["data"]["failMsg"]) == ("422", "no horse found")


async def test_no_money_is_a_402_that_may_hide_in_200() -> None:
    for in_200, status in ((True, 200), (False, 402)):
        async with calling(quota={"kie": 0}, kie_errors_in_200=in_200) as caller:
            answer = await caller.send("kie")
        assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (status, 402, None)


async def test_twenty_submits_in_ten_seconds_are_the_most_and_queries_do_not_count() -> None:
    async with calling() as caller:
        task_id = await caller.submit("kie")
        for _ in range(25):
            assert (await caller.query("kie", task_id)).status_code == 200
        codes = [(await caller.send("kie")).json()["code"] for _ in range(20)]
        caller.skip(10)
        later = (await caller.send("kie")).json()["code"]
    assert (codes, later) == ([200] * 19 + [429], 200)


@pytest.mark.parametrize(("outcome", "code", "state"), [("finish", 200, "success"), ("fail", 501, "fail")])
async def test_an_end_is_posted_with_its_record_and_the_id_and_time_are_signed(
    outcome: str, code: int, state: str
) -> None:
    async with calling() as caller, sink() as place:
        task_id = await caller.submit("kie", callBackUrl=place.url)
        getattr(caller.sim, outcome)(task_id)
        [post] = await place.wait_for(1)
    body = json.loads(post.raw)
    assert (body["code"], body["data"]["taskId"], body["data"]["state"]) == (code, task_id, state)
    stamp = post.headers["x-webhook-timestamp"]
    assert post.headers["x-webhook-signature"] == signature(SECRET, task_id, stamp)


async def test_a_wrongly_signed_callback_is_signed_for_another_id() -> None:
    async with calling() as caller, sink() as place:
        task_id = await caller.submit("kie", "x #simulate:callback_wrongly_signed", callBackUrl=place.url)
        caller.sim.finish(task_id)
        [post] = await place.wait_for(1)
    assert post.headers["x-webhook-signature"] != signature(SECRET, task_id, post.headers["x-webhook-timestamp"])


async def test_without_a_key_in_the_settings_nothing_is_signed() -> None:
    async with calling(webhook_secrets={"kie": None}) as caller, sink() as place:
        caller.sim.finish(await caller.submit("kie", callBackUrl=place.url))
        [post] = await place.wait_for(1)
    assert not [name for name in post.headers if name.startswith("x-webhook")]


async def test_there_are_three_repeats_and_no_more() -> None:
    async with calling(speed=10_000) as caller, sink(500) as place:
        await caller.submit("kie", callBackUrl=place.url)
        posts = await place.wait_for(4)
    assert len({post.raw for post in posts}) == 1
