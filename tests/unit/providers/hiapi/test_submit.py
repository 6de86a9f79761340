"""The calls that a submit to HiAPI becomes."""

import json

from submitter.providers import hiapi
from submitter.providers.contract import SubmitContext
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("hiapi")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/hiapi/token", idempotency_key="tsk_1")
TEXT = VideoRequest(model="happyhorse-1.1/text-to-video", prompt="a hörse", resolution="720P", duration=3)


def test_a_submit_carries_key_idempotency_and_callback() -> None:
    call = hiapi.build_submit(TEXT, ACCOUNT, CONTEXT)
    assert (call.method, call.url) == ("POST", "https://api.hiapi.ai/v1/tasks")
    assert call.headers == (
        ("authorization", "Bearer key-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("idempotency-key", "tsk_1"),
    )
    assert call.body.decode() == (
        '{"model":"happyhorse-1.1/text-to-video",'
        '"input":{"prompt":"a hörse","resolution":"720p","duration":3},'
        '"callback":{"url":"https://us.example/callbacks/hiapi/token","when":"final"}}'
    )


def test_equal_submits_are_equal_bytes() -> None:
    assert hiapi.build_submit(TEXT, ACCOUNT, CONTEXT) == hiapi.build_submit(TEXT.model_copy(), ACCOUNT, CONTEXT)


def test_without_a_callback_url_no_callback_is_requested() -> None:
    call = hiapi.build_submit(TEXT, ACCOUNT, SubmitContext(callback_url=None, idempotency_key="tsk_1"))
    assert "callback" not in json.loads(call.body)


def test_a_raw_body_passes_unchanged_but_for_the_callback() -> None:
    body = {"zeta": 1, "model": "other/model", "input": {"b": [None, True], "a": 1.5}}
    call = hiapi.build_submit(RawRequest(body=body), ACCOUNT, CONTEXT)
    sent = json.loads(call.body)
    assert sent.pop("callback") == {"url": CONTEXT.callback_url, "when": "final"}
    assert list(sent.items()) == list(body.items())


def test_the_key_stays_out_of_the_repr_of_the_call() -> None:
    assert "key-1" not in repr(hiapi.build_submit(TEXT, ACCOUNT, CONTEXT)) + repr(ACCOUNT)


def test_a_prompt_in_the_words_of_another_provider_is_translated() -> None:
    request = VideoRequest(
        model="happyhorse-1.1/reference-to-video",
        prompt="Character1 waves",
        reference_images=("https://a.example/1.png",),
    )
    sent = json.loads(hiapi.build_submit(request, ACCOUNT, CONTEXT).body)
    assert sent["input"] == {"prompt": "[Image 1] waves", "reference_image": ["https://a.example/1.png"]}


def test_a_first_frame_is_the_one_picture_of_image_to_video() -> None:
    request = VideoRequest(
        model="happyhorse-1.1/image-to-video", first_frame="https://a.example/1.png", resolution="1080P", duration=15
    )
    assert json.loads(hiapi.build_submit(request, ACCOUNT, CONTEXT).body) == {
        "model": "happyhorse-1.1/image-to-video",
        "input": {"image_urls": ["https://a.example/1.png"], "resolution": "1080p", "duration": 15},
        "callback": {"url": CONTEXT.callback_url, "when": "final"},
    }
