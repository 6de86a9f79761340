"""The calls that a submit to kie.ai becomes."""

import json
from typing import Any

import pytest

from submitter.http.messages import HttpCall
from submitter.model import ProviderTaskId
from submitter.providers import kie
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("kie")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/kie/token", idempotency_key="tsk_1")
PICTURE = "https://a.example/1.png"


def _call(**video: Any) -> HttpCall:
    request = VideoRequest(**{"model": "happyhorse/text-to-video", "prompt": "a horse", **video})
    assert validate_video(request, kie.CAPABILITIES) == ()
    return kie.build_submit(request, ACCOUNT, CONTEXT)


def test_a_submit_names_model_input_and_callback() -> None:
    call = _call(resolution="1080P", ratio="9:16", duration=15)
    assert (call.method, call.url) == ("POST", "https://api.kie.ai/api/v1/jobs/createTask")
    assert dict(call.headers)["authorization"] == "Bearer key-1"
    assert call.body.decode() == (
        '{"model":"happyhorse/text-to-video",'
        '"input":{"prompt":"a horse","resolution":"1080p","aspect_ratio":"9:16","duration":15},'
        '"callBackUrl":"https://us.example/callbacks/kie/token"}'
    )


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("happyhorse/reference-to-video", "character1 waves"),
        ("happyhorse-1-1/reference-to-video", "[Image 1] waves"),
    ],
)
@pytest.mark.parametrize("given", ["[Image 1] waves", "character1 waves"])
def test_each_model_has_its_own_names_of_pictures(model: str, prompt: str, given: str) -> None:
    sent = json.loads(_call(model=model, prompt=given, reference_images=(PICTURE,)).body)
    assert sent["input"] == {"prompt": prompt, "reference_image": [PICTURE]}


@pytest.mark.parametrize("family", ["happyhorse", "happyhorse-1-1"])
def test_a_first_frame_is_the_only_one_of_image_urls(family: str) -> None:
    sent = json.loads(_call(model=f"{family}/image-to-video", first_frame=PICTURE).body)
    assert sent["input"] == {"prompt": "a horse", "image_urls": [PICTURE]}


@pytest.mark.parametrize(
    ("video", "rule"),
    [
        ({"seed": 1}, "video.seed does not exist"),
        (
            {"model": "happyhorse-1-1/reference-to-video", "reference_images": (PICTURE,), "seed": 1},
            "video.seed does not exist",
        ),
        ({"ratio": "21:9"}, "video.ratio '21:9' is not offered"),
        ({"model": "happyhorse/image-to-video", "first_frame": PICTURE, "ratio": "1:1"}, "video.ratio does not exist"),
        ({"model": "happyhorse/reference-to-video"}, "video.reference_images has 0 pictures"),
        ({"audio": True}, "video.audio does not exist"),
        ({"duration": 2}, "video.duration is out of range"),
        ({"prompt": "马" * 2501}, "video.prompt weighs 5002"),
    ],
)
def test_what_the_documents_exclude_is_refused_before_money(video: dict[str, Any], rule: str) -> None:
    request = VideoRequest(**{"model": "happyhorse/text-to-video", "prompt": "a horse", **video})
    [found] = validate_video(request, kie.CAPABILITIES)
    assert f"{found.field} {found.rule}".startswith(rule)


@pytest.mark.parametrize(("choice", "is_called_back"), [(None, False), ("polled", False), ("called-back", True)])
@pytest.mark.parametrize("is_raw", [True, False])
def test_the_newer_models_are_polled_unless_the_account_says_otherwise(
    choice: str | None, is_called_back: bool, is_raw: bool
) -> None:
    account = recorded.account("kie", options={} if choice is None else {"happyhorse_1_1": choice})
    model = "happyhorse-1-1/text-to-video"
    raw, video = RawRequest(body={"model": model, "input": {}}), VideoRequest(model=model, prompt="x")
    sent = json.loads(kie.build_submit(raw if is_raw else video, account, CONTEXT).body)
    assert ("callBackUrl" in sent) is is_called_back


def test_a_raw_body_passes_unchanged_but_for_the_callback() -> None:
    body = {"model": "other/model", "input": {"imageUrls": [1.5, None]}}
    sent = json.loads(kie.build_submit(RawRequest(body=body), ACCOUNT, CONTEXT).body)
    assert sent == {**body, "callBackUrl": CONTEXT.callback_url}
    without = SubmitContext(callback_url=None, idempotency_key="tsk_1")
    assert json.loads(kie.build_submit(RawRequest(body=body), ACCOUNT, without).body) == body


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"body": {"callBackUrl": "https://x.example"}}, "raw.body.callBackUrl"),
        ({"body": {}, "path": "/veo/generate"}, "raw.path"),
    ],
)
def test_a_raw_request_is_a_job_and_its_callback_is_ours(raw: dict[str, Any], field: str) -> None:
    assert [each.field for each in validate_video(RawRequest(**raw), kie.CAPABILITIES)] == [field]


def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    call = kie.build_status(ProviderTaskId("a&b=../c#d"), ACCOUNT)
    assert call.url == "https://api.kie.ai/api/v1/jobs/recordInfo?taskId=a%26b%3D..%2Fc%23d"
