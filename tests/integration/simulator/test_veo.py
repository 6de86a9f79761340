"""The Gemini API: operations as paths, ends without a word, files that need the key, and the webhook of a project."""

import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from submitter.simulator.media import video_of
from submitter.simulator.platforms.veo import signature
from tests.integration.simulator.calls import PLATFORM_APIS, ApiClient, Sink, calling, sink

SUBMIT = PLATFORM_APIS["veo"].submit_path
PICTURE = {"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png"}
ASSET = {"image": PICTURE, "referenceType": "ASSET"}


async def _registered(caller: ApiClient, place: Sink) -> str:
    """Register the webhook of the project; return its secret."""
    wanted = {"name": "films", "uri": place.url, "subscribed_events": ["video.generated"]}
    answer = await caller.post("veo", "/webhooks", wanted)
    return str(answer.json()["new_signing_secret"])


def _uri(operation: Any) -> str:
    return str(operation["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"])


async def test_an_operation_is_a_path_and_says_nothing_before_its_end() -> None:
    async with calling(queued_share=0.0) as caller:
        name = await caller.submit("veo")
        running = (await caller.query("veo", name)).json()
        caller.sim.finish(name)
        done = (await caller.query("veo", name)).json()
    assert name.startswith("models/veo-3.1-generate-preview/operations/")
    assert running == {"name": name}
    assert (done["name"], done["done"]) == (name, True)


async def test_a_file_needs_the_key_and_is_gone_after_two_days() -> None:
    async with calling() as caller:
        name = await caller.submit("veo")
        caller.sim.finish(name)
        uri = _uri((await caller.query("veo", name)).json())
        with_key = await caller.http.get(uri, headers=caller.headers("veo"))
        without = await caller.http.get(uri)
        caller.skip(2 * 86_400)
        late = await caller.http.get(uri, headers=caller.headers("veo"))
        forgotten = await caller.query("veo", name)
    assert with_key.content == video_of(name, 8)
    assert [answer.status_code for answer in (without, late, forgotten)] == [401, 404, 404]


async def test_a_withheld_video_is_done_with_neither_a_sample_nor_an_error() -> None:
    async with calling() as caller:
        name = await caller.submit("veo")
        caller.sim.cancel(name)
        answer = await caller.query("veo", name)
    assert (answer.status_code, answer.json()["done"], "error" in answer.json()) == (200, True, False)
    assert answer.json()["response"]["generateVideoResponse"]["raiMediaFilteredCount"] == 1


@pytest.mark.parametrize(
    ("instance", "parameters"),
    [
        ({"prompt": ""}, {}),
        ({"prompt": "x", "lastFrame": PICTURE}, {}),
        ({"prompt": "x", "image": {"bytesBase64Encoded": "?"}}, {}),
        ({"prompt": "x", "image": PICTURE, "referenceImages": [ASSET]}, {}),
        ({"prompt": "x", "referenceImages": [ASSET] * 4}, {}),
        ({"prompt": "x", "referenceImages": [ASSET]}, {"durationSeconds": 4}),
        ({"prompt": "x"}, {"durationSeconds": 4, "resolution": "1080p"}),
        ({"prompt": "x"}, {"durationSeconds": 5}),
        ({"prompt": "x"}, {"aspectRatio": "1:1"}),
        ({"prompt": "x"}, {"seed": 7}),
        ({"prompt": "x"}, {"generateAudio": False}),
        (None, {}),
    ],
)
async def test_what_the_api_does_not_take_is_an_invalid_argument(instance: Any, parameters: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.post("veo", SUBMIT, {"instances": [instance], "parameters": parameters})
        assert (answer.status_code, caller.sim.records().tasks) == (400, ())
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_frames_and_references_are_taken() -> None:
    async with calling() as caller:
        frames = {"prompt": "x", "image": PICTURE, "lastFrame": PICTURE}
        references = {"prompt": "x", "referenceImages": [ASSET] * 3}
        bodies = [{"instances": [frames], "parameters": {"durationSeconds": 4}}, {"instances": [references]}]
        answers = [await caller.post("veo", SUBMIT, body) for body in bodies]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_the_webhook_of_a_project_reports_a_good_end_signed_and_without_the_file() -> None:
    async with calling() as caller, sink() as place:
        secret = await _registered(caller, place)
        name = await caller.submit("veo")
        caller.sim.finish(name)
        [received] = await place.wait_for(1)
        key = caller.sim.key("veo")
    body: Any = Webhook(secret).verify(received.raw, received.headers)
    assert (body["type"], body["version"], body["data"]["id"]) == ("video.generated", "v1", name)
    assert set(body["data"]) == {"id", "output_file_uri", "file_name"}
    stamp, message_id = received.headers["webhook-timestamp"], received.headers["webhook-id"]
    assert received.headers["webhook-signature"] == signature(secret, message_id, stamp, received.raw)
    assert key not in received.raw.decode() + json.dumps(received.headers)


async def test_a_failed_or_withheld_video_brings_no_event() -> None:
    async with calling() as caller, sink() as place:
        await _registered(caller, place)
        failed, withheld, good = [await caller.submit("veo", f"horse {number}") for number in range(3)]
        caller.sim.fail(failed)
        caller.sim.cancel(withheld)
        caller.sim.finish(good)
        [received] = await place.wait_for(1)
    assert json.loads(received.raw)["data"]["id"] == good


async def test_each_attempt_of_an_event_has_the_same_id() -> None:
    async with calling(speed=10_000) as caller, sink(500, 200) as place:
        await _registered(caller, place)
        await caller.submit("veo")
        first, second = await place.wait_for(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.raw == second.raw


async def test_the_key_leaks_into_no_record_and_to_no_other_host() -> None:
    async with calling() as caller:
        name = await caller.submit("veo")
        assert "x-goog-api-key" not in caller.sim.records().task(name).headers
        await caller.http.get(f"{caller.sim.origin}/elsewhere/x", headers=caller.headers("veo"))
        assert caller.sim.records().keys_leaked == 1
