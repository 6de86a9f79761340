"""The calls that a submit to Kling becomes, in both generations."""

import json
from typing import Any

import pytest

from submitter.errors import InvalidRequest
from submitter.http.messages import HttpCall
from submitter.model import ProviderTaskId, TaskId
from submitter.providers import kling, kling_token
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("kling")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/kling/token", idempotency_key="tsk_1")
OURS = {"callback_url": CONTEXT.callback_url, "external_task_id": "tsk_1"}
PICTURE = "https://a.example/1.png"


def _call(**video: Any) -> HttpCall:
    request = VideoRequest(**{"model": "kling-3.0", "prompt": "a horse", **video})
    assert validate_video(request, kling.CAPABILITIES) == ()
    return kling.build_submit(request, ACCOUNT, CONTEXT)


def _sent(**video: Any) -> tuple[str, Any]:
    call = _call(**video)
    return call.url.removeprefix("https://api-singapore.klingai.com"), json.loads(call.body)


def _rules(**video: Any) -> list[str]:
    request = VideoRequest(**{"model": "kling-3.0", "prompt": "a horse", **video})
    return [f"{each.field} {each.rule}" for each in validate_video(request, kling.CAPABILITIES)]


def test_a_prompt_goes_to_text_to_video_with_settings_and_our_own_options() -> None:
    call = _call(ratio="9:16", resolution="4K", duration=15, audio=True, watermark=False)
    assert (call.method, call.url) == ("POST", "https://api-singapore.klingai.com/text-to-video/kling-3.0")
    assert dict(call.headers)["authorization"] == "Bearer key-1"
    assert call.body.decode() == (
        '{"prompt":"a horse","settings":{"resolution":"4k","aspect_ratio":"9:16","duration":15,"audio":"native"},'
        '"options":{"watermark_info":{"enabled":false},"callback_url":"https://us.example/callbacks/kling/token",'
        '"external_task_id":"tsk_1"}}'
    )


def test_a_first_and_a_last_frame_are_contents_of_image_to_video() -> None:
    path, body = _sent(first_frame=PICTURE, last_frame="data:image/png;base64,QUJD", audio=False)
    assert path == "/image-to-video/kling-3.0"
    assert body == {
        "contents": [
            {"type": "prompt", "text": "a horse"},
            {"type": "first_frame", "url": PICTURE},
            {"type": "last_frame", "url": "QUJD"},
        ],
        "settings": {"audio": "off"},
        "options": OURS,
    }


def test_reference_images_have_names_that_the_prompt_uses() -> None:
    path, body = _sent(
        model="kling-3.0-omni",
        prompt="[Image 1] meets character2",
        reference_images=(PICTURE, "https://a.example/2.png"),
        ratio="1:1",
    )
    assert path == "/omni-video/kling-3.0-omni"
    assert body["contents"] == [
        {"type": "prompt", "text": "@image_1 meets @image_2"},
        {"type": "refer_image", "url": PICTURE, "id": "image_1"},
        {"type": "refer_image", "url": "https://a.example/2.png", "id": "image_2"},
    ]


@pytest.mark.parametrize(
    ("frame", "kind", "more"),
    [(None, "text2video", {"ratio": "16:9"}), (PICTURE, "image2video", {"last_frame": PICTURE})],
)
def test_the_old_generation_is_flat_and_its_own_id_names_the_path(
    frame: str | None, kind: str, more: dict[str, Any]
) -> None:
    path, body = _sent(
        model="kling-v3",
        first_frame=frame,
        negative_prompt="rain",
        resolution="1080p",
        duration=5,
        audio=True,
        **more,
    )
    pictures = {} if frame is None else {"image": PICTURE, "image_tail": PICTURE}
    ratio = {} if frame else {"aspect_ratio": "16:9"}
    assert path == f"/v1/videos/{kind}"
    assert body == {
        "model_name": "kling-v3",
        "prompt": "a horse",
        "negative_prompt": "rain",
        **pictures,
        "mode": "pro",
        "sound": "on",
        "duration": "5",
        **ratio,
        "callback_url": CONTEXT.callback_url,
        "external_task_id": f"tsk_1-{kind}",
    }


@pytest.mark.parametrize(("resolution", "mode"), [("720p", "std"), ("1080p", "pro"), ("4k", "4k")])
def test_a_resolution_is_a_mode_of_the_old_generation(resolution: str, mode: str) -> None:
    assert _sent(model="kling-v3", resolution=resolution)[1]["mode"] == mode


@pytest.mark.parametrize(
    ("video", "rule"),
    [
        ({"negative_prompt": "rain"}, "video.negative_prompt does not exist"),
        ({"seed": 1}, "video.seed does not exist"),
        ({"last_frame": PICTURE}, "video.last_frame stands without a first frame"),
        ({"first_frame": PICTURE, "ratio": "16:9"}, "video.ratio stands beside a first frame"),
        ({"ratio": "4:3"}, "video.ratio '4:3' is not offered"),
        ({"duration": 16}, "video.duration is out of range"),
        ({"prompt": "x" * 3073}, "video.prompt has 3073 characters"),
        ({"reference_images": (PICTURE,)}, "video.reference_images does not exist"),
        ({"model": "kling-3.0-omni"}, "video.ratio is missing, and there is no first frame"),
        ({"model": "kling-3.0-omni", "ratio": "1:1", "reference_images": (PICTURE,) * 8}, "video.reference_images has"),
        ({"model": "kling-v3", "watermark": True}, "video.watermark does not exist"),
        ({"model": "kling-v3", "prompt": "x" * 2501}, "video.prompt has 2501 characters"),
    ],
)
def test_what_the_documents_exclude_is_refused_before_money(video: dict[str, Any], rule: str) -> None:
    [found] = _rules(**video)
    assert found.startswith(rule)


def test_omni_needs_a_ratio_only_without_a_first_frame() -> None:
    assert _rules(model="kling-3.0-omni", first_frame=PICTURE) == []
    assert _rules(model="kling-3.0-omni", ratio="16:9") == []


def test_a_raw_body_of_the_new_generation_keeps_its_options() -> None:
    body = {"prompt": "x", "settings": {"multi_shot": False}, "options": {"watermark_info": {"enabled": True}}}
    call = kling.build_submit(RawRequest(body=body, path="/text-to-video/kling-2.6"), ACCOUNT, CONTEXT)
    assert json.loads(call.body) == body | {"options": {"watermark_info": {"enabled": True}, **OURS}}


def test_a_raw_body_of_the_old_generation_gets_its_members_at_the_top() -> None:
    call = kling.build_submit(RawRequest(body={"video_id": "v"}, path="/v1/videos/lip-sync"), ACCOUNT, CONTEXT)
    assert call.url.endswith("/v1/videos/lip-sync")
    assert json.loads(call.body) == {"video_id": "v", **OURS, "external_task_id": "tsk_1-lip-sync"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"callback_url": "https://x.example"}, "raw.body.callback_url"),
        ({"external_task_id": "mine"}, "raw.body.external_task_id"),
        ({"options": {"callback_url": None}}, "raw.body.options.callback_url"),
        ({"options": {"external_task_id": "mine"}}, "raw.body.options.external_task_id"),
    ],
)
def test_what_is_ours_may_not_stand_in_a_raw_body(body: dict[str, Any], field: str) -> None:
    request = RawRequest(body=body, path="/v1/videos/text2video")
    assert [each.field for each in validate_video(request, kling.CAPABILITIES)] == [field]


@pytest.mark.parametrize("path", ["/tasks", "/v1/videos", "/v1/images/generations", "/text-to-video", "/v1/videos/A"])
def test_a_raw_path_must_be_one_that_makes_a_video(path: str) -> None:
    request = RawRequest(body={}, path=path)
    assert [each.field for each in validate_video(request, kling.CAPABILITIES)] == ["raw.path"]


def test_a_raw_body_needs_a_path() -> None:
    with pytest.raises(InvalidRequest):
        kling.build_submit(RawRequest(body={}), ACCOUNT, CONTEXT)


def test_without_a_callback_url_only_our_own_id_is_sent() -> None:
    context = SubmitContext(callback_url=None, idempotency_key="tsk_1")
    call = kling.build_submit(VideoRequest(model="kling-3.0", prompt="x"), ACCOUNT, context)
    assert json.loads(call.body)["options"] == {"external_task_id": "tsk_1"}


# The token of a pair of keys


def test_the_token_is_that_of_the_worked_example() -> None:
    assert kling_token.token("ak-example", "sk-example", 1_790_000_000) == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJhay1leGFtcGxlIiwiZXhwIjoxNzkwMDAxODAwLCJuYmYiOjE3ODk5OTk5OTV9."
        "Lo4InKBjByDWPQOmiThyjVgipV7I6oLyO8imMxAL2Tc"
    )


def test_a_pair_of_keys_signs_each_request_when_it_is_sent() -> None:
    account = recorded.account("kling", api_key="ak-example", secret_key="sk-example")
    call = kling.build_status(ProviderTaskId("image2video:1"), account)
    signed = kling.sign_request(call, account, 1_790_000_000_999)
    made = kling_token.token("ak-example", "sk-example", 1_790_000_000)
    assert dict(signed.headers)["authorization"] == f"Bearer {made}"
    assert (signed.url, len(signed.headers)) == (call.url, len(call.headers))
    assert kling.sign_request(signed, account, 1_790_000_000_000) == signed


def test_a_plain_key_signs_nothing() -> None:
    call = kling.build_status(ProviderTaskId("1"), ACCOUNT)
    assert kling.sign_request(call, ACCOUNT, 0) is call


def test_a_secret_key_of_any_text_makes_a_token() -> None:
    assert kling_token.token("é", "\udcff", 0).count(".") == 2


# The look-up by our own id


def test_a_lost_task_of_the_new_generation_is_found_by_our_own_id() -> None:
    request = VideoRequest(model="kling-3.0", prompt="x")
    call = kling.build_lookup(TaskId("tsk_1"), request, ACCOUNT, page=1)
    assert (call.method, call.url.partition("com")[2]) == ("GET", "/tasks?external_task_ids=tsk_1")


def test_a_lost_task_of_the_old_generation_is_found_in_the_list_of_its_path() -> None:
    request = VideoRequest(model="kling-v3", prompt="x", first_frame=PICTURE)
    call = kling.build_lookup(TaskId("tsk_1"), request, ACCOUNT, page=2)
    assert (call.method, call.url.partition("com")[2]) == ("GET", "/v1/videos/image2video?pageNum=2&pageSize=30")
